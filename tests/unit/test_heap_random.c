/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage, groups, dominators and chains against the plainest computation that gives the same: reachability by tables,
 * removal of one object after the other, freeing by looking at all counts again and again. Thousands of small random
 * heaps, written and read as snapshots.
 *
 * PYTRACE_GRAPH_ROUNDS and PYTRACE_GRAPH_SEED make longer and other walks; a failure prints its seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/heap/components.h"
#include "analyzer/heap/dominators.h"
#include "analyzer/heap/paths.h"
#include "tests/synth/snap.h"

enum { ROUNDS = 2500, MOST = 40, MOST_EDGES = 400 };
#define PLACE(i) (UINT64_C(0x10000) + (i)*64u)

static char path[64];
static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint32_t below(uint32_t n) { return (uint32_t)(next_random() >> 11) % n; }
static bool chance(uint32_t percent) { return below(100) < percent; }

/* ---- a random heap ---- */

struct edge {
	uint32_t from, to;
	unsigned flags; /* PT_EDGE_; RAW */
};
enum { RAW = 1 << 8, COUNTED_RAW = 1 << 9 };

struct object {
	uint32_t flags, type, extra; /* extra: references of nobody that is known */
};

struct world {
	uint32_t n, n_edges, n_roots;
	struct object objects[MOST];
	struct edge edges[MOST_EDGES];
	struct edge roots[16]; /* from: enum pt_root */
	bool has_modules, has_garbage_list;
};

enum { TYPE_PLAIN = 1, TYPE_ATOM, TYPE_LEGACY, TYPE_DICT, TYPE_MODULE, TYPE_LIST, N_TYPES };
enum { GARBAGE_LIST = 0, SYS_MODULES = 1, FIRST_MODULE = 2, FIRST_FREE = 6 };

static void add_edge(struct world *w, uint32_t from, uint32_t to, unsigned flags)
{
	if (w->n_edges < MOST_EDGES)
		w->edges[w->n_edges++] = (struct edge){ from, to, flags };
}

static void add_root(struct world *w, enum pt_root kind, uint32_t to, unsigned flags)
{
	if (w->n_roots < 16)
		w->roots[w->n_roots++] = (struct edge){ kind, to, flags };
}

static void make_objects(struct world *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		struct object *o = &w->objects[i];

		o->type = chance(15) ? TYPE_ATOM : chance(4) ? TYPE_LEGACY : TYPE_PLAIN;
		o->flags = PT_EDGES_NAMED | (uint32_t)(o->type != TYPE_ATOM && chance(92)) * PT_OBJECT_TRACKED;
		o->flags |= below(3) << PT_OBJECT_GENERATION_SHIFT;
		if (chance(4))
			o->flags |= PT_OBJECT_GENERATION;
		if (chance(3))
			o->flags |= PT_OBJECT_IMMORTAL;
		if (chance(1))
			o->flags |= PT_OBJECT_DEFERRED;
		if (chance(1))
			o->flags |= PT_OBJECT_STATIC;
		o->extra = chance(12);
	}
}

/* sys.modules, two modules, each with its dict; gc.garbage. */
static void make_modules(struct world *w)
{
	const uint32_t tracked = PT_EDGES_NAMED | PT_OBJECT_TRACKED;

	w->objects[SYS_MODULES] = (struct object){ tracked, TYPE_DICT, 0 };
	add_root(w, PT_ROOT_INTERPRETER, SYS_MODULES, 0);
	for (uint32_t m = FIRST_MODULE; m < FIRST_FREE; m += 2) {
		w->objects[m] = (struct object){ tracked, TYPE_MODULE, 0 };
		w->objects[m + 1] = (struct object){ tracked, TYPE_DICT, 0 };
		add_edge(w, SYS_MODULES, m, 0);
		add_edge(w, m, m + 1, 0);
		for (uint32_t n = below(4); n; n--)
			add_edge(w, m + 1, below(w->n), 0);
	}
}

