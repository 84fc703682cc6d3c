/* SPDX-License-Identifier: Apache-2.0 */
/* path: one chain of those that paths_find() has found: its length, its links, which of some objects is on it */
#include "analyzer/heap/flow.h"
#include "analyzer/heap/waiters.h"

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
