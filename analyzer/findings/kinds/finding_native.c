/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_native: native blocks to which no pointer leads, as findings
 *
 * That nothing leads to a block is seen, not inferred from a trend. Still not every such block is an accusation:
 *
 *   - registers of other threads were not looked at: one block for each of them may hang there, or two;
 *   - a library may lose a block when it is loaded, or at its first use, and that is all it ever loses: so there must
 *     be several, or much;
 *   - a pointer may be hidden (tagged, XORed, in a file): when blocks of the same stack that looked lost were given
 *     back later, that is how it is;
 *   - what code of the interpreter's and of the system's libraries loses is a finding only when it is much, or grows.
 *
 * A few blocks among many of a stack may still be led to: by a word that was left over somewhere (in memory that was
 * taken and not written, in an old stack frame), and looks like a pointer. They go with the others, and are
 * counted apart.
 *
 * What is in doubt is undecided, and a run with several times the work decides.
 */
#include "analyzer/base/mem.h"
#include "analyzer/findings/kinds/claims.h"
#include "analyzer/findings/kinds/finding_kinds.h"

#include <stdlib.h>
#include <string.h>

#define EACH_THREAD   2 /* blocks that may hang on registers */
#define MANY          10
#define SEVERAL       2
#define SEVERAL_BYTES (UINT64_C(64) << 10)
#define MUCH          (UINT64_C(1) << 20)
#define FOREIGN_MANY  100
#define FOREIGN_BYTES (UINT64_C(256) << 10)
#define LITTLE        (UINT64_C(4) << 10) /* one block of it is worth a doubt */
#define GIVEN_BACK    10                  /* percent of the blocks that prove a hidden pointer */
#define MOVED_MOSTLY  80                  /* percent of what a line moved must be another's that it goes with */
#define FEW_BESIDE    10                  /* percent of what is lost: so much of its stacks may go with it */

/* What one function lost. */
struct row {
	node_id node, blame; /* the stack of most bytes */
	uint64_t node_bytes;
	struct amount direct, indirect, at[UNREACHED_SNAPSHOTS];
	uint64_t given_back;
	bool working;    /* some of it was made while no module was being imported */
	bool is_growing; /* a group of growth that its blocks are in was found to grow */
	enum growth_verdict verdict;
	size_t finding; /* index in ret */
};

struct making {
	struct report_trace *t;
	const struct unreached *u;
	struct claims claims;
	ARRAY(struct row) rows;
	struct map row_of; /* by fingerprint of the blamed function */
	uint32_t *rows_of; /* by block */
	uint32_t *curves;  /* by block: MAP_NONE: it is not alive at the end */
};

/* ---- rows ---- */

static uint32_t row_for(struct making *m, node_id node)
{
	node_id blame = place_blame(&m->t->places, node);
	uint32_t *at = map_at(&m->row_of, m->t->growth.fingerprints[blame]);

	if (*at == MAP_NONE) {
		*at = (uint32_t)m->rows.n;
		*array_push(&m->rows) = (struct row){ .node = node, .blame = blame };
	}
	return *at;
}

static bool is_working(const struct making *m, node_id node) { return !m->t->curves.importing[node]; }

static void add_block(struct making *m, uint32_t i)
{
	const struct unreached_block *b = &m->u->blocks.at[i];
	const struct growth *g = &m->t->growth;
	struct row *row;
	struct amount *to;

	m->rows_of[i] = b->leader == i ? row_for(m, b->node) : m->rows_of[b->leader];
	m->curves[i] = b->given_back ? MAP_NONE : claims_take(&m->claims, b->node, b->layer, b->bytes);
	if (m->curves[i] == MAP_NONE)
		return;
	row = &m->rows.at[m->rows_of[i]];
	to = b->leader == i ? &row->direct : &row->indirect;
	to->bytes += b->bytes;
	to->blocks++;
	row->is_growing |= g->groups.at[g->group_of[m->curves[i]]].verdict == GROWTH_FOUND;
	if (b->leader != i)
		return;
	row->working |= is_working(m, b->node);
	if (b->bytes > row->node_bytes) {
		row->node_bytes = b->bytes;
		row->node = b->node;
		row->blame = place_blame(&m->t->places, b->node);
	}
}