static void make_world(struct world *w)
{
	uint32_t density = 1 + below(4);

	*w = (struct world){ .n = 8 + below(MOST - 8) };
	make_objects(w);
	w->has_modules = chance(60);
	if (w->has_modules)
		make_modules(w);
	w->has_garbage_list = chance(30);
	if (w->has_garbage_list) {
		w->objects[GARBAGE_LIST] = (struct object){ PT_EDGES_NAMED | PT_OBJECT_TRACKED, TYPE_LIST, 0 };
		add_root(w, PT_ROOT_GARBAGE, GARBAGE_LIST, 0);
	}
	for (uint32_t i = 0; i < w->n; i++)
		for (uint32_t n = below(density + 1); n; n--) {
			unsigned flags = chance(8) ? PT_EDGE_UNCOUNTED : chance(8) ? PT_EDGE_UNTRAVERSED : 0;

			if (chance(6))
				flags = RAW | (chance(60) ? COUNTED_RAW : 0);
			add_edge(w, i, below(w->n), flags);
		}
	for (uint32_t n = below(4); n; n--)
		add_root(w, below(PT_ROOT_GARBAGE), below(w->n), chance(10) ? PT_EDGE_UNCOUNTED : 0);
}

static uint32_t refcount(const struct world *w, uint32_t o)
{
	uint32_t n = w->objects[o].extra;

	for (uint32_t i = 0; i < w->n_edges; i++)
		n += w->edges[i].to == o && !(w->edges[i].flags & (PT_EDGE_UNCOUNTED | RAW));
	for (uint32_t i = 0; i < w->n_edges; i++)
		n += w->edges[i].to == o && w->edges[i].from != o && w->edges[i].flags & COUNTED_RAW;
	for (uint32_t i = 0; i < w->n_roots; i++)
		n += w->roots[i].to == o && !(w->roots[i].flags & PT_EDGE_UNCOUNTED);
	return n;
}

static uint64_t bytes_of(uint32_t o) { return 16 + o * 8; }

static void write_world(const struct world *w)
{
	const uint32_t gc = PT_TYPE_GC | PT_TYPE_TRAVERSE;
	struct synth *s = synth_new();
	struct snap *p = snap_new(s, 1, 5);

	p->piece_bytes = 64;
	snap_type(p, 0x8000, gc | PT_TYPE_PYTHON, 32, 0, 16, "app.Plain");
	snap_type(p, 0x8100, 0, 32, 0, 0, "int");
	snap_type(p, 0x8200, gc | PT_TYPE_LEGACY, 32, 0, 16, "ext.Legacy");
	snap_type(p, 0x8300, gc, 32, 0, 16, "dict");
	snap_type(p, 0x8400, gc, 32, 0, 16, "module");
	snap_type(p, 0x8500, gc, 32, 0, 16, "list");
	for (uint32_t i = 0; i < w->n; i++) {
		snap_object(p, w->objects[i].flags, PLACE(i), w->objects[i].type, refcount(w, i), bytes_of(i));
		for (uint32_t e = 0; e < w->n_edges; e++) {
			if (w->edges[e].from != i)
				continue;
			if (w->edges[e].flags & RAW)
				snap_raw(p, PLACE(w->edges[e].to));
			else
				snap_named(p, PLACE(w->edges[e].to), "x", w->edges[e].flags);
		}
	}
	for (uint32_t i = 0; i < w->n_roots; i++) {
		snap_root(p, w->roots[i].from, "root", NULL, i);
		snap_named(p, PLACE(w->roots[i].to), "r", w->roots[i].flags);
	}
	snap_end(p);
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
}

/* ---- the plain computation ---- */

typedef bool set[MOST];

static bool holds(const struct edge *e) { return !(e->flags & (PT_EDGE_UNCOUNTED | RAW)); }

/* Frames hold what they refer to, whoever counts it. */
static bool root_holds(const struct edge *e) { return holds(e) || e->from == PT_ROOT_FRAME; }

static int32_t surplus_of(const struct world *w, uint32_t o)
{
	int32_t n = (int32_t)refcount(w, o);

	if (w->objects[o].flags & (PT_OBJECT_IMMORTAL | PT_OBJECT_DEFERRED))
		return 0;
	for (uint32_t i = 0; i < w->n_edges; i++)
		n -= w->edges[i].to == o && holds(&w->edges[i]);
	for (uint32_t i = 0; i < w->n_roots; i++)
		n -= w->roots[i].to == o && holds(&w->roots[i]);
	return n;
}

