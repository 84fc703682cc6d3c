/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_held: what one container holds is one leak, and the line that adds to it is to blame
 *
 * A cache has keys, values, what these hold, and its own table: all of them grow, made by different lines, some of them
 * too little to be found by themselves. Of every object of the snapshot it is known which of the holders is the last
 * one on its shortest chain. A finding most of whose objects one holder has belongs to the leak that this holder is of.
 *
 * Who adds is who made room in the container for one more: its table was made there last. When that does not grow (a
 * dict of a few lists), it is the tables of what it holds; of links of a list it is who makes one.
 *
 * To blame is the line that made most; or the line that adds, when the function that made most neither adds itself nor
 * calls who does: it is a helper that may be as innocent as malloc. (cache[key] = build(key): the line of the cache,
 * not one in build. But registry.add(Thing()): this line, not that of Registry.add.) What a
 * library made is the line's that adds it itself, too: it may have lain on a free list before. Both are told.
 *
 * What was made anew in a block off the interpreter's free lists (a dict, a list, a tuple, a float) has the line of who
 * found that list empty: a line that makes many and drops them feeds the lists of all others. So where most of what a
 * line makes dies, and may have been reused, it is to blame only when it adds itself, or calls who does.
 */
#include "analyzer/findings/list/finding_list_parts.h"
#include "analyzer/findings/kinds/finding_kinds.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define LEADERS_MAX   24     /* holders that are told apart: as many findings as one is looked for */
#define LIBRARY_BYTES 262144 /* that the standard library keeps for the main module: less is its own affair */
#define OURS          8      /* times as much that nobody of the user's made is worth less than a line of theirs */
#define MOST_PERCENT  80     /* of a finding's objects must be one holder's */

/* Of one trace. */
struct holding {
	struct finding_list *l;
	struct report_trace *t;
	uint32_t leaders[LEADERS_MAX]; /* findings, by label - 1 */
	unsigned n;
	uint8_t *holder_of;                /* by object: a label */
	uint32_t *finding_of;              /* by node: a finding; MAP_NONE */
	uint32_t (*seen)[LEADERS_MAX + 1]; /* by finding: objects of each label */
};

static bool has_any(const struct finding *f) { return f->has_holder || f->keeper.kind; }

static bool leads(const struct finding *f)
{
	return f->sum.verdict == GROWTH_FOUND && finding_is_growth(f) && has_any(f);
}

/* Held by one container until that went. */
static bool is_of_piece(const struct finding *f)
{
	return f->sum.verdict == GROWTH_FOUND && finding_is_growth(f) && !f->has_holder && f->lost.piece;
}

/* ---- who belongs to whom ---- */

/* Its bytes belong to the leak, and its growth, if the evidence is as good with it; else that stays as it is. */
static void take(struct finding *leader, struct finding *f)
{
	struct growth_group sum = leader->sum;

	finding_take_groups(leader, f);
	growth_merge(&leader->trace->growth, &sum, &f->sum);
	if (growth_is_steady(&sum.evidence)) {
		leader->sum = sum;
	} else {
		leader->sum.bytes = sum.bytes;
		leader->sum.blocks = sum.blocks;
		leader->sum.layers = sum.layers;
	}
	leader->all_rate = finding_rate(leader);
	leader->all = (struct amount){ leader->sum.bytes, leader->sum.blocks };
	finding_free_parts(f);
}

/* Of what was given back when the program ended only the table is known that it hung on. */
static bool hung_with(const struct finding *leader, const struct finding *f)
{
	return leader->sum.verdict == GROWTH_FOUND && f->sum.verdict == GROWTH_FOUND && finding_is_growth(leader) &&
	       finding_is_growth(f) && leader->sum.table > NODE_UNKNOWN && leader->sum.table == f->sum.table;
}