/* What was lost at earlier snapshots, and given back since. */
static void add_sums(struct making *m)
{
	for (size_t i = 0; i < m->u->sums.n; i++) {
		const struct unreached_sum *s = &m->u->sums.at[i];
		struct row *row = &m->rows.at[row_for(m, s->node)];

		row->given_back += s->given_back;
		for (unsigned k = 0; k < m->u->n; k++) {
			amount_add(&row->at[k], &s->at[k]);
		}
	}
}

/* ---- what realloc moved ---- */

/* What one line makes and another one grows is one thing, whichever had it last: the lines that moved most of what a
 * row has go with the row of those that made it. */
struct row_origin {
	uint64_t blocks, most; /* moved; of them, from the row that most are of */
	uint32_t from;
};

static uint32_t row_of_node(const struct making *m, node_id node)
{
	return map_find(&m->row_of, m->t->growth.fingerprints[place_blame(&m->t->places, node)]);
}

static void note_origins(const struct making *m, struct row_origin *origins)
{
	struct map sums = { 0 };

	for (size_t i = 0; i < m->u->moves.n; i++) {
		const struct unreached_move *v = &m->u->moves.at[i];
		uint32_t from = row_of_node(m, v->from), to = row_of_node(m, v->to), *sum;

		if (to == MAP_NONE || from == to)
			continue;
		origins[to].blocks += v->blocks;
		if (from == MAP_NONE)
			continue;
		sum = map_at(&sums, (uint64_t)from << 32 | to);
		*sum = (*sum == MAP_NONE ? 0 : *sum) + (uint32_t)v->blocks;
		if (*sum > origins[to].most) {
			origins[to].most = *sum;
			origins[to].from = from;
		}
	}
	map_free(&sums);
}

static void add_row(struct row *to, const struct row *from)
{
	amount_add(&to->direct, &from->direct);
	amount_add(&to->indirect, &from->indirect);
	for (unsigned k = 0; k < UNREACHED_SNAPSHOTS; k++)
		amount_add(&to->at[k], &from->at[k]);
	to->given_back += from->given_back;
	to->working |= from->working;
	to->is_growing |= from->is_growing;
	if (from->direct.bytes <= to->direct.bytes - from->direct.bytes)
		return;
	to->node = from->node;
	to->node_bytes = from->node_bytes;
	to->blame = from->blame;
}

static bool is_moved(const struct making *m, const struct row_origin *o)
{
	return o->most * 100 >= o->blocks * MOVED_MOSTLY && o->most && m->rows.at[o->from].direct.blocks;
}

static void join_moved(struct making *m)
{
	struct row_origin *origins = mem_zero(m->rows.n + 1, sizeof *origins);
	uint32_t *root = mem_alloc((m->rows.n + 1) * sizeof *root);

	note_origins(m, origins);
	for (uint32_t i = 0; i < m->rows.n; i++) {
		root[i] = i;
		for (size_t steps = 0; steps < m->rows.n && is_moved(m, &origins[root[i]]); steps++)
			root[i] = origins[root[i]].from;
	}
	for (uint32_t i = 0; i < m->rows.n; i++) {
		if (root[i] == i || root[root[i]] != root[i])
			continue;
		add_row(&m->rows.at[root[i]], &m->rows.at[i]);
		m->rows.at[i].direct.blocks = 0;
	}
	for (size_t i = 0; i < m->u->blocks.n; i++) {
		uint32_t to = root[m->rows_of[i]];

		if (root[to] == to)
			m->rows_of[i] = to;
	}
	free(origins);
	free(root);
}

/* ---- verdicts ---- */

static bool is_own(const struct making *m, const struct row *row)
{
	enum origin origin = place_find(&m->t->places, row->blame)->origin;

	return row->working && (origin == ORIGIN_USER || origin == ORIGIN_PACKAGE || origin == ORIGIN_MODULE);
}