static bool raw_counts(const struct world *w, const struct edge *e)
{
	return e->flags & RAW && e->from != e->to && surplus_of(w, e->to) > 0;
}

/* Adds to `in` all that it reaches, among `within` (NULL: all); `raws`: over raw pointers that count, too. */
static void close_over(const struct world *w, bool *in, const bool *within, const bool *blocked, bool raws)
{
	for (bool again = true; again;) {
		again = false;
		for (uint32_t i = 0; i < w->n_edges; i++) {
			const struct edge *e = &w->edges[i];

			if (!in[e->from] || in[e->to] || (within && !within[e->to]) || (blocked && blocked[e->from]))
				continue;
			if (holds(e) || (raws && raw_counts(w, e)))
				again = in[e->to] = true;
		}
	}
}

static bool is_always_held(const struct world *w, uint32_t o)
{
	return w->objects[o].flags & (PT_OBJECT_IMMORTAL | PT_OBJECT_DEFERRED | PT_OBJECT_STATIC);
}

static uint32_t raws_to(const struct world *w, uint32_t o, const bool *in)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n_edges; i++)
		n += w->edges[i].to == o && raw_counts(w, &w->edges[i]) && (!in || in[w->edges[i].from]);
	return n;
}

static void plain_alive(const struct world *w, bool *alive)
{
	set list = { 0 }, start = { 0 };
	bool again = true;

	for (uint32_t i = 0; i < w->n_roots; i++)
		if (holds(&w->roots[i]) && w->roots[i].from == PT_ROOT_GARBAGE)
			list[w->roots[i].to] = alive[w->roots[i].to] = true;
	for (uint32_t i = 0; i < w->n_roots; i++)
		if (root_holds(&w->roots[i]) && w->roots[i].from != PT_ROOT_GARBAGE)
			alive[w->roots[i].to] = true;
	for (uint32_t o = 0; o < w->n; o++)
		if (is_always_held(w, o) || (surplus_of(w, o) > 0 && surplus_of(w, o) > (int32_t)raws_to(w, o, NULL)))
			alive[o] = true;
	close_over(w, alive, NULL, list, false);
	while (again) {
		again = false;
		for (uint32_t o = 0; o < w->n && !again; o++) {
			set dead, reached = { 0 };

			if (alive[o] || surplus_of(w, o) <= 0)
				continue;
			for (uint32_t i = 0; i < w->n; i++)
				dead[i] = !alive[i];
			reached[o] = true;
			close_over(w, reached, dead, NULL, false);
			if ((int32_t)raws_to(w, o, reached) < surplus_of(w, o))
				again = alive[o] = true;
		}
		close_over(w, alive, NULL, list, false);
	}
	memcpy(start, alive, sizeof start);
}

static bool is_candidate(const struct world *w, uint32_t o)
{
	return w->objects[o].flags & PT_OBJECT_TRACKED &&
	       (w->objects[o].flags & PT_OBJECT_GENERATION) != PT_OBJECT_GENERATION;
}

/* What the collector finds, by looking at all of the heap. */
static void plain_collectable(const struct world *w, bool *collectable)
{
	set held = { 0 }, legacy = { 0 };

	for (uint32_t o = 0; o < w->n; o++) {
		int32_t left = (int32_t)refcount(w, o);

		for (uint32_t i = 0; i < w->n_edges; i++)
			left -= w->edges[i].to == o && holds(&w->edges[i]) &&
				!(w->edges[i].flags & PT_EDGE_UNTRAVERSED) && is_candidate(w, w->edges[i].from);
		held[o] = !is_candidate(w, o) ? w->objects[o].flags & PT_OBJECT_TRACKED
					      : left > 0 || is_always_held(w, o);
	}
	for (uint32_t i = 0; i < w->n_roots; i++)
		held[w->roots[i].to] |= w->roots[i].from == PT_ROOT_FRAME;
	close_over(w, held, NULL, NULL, false);
	for (uint32_t o = 0; o < w->n; o++)
		legacy[o] = is_candidate(w, o) && !held[o] && w->objects[o].type == TYPE_LEGACY;
	close_over(w, legacy, NULL, NULL, true);
	for (uint32_t o = 0; o < w->n; o++)
		collectable[o] = is_candidate(w, o) && !held[o] && !legacy[o];
}