static bool is_held_with(const struct finding *leader, const struct finding *f)
{
	if (leader->trace != f->trace)
		return false;
	if (is_of_piece(leader) && is_of_piece(f))
		return leader->lost.piece == f->lost.piece;
	if (hung_with(leader, f))
		return true;
	if (!leads(leader) || !leads(f) || leader->has_holder != f->has_holder)
		return false;
	return f->has_holder ? leader->holder.object == f->holder.object : leader->keeper.kind == f->keeper.kind;
}

static void join_same_holder(struct finding_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct finding f = l->at[i];
		size_t j = 0;

		while (j < n && !is_held_with(&l->at[j], &f))
			j++;
		if (j == n)
			l->at[n++] = f;
		else
			take(&l->at[j], &f);
	}
	l->n = n;
}

/* Lost objects hold things, too. */
static bool is_lost(const struct finding *f) { return f->sum.verdict == GROWTH_FOUND && f->lost.kind == LOST_OBJECTS; }

static void find_leaders(struct holding *h, uint8_t *label)
{
	for (uint32_t i = 0; i < h->l->n && h->n < LEADERS_MAX; i++) {
		const struct finding *f = &h->l->at[i];

		if (f->trace != h->t || !(leads(f) || is_lost(f)) || (f->has_holder && label[f->holder.container]))
			continue;
		h->leaders[h->n++] = i;
		if (is_lost(f))
			continue;
		if (f->has_holder)
			label[f->holder.container] = (uint8_t)h->n;
		else
			finding_keeper_label(f, (uint8_t)h->n, label);
	}
}

static void list_nodes(struct holding *h)
{
	const struct report_trace *t = h->t;
	uint32_t *of_group = mem_alloc((t->growth.groups.n + 1) * sizeof *of_group);

	memset(of_group, 0xff, (t->growth.groups.n + 1) * sizeof *of_group);
	for (uint32_t i = 0; i < h->l->n; i++)
		for (size_t k = 0; h->l->at[i].trace == t && k < h->l->at[i].n_groups; k++)
			of_group[h->l->at[i].groups[k]] = i;
	memset(h->finding_of, 0xff, (t->trace.defs.stacks.nodes.n + 1) * sizeof *h->finding_of);
	for (size_t i = 0; i < t->curves.curves.n; i++) {
		uint32_t group = t->growth.group_of[i];

		if (group != MAP_NONE && t->curves.curves.at[i].bytes)
			h->finding_of[t->curves.curves.at[i].node] = of_group[group];
	}
	free(of_group);
}

static uint8_t label_of(const struct holding *h, uint32_t finding)
{
	for (unsigned k = 0; k < h->n; k++)
		if (h->leaders[k] == finding)
			return (uint8_t)(k + 1);
	return 0;
}

static uint32_t finding_at(const struct holding *h, node_id node)
{
	return node > NODE_UNKNOWN ? h->finding_of[node] : MAP_NONE;
}

/* What nothing is known to hold, made by stacks that lose objects, is lost. */
static void label_lost(const struct holding *h, uint8_t *label)
{
	const struct view *v = &h->t->remains->view;

	for (object_id o = 0; o < v->heap.n; o++) {
		uint32_t finding = finding_at(h, v->join.node[o]);

		if (finding != MAP_NONE && is_lost(&h->l->at[finding]) && !label[o] && paths_is_of_c(&v->paths, o))
			label[o] = label_of(h, finding);
	}
}

/* A native block that a leader's own stacks made goes with what the leader is of, and with it what it alone holds: the
 * function that a thread was started with. */
static void label_kept(const struct holding *h, uint8_t *label)
{
	struct kept *k = &h->t->remains->surplus.kept;
	const struct view *v = &h->t->remains->view;

	for (object_id o = 0; kept_index(k, &v->heap) && o < v->heap.n; o++) {
		for (uint32_t i = k->first[o]; i < k->first[o + 1] && !label[o]; i++) {
			node_id node = kept_node(kept_kind(k, k->keepers[i]));
			uint32_t finding = finding_at(h, node);

			if (finding != MAP_NONE && paths_is_of_c(&v->paths, o))
				label[o] = label_of(h, finding);
		}
	}
}

