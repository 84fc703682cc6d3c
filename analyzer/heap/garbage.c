/* SPDX-License-Identifier: Apache-2.0 */
/*
 * garbage: the collector's reasoning, from wide to narrow (garbage.h tells the theory)
 *
 *   1  surplus: for every object, its count less all references that are known.
 *   2  held: surplus, a root, or a count that means nothing. What is reachable from there is alive. gc.garbage is alive
 *      and holds nothing. An object whose surplus could be raw pointers of garbage is not held, if those close cycles:
 *      each of them is looked at by itself, and in doubt it is held.
 *   3  Among the rest, which is usually little: what the collector would find with what it knows. That is collectable,
 *      but for what objects with tp_del reach. What else is tracked, or lies on a cycle, is uncollectable.
 *
 * Nothing outside of the rest refers into it, so that 3 need not look at the whole heap again.
 */
#include "analyzer/heap/components.h"
#include "analyzer/heap/parts.h"

/* Steps that may be spent on looking whether raw pointers close cycles. */
enum { RAW_STEPS = 50 * 1000 * 1000 };

/* ---- surplus ---- */

static bool has_no_count(const struct heap *h, object_id o)
{
	return h->flags[o] & (PT_OBJECT_IMMORTAL | PT_OBJECT_DEFERRED);
}

static void subtract(int32_t *surplus, const uint32_t *targets, size_t n)
{
	enum { AHEAD = 16 };

	for (size_t i = 0; i < n; i++) {
		if (i + AHEAD < n && heap_holds(targets[i + AHEAD]))
			__builtin_prefetch(&surplus[targets[i + AHEAD]], 1);
		if (heap_holds(targets[i]) && surplus[targets[i]] > INT32_MIN)
			surplus[targets[i]]--;
	}
}

int32_t *garbage_surplus(const struct heap *h)
{
	int32_t *surplus = mem_alloc(h->n * sizeof *surplus);

	for (object_id o = 0; o < h->n; o++)
		surplus[o] = h->refcount[o] < INT32_MAX ? (int32_t)h->refcount[o] : INT32_MAX;
	subtract(surplus, h->target, h->n_edges);
	subtract(surplus, h->root_targets.at, h->root_targets.n);
	for (object_id o = 0; o < h->n; o++)
		if (has_no_count(h, o))
			surplus[o] = 0;
	return surplus;
}

/* ---- alive ---- */

struct search {
	const struct heap *h;
	const int32_t *surplus;
	unsigned always; /* objects with one of these flags are alive */
	uint64_t *alive;
	struct heap_queue queue;
};

static void reach(struct search *s, object_id o)
{
	if (bits_has(s->alive, o))
		return;
	bits_add(s->alive, o);
	s->queue.at[s->queue.n++] = o;
}

/* Everything that what is in the queue refers to, is alive. Edges are looked at some objects late: by then their first
 * edges are in the cache. */
static void spread(struct search *s)
{
	const struct heap *h = s->h;

	while (s->queue.n) {
		object_id o = s->queue.at[--s->queue.n];

		for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++) {
			if (!heap_holds(h->target[e]) || bits_has(s->alive, h->target[e]))
				continue;
			__builtin_prefetch(&h->first[h->target[e]]);
			reach(s, h->target[e]);
		}
	}
}

/* gc.garbage is alive, and is not in the queue: it holds nothing. */
static void reach_roots(struct search *s)
{
	const struct heap *h = s->h;

	for (size_t i = 0; i < h->roots.n; i++) {
		const struct heap_root *r = &h->roots.at[i];

		for (uint32_t e = r->first; r->kind == PT_ROOT_GARBAGE && e < r->first + r->n; e++)
			if (heap_holds(h->root_targets.at[e]))
				bits_add(s->alive, h->root_targets.at[e]);
	}
	for (size_t i = 0; i < h->roots.n; i++) {
		const struct heap_root *r = &h->roots.at[i];

		for (uint32_t e = r->first; r->kind != PT_ROOT_GARBAGE && e < r->first + r->n; e++)
			if (heap_root_holds(h, r, e) != HEAP_NONE)
				reach(s, heap_root_holds(h, r, e));
	}
}

enum { ALWAYS = PT_OBJECT_IMMORTAL | PT_OBJECT_STATIC };

static void reach_held(struct search *s, const uint64_t *doubtful)
{
	const struct heap *h = s->h;

	for (object_id o = 0; o < h->n; o++)
		if (h->flags[o] & s->always || (s->surplus[o] > 0 && !(doubtful && bits_has(doubtful, o))))
			reach(s, o);
	spread(s);
}

/* ---- raw pointers ---- */

struct doubt {
	object_id target;
	uint32_t n; /* raw pointers to it */
};

struct doubts {
	ARRAY(struct doubt) at;
	uint64_t *set;
};

