/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a search: an object is `outer` when the search has come to it along a reference from one that it refers
 * to, and `inner` when it may go on from there to those that refer to it. An object that no chain uses lets the search
 * through from outer to inner. One that a chain uses does not: from outer the search can only go where that chain goes,
 * taking the step back; from inner it can also give the object up, back to outer.
 */
#include "analyzer/heap/flow.h"

struct step {
	object_id from, to; /* of a reference, in its direction */
	uint32_t edge;
};

struct paths_flow {
	uint32_t *first, *back;  /* in-edges of each object: where they come from */
	uint32_t *outer, *inner; /* by object: the one from which the search came; HEAP_NONE: not been there */
	size_t state_bytes;
	uint64_t *ends;           /* set: modules and their dicts */
	ARRAY(object_id) touched; /* whose outer or inner is set */
	ARRAY(object_id) queue;   /* inner ones */
	ARRAY(struct step) steps; /* of the chains so far */
	struct map into, out_of;  /* object to index of the chain's step that leads to it, and from it, + 0 */
	object_id neck;           /* of the last flow; HEAP_NONE: it had none */
	ARRAY(uint32_t) used;     /* edges and root edges to the target itself */
};

/* ---- the graph, reversed ---- */

static void turn_edges(struct paths_flow *f, const struct heap *h)
{
	uint32_t at = 0;

	f->first = mem_zero((size_t)h->n + 1, sizeof *f->first);
	for (uint32_t e = 0; e < h->n_edges; e++)
		if (heap_holds(h->target[e]))
			f->first[h->target[e]]++;
	for (object_id o = 0; o <= h->n; o++) {
		uint32_t n = f->first[o];

		f->first[o] = at;
		at += n;
	}
	f->back = mem_alloc(at * sizeof *f->back);
	for (object_id o = 0; o < h->n; o++)
		for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++)
			if (heap_holds(h->target[e]))
				f->back[f->first[h->target[e]]++] = o;
	memmove(f->first + 1, f->first, h->n * sizeof *f->first);
	f->first[0] = 0;
}

static void find_ends(struct paths_flow *f, const struct paths *p)
{
	const struct heap *h = p->heap;

	f->ends = bits_new(h->n);
	for (object_id o = 0; o < h->n; o++) {
		if (p->how[o] != PATHS_MODULE)
			continue;
		bits_add(f->ends, o);
		for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++)
			if (heap_holds(h->target[e]) && p->how[h->target[e]] == PATHS_BY_EDGE &&
			    p->by[h->target[e]] == e && !strcmp(heap_type_name(h, h->target[e]), "dict"))
				bits_add(f->ends, h->target[e]);
	}
}

static struct paths_flow *flow_new(const struct paths *p)
{
	struct paths_flow *f = mem_zero(1, sizeof *f);

	f->state_bytes = (p->heap->n + (size_t)1) * sizeof *f->outer;
	f->outer = mem_map(f->state_bytes);
	f->inner = mem_map(f->state_bytes);
	turn_edges(f, p->heap);
	find_ends(f, p);
	return f;
}

void paths_flow_free(struct paths_flow *f)
{
	if (!f)
		return;
	free(f->first);
	free(f->back);
	mem_unmap(f->outer, f->state_bytes);
	mem_unmap(f->inner, f->state_bytes);
	free(f->ends);
	array_free(&f->touched);
	array_free(&f->queue);
	array_free(&f->steps);
	array_free(&f->used);
	map_free(&f->into);
	map_free(&f->out_of);
	free(f);
}

/* ---- one more chain ---- */

/* States hold an object's number plus one, so that untouched memory says "not been there". */
static bool been(uint32_t *state, object_id o, object_id from, struct paths_flow *f)
{
	if (state[o])
		return true;
	state[o] = from + 1;
	*array_push(&f->touched) = o;
	return false;
}

