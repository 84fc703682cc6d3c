/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions come in any order (threads write theirs by themselves), but what one refers to has a smaller id. So they
 * are put in the order of their ids first, and each finds its parents' nodes made.
 *
 * Interleaving. Let M(p, n) be the node of the Python stack p and the native stack n. Its innermost frame is that of n
 * unless that is the evaluation loop, for which the innermost frame of p stands, and the loop stays until p reaches an
 * entry:
 *
 *     M(p, 0) = p without its entries                   M(0, n) = n, its evaluation loops being internal frames
 *     M(p, n) = n's frame on M(p, n's parent)           n is no evaluation loop
 *             = p's frame on M(p's parent, n)           it is; p's parent is a frame of the same group
 *             = p's frame on M(below the entry, n's parent)    p's parent is the entry: the group ends
 *             = M(below the entry, n's parent)          p is an entry: the group is empty
 *
 * Each pair that is met is remembered, so what two joins share outwards is walked once. All pairs that a trace can
 * name are too many, though (n frames times n frames): STEPS_EACH for each definition is more than real stacks take,
 * and where it ends, it ends for all.
 */
#include "analyzer/read/stacks.h"

#include <stdlib.h>
#include <string.h>

enum {
	DENSE_SLACK = 65536, /* node_of[] may have this many places more than ... */
	DENSE_FACTOR = 16,   /* ... as many definitions as there are, times this: lost blocks leave holes in the ids */
	STEPS_EACH = 16,
	STEPS_FREE = 1 << 20,
};

/* Indexes in `raw` that stand for no definition. */
enum { RAW_EMPTY = 0, RAW_UNKNOWN = 1 };

/* raw_stack.flags while merging */
enum { RAW_INTERNAL = 128, RAW_SKIPPED = 64, RAW_ENTRY = 32 };
_Static_assert((int)RAW_INTERNAL == (int)NODE_INTERNAL, "a node takes the flag over");

struct pair {
	uint32_t python, native; /* indexes in `raw` */
};

struct step {
	struct pair at;
	uint32_t frame; /* whose frame stands there; RAW_EMPTY: none's */
};

struct merger {
	struct stacks *s;
	struct raw_stack *raw; /* in the order of ids; [0] and [1] stand for no definition */
	size_t n_raw;
	node_id *alone;      /* by raw: FRAME: M(p, 0); NATIVE: M(0, n); JOIN: its node */
	struct map merged;   /* pairs to nodes */
	uint32_t *table;     /* nodes by their content; 0: free */
	size_t table_places; /* a power of two */
	uint64_t steps_left;
	ARRAY(struct step) steps;
};

void stacks_init(struct stacks *s)
{
	*array_push(&s->nodes) = (struct node){ .offset = PT_OFFSET_NONE };
	*array_push(&s->nodes) = (struct node){ .offset = PT_OFFSET_NONE };
}

bool stacks_add(struct stacks *s, const struct pt_def *def)
{
	uint32_t words[4];
	struct raw_stack raw = { .id = (uint32_t)def->id, .op = def->op };

	if (def->len != sizeof words || def->id == 0 || def->id > INT32_MAX)
		return false;
	memcpy(words, def->data, sizeof words);
	raw.below = words[0];
	raw.what = words[1];
	if (def->op != PT_OP_JOIN)
		raw.offset = words[PT_FRAME_OFFSET];
	if (def->op == PT_OP_NATIVE) {
		raw.flags = words[PT_NATIVE_FLAGS] & (PT_NATIVE_EXACT | PT_NATIVE_EVAL | PT_NATIVE_CUT);
		raw.offset_high = (uint16_t)(words[PT_NATIVE_FLAGS] >> 16);
	}
	*array_push(&s->raw) = raw;
	return true;
}

/* ---- by id ---- */

/* How many stack ids node_of[] has places for: ids out of all proportion to what is defined are damage. */
static uint32_t count_ids(const struct stacks *s)
{
	uint64_t limit = (uint64_t)s->raw.n * DENSE_FACTOR + DENSE_SLACK;
	uint32_t last = 0;

	for (size_t i = 0; i < s->raw.n; i++) {
		if (s->raw.at[i].id < limit && s->raw.at[i].id > last)
			last = s->raw.at[i].id;
	}
	return last + 1;
}

/* Puts definitions in the order of their ids, each once; index_of[id] says where. A definition may come twice. */
static uint32_t *sort_raw(struct merger *m)
{
	struct stacks *s = m->s;
	uint32_t *index_of = mem_zero(s->n, sizeof *index_of);

	m->raw = mem_zero(s->raw.n + 2, sizeof *m->raw);
	m->n_raw = 2;
	for (size_t i = s->raw.n; i-- > 0;) {
		s->n_bad += s->raw.at[i].id >= s->n;
		if (s->raw.at[i].id < s->n)
			index_of[s->raw.at[i].id] = (uint32_t)i + 1;
	}
	for (uint32_t id = 1; id < s->n; id++) {
		if (!index_of[id])
			continue;
		m->raw[m->n_raw] = s->raw.at[index_of[id] - 1];
		index_of[id] = (uint32_t)m->n_raw++;
	}
	return index_of;
}

/* The index of the definition `id` that must be of the kind `op` and older than `than`. */
static uint32_t resolve(struct merger *m, const uint32_t *index_of, uint32_t id, uint8_t op, uint32_t than)
{
	uint32_t index;

	if (id == 0)
		return RAW_EMPTY;
	index = id < than ? index_of[id] : 0;
	if (index && m->raw[index].op == op)
		return index;
	m->s->n_bad += id >= than || index; /* else it is just missing */
	return RAW_UNKNOWN;
}

/* ---- nodes ---- */

static uint64_t node_hash(const struct node *n)
{
	uint64_t words[2];

	memcpy(words, n, sizeof words);
	return map_mix(words[0] ^ map_mix(words[1] + 1));
}

static void table_put(struct merger *m, node_id id)
{
	size_t i = node_hash(&m->s->nodes.at[id]) & (m->table_places - 1);

	while (m->table[i])
		i = (i + 1) & (m->table_places - 1);
	m->table[i] = id;
}

static void table_grow(struct merger *m)
{
	free(m->table);
	m->table_places = m->table_places ? m->table_places * 2 : 1024;
	m->table = mem_zero(m->table_places, sizeof *m->table);
	for (node_id id = NODE_UNKNOWN + 1; id < m->s->nodes.n; id++)
		table_put(m, id);
}

/* The node equal to *n: an old one or a new one. */
static node_id node_fold(struct merger *m, const struct node *n)
{
	size_t i;

	if (m->s->nodes.n * 2 > m->table_places)
		table_grow(m);
	for (i = node_hash(n) & (m->table_places - 1); m->table[i]; i = (i + 1) & (m->table_places - 1)) {
		if (!memcmp(&m->s->nodes.at[m->table[i]], n, sizeof *n))
			return m->table[i];
	}
	m->table[i] = (node_id)m->s->nodes.n;
	*array_push(&m->s->nodes) = *n;
	return m->table[i];
}

static node_id push_frame(struct merger *m, uint32_t index, node_id parent)
{
	const struct raw_stack *raw = &m->raw[index];
	struct node node = { .parent = parent,
			     .code = raw->what,
			     .offset = raw->offset,
			     .offset_high = raw->offset_high,
			     .kind = NODE_PYTHON };

	if (raw->op == PT_OP_NATIVE && raw->flags & PT_NATIVE_CUT)
		node = (struct node){ .parent = parent, .kind = NODE_CUT };
	else if (raw->op == PT_OP_NATIVE) {
		node.kind = NODE_NATIVE;
		node.flags = raw->flags & (NODE_EXACT | NODE_INTERNAL);
	}
	return node_fold(m, &node);
}

/* ---- which frames ---- */

static bool is_frame(const struct merger *m, uint32_t python)
{
	return python > RAW_UNKNOWN && !(m->raw[python].flags & RAW_ENTRY);
}

static bool is_entry(const struct merger *m, uint32_t python) { return m->raw[python].flags & RAW_ENTRY; }

/*
 * The interpreter's frames, the loop among them, whatever frames of its own the run-time library has on top of these,
 * and how the system starts a program and a thread: frames of libc at the outer end, `_start` of the program before.
 */
static bool is_internal(const struct merger *m, const struct raw_stack *raw, const struct module *module)
{
	const struct raw_stack *caller = &m->raw[raw->below];

	if (raw->flags & PT_NATIVE_CUT)
		return false;
	if (raw->flags & PT_NATIVE_EVAL || module->role == MODULE_INTERPRETER || module->role == MODULE_ALLOCATOR)
		return true;
	if (module->role == MODULE_RUNTIME)
		return raw->below <= RAW_UNKNOWN || caller->flags & (RAW_INTERNAL | PT_NATIVE_CUT);
	return raw->below == RAW_EMPTY && module->flags & PT_MODULE_MAIN;
}

static void link_native(struct merger *m, const uint32_t *index_of, struct raw_stack *raw,
			const struct modules *modules)
{
	const struct raw_stack *caller;

	raw->below = resolve(m, index_of, raw->below, PT_OP_NATIVE, raw->id);
	raw->what = modules_find(modules, raw->what);
	if (is_internal(m, raw, &modules->at.at[raw->what]))
		raw->flags |= RAW_INTERNAL;
	if (raw->flags & RAW_INTERNAL && !(raw->flags & PT_NATIVE_EVAL) && !m->s->internals)
		raw->flags |= RAW_SKIPPED;
	caller = &m->raw[raw->below];
	if (caller->flags & RAW_SKIPPED)
		raw->below = caller->below;
}

/* Where an evaluation loop is, there is an interpreter, whether or not the tracer knew when it met the module. */
static void find_interpreters(const struct merger *m, struct modules *modules)
{
	for (uint32_t i = RAW_UNKNOWN + 1; i < m->n_raw; i++) {
		uint32_t module;

		if (m->raw[i].op != PT_OP_NATIVE || !(m->raw[i].flags & PT_NATIVE_EVAL))
			continue;
		module = modules_find(modules, m->raw[i].what);
		if (module > MODULE_UNKNOWN)
			modules->at.at[module].role = MODULE_INTERPRETER;
	}
}

/* Turns ids into indexes, in the order of ids: a skipped frame's callers know already where it leads. */
static void link_raw(struct merger *m, const uint32_t *index_of, const struct stacks_names *names)
{
	for (uint32_t i = RAW_UNKNOWN + 1; i < m->n_raw; i++) {
		struct raw_stack *raw = &m->raw[i];

		if (raw->op == PT_OP_NATIVE) {
			link_native(m, index_of, raw, names->modules);
			continue;
		}
		raw->below = resolve(m, index_of, raw->below, PT_OP_FRAME, raw->id);
		if (raw->op == PT_OP_FRAME) {
			raw->flags = raw->what == PT_CODE_ENTRY ? RAW_ENTRY : 0;
			raw->what = names->code(names->self, raw->what);
			continue;
		}
		raw->what = resolve(m, index_of, raw->what, PT_OP_NATIVE, raw->id);
		if (m->raw[raw->what].flags & RAW_SKIPPED)
			raw->what = m->raw[raw->what].below;
	}
}

/* ---- interleaving ---- */

/* Where the walk goes on below the frame `python` of a group that runs in the loop `native`. */
static struct pair leave_frame(const struct merger *m, uint32_t python, uint32_t native)
{
	uint32_t caller = m->raw[python].below;

	if (is_frame(m, caller))
		return (struct pair){ caller, native };
	return (struct pair){ is_entry(m, caller) ? m->raw[caller].below : caller, m->raw[native].below };
}

/* What stands at a pair of two stacks that are not empty, and what is next. */
static struct step take_step(const struct merger *m, struct pair at, struct pair *ret_next)
{
	const struct raw_stack *raw = &m->raw[at.native];
	struct step step = { at, at.native };

	*ret_next = (struct pair){ at.python, raw->below };
	if (!(raw->flags & PT_NATIVE_EVAL)) {
		if (raw->flags & PT_NATIVE_CUT && !m->s->internals)
			step.frame = RAW_EMPTY; /* what is missing lies between the frames that are there */
		return step;
	}
	if (is_frame(m, at.python)) {
		step.frame = at.python;
		*ret_next = leave_frame(m, at.python, at.native);
		return step;
	}
	if (is_entry(m, at.python))
		ret_next->python = m->raw[at.python].below;
	if (!m->s->internals)
		step.frame = RAW_EMPTY;
	return step;
}

/* The node of a pair that needs no walk; NODE_EMPTY without *ret_known when it does. */
static node_id known_node(const struct merger *m, struct pair at, bool *ret_known)
{
	uint32_t found;

	*ret_known = true;
	if (at.native <= RAW_UNKNOWN && at.python <= RAW_UNKNOWN)
		return at.native == RAW_UNKNOWN || at.python == RAW_UNKNOWN ? NODE_UNKNOWN : NODE_EMPTY;
	if (at.native <= RAW_UNKNOWN)
		return m->alone[at.python];
	if (at.python == RAW_EMPTY)
		return m->alone[at.native];
	found = map_find(&m->merged, (uint64_t)at.python << 32 | at.native);
	*ret_known = found != MAP_NONE;
	return *ret_known ? found : NODE_EMPTY;
}

/* M(python, native). False when the steps are used up. */
static bool merge(struct merger *m, struct pair at, node_id *ret)
{
	bool known;
	node_id node = known_node(m, at, &known);

	for (m->steps.n = 0; !known; node = known_node(m, at, &known)) {
		if (!m->steps_left)
			return false;
		m->steps_left--;
		*array_push(&m->steps) = take_step(m, at, &at);
	}
	while (m->steps.n) {
		const struct step *step = &m->steps.at[--m->steps.n];

		if (step->frame)
			node = push_frame(m, step->frame, node);
		*map_at(&m->merged, (uint64_t)step->at.python << 32 | step->at.native) = node;
	}
	*ret = node;
	return true;
}

/* ---- each definition ---- */

static node_id node_alone(struct merger *m, uint32_t index)
{
	const struct raw_stack *raw = &m->raw[index];
	node_id below = m->alone[raw->below];

	if (raw->flags & RAW_ENTRY || raw->flags & RAW_SKIPPED)
		return below;
	if (raw->flags & PT_NATIVE_EVAL && !m->s->internals)
		return below;
	return push_frame(m, index, below);
}

static node_id node_joined(struct merger *m, uint32_t index)
{
	struct pair pair = { m->raw[index].below, m->raw[index].what };
	node_id node;

	if (merge(m, pair, &node))
		return node;
	m->s->n_unmerged++;
	return m->alone[pair.python > RAW_EMPTY ? pair.python : pair.native];
}

static void make_nodes(struct merger *m)
{
	struct stacks *s = m->s;

	m->alone = mem_zero(m->n_raw, sizeof *m->alone);
	m->alone[RAW_UNKNOWN] = NODE_UNKNOWN;
	m->steps_left = (uint64_t)m->n_raw * STEPS_EACH + STEPS_FREE;
	s->node_of = mem_alloc(s->n * sizeof *s->node_of);
	for (uint32_t id = 0; id < s->n; id++)
		s->node_of[id] = id ? NODE_UNKNOWN : NODE_EMPTY;
	for (uint32_t i = RAW_UNKNOWN + 1; i < m->n_raw; i++) {
		m->alone[i] = m->raw[i].op == PT_OP_JOIN ? node_joined(m, i) : node_alone(m, i);
		s->node_of[m->raw[i].id] = m->alone[i];
	}
}

void stacks_finish(struct stacks *s, const struct stacks_names *names)
{
	struct merger m = { .s = s };
	uint32_t *index_of;

	s->n = count_ids(s);
	index_of = sort_raw(&m);
	if (!s->keep_raw)
		array_free(&s->raw);
	find_interpreters(&m, names->modules);
	link_raw(&m, index_of, names);
	free(index_of);
	make_nodes(&m);
	free(m.raw);
	free(m.alone);
	free(m.table);
	map_free(&m.merged);
	array_free(&m.steps);
}

void stacks_free(struct stacks *s)
{
	array_free(&s->nodes);
	array_free(&s->raw);
	free(s->node_of);
}
