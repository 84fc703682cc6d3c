/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/heap/paths.h"
#include "analyzer/heap/flow.h"

struct search {
	struct paths *p;
	struct heap_queue queue;
	size_t next;
};

static void find(struct search *s, object_id o, uint32_t by, enum paths_how how)
{
	if (s->p->how[o])
		return;
	s->p->how[o] = (uint8_t)how;
	s->p->by[o] = by;
	s->queue.at[s->queue.n++] = o;
}

/* Everything that those found so far hold, the nearest first. */
static void spread(struct search *s)
{
	const struct heap *h = s->p->heap;
	enum { AHEAD = 8 };

	for (; s->next < s->queue.n; s->next++) {
		object_id o = s->queue.at[s->next];

		if (s->next + AHEAD < s->queue.n)
			__builtin_prefetch(&h->first[s->queue.at[s->next + AHEAD]]);
		if (s->next + AHEAD / 2 < s->queue.n)
			__builtin_prefetch(&h->target[h->first[s->queue.at[s->next + AHEAD / 2]]]);
		for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++)
			if (heap_holds(h->target[e]))
				find(s, h->target[e], e, PATHS_BY_EDGE);
	}
}

/* `waiters`: frames of such threads are meant, too. */
static void find_by_roots(struct search *s, uint32_t kinds, bool waiters)
{
	const struct heap *h = s->p->heap;

	for (size_t i = 0; i < h->roots.n; i++) {
		const struct heap_root *r = &h->roots.at[i];
		bool meant = r->kind < 32 && kinds >> r->kind & 1 &&
			     (waiters || r->kind != PT_ROOT_FRAME || !waiters_find(&s->p->waiters, h, r->first));

		for (uint32_t e = r->first; meant && e < r->first + r->n; e++)
			if (heap_root_holds(h, r, e) != HEAP_NONE)
				find(s, heap_root_holds(h, r, e), e, PATHS_BY_ROOT);
	}
}

static bool is_of(const struct heap *h, object_id o, const char *type) { return !strcmp(heap_type_name(h, o), type); }

/* The modules in the dicts that an interpreter refers to: sys.modules is one of these. */
static void find_modules(struct search *s)
{
	const struct heap *h = s->p->heap;

	for (size_t i = 0; i < h->roots.n; i++) {
		const struct heap_root *r = &h->roots.at[i];

		for (uint32_t e = r->first; r->kind == PT_ROOT_INTERPRETER && e < r->first + r->n; e++) {
			object_id dict = heap_target(h->root_targets.at[e]);

			if (dict == HEAP_NONE || !is_of(h, dict, "dict"))
				continue;
			for (uint32_t k = h->first[dict]; k < h->first[dict + 1]; k++)
				if (heap_holds(h->target[k]) && is_of(h, h->target[k], "module"))
					find(s, h->target[k], 0, PATHS_MODULE);
		}
	}
}

static void find_held(struct search *s, const int32_t *surplus, bool known_types)
{
	const struct heap *h = s->p->heap;
	enum { ALWAYS = PT_OBJECT_IMMORTAL | PT_OBJECT_DEFERRED | PT_OBJECT_STATIC };

	for (object_id o = 0; o < h->n; o++)
		if ((surplus[o] > 0 || h->flags[o] & ALWAYS) &&
		    (!known_types || h->types.at[h->type[o]].flags & PT_TYPE_GC))
			find(s, o, 0, PATHS_BY_C);
}

void paths_find(struct paths *p, const struct heap *h, const int32_t *surplus)
{
	struct search s = { .p = p };
	uint32_t last = 1 << PT_ROOT_TYPE | 1 << PT_ROOT_GARBAGE;

	*p = (struct paths){ .heap = h };
	p->by = mem_alloc(h->n * sizeof *p->by);
	p->how = mem_zero(h->n, sizeof *p->how);
	s.queue = heap_queue_new(h);
	waiters_list(&p->waiters, h);
	find_modules(&s);
	find_by_roots(&s, 1 << PT_ROOT_FRAME, false);
	find_by_roots(&s, ~last, false);
	spread(&s);
	find_by_roots(&s, 1 << PT_ROOT_FRAME, true);
	spread(&s);
	find_by_roots(&s, last, true);
	spread(&s);
	find_held(&s, surplus, true);
	spread(&s);
	find_held(&s, surplus, false);
	spread(&s);
	heap_queue_free(&s.queue);
}