/* Whether nothing is known of who has a weak reference: whoever it is, he lets it go with its object. */
static bool is_loose(const struct holding *h, object_id o)
{
	const char *type = heap_type_name(&h->t->remains->view.heap, o);

	return !h->holder_of[o] && (!strcmp(type, "weakref") || !strcmp(type, "weakref.ReferenceType"));
}

static void see(struct holding *h, node_id node, object_id o)
{
	uint32_t f = finding_at(h, node);

	if (f != MAP_NONE && !is_loose(h, o))
		h->seen[f][h->holder_of[o]]++;
}

static void see_all(struct holding *h)
{
	const struct view *v = &h->t->remains->view;

	for (object_id o = 0; o < v->heap.n; o++)
		see(h, v->join.node[o], o);
	for (size_t i = 0; i < v->join.buffers.n; i++)
		see(h, v->join.buffers.at[i].node, v->join.buffers.at[i].owner);
}

/* The finding that has the blocks of C code in which this one's objects are kept, or whose objects are kept in blocks
 * of this one; MAP_NONE. */
static uint32_t leader_by_keeper(const struct holding *h, uint32_t i)
{
	const struct finding *f = &h->l->at[i];

	if (f->trace != h->t || !finding_is_growth(f) || f->has_holder)
		return MAP_NONE;
	if (f->keeper.node > NODE_UNKNOWN && f->keeper.kind) {
		uint32_t other = h->finding_of[f->keeper.node];

		return other != MAP_NONE && other != i && leads(&h->l->at[other]) ? other : MAP_NONE;
	}
	for (unsigned k = 0; k < h->n; k++) {
		const struct finding *leader = &h->l->at[h->leaders[k]];

		if (!leader->has_holder && leader->keeper.node > NODE_UNKNOWN &&
		    h->finding_of[leader->keeper.node] == i)
			return h->leaders[k];
	}
	return MAP_NONE;
}

/* The finding that has what holds most of this one's objects; MAP_NONE. What several have (dicts that C code keeps lie
 * where those of lost objects did) is nobody's own: the one that has most is told of it. */
static uint32_t leader_of(const struct holding *h, uint32_t i)
{
	const struct finding *f = &h->l->at[i];
	uint64_t sum = 0;
	unsigned best = 0;

	if (leader_by_keeper(h, i) != MAP_NONE)
		return leader_by_keeper(h, i);
	if (f->trace != h->t || !finding_is_growth(f) || f->sum.evidence.grown_bytes <= 0 ||
	    (f->sum.verdict == GROWTH_FOUND && has_any(f)) || h->t->curves.importing[f->sum.node])
		return MAP_NONE;
	for (unsigned k = 0; k <= h->n; k++) {
		sum += h->seen[i][k];
		if (k && (!best || h->seen[i][k] > h->seen[i][best]))
			best = k;
	}
	if (!best || !sum || (sum - h->seen[i][0]) * 100 < sum * MOST_PERCENT || h->leaders[best - 1] == i)
		return MAP_NONE;
	return h->leaders[best - 1];
}

static void take_all(struct holding *h)
{
	size_t n = 0;

	for (uint32_t i = 0; i < h->l->n; i++) {
		uint32_t leader = leader_of(h, i);

		if (leader == MAP_NONE || !h->l->at[leader].trace)
			continue;
		take(&h->l->at[leader], &h->l->at[i]);
		h->l->at[i].n_groups = 0;
		h->l->at[i].groups = NULL;
		h->l->at[i].trace = NULL;
	}
	for (size_t i = 0; i < h->l->n; i++)
		if (h->l->at[i].trace)
			h->l->at[n++] = h->l->at[i];
	h->l->n = n;
}