static void go_inner(struct paths_flow *f, object_id o, object_id from)
{
	if (!been(f->inner, o, from, f))
		*array_push(&f->queue) = o;
}

/* What can be done at an outer state. True: the search has arrived. */
static bool go_outer(struct paths_flow *f, object_id o, object_id from)
{
	uint32_t step;

	if (been(f->outer, o, from, f))
		return false;
	if (bits_has(f->ends, o))
		return true;
	step = map_find(&f->out_of, o);
	if (step == MAP_NONE)
		go_inner(f, o, o);
	else
		go_inner(f, f->steps.at[step].to, o);
	return false;
}

/* Whether a chain may start at o: it does not already. */
static bool starts(const struct paths *p, const struct paths_flow *f, object_id o)
{
	bool is_start = p->how[o] >= PATHS_BY_ROOT;

	return is_start && (map_find(&f->out_of, o) == MAP_NONE || map_find(&f->into, o) != MAP_NONE);
}

/* Whether the reference from o to `to` is part of a chain. */
static bool in_chain(const struct paths_flow *f, object_id o, object_id to)
{
	uint32_t step = map_find(&f->out_of, o);

	return step != MAP_NONE && f->steps.at[step].to == to;
}

static bool is_used(const struct paths_flow *f, uint32_t back)
{
	for (size_t i = 0; i < f->used.n; i++)
		if (f->used.at[i] == back)
			return true;
	return false;
}

/* Every object holds its class: that is no other way to hold what the class holds. */
static bool is_type_of(const struct heap *h, object_id type, object_id o)
{
	return h->types.at[h->type[o]].object == type;
}

enum arrived { NOWHERE, AT_START, AT_END };

/* Searches back from the target. *ret is where it arrived: an inner state (AT_START), or an outer one (AT_END), to
 * which it came from *ret_to. */
static enum arrived search(const struct paths *p, struct paths_flow *f, object_id target, object_id *ret)
{
	f->queue.n = 0;
	go_inner(f, target, target);
	for (size_t next = 0; next < f->queue.n; next++) {
		object_id to = f->queue.at[next];

		*ret = to;
		if (to != target && starts(p, f, to))
			return AT_START;
		if (to != target && map_find(&f->out_of, to) != MAP_NONE && go_outer(f, to, to))
			return AT_END;
		for (uint32_t b = f->first[to]; b < f->first[to + 1]; b++) {
			object_id from = f->back[b];

			if (from == to || from == target || is_type_of(p->heap, to, from) || in_chain(f, from, to) ||
			    (to == target && is_used(f, b)))
				continue;
			*ret = from;
			if (go_outer(f, from, to))
				return AT_END;
		}
	}
	return NOWHERE;
}

static void add_step(struct paths_flow *f, object_id from, object_id to)
{
	*array_push(&f->steps) = (struct step){ from, to, HEAP_NONE };
}

static void drop_step(struct paths_flow *f, object_id from, object_id to)
{
	for (size_t i = 0; i < f->steps.n; i++) {
		if (f->steps.at[i].from != from || f->steps.at[i].to != to)
			continue;
		f->steps.at[i] = f->steps.at[--f->steps.n];
		return;
	}
}

/* A module's dict may refer to the target more than once: each of these edges is a chain. */
static void use_edge(struct paths_flow *f, object_id from, object_id target)
{
	for (uint32_t b = f->first[target]; b < f->first[target + 1]; b++)
		if (f->back[b] == from && !is_used(f, b)) {
			*array_push(&f->used) = b;
			return;
		}
}

/* Takes the search's steps, from where it arrived to the target, into the chains. */
static void take_steps(struct paths_flow *f, object_id target, object_id o, enum arrived where)
{
	bool at_inner = where == AT_START;

	while (!at_inner || o != target) {
		object_id from = (at_inner ? f->inner[o] : f->outer[o]) - 1;

		if (from == o) {
			at_inner = !at_inner;
			continue;
		}
		if (at_inner) {
			drop_step(f, from, o);
		} else {
			add_step(f, o, from);
			if (from == target && bits_has(f->ends, o))
				use_edge(f, o, target);
		}
		at_inner = !at_inner;
		o = from;
	}
}