static bool is_much(const struct row *row, uint64_t blocks, uint64_t bytes, bool own)
{
	if (!own)
		return blocks >= FOREIGN_MANY && (bytes >= FOREIGN_BYTES || row->is_growing);
	return blocks >= MANY || (blocks >= SEVERAL && bytes >= SEVERAL_BYTES) || bytes >= MUCH;
}

static enum growth_verdict judge(const struct making *m, const struct row *row)
{
	uint64_t threads = m->u->threads ? m->u->threads - 1 : 0, spare = EACH_THREAD * threads;
	uint64_t blocks = row->direct.blocks, bytes = row->direct.bytes + row->indirect.bytes;
	bool own = is_own(m, row);

	if (!blocks || row->given_back * 100 > blocks * GIVEN_BACK)
		return GROWTH_HELD;
	if (blocks > spare && is_much(row, blocks - spare, bytes, own))
		return GROWTH_FOUND;
	return own && !row->is_growing && (blocks + row->indirect.blocks >= SEVERAL || bytes >= LITTLE)
		       ? GROWTH_UNDECIDED
		       : GROWTH_HELD;
}

/* ---- findings ---- */

static struct finding from_row(const struct making *m, const struct row *row)
{
	struct finding f = {
		.trace = m->t,
		.sum = { .verdict = row->verdict, .node = row->node, .first_ns = UINT64_MAX },
		.blame = row->blame,
		.native = { .is = true,
			    .direct = row->direct,
			    .indirect = row->indirect,
			    .given_back = row->given_back,
			    .threads = m->u->threads,
			    .n = m->u->n },
	};

	memcpy(f.native.at, row->at, sizeof f.native.at);
	return f;
}

/* Claims what is left of a stack when nearly all of it is lost. */
static void take_rest(struct report_trace *t, struct finding *f, uint32_t curve)
{
	struct amount rest = claims_rest(t, curve);

	if (f->sum.verdict != GROWTH_FOUND || !rest.blocks ||
	    rest.blocks * 100 > t->remains->claimed[curve].blocks * FEW_BESIDE)
		return;
	amount_add(&f->native.beside, &rest);
	claims_add_rest(t, f, curve);
}

static void judge_all(struct making *m, struct finding *ret, size_t *n)
{
	for (size_t i = 0; i < m->rows.n; i++) {
		struct row *row = &m->rows.at[i];

		row->verdict = judge(m, row);
		if (row->verdict == GROWTH_HELD)
			continue;
		row->finding = *n;
		ret[(*n)++] = from_row(m, row);
	}
	for (size_t i = 0; i < m->u->blocks.n; i++) {
		const struct unreached_block *b = &m->u->blocks.at[i];
		const struct row *row = &m->rows.at[m->rows_of[i]];

		if (m->curves[i] == MAP_NONE)
			continue;
		if (row->verdict == GROWTH_HELD)
			claims_return(&m->claims, m->curves[i], b->bytes);
		else
			claims_add(m->t, &ret[row->finding], m->curves[i], b->node, &(struct amount){ b->bytes, 1 });
	}
	for (size_t i = 0; i < m->u->blocks.n; i++) {
		const struct row *row = &m->rows.at[m->rows_of[i]];

		if (m->curves[i] != MAP_NONE && row->verdict != GROWTH_HELD)
			take_rest(m->t, &ret[row->finding], m->curves[i]);
	}
}

size_t finding_native_most(const struct report_trace *t) { return t->remains ? t->remains->unreached.sums.n : 0; }

void finding_native(struct report_trace *t, struct finding *ret, size_t *n)
{
	const struct unreached *u = &t->remains->unreached;
	struct making m = { .t = t, .u = u };

	if (!u->blocks.n)
		return;
	claims_init(&m.claims, t);
	m.rows_of = mem_alloc((u->blocks.n + 1) * sizeof *m.rows_of);
	m.curves = mem_alloc((u->blocks.n + 1) * sizeof *m.curves);
	for (uint32_t i = 0; i < u->blocks.n; i++)
		add_block(&m, i);
	add_sums(&m);
	join_moved(&m);
	judge_all(&m, ret, n);
	claims_free(&m.claims);
	array_free(&m.rows);
	map_free(&m.row_of);
	free(m.rows_of);
	free(m.curves);
}