static bool has_leader(const struct finding_list *l, const struct report_trace *t)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->at[i].trace == t && leads(&l->at[i]))
			return true;
	return false;
}

static void join_below(struct finding_list *l, struct report_trace *t)
{
	struct view *v = &t->remains->view;
	struct holding h = { .l = l, .t = t };
	uint8_t *label = mem_zero(v->heap.n + 1, sizeof *label);

	find_leaders(&h, label);
	if (h.n) {
		h.holder_of = mem_zero(v->heap.n + 1, sizeof *h.holder_of);
		h.finding_of = mem_alloc((t->trace.defs.stacks.nodes.n + 1) * sizeof *h.finding_of);
		h.seen = mem_zero(l->n + 1, sizeof *h.seen);
		list_nodes(&h);
		label_kept(&h, label);
		label_lost(&h, label);
		paths_label(&v->paths, label, h.holder_of);
		see_all(&h);
		take_all(&h);
	}
	free(label);
	free(h.holder_of);
	free(h.finding_of);
	free(h.seen);
}

/* ---- what grew most ---- */

/* The end of the last window, before the program closed. */
static uint32_t last_border(const struct growth *g)
{
	return g->borders[g->n_windows] < g->closing ? g->borders[g->n_windows] : g->closing;
}

/* What a curve had more at the end than after the warm-up; all that it had, in a run without windows. */
static int64_t grown(const struct report_trace *t, const struct curve *c)
{
	const struct growth *g = &t->growth;
	const uint32_t at[] = { g->borders[g->n_warm], last_border(g) };
	uint64_t bytes[2] = { 0 }, blocks[2] = { 0 };

	if (!g->n_windows)
		return (int64_t)c->bytes;
	curves_sum(&t->curves, c, at, 2, bytes, blocks);
	return (int64_t)(bytes[1] - bytes[0]);
}

/* A line, and the stack of it that grew most. */
struct line {
	const struct place *place;
	int64_t grown, node_grown;
	node_id node;
};

static void add_line(struct line *lines, size_t *n, const struct place *place, node_id node, int64_t by)
{
	size_t i = 0;

	while (i < *n && (lines[i].place->at.line != place->at.line || strcmp(lines[i].place->file, place->file)))
		i++;
	if (i == *n)
		lines[(*n)++] = (struct line){ .place = place, .node = node, .node_grown = by };
	lines[i].grown += by;
	if (by > lines[i].node_grown) {
		lines[i].node_grown = by;
		lines[i].node = node;
	}
}

/* What threads make before they call anybody is theirs who started them: a line of the user's has precedence. */
static int64_t weight(const struct line *l)
{
	return l->grown > 0 && l->place->origin == ORIGIN_USER ? l->grown * OURS : l->grown;
}

void finding_look_at_worst(struct finding *f)
{
	struct report_trace *t = f->trace;
	size_t n = 0, n_curves;
	uint32_t *curves = finding_curves(f, &n_curves);
	struct line *lines = mem_alloc((n_curves + 1) * sizeof *lines), *worst = lines;

	for (size_t i = 0; i < n_curves; i++) {
		const struct curve *c = &t->curves.curves.at[curves[i]];
		uint64_t bytes, blocks;

		growth_alive(&t->growth, curves[i], &bytes, &blocks);
		if (bytes)
			add_line(lines, &n, place_find(&t->places, place_blame(&t->places, c->node)), c->node,
				 grown(t, c));
	}
	for (size_t i = 1; i < n; i++)
		if (weight(&lines[i]) > weight(worst))
			worst = &lines[i];
	if (n) {
		f->sum.node = worst->node;
		f->blame = place_blame(&t->places, worst->node);
	}
	free(lines);
	free(curves);
}

/* ---- who adds ---- */