static void index_steps(struct paths_flow *f)
{
	map_free(&f->into);
	map_free(&f->out_of);
	for (size_t i = 0; i < f->steps.n; i++) {
		const struct step *s = &f->steps.at[i];

		*map_at(&f->into, s->to) = (uint32_t)i;
		if (!bits_has(f->ends, s->from))
			*map_at(&f->out_of, s->from) = (uint32_t)i;
	}
}

static void forget_search(struct paths_flow *f)
{
	for (size_t i = 0; i < f->touched.n; i++)
		f->outer[f->touched.at[i]] = f->inner[f->touched.at[i]] = 0;
	f->touched.n = 0;
}

/*
 * The one object that all chains go through, nearest to the target, when there is one chain and the search for another
 * ended: on the chain, going back from the target, the first that the search could not pass. HEAP_NONE: it is where the
 * chain starts.
 */
static object_id find_neck(const struct paths_flow *f, object_id target)
{
	for (object_id o = target;;) {
		uint32_t step = MAP_NONE;

		for (size_t i = 0; i < f->steps.n && step == MAP_NONE; i++)
			if (f->steps.at[i].to == o)
				step = (uint32_t)i;
		if (step == MAP_NONE)
			return HEAP_NONE;
		o = f->steps.at[step].from;
		if (bits_has(f->ends, o))
			return HEAP_NONE;
		if (!f->inner[o])
			return o;
	}
}

/* ---- chains to people ---- */

/* The n-th edge from one object to another. */
static uint32_t find_edge(const struct heap *h, object_id from, object_id to, uint32_t n)
{
	for (uint32_t e = h->first[from]; e < h->first[from + 1]; e++)
		if (h->target[e] == to && !n--)
			return e;
	return HEAP_NONE;
}

static void follow(const struct paths *p, const struct paths_flow *f, object_id target, size_t step, uint32_t nth,
		   struct path *ret)
{
	const struct step *s = &f->steps.at[step];

	paths_to(p, s->from, ret);
	*array_push(&ret->steps) = (struct path_step){ s->to, find_edge(p->heap, s->from, s->to, nth) };
	while (s->to != target) {
		s = &f->steps.at[map_find(&f->out_of, s->to)];
		*array_push(&ret->steps) = (struct path_step){ s->to, find_edge(p->heap, s->from, s->to, 0) };
	}
}

/* Chains that are the target alone: it is held by a root, by several perhaps. */
static uint32_t direct_chains(const struct paths *p, object_id target, uint32_t max, struct path *ret)
{
	const struct heap *h = p->heap;
	uint32_t n = 0;

	if (p->how[target] == PATHS_MODULE || p->how[target] == PATHS_BY_C) {
		paths_to(p, target, ret);
		return 1;
	}
	for (size_t i = 0; p->how[target] == PATHS_BY_ROOT && i < h->roots.n; i++) {
		const struct heap_root *r = &h->roots.at[i];

		for (uint32_t e = r->first; n < max && e < r->first + r->n; e++) {
			if (heap_root_holds(h, r, e) != target)
				continue;
			ret[n] = (struct path){ .start = PATH_ROOT, .root = (uint32_t)i, .root_edge = e };
			*array_push(&ret[n].steps) = (struct path_step){ target, HEAP_NONE };
			n++;
		}
	}
	return n;
}

static int by_length(const void *a, const void *b)
{
	const struct path *x = a, *y = b;

	if (x->steps.n != y->steps.n)
		return x->steps.n < y->steps.n ? -1 : 1;
	return x->steps.at[0].object < y->steps.at[0].object ? -1 : x->steps.at[0].object > y->steps.at[0].object;
}