/* reach[a][b]: b can be reached from a in one step or more, within the set. */
static void plain_reach(const struct world *w, const bool *within, bool reach[MOST][MOST])
{
	memset(reach, 0, sizeof(bool) * MOST * MOST);
	for (uint32_t i = 0; i < w->n_edges; i++) {
		const struct edge *e = &w->edges[i];

		if (within[e->from] && within[e->to] && (holds(e) || raw_counts(w, e)))
			reach[e->from][e->to] = true;
	}
	for (uint32_t k = 0; k < w->n; k++)
		for (uint32_t i = 0; i < w->n; i++)
			for (uint32_t j = 0; j < w->n; j++)
				reach[i][j] |= reach[i][k] && reach[k][j];
}

struct truth {
	set alive, dead, collectable;
	bool reach[MOST][MOST]; /* among the dead */
};

static void find_truth(const struct world *w, struct truth *t)
{
	memset(t, 0, sizeof *t);
	plain_alive(w, t->alive);
	plain_collectable(w, t->collectable);
	for (uint32_t o = 0; o < w->n; o++)
		t->dead[o] = !t->alive[o];
	plain_reach(w, t->dead, t->reach);
}

/* ---- comparing ---- */

static void check_garbage(const struct world *w, const struct truth *t, const struct garbage *g)
{
	for (uint32_t o = 0; o < w->n; o++) {
		enum garbage_state wanted = GARBAGE_BELOW;

		if (t->alive[o])
			wanted = GARBAGE_HELD;
		else if (t->collectable[o])
			wanted = GARBAGE_COLLECTABLE;
		else if (w->objects[o].flags & PT_OBJECT_TRACKED || t->reach[o][o])
			wanted = GARBAGE_UNCOLLECTABLE;
		assert_int_equal(g->state[o], wanted);
		assert_int_equal(g->surplus[o], surplus_of(w, o));
		assert_false(t->alive[o] && t->collectable[o]);
	}
}

static bool in_part(const struct world *w, const struct truth *t, const struct edge *e)
{
	return t->dead[e->from] && t->dead[e->to] && (holds(e) || raw_counts(w, e));
}

/* Plays freeing until nothing more goes. Counts of members are those within the group. `skip`: an edge that is gone. */
static void plain_free(const struct world *w, const struct truth *t, const bool *member, const struct edge *skip,
		       bool *gone)
{
	for (bool again = true; again;) {
		again = false;
		for (uint32_t o = 0; o < w->n; o++) {
			uint32_t left = 0, lost = 0;

			for (uint32_t i = 0; i < w->n_edges; i++) {
				const struct edge *e = &w->edges[i];

				if (e->to != o || !in_part(w, t, e) || (member[o] && !member[e->from]))
					continue;
				left += e != skip && !gone[e->from];
				lost += e == skip || gone[e->from];
			}
			if (!gone[o] && t->dead[o] && lost && !left)
				again = gone[o] = true;
		}
	}
}

static uint64_t count(const bool *s)
{
	uint64_t n = 0;

	for (uint32_t o = 0; o < MOST; o++)
		n += s[o];
	return n;
}

static uint64_t sum(const bool *s)
{
	uint64_t n = 0;

	for (uint32_t o = 0; o < MOST; o++)
		n += s[o] ? bytes_of(o) : 0;
	return n;
}

static uint64_t best_cut(const struct world *w, const struct truth *t, const bool *member, uint32_t *ret_edges)
{
	uint64_t best = 0;

	*ret_edges = 0;
	for (uint32_t i = 0; i < w->n_edges; i++) {
		const struct edge *e = &w->edges[i];
		set gone = { 0 };

		if (!member[e->from] || !member[e->to] || !in_part(w, t, e))
			continue;
		++*ret_edges;
		plain_free(w, t, member, e, gone);
		best = count(gone) > best ? count(gone) : best;
	}
	return best;
}