/* Whether what a stack holds became more after the warm-up. */
static bool grew(const struct report_trace *t, node_id node)
{
	const struct growth *g = &t->growth;
	const uint32_t at[] = { g->borders[g->n_warm], last_border(g) };
	uint64_t bytes[2] = { 0 }, blocks[2] = { 0 };

	for (size_t i = 0; g->n_windows && i < t->curves.curves.n; i++)
		if (t->curves.curves.at[i].node == node)
			curves_sum(&t->curves, &t->curves.curves.at[i], at, 2, bytes, blocks);
	return bytes[1] > bytes[0];
}

/* The function around a comprehension, which has a frame of its own before 3.12. */
static node_id around(struct place_table *places, node_id frame)
{
	while (frame > NODE_UNKNOWN) {
		const char *name = place_find(places, frame)->function, *dot = strrchr(name, '.');

		name = dot ? dot + 1 : name;
		if (strcmp(name, "<listcomp>") && strcmp(name, "<dictcomp>") && strcmp(name, "<setcomp>") &&
		    strcmp(name, "<genexpr>"))
			break;
		frame = place_caller(places, frame);
	}
	return frame;
}

/* Whether the function of one frame is that of another, or called it. */
static bool is_in(const struct report_trace *t, node_id function, node_id frame)
{
	const uint64_t *functions = t->growth.functions;

	for (; frame > NODE_UNKNOWN; frame = defs_frame(&t->trace.defs, frame)->parent)
		if (functions[frame] == functions[function])
			return true;
	return false;
}

static bool same_line(struct place_table *places, node_id a, node_id b)
{
	const struct place *x = place_find(places, a), *y = place_find(places, b);

	return x->at.line == y->at.line && !strcmp(x->file, y->file);
}

/* Whether one frame is on the line of another, or of who called that. */
static bool is_on_way(struct place_table *places, node_id line, node_id frame)
{
	for (; frame > NODE_UNKNOWN; frame = place_caller(places, frame))
		if (same_line(places, line, frame))
			return true;
	return false;
}

/* Whether most of what the line that is to blame made was given back in the course of the work. */
static bool mostly_dies(const struct finding *f)
{
	struct report_trace *t = f->trace;
	uint64_t births = 0, alive = 0;

	for (size_t i = 0; i < t->curves.curves.n; i++) {
		uint64_t bytes, blocks;

		if (!same_line(&t->places, place_blame(&t->places, t->curves.curves.at[i].node), f->blame))
			continue;
		growth_alive(&t->growth, i, &bytes, &blocks);
		births += t->curves.curves.at[i].births;
		alive += blocks;
	}
	return alive * 2 < births;
}

/* Whether its type has a free list, or is not known. */
static bool may_be_reused(const struct finding *f)
{
	char type[2048];

	if (!finding_type(f, type, sizeof type))
		return true;
	if (strchr(type, ' '))
		*strchr(type, ' ') = 0; /* " (buffer)" */
	return finding_is_reused(f->trace, type);
}

/* Whether the line that made most has to do with the line that adds. */
static bool leads_to_adder(const struct finding *f, node_id adder)
{
	struct place_table *places = &f->trace->places;
	node_id function = around(places, f->blame);

	if (mostly_dies(f) && may_be_reused(f))
		return is_on_way(places, f->blame, adder) || is_on_way(places, function, adder);
	return is_in(f->trace, function, adder);
}

/* `node`: of the stack that makes room; `from`: the frame of it to begin with. */
static bool blame_adder(struct finding *f, node_id node, node_id from)
{
	struct place_table *places = &f->trace->places;
	node_id blame;

	if (node <= NODE_UNKNOWN || f->trace->curves.importing[node] || !grew(f->trace, node))
		return false;
	node = from;
	blame = place_blame(places, node);
	if (blame <= NODE_UNKNOWN || place_find(places, blame)->origin != ORIGIN_USER)
		return false;
	f->added = blame;
	f->added_node = node;
	if (!leads_to_adder(f, blame) ||
	    (place_site(places, f->sum.node) != f->blame && place_site(places, node) == blame))
		f->blame = blame;
	return true;
}

