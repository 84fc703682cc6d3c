/* SPDX-License-Identifier: Apache-2.0 */
/* waiters: a thread's frames stand behind its own root, the outermost last. */
#include "analyzer/heap/waiters.h"

#include <stdlib.h>
#include <string.h>

#define MANY 40 /* threads: pools of workers have fewer */

/* What stands behind the last `separator`, if there is one. */
static const char *last_of(const char *text, char separator)
{
	const char *at = strrchr(text, separator);

	return at ? at + 1 : text;
}

/* Names are qualified from 3.11 on. */
static bool is_bootstrap(const struct heap *h, const struct heap_root *r)
{
	return !strcmp(last_of(heap_text_of(h, r->label), '.'), "_bootstrap") &&
	       !strcmp(last_of(heap_text_of(h, r->detail), '/'), "threading.py");
}

/* The thread whose outermost frame this is. */
static object_id thread_of(const struct heap *h, const struct heap_root *r)
{
	for (uint32_t e = r->first; is_bootstrap(h, r) && e < r->first + r->n; e++)
		if (!strcmp(heap_text_of(h, h->root_labels.at[e] >> 2), "self"))
			return heap_root_holds(h, r, e);
	return HEAP_NONE;
}

void waiters_list(struct waiters *w, const struct heap *h)
{
	uint32_t end;

	*w = (struct waiters){ 0 };
	for (uint32_t i = 0; i < h->roots.n; i = end) {
		object_id object;

		for (end = i; end < h->roots.n && h->roots.at[end].kind == PT_ROOT_FRAME; end++)
			;
		object = end > i ? thread_of(h, &h->roots.at[end - 1]) : HEAP_NONE;
		if (object != HEAP_NONE)
			*array_push(&w->at) = (struct waiter){ i, end - i, object };
		end += end == i;
	}
	if (w->at.n < MANY)
		waiters_free(w);
}

void waiters_free(struct waiters *w) { array_free(&w->at); }

const struct waiter *waiters_find(const struct waiters *w, const struct heap *h, uint32_t edge)
{
	size_t low = 0, high = w->at.n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct heap_root *last = &h->roots.at[w->at.at[middle].first + w->at.at[middle].n - 1];

		if (last->first + last->n <= edge)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->at.n && edge >= h->roots.at[w->at.at[low].first].first ? &w->at.at[low] : NULL;
}