/* ---- words ---- */

const char *finding_native_state(const struct report_trace *t)
{
	static const char *const names[] = {
		[UNREACHED_NOT_LOOKED] = "not searched",
		[UNREACHED_CUT] = "cut short",
		[UNREACHED_IN_PARTS] = "in part",
		[UNREACHED_WHOLE] = "searched",
	};

	return names[t->remains ? t->remains->unreached.state : UNREACHED_NOT_LOOKED];
}

const char *finding_native_reservation(const struct report_trace *t)
{
	const struct unreached *u = t->remains ? &t->remains->unreached : NULL;

	if (!u || u->state == UNREACHED_NOT_LOOKED || u->state == UNREACHED_WHOLE)
		return NULL;
	if (u->state == UNREACHED_CUT)
		return "The search for native blocks that no pointer leads to was cut short: none are reported.";
	return u->is_libc ? "A heap of the C library's could not be taken apart (it is damaged, or was being changed): "
			    "what is lost in it is not reported as native-unreachable."
			  : "The allocator is not the C library's: blocks of it that no pointer leads to are not told "
			    "from others.";
}

char *finding_native_why(const struct finding *f, char *buf, size_t cap)
{
	const struct finding_native *v = &f->native;
	uint64_t blocks = v->direct.blocks + v->beside.blocks;
	int used = snprintf(buf, cap, "no pointer in the program leads to %s of these %s (%s)",
			    format_count(v->direct.blocks).text, format_plural(blocks, "block", "blocks").text,
			    format_bytes(v->direct.bytes).text);

	if (v->indirect.blocks)
		used += snprintf(buf + used, cap - (size_t)used, ", and only from those one leads to %s more (%s)",
				 format_plural(v->indirect.blocks, "block", "blocks").text,
				 format_bytes(v->indirect.bytes).text);
	if (f->sum.verdict == GROWTH_UNDECIDED)
		snprintf(buf + used, cap - (size_t)used,
			 v->threads > 1 ? ", but that is so little that it may be what a library leaves once, or what "
					  "another thread has in its registers"
					: ", but that is so little that it may be what a library leaves once");
	else
		snprintf(buf + used, cap - (size_t)used, ": nobody can give them back any more");
	return buf;
}

void finding_native_print(const struct output *o, const struct finding *f)
{
	const struct finding_native *v = &f->native;

	if (v->n < 2)
		return;
	fputs("   Lost at the snapshots: ", o->file);
	for (unsigned i = 0; i < v->n; i++)
		fprintf(o->file, "%s%s", i ? ", " : "", format_count(v->at[i].blocks).text);
	fputs(" blocks.\n", o->file);
}

static json_t *amount_json(const struct amount *a)
{
	json_t *o = json_object();

	json_put(o, "blocks", json_bytes(a->blocks));
	json_put(o, "bytes", json_bytes(a->bytes));
	return o;
}

json_t *finding_native_json(const struct finding *f)
{
	const struct unreached *u = &f->trace->remains->unreached;
	const struct finding_native *v = &f->native;
	json_t *o = json_object(), *list = json_array();

	json_put(o, "direct", amount_json(&v->direct));
	json_put(o, "indirect", amount_json(&v->indirect));
	json_put(o, "beside", amount_json(&v->beside));
	json_put(o, "given_back_later", json_bytes(v->given_back));
	json_put(o, "threads", json_bytes(v->threads));
	json_put(o, "searched_bytes", json_bytes(u->searched));
	json_put(o, "whole", json_boolean(u->state == UNREACHED_WHOLE));
	for (unsigned i = 0; i < v->n; i++) {
		json_t *at = amount_json(&v->at[i]);

		json_put(at, "s", json_seconds(u->ns[i]));
		json_add(list, at);
	}
	json_put(o, "snapshots", list);
	return o;
}