static bool is_first(const struct paths_flow *f, const struct step *s)
{
	return bits_has(f->ends, s->from) || map_find(&f->into, s->from) == MAP_NONE;
}

static uint32_t flow_chains(const struct paths *p, struct paths_flow *f, object_id target, uint32_t max,
			    struct path *ret)
{
	uint32_t n = 0;
	object_id o = 0;

	f->neck = HEAP_NONE;
	for (uint32_t k = 0; k < max; k++) {
		enum arrived where = search(p, f, target, &o);

		if (where == NOWHERE)
			f->neck = k == 1 ? find_neck(f, target) : HEAP_NONE;
		else
			take_steps(f, target, o, where);
		forget_search(f);
		index_steps(f);
		if (where == NOWHERE)
			break;
	}
	for (size_t i = 0; i < f->steps.n; i++) {
		uint32_t nth = 0;

		if (!is_first(f, &f->steps.at[i]))
			continue;
		for (size_t k = 0; k < i; k++)
			nth += f->steps.at[k].from == f->steps.at[i].from && f->steps.at[k].to == f->steps.at[i].to;
		follow(p, f, target, i, nth, &ret[n++]);
	}
	f->steps.n = f->used.n = 0;
	index_steps(f);
	return n;
}

static uint32_t all_chains(const struct paths *p, struct paths_flow *f, object_id target, uint32_t max,
			   struct path *ret)
{
	uint32_t n = direct_chains(p, target, max, ret);

	return n + flow_chains(p, f, target, max - n, ret + n);
}

/* Chains from the neck to the target: as if chains started there. */
static uint32_t chains_below(const struct paths *p, struct paths_flow *f, object_id neck, object_id target,
			     uint32_t max, struct path *ret)
{
	uint32_t n;

	bits_add(f->ends, neck);
	n = flow_chains(p, f, target, max, ret);
	f->ends[neck / 64] &= ~(UINT64_C(1) << neck % 64);
	return n;
}

static void free_chains(struct path *chains, uint32_t n)
{
	while (n)
		path_free(&chains[--n]);
}

/*
 * When all chains go through one object (the neck), they may be different below it; and when they are one below it,
 * too, above it. `tail` are the steps from there to the object that was asked for, the last one first.
 */
static uint32_t chains_with_necks(const struct paths *p, struct paths_flow *f, object_id target, uint32_t max,
				  struct path *ret, struct path *tail)
{
	for (;;) {
		uint32_t n = all_chains(p, f, target, max, ret);
		object_id neck = f->neck;

		if (n != 1 || neck == HEAP_NONE || ret[0].steps.n < 2)
			return n;
		free_chains(ret, n);
		n = chains_below(p, f, neck, target, max, ret);
		if (n != 1)
			return n;
		for (size_t i = ret[0].steps.n; i > 0 && ret[0].steps.at[i - 1].object != neck; i--)
			*array_push(&tail->steps) = ret[0].steps.at[i - 1];
		free_chains(ret, n);
		target = neck;
	}
}

uint32_t paths_disjoint(struct paths *p, object_id o, uint32_t max, struct path *ret)
{
	struct path tail = { .start = PATH_NONE };
	uint32_t n;

	if (!p->how[o] || !max)
		return 0;
	if (p->how[o] == PATHS_MODULE) /* what else refers to it hangs below it, mostly */
		max = 1;
	if (max > 1 && !p->flow)
		p->flow = flow_new(p);
	n = max > 1 ? chains_with_necks(p, p->flow, o, max, ret, &tail) : 0;
	for (uint32_t i = 0; n > 1 && i < n; i++)
		for (size_t k = tail.steps.n; k > 0; k--)
			*array_push(&ret[i].steps) = tail.steps.at[k - 1];
	path_free(&tail);
	if (n < 2) {
		free_chains(ret, n);
		paths_to(p, o, ret);
		return 1;
	}
	qsort(ret, n, sizeof *ret, by_length);
	return n;
}