static void check_group(const struct world *w, const struct truth *t, const struct groups *g, uint32_t index)
{
	const struct group *group = &g->at.at[index];
	set member = { 0 }, gone = { 0 };
	struct group_edges edges = { 0 };
	uint32_t n_edges, first = g->members.at[group->first];
	uint64_t cut;

	for (uint32_t i = 0; i < group->n; i++) {
		assert_int_equal(group_of(g, g->members.at[group->first + i]), index);
		member[g->members.at[group->first + i]] = gone[g->members.at[group->first + i]] = true;
	}
	for (uint32_t o = 0; o < w->n; o++)
		assert_int_equal(member[o], t->reach[first][o] && t->reach[o][first]);
	assert_int_equal(group->bytes, sum(member));
	plain_free(w, t, member, NULL, gone);
	assert_int_equal(group->below, count(gone) - group->n);
	assert_int_equal(group->below_bytes, sum(gone) - group->bytes);
	cut = best_cut(w, t, member, &n_edges);
	group_edges(g, group, &edges);
	assert_int_equal(edges.at.n, n_edges);
	if (n_edges <= 16)
		assert_int_equal(group->cut_objects, cut);
	assert_true(group->cut_objects <= cut && member[group->closing.from] && member[group->closing.to]);
	array_free(&edges.at);
}

static void check_groups(const struct world *w, const struct truth *t, const struct heap *h, const struct garbage *g)
{
	struct groups groups;
	uint64_t n_cyclic = 0, n_rows = 0;

	groups_of_garbage(&groups, h, g, NULL);
	for (uint32_t i = 0; i < groups.at.n; i++)
		check_group(w, t, &groups, i);
	for (uint32_t o = 0; o < w->n; o++)
		n_cyclic += t->reach[o][o];
	assert_int_equal(groups.members.n, n_cyclic);
	for (size_t i = 0; i < groups.rows.n; i++) {
		uint32_t n = 0;

		for (uint32_t k = groups.rows.at[i].example; k != UINT32_MAX; k = groups.next_same[k], n++)
			assert_int_equal(groups.at.at[k].shape, groups.rows.at[i].shape);
		assert_int_equal(n, groups.rows.at[i].count);
		n_rows += n;
	}
	assert_int_equal(n_rows, groups.at.n);
	groups_free(&groups);
}

/* Where the search for dominators starts, as dominators.h says. */
static void plain_starts(const struct world *w, bool *start)
{
	set reached = { 0 }, rest = { 0 };
	bool reach[MOST][MOST];

	for (uint32_t i = 0; i < w->n_roots; i++)
		if (root_holds(&w->roots[i]))
			start[w->roots[i].to] = true;
	for (uint32_t o = 0; o < w->n; o++)
		if (w->objects[o].flags & (PT_OBJECT_IMMORTAL | PT_OBJECT_STATIC) ||
		    (surplus_of(w, o) > 0 && w->objects[o].type != TYPE_ATOM))
			start[o] = true;
	memcpy(reached, start, sizeof reached);
	close_over(w, reached, NULL, NULL, false);
	for (uint32_t o = 0; o < w->n; o++)
		if (!reached[o] && (surplus_of(w, o) > 0 || w->objects[o].flags & PT_OBJECT_DEFERRED)) {
			start[o] = reached[o] = true;
			close_over(w, reached, NULL, NULL, false);
		}
	for (uint32_t o = 0; o < w->n; o++)
		rest[o] = !reached[o];
	memset(reach, 0, sizeof reach);
	for (uint32_t i = 0; i < w->n_edges; i++)
		if (holds(&w->edges[i]) && rest[w->edges[i].from] && rest[w->edges[i].to])
			reach[w->edges[i].from][w->edges[i].to] = true;
	for (uint32_t k = 0; k < w->n; k++)
		for (uint32_t i = 0; i < w->n; i++)
			for (uint32_t j = 0; j < w->n; j++)
				reach[i][j] |= reach[i][k] && reach[k][j];
	for (uint32_t o = 0; o < w->n; o++) {
		bool is_entry = rest[o];

		for (uint32_t i = 0; i < w->n; i++)
			if (rest[i] && reach[i][o] && (!reach[o][i] || i < o))
				is_entry = false;
		start[o] |= is_entry;
	}
}