static int by_target(const void *a, const void *b)
{
	const struct doubt *x = a, *y = b;

	return x->target < y->target ? -1 : x->target > y->target;
}

/* Objects whose surplus could be the raw pointers that lead to them. */
static void find_doubts(struct doubts *d, const struct heap *h, const int32_t *surplus)
{
	size_t n = 0;

	*d = (struct doubts){ 0 };
	for (size_t i = 0; i < h->raws.n; i++)
		if (heap_raw_counts(&h->raws.at[i], surplus))
			*array_push(&d->at) = (struct doubt){ h->raws.at[i].target, 1 };
	if (!d->at.n)
		return;
	qsort(d->at.at, d->at.n, sizeof *d->at.at, by_target);
	for (size_t i = 1; i < d->at.n; i++) {
		if (d->at.at[i].target == d->at.at[n].target)
			d->at.at[n].n++;
		else
			d->at.at[++n] = d->at.at[i];
	}
	d->at.n = n + 1;
	d->set = bits_new(h->n);
	for (size_t i = 0; i < d->at.n; i++)
		if ((int64_t)surplus[d->at.at[i].target] <= d->at.at[i].n)
			bits_add(d->set, d->at.at[i].target);
}

static void free_doubts(struct doubts *d)
{
	array_free(&d->at);
	free(d->set);
}

/* How many raw pointers to `target` lie in objects that it reaches and that are not alive. */
struct closing {
	struct search *s;
	uint64_t *seen;
	struct heap_queue queue;
	uint64_t steps; /* left */
};

static uint32_t raws_to(const struct heap *h, object_id o, object_id target, const int32_t *surplus)
{
	uint32_t n = 0;

	for (size_t i = heap_first_raw(h, o); i < h->raws.n && h->raws.at[i].object == o; i++)
		n += h->raws.at[i].target == target && heap_raw_counts(&h->raws.at[i], surplus);
	return n;
}

static void see(struct closing *c, object_id o)
{
	if (bits_has(c->seen, o) || bits_has(c->s->alive, o))
		return;
	bits_add(c->seen, o);
	c->queue.at[c->queue.n++] = o;
}

static int64_t count_closing(struct closing *c, object_id target)
{
	const struct heap *h = c->s->h;
	int64_t n = 0;
	size_t next = 0;

	c->queue.n = 0;
	for (see(c, target); next < c->queue.n && c->steps; next++) {
		object_id o = c->queue.at[next];

		if (h->flags[o] & PT_OBJECT_RAW)
			n += raws_to(h, o, target, c->s->surplus);
		for (uint32_t e = h->first[o]; e < h->first[o + 1] && c->steps; e++, c->steps--)
			if (heap_holds(h->target[e]))
				see(c, h->target[e]);
	}
	for (size_t i = 0; i < c->queue.n; i++)
		c->seen[c->queue.at[i] / 64] = 0;
	return c->steps ? n : 0;
}

/* Objects that were not held because raw pointers could be all that holds them, and are, because those close no cycle.
 * What they reach is alive then, which can take away from others what closes theirs: until nothing changes. */
static void settle_doubts(struct search *s, struct doubts *d)
{
	struct closing c = { s, bits_new(s->h->n), heap_queue_new(s->h), RAW_STEPS };
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < d->at.n; i++) {
			object_id o = d->at.at[i].target;

			if (bits_has(s->alive, o) || count_closing(&c, o) >= s->surplus[o])
				continue;
			reach(s, o);
			spread(s);
			again = true;
		}
	}
	heap_queue_free(&c.queue);
	free(c.seen);
}

/* The set of objects that are alive. */
static uint64_t *find_alive(const struct heap *h, const int32_t *surplus, unsigned always)
{
	struct search s = { h, surplus, always, bits_new(h->n), heap_queue_new(h) };
	struct doubts d;

	find_doubts(&d, h, surplus);
	reach_roots(&s);
	reach_held(&s, d.set);
	settle_doubts(&s, &d);
	free_doubts(&d);
	heap_queue_free(&s.queue);
	return s.alive;
}

/* The set of the others. */
static uint64_t *find_others(const struct heap *h, const int32_t *surplus, unsigned always)
{
	uint64_t *rest = find_alive(h, surplus, always);

	for (size_t w = 0; w < h->n / 64 + 1; w++)
		rest[w] = ~rest[w];
	rest[h->n / 64] &= (UINT64_C(1) << h->n % 64) - 1;
	return rest;
}

uint64_t *garbage_dead(const struct heap *h, const int32_t *surplus) { return find_others(h, surplus, ALWAYS); }

/* ---- what the collector knows of the rest ---- */

struct rest {
	const struct heap *h;
	struct heap_part part;
	int64_t *left;   /* by vertex: its count, less what collectable objects report */
	uint64_t *found; /* set of vertices: reached */
	uint32_t *queue;
	uint32_t n_queue;
};

