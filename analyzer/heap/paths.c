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