/* All that goes when `without` goes: it, and what can't be reached any more. */
static void plain_dominated(const struct world *w, const bool *start, uint32_t without, bool *gone)
{
	set reached = { 0 }, within;

	for (uint32_t o = 0; o < w->n; o++)
		within[o] = o != without;
	for (uint32_t o = 0; o < w->n; o++)
		reached[o] = start[o] && o != without;
	close_over(w, reached, within, NULL, false);
	for (uint32_t o = 0; o < w->n; o++)
		gone[o] |= !reached[o];
}

static void check_dominators(const struct world *w, const struct heap *h, const int32_t *surplus)
{
	uint64_t by_type[N_TYPES], wanted[N_TYPES] = { 0 };
	set start = { 0 }, of_type[N_TYPES];
	struct dominators d;

	memset(of_type, 0, sizeof of_type);
	plain_starts(w, start);
	dominators_find(&d, h, NULL, surplus);
	for (uint32_t o = 0; o < w->n; o++) {
		set gone = { 0 };

		plain_dominated(w, start, o, gone);
		assert_int_equal(d.retained[o], sum(gone));
		assert_true(d.parent[o] == HEAP_NONE || d.retained[d.parent[o]] > d.retained[o]);
		for (uint32_t i = 0; i < w->n; i++)
			of_type[w->objects[o].type][i] |= gone[i];
	}
	for (uint32_t k = 1; k < N_TYPES; k++)
		wanted[k] = sum(of_type[k]);
	dominators_retained_by(&d, h->type, N_TYPES, by_type);
	for (uint32_t k = 1; k < N_TYPES; k++)
		assert_int_equal(by_type[k], wanted[k]);
	dominators_free(&d);
}

/* ---- chains ---- */

enum { FAR = 1000 };

/* Lengths of shortest chains from the starts that a phase adds; those found before stay. */
static void plain_lengths(const struct world *w, const bool *start, uint32_t *length, bool *is_start)
{
	set fresh = { 0 };
	uint32_t now[MOST];

	for (uint32_t o = 0; o < w->n; o++) {
		fresh[o] = length[o] == FAR;
		now[o] = start[o] && fresh[o] ? 1 : FAR;
		is_start[o] |= now[o] == 1;
	}
	for (uint32_t round = 0; round < w->n; round++)
		for (uint32_t i = 0; i < w->n_edges; i++) {
			const struct edge *e = &w->edges[i];

			if (holds(e) && fresh[e->to] && now[e->from] + 1 < now[e->to])
				now[e->to] = now[e->from] + 1;
		}
	for (uint32_t o = 0; o < w->n; o++)
		length[o] = fresh[o] ? now[o] : length[o];
}

static bool is_module(const struct world *w, uint32_t o)
{
	bool listed = false;

	for (uint32_t i = 0; i < w->n_edges; i++)
		for (uint32_t r = 0; r < w->n_roots; r++)
			listed |= w->edges[i].to == o && holds(&w->edges[i]) && w->roots[r].to == w->edges[i].from &&
				  w->roots[r].from == PT_ROOT_INTERPRETER &&
				  w->objects[w->edges[i].from].type == TYPE_DICT;
	return listed && w->objects[o].type == TYPE_MODULE;
}

static void plain_paths(const struct world *w, uint32_t *length, bool *is_start)
{
	for (uint32_t o = 0; o < w->n; o++)
		length[o] = FAR;
	for (int phase = 0; phase < 4; phase++) {
		set start = { 0 };

		for (uint32_t i = 0; i < w->n_roots && phase < 2; i++) {
			bool late = w->roots[i].from == PT_ROOT_TYPE || w->roots[i].from == PT_ROOT_GARBAGE;

			if (root_holds(&w->roots[i]) && late == (phase == 1))
				start[w->roots[i].to] = true;
		}
		for (uint32_t o = 0; o < w->n; o++) {
			bool c = surplus_of(w, o) > 0 || is_always_held(w, o);

			start[o] |= phase == 0 && is_module(w, o);
			start[o] |= phase == 2 && c && w->objects[o].type != TYPE_ATOM;
			start[o] |= phase == 3 && c;
		}
		plain_lengths(w, start, length, is_start);
	}
}

/* A flow by plain augmentation, on a table: in and out of each object, and a source. Ends of chains as flow.h says. */
static int capacity[2 * MOST + 1][2 * MOST + 1];