static bool is_candidate(const struct heap *h, object_id o)
{
	return heap_is_tracked(h, o) && heap_generation(h, o) != 3;
}

static bool is_reported(const struct rest *r, uint32_t edge)
{
	uint32_t e = r->part.edge[edge];

	return e != HEAP_NONE && !(r->h->label[e] & PT_EDGE_UNTRAVERSED);
}

static void rest_reach(struct rest *r, uint32_t v)
{
	if (bits_has(r->found, v))
		return;
	bits_add(r->found, v);
	r->queue[r->n_queue++] = v;
}

static void rest_spread(struct rest *r)
{
	const struct heap_part *p = &r->part;

	while (r->n_queue) {
		uint32_t v = r->queue[--r->n_queue];

		for (uint32_t e = p->first[v]; e < p->first[v + 1]; e++)
			rest_reach(r, p->to[e]);
	}
}

/* Finds what is held although nothing that lives holds it. */
static void rest_held(struct rest *r)
{
	const struct heap_part *p = &r->part;
	const struct heap *h = r->h;

	for (uint32_t v = 0; v < p->n; v++)
		r->left[v] = h->refcount[p->objects[v]];
	for (uint32_t v = 0; v < p->n; v++)
		for (uint32_t e = p->first[v]; is_candidate(h, p->objects[v]) && e < p->first[v + 1]; e++)
			r->left[p->to[e]] -= is_reported(r, e);
	for (uint32_t v = 0; v < p->n; v++)
		if (!is_candidate(h, p->objects[v]) ? heap_is_tracked(h, p->objects[v]) : r->left[v] > 0)
			rest_reach(r, v);
	rest_spread(r);
}

/* And what objects with tp_del reach: the collector leaves it alone, and puts those into gc.garbage. */
static void rest_legacy(struct rest *r)
{
	const struct heap *h = r->h;

	for (uint32_t v = 0; v < r->part.n; v++)
		if (is_candidate(h, r->part.objects[v]) &&
		    h->types.at[h->type[r->part.objects[v]]].flags & PT_TYPE_LEGACY)
			rest_reach(r, v);
	rest_spread(r);
}

/* Sets of vertices on cycles: those whose component has others, or who refer to themselves. */
static uint64_t *rest_cycles(const struct rest *r)
{
	const struct heap_part *p = &r->part;
	const struct graph g = { p->n, p->first, p->to };
	uint32_t *component = mem_alloc(p->n * sizeof *component), n = components_find(&g, component);
	uint32_t *size = mem_zero(n, sizeof *size);
	uint64_t *cyclic = bits_new(p->n);

	for (uint32_t v = 0; v < p->n; v++)
		size[component[v]]++;
	for (uint32_t v = 0; v < p->n; v++) {
		bool self = false;

		for (uint32_t e = p->first[v]; e < p->first[v + 1]; e++)
			self |= p->to[e] == v;
		if (self || size[component[v]] > 1)
			bits_add(cyclic, v);
	}
	free(component);
	free(size);
	return cyclic;
}

static void judge_rest(struct garbage *g, struct rest *r)
{
	uint64_t *cyclic;

	r->left = mem_alloc(r->part.n * sizeof *r->left);
	r->queue = mem_alloc(r->part.n * sizeof *r->queue);
	r->found = bits_new(r->part.n);
	rest_held(r);
	rest_legacy(r);
	cyclic = rest_cycles(r);
	for (uint32_t v = 0; v < r->part.n; v++) {
		object_id o = r->part.objects[v];

		if (is_candidate(r->h, o) && !bits_has(r->found, v))
			g->state[o] = GARBAGE_COLLECTABLE;
		else
			g->state[o] =
				heap_is_tracked(r->h, o) || bits_has(cyclic, v) ? GARBAGE_UNCOLLECTABLE : GARBAGE_BELOW;
	}
	free(cyclic);
	free(r->found);
	free(r->queue);
	free(r->left);
	heap_part_free(&r->part);
}

void garbage_find(struct garbage *g, const struct heap *h, const uint64_t *bytes)
{
	struct rest r = { .h = h };
	uint64_t *rest;

	*g = (struct garbage){ .state = mem_zero(h->n, 1), .surplus = garbage_surplus(h) };
	rest = find_others(h, g->surplus, ALWAYS | PT_OBJECT_DEFERRED);
	heap_part_make(&r.part, h, rest, g->surplus);
	judge_rest(g, &r);
	for (object_id o = 0; o < h->n; o++) {
		g->n[g->state[o]]++;
		g->bytes[g->state[o]] += bytes ? bytes[o] : h->bytes[o];
	}
}

void garbage_free(struct garbage *g)
{
	free(g->state);
	free(g->surplus);
	*g = (struct garbage){ 0 };
}