void paths_free(struct paths *p)
{
	free(p->by);
	free(p->how);
	paths_flow_free(p->flow);
	waiters_free(&p->waiters);
	*p = (struct paths){ 0 };
}

/* ---- one chain ---- */

uint32_t paths_length(const struct paths *p, object_id o)
{
	uint32_t n = 0;

	if (!p->how[o])
		return 0;
	for (n = 1; p->how[o] == PATHS_BY_EDGE; n++)
		o = heap_source(p->heap, p->by[o]);
	return n;
}

bool paths_is_of_c(const struct paths *p, object_id o) { return p->how[o] == PATHS_BY_C; }

/* The object of the thread whose frame found this one, which something else found; HEAP_NONE. */
static object_id waiting(const struct paths *p, object_id o)
{
	const struct waiter *w = p->how[o] == PATHS_BY_ROOT ? waiters_find(&p->waiters, p->heap, p->by[o]) : NULL;

	return w && p->how[w->object] != PATHS_BY_ROOT ? w->object : HEAP_NONE;
}

void paths_label(const struct paths *p, const uint8_t *label, uint8_t *ret)
{
	enum { NOT_YET = 255 };
	ARRAY(object_id) way = { 0 };

	memset(ret, NOT_YET, p->heap->n);
	for (object_id o = 0; o < p->heap->n; o++) {
		object_id at = o, next = o;
		bool waited = false; /* once: threads may hold each other */
		uint8_t found;

		for (; ret[at] == NOT_YET && !label[at]; at = next) {
			next = p->how[at] == PATHS_BY_EDGE ? heap_source(p->heap, p->by[at])
			       : waited                    ? HEAP_NONE
							   : waiting(p, at);
			if (next == HEAP_NONE)
				break;
			waited |= p->how[at] != PATHS_BY_EDGE;
			*array_push(&way) = at;
		}
		found = ret[at] != NOT_YET ? ret[at] : label[at];
		ret[at] = found;
		while (way.n)
			ret[way.at[--way.n]] = found;
	}
	array_free(&way);
}

/* Where a chain starts whose first object is o. */
static void fill_start(const struct paths *p, object_id o, struct path *ret)
{
	const struct heap *h = p->heap;

	if (p->how[o] == PATHS_MODULE)
		ret->start = PATH_MODULE;
	if (p->how[o] == PATHS_BY_C)
		ret->start = PATH_C;
	if (p->how[o] != PATHS_BY_ROOT)
		return;
	ret->start = PATH_ROOT;
	ret->root_edge = p->by[o];
	for (ret->root = 0; ret->root < h->roots.n; ret->root++)
		if (ret->root_edge - h->roots.at[ret->root].first < h->roots.at[ret->root].n)
			break;
}

static void turn_around(struct path *path)
{
	for (size_t i = 0, k = path->steps.n; i + 1 < k; i++) {
		struct path_step swap = path->steps.at[i];

		path->steps.at[i] = path->steps.at[--k];
		path->steps.at[k] = swap;
	}
}

void paths_to(const struct paths *p, object_id o, struct path *ret)
{
	*ret = (struct path){ .start = PATH_NONE };
	if (!p->how[o])
		return;
	while (p->how[o] == PATHS_BY_EDGE) {
		*array_push(&ret->steps) = (struct path_step){ o, p->by[o] };
		o = heap_source(p->heap, p->by[o]);
	}
	*array_push(&ret->steps) = (struct path_step){ o, HEAP_NONE };
	turn_around(ret);
	fill_start(p, o, ret);
}

void path_free(struct path *p) { array_free(&p->steps); }