static bool push_one(uint32_t at, uint32_t to, bool *seen, uint32_t n)
{
	if (at == to)
		return true;
	seen[at] = true;
	for (uint32_t next = 0; next < n; next++) {
		if (seen[next] || !capacity[at][next] || !push_one(next, to, seen, n))
			continue;
		capacity[at][next]--;
		capacity[next][at]++;
		return true;
	}
	return false;
}

/* A module in sys.modules, or the dict of one. */
static bool starts_chains(const struct world *w, const struct paths *p, uint32_t o)
{
	struct path chain;
	bool starts;

	paths_to(p, o, &chain);
	starts = chain.start == PATH_MODULE &&
		 (chain.steps.n == 1 || (chain.steps.n == 2 && w->objects[o].type == TYPE_DICT));
	path_free(&chain);
	return starts;
}

/* extra: an object where chains may start, too; without: one that is taken away; MOST: none. */
static uint32_t plain_flow(const struct world *w, const struct paths *p, uint32_t target, uint32_t extra,
			   uint32_t without, bool *is_end)
{
	uint32_t source = 2 * w->n, n = 0;

	memset(capacity, 0, sizeof capacity);
	memset(is_end, 0, MOST);
	for (uint32_t o = 0; o < w->n; o++) {
		struct path chain;

		paths_to(p, o, &chain);
		is_end[o] = o == extra || starts_chains(w, p, o);
		if (chain.steps.n == 1)
			capacity[source][2 * o] = 1;
		if (is_end[o] && o != target)
			capacity[source][2 * o] = FAR;
		capacity[2 * o][2 * o + 1] = o == without ? 0 : is_end[o] ? FAR : 1;
		for (uint32_t r = 0, direct = 0; o == target && chain.start == PATH_ROOT && r < w->n_roots; r++)
			if (w->roots[r].to == target && root_holds(&w->roots[r]) && chain.steps.n == 1)
				capacity[source][2 * target] = (int)++direct;
		path_free(&chain);
	}
	for (uint32_t i = 0; i < w->n_edges; i++)
		if (holds(&w->edges[i]) && w->edges[i].from != target && w->edges[i].from != w->edges[i].to)
			capacity[2 * w->edges[i].from + 1][2 * w->edges[i].to]++;
	for (;; n++) {
		bool seen[2 * MOST + 1] = { 0 };

		if (!push_one(source, 2 * target, seen, 2 * w->n + 1))
			return n;
	}
}

/* The last object before the target without which it is not held; MOST: there is none. */
static uint32_t plain_neck(const struct world *w, const struct paths *p, uint32_t target)
{
	uint32_t neck = MOST;
	struct path chain;
	set is_end;

	paths_to(p, target, &chain);
	for (size_t i = 0; i + 1 < chain.steps.n; i++) {
		uint32_t o = chain.steps.at[i].object;

		if (!plain_flow(w, p, target, MOST, o, is_end) && !is_end[o])
			neck = o;
	}
	path_free(&chain);
	return neck;
}

static uint32_t plain_disjoint(const struct world *w, const struct paths *p, uint32_t target)
{
	if (is_module(w, target))
		return 1;
	for (;;) {
		set is_end;
		uint32_t n = plain_flow(w, p, target, MOST, MOST, is_end), neck;

		if (n != 1 || (neck = plain_neck(w, p, target)) == MOST)
			return n;
		n = plain_flow(w, p, target, neck, MOST, is_end);
		if (n > 1)
			return n;
		target = neck;
	}
}

static void check_chain(const struct heap *h, const struct path *chain, uint32_t target)
{
	assert_true(chain->steps.n > 0 && chain->start != PATH_NONE);
	assert_int_equal(chain->steps.at[chain->steps.n - 1].object, target);
	assert_int_equal(chain->steps.at[0].edge, HEAP_NONE);
	for (size_t i = 1; i < chain->steps.n; i++) {
		uint32_t e = chain->steps.at[i].edge;

		assert_true(e < h->n_edges);
		assert_int_equal(heap_source(h, e), chain->steps.at[i - 1].object);
		assert_int_equal(h->target[e], chain->steps.at[i].object);
	}
	if (chain->start == PATH_ROOT) {
		assert_int_equal(heap_target(h->root_targets.at[chain->root_edge]), chain->steps.at[0].object);
		assert_in_range(chain->root_edge, h->roots.at[chain->root].first,
				h->roots.at[chain->root].first + h->roots.at[chain->root].n - 1);
	}
}

