/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_object: which object is written next
 *
 * An object is written when it is first met, but for those that will come by a list of the collector, which tells
 * their generation. What has no references of its own is written while its holder's are gone through; the rest waits in
 * heap.work.
 */
#include "preload/py/heap/heap_parts.h"

static void write_object(const char *object, const struct heap_type *t)
{
	heap.object = object;
	heap.type = t;
	if (t->kind == KIND_LEAF || t->kind == KIND_HELD)
		heap_record_leaf(object, t);
	else if (t->kind == KIND_LIST && t->exact)
		heap_containers_list(object, t);
	else if (t->kind == KIND_TUPLE && t->exact)
		heap_containers_tuple(object, t);
	else if (t->kind == KIND_DICT)
		heap_containers_dict(object, t);
	else if (t->kind == KIND_SET)
		heap_containers_set(object, t);
	else if (t->kind == KIND_DEQUE)
		heap_containers_deque(object, t);
	else {
		heap_edges_find(object, t);
		heap_record_named(object, t, heap_record_flags(object, t));
		heap_text_named(object, t);
	}
}

/* Reads its type first, so it is the one in hand. */
static void meet(const char *object)
{
	const struct heap_type *t = heap_type_of(object);

	if (!t) {
		heap.n_unknown += heap_mark(object, HEAP_SEEN);
		return;
	}
	if (heap.lists_are_complete && (t->flags & FLAG_GC) && heap_is_gc(object, t) && (heap_gc_bits(object) & 1))
		return;
	if (!heap_mark(object, HEAP_SEEN))
		return;
	if (t->kind == KIND_LEAF)
		heap_record_leaf(object, t);
	else if (!heap_refs_put(&heap.work, object))
		heap.n_unreadable++;
}

void heap_meet(const char *object)
{
	const char *in_hand = heap.object;
	const struct heap_type *type = heap.type;

	if (!object || heap_is_marked(object, HEAP_SEEN))
		return;
	heap.object = object;
	heap.type = NULL;
	meet(object);
	heap.object = in_hand;
	heap.type = type;
}

void heap_meet_tracked(const char *object)
{
	const struct heap_type *t;

	heap.object = object;
	heap.type = NULL;
	t = heap_type_of(object);
	if (!heap_mark(object, HEAP_SEEN))
		return;
	if (t)
		write_object(object, t);
	else
		heap.n_unknown++;
}

void heap_drain(void)
{
	while (heap.work.n) {
		const char *object = heap.work.at[--heap.work.n];

		heap.type = NULL;
		heap.object = object;
		write_object(object, heap_type_of(object));
	}
}

void heap_give_up(void)
{
	const struct heap_type *t = heap.type;
	uint8_t *p;

	heap.n_unreadable++;
	heap_mark(heap.object, HEAP_SEEN);
	if (!t)
		return;
	heap.type = NULL;
	p = heap_record_begin(heap.object, t, PT_OBJECT_UNREADABLE | PT_EDGES_NAMED, 0, 0);
	heap_record_end(p);
}