/* Whether room in the container itself was made, by none of the user's lines: a thread notes itself when it starts. */
static bool is_added_by_nobody(const struct finding *f, node_id node)
{
	struct place_table *places = &f->trace->places;
	node_id blame = node > NODE_UNKNOWN && grew(f->trace, node) ? place_blame(places, node) : NODE_UNKNOWN;

	return blame > NODE_UNKNOWN && place_find(places, blame)->origin != ORIGIN_USER;
}

/* Where the container itself does not grow, what it holds does, or what that holds: a list for each thread. */
static void blame_adder_below(struct finding *f)
{
	for (unsigned i = 0; i < HOLDER_BELOW; i++)
		if (blame_adder(f, f->holder.adds_below[i], f->holder.adds_below[i]))
			return;
}

/* Of a stack that made room in a table of C code's: the line of Python that called it. A table's own function may be as
 * innocent as malloc. */
static node_id python_of(const struct report_trace *t, node_id node)
{
	while (node > NODE_UNKNOWN && defs_frame(&t->trace.defs, node)->kind != NODE_PYTHON)
		node = defs_frame(&t->trace.defs, node)->parent;
	return node;
}

/* ---- what a program builds ---- */

/* Whether all that grew of a finding, not only what was found of it, came by different amounts. */
static bool is_uneven(const struct finding *f)
{
	const struct growth *g = &f->trace->growth;
	struct growth_group sum = { 0 };

	for (size_t i = 0; i < f->n_groups; i++)
		if (g->groups.at[f->groups[i]].verdict != GROWTH_HELD)
			growth_merge(g, &sum, &g->groups.at[f->groups[i]]);
	return growth_is_uneven(g, &sum.evidence);
}

/* ---- what the standard library keeps ---- */

/* Whether it was made by the standard library, and nothing of the user's but the main module called it: a test runner
 * keeps the durations of its tests. */
static bool is_of_library(const struct finding *f)
{
	struct place_table *places = &f->trace->places;

	return place_find(places, place_site(places, f->sum.node))->origin == ORIGIN_STDLIB &&
	       !strcmp(finding_place(f)->function, "<module>") &&
	       (!finding_adder(f) || place_find(places, place_site(places, f->added_node))->origin == ORIGIN_STDLIB);
}

/* ---- public ---- */

void finding_join_held(struct finding_list *l, const struct report *r)
{
	join_same_holder(l);
	for (size_t i = 0; i < r->n_traces; i++)
		if (has_leader(l, r->traces[i]))
			join_below(l, r->traces[i]);
	for (size_t i = 0; i < l->n; i++) {
		struct finding *f = &l->at[i];

		if (leads(f) || is_of_piece(f))
			finding_look_at_worst(f);
		if (f->has_holder && finding_is_growth(f) && !blame_adder(f, f->holder.adds, f->holder.adds) &&
		    !is_added_by_nobody(f, f->holder.adds))
			blame_adder_below(f);
		if (!f->has_holder && f->keeper.kind && finding_is_growth(f))
			blame_adder(f, f->keeper.node, python_of(f->trace, f->keeper.node));
		if (f->sum.verdict == GROWTH_FOUND && finding_is_growth(f) && f->sum.given_bytes)
			blame_adder(f, f->sum.table, f->sum.table);
		if (f->sum.verdict == GROWTH_FOUND && finding_is_growth(f) && is_uneven(f))
			growth_withdraw(&f->trace->growth, &f->sum, GROWTH_UNEVEN);
		if (f->sum.verdict == GROWTH_FOUND && finding_is_growth(f) &&
		    f->sum.evidence.grown_bytes < LIBRARY_BYTES && is_of_library(f))
			growth_withdraw(&f->trace->growth, &f->sum, GROWTH_LITTLE);
	}
}