static bool is_same_chain(const struct path *x, const struct path *y)
{
	for (size_t i = 1; x->steps.n == y->steps.n && i < x->steps.n; i++)
		if (x->steps.at[i].edge != y->steps.at[i].edge)
			return false;
	return x->steps.n == y->steps.n && x->root_edge == y->root_edge &&
	       x->steps.at[0].object == y->steps.at[0].object;
}

/* Chains may share modules, dicts of modules, the target, and what all of them share: nothing else. */
static void check_disjoint(const struct world *w, const struct paths *p, const struct path *chains, uint32_t n)
{
	uint32_t used[MOST] = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		const struct path *c = &chains[i];

		assert_true(!i || chains[i - 1].steps.n <= c->steps.n);
		for (uint32_t k = 0; k < i; k++)
			assert_false(is_same_chain(c, &chains[k]));
		for (size_t k = 0; k + 1 < c->steps.n; k++) {
			uint32_t o = c->steps.at[k].object;

			used[o] += !starts_chains(w, p, o);
		}
	}
	for (uint32_t o = 0; o < w->n; o++)
		assert_true(used[o] <= 1 || used[o] == n);
}

static void check_paths(const struct world *w, const struct heap *h, const int32_t *surplus)
{
	uint32_t length[MOST], n;
	struct path chains[6];
	set is_start = { 0 };
	struct paths p;

	paths_find(&p, h, surplus);
	plain_paths(w, length, is_start);
	for (uint32_t o = 0; o < w->n; o++) {
		assert_int_equal(paths_length(&p, o), length[o] == FAR ? 0 : length[o]);
		paths_to(&p, o, &chains[0]);
		assert_int_equal(chains[0].steps.n, length[o] == FAR ? 0 : length[o]);
		if (chains[0].steps.n)
			check_chain(h, &chains[0], o);
		path_free(&chains[0]);
		n = paths_disjoint(&p, o, 6, chains);
		for (uint32_t i = 0; i < n; i++)
			check_chain(h, &chains[i], o);
		check_disjoint(w, &p, chains, n);
		if (length[o] == FAR)
			assert_int_equal(n, 0);
		else
			assert_int_equal(n, plain_disjoint(w, &p, o) < 6 ? plain_disjoint(w, &p, o) : 6);
		while (n)
			path_free(&chains[--n]);
	}
	paths_free(&p);
}

/* ---- rounds ---- */

static void one_round(void)
{
	static struct truth truth;
	struct snapshots list;
	struct garbage g;
	struct world w;
	struct trace t;
	struct fault f;
	struct heap h;

	make_world(&w);
	write_world(&w);
	assert_int_equal(trace_open(&t, path, &f), 0);
	snapshots_list(&list, &t);
	heap_load(&h, &t, snapshots_find(&list, 0), (int)below(3));
	assert_true(h.complete);
	assert_int_equal(h.n, w.n);
	find_truth(&w, &truth);
	garbage_find(&g, &h, NULL);
	check_garbage(&w, &truth, &g);
	check_groups(&w, &truth, &h, &g);
	check_dominators(&w, &h, g.surplus);
	check_paths(&w, &h, g.surplus);
	garbage_free(&g);
	heap_free(&h);
	snapshots_free(&list);
	trace_close(&t);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t seed_now;

static void random_heaps(void **state)
{
	uint64_t first = setting("PYTRACE_GRAPH_SEED", 1), rounds = setting("PYTRACE_GRAPH_ROUNDS", ROUNDS);

	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-graph-%d.pytrace", getpid());
	for (seed_now = first; seed_now < first + rounds; seed_now++) {
		random_state = seed_now * UINT64_C(0x9e3779b97f4a7c15) + 1;
		one_round();
	}
	seed_now = 0;
}

static int clean_up(void **state)
{
	(void)state;
	unlink(path);
	if (seed_now)
		fprintf(stderr, "PYTRACE_GRAPH_SEED=%llu\n", (unsigned long long)seed_now);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(random_heaps, clean_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
