/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/heap/made.h"

#include <string.h>

#define CLOSE 64 /* allocations between an object's block and its first buffer, at most, when both are new */
#define CLOSE_NS \
	UINT64_C(2000000) /* the same in time, which the trace has by the millisecond; buffers may have been moved */

static bool may_be_kept(const struct heap *h, object_id o) { return h->types.at[h->type[o]].flags & PT_TYPE_FREE_LIST; }

static uint64_t apart(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

/* Whether the buffer may be younger than the object because that grew: by realloc; without a GIL lists grow by a new
 * buffer, as others may still read the old one. */
static bool may_have_grown(const struct join *j, const struct join_buffer *b)
{
	return b->moved || defs_meta_is_true(j->heap->defs, "python.free_threaded");
}

static void settle_buffer(struct join *j, const struct join_buffer *b)
{
	if (j->node[b->owner] != NODE_UNKNOWN && may_be_kept(j->heap, b->owner) &&
	    apart(b->number, j->number[b->owner]) > CLOSE && apart(b->born_ns, j->born_ns[b->owner]) > CLOSE_NS)
		j->node[b->owner] = may_have_grown(j, b) ? NODE_UNKNOWN : b->node;
}

/* Whether it holds something that was made after its block: then it was not made with it. */
static bool holds_younger(const struct join *j, object_id o)
{
	const struct heap *h = j->heap;

	for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++) {
		object_id to = heap_target(h->target[e]);

		if (to != HEAP_NONE && j->number[to] > j->number[o] && !may_be_kept(h, to))
			return true;
	}
	return false;
}

void made_settle(struct join *j)
{
	const struct heap *h = j->heap;
	bool *tuples = mem_zero(h->types.n + 1, sizeof *tuples);

	if (!j->found)
		goto out;
	for (size_t i = 0; i < j->buffers.n; i++)
		settle_buffer(j, &j->buffers.at[i]);
	for (size_t i = 0; i < h->types.n; i++)
		tuples[i] = h->types.at[i].flags & PT_TYPE_FREE_LIST &&
			    !strcmp(heap_text_of(h, h->types.at[i].name), "tuple");
	for (object_id o = 0; o < h->n; o++) {
		if (tuples[h->type[o]] && j->node[o] != NODE_UNKNOWN && holds_younger(j, o))
			j->node[o] = NODE_UNKNOWN;
	}
out:
	free(tuples);
}
