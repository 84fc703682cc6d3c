/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segments: the blocks of mimalloc, Python's allocator in free-threaded builds, found in its own structures
 *
 * What:  each block of a segment, and whether it is free; the objects among them that the collector knows.
 * How:   a segment lies at a multiple of 32 MiB and begins with a table of its slices, 64 KiB each, which says where
 *        its pages are. A page has blocks of one size and three lists of free ones: to be handed out, given back by the
 *        owning thread, given back by others. What others gave back of a full page waits in a list of the owner's heap.
 *        It makes no difference whether the thread that made them is there still, so abandoned segments are seen, too.
 * Trust: none: a table whose pages do not cover the segment is none; a page whose lists and counts do not agree is not
 *        told of. mimalloc of 3.13 and 3.14; a debug build's lists are scrambled, so its pages are not told of.
 * Who:   the forked copy.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Those that are NULL are not called. */
struct py_segments_visit {
	void (*pages)(void *self, uintptr_t start, uintptr_t end);
	/* Multiples of 16. Of the smallest blocks, of 8 bytes, two are one, which is free when both are. */
	void (*block)(void *self, uintptr_t start, uintptr_t end, bool is_free);
	/* A block that was told of and is free after all. */
	void (*free)(void *self, uintptr_t start);
	/* An object of a type that the collector knows, as the interpreter's own visits find it; whether it is tracked
	 * is for the caller to see. */
	void (*object)(void *self, const char *object);
	void *self;
};

struct py_segments_found {
	uint32_t segments;
	uint32_t pages_unknown; /* of them, whose lists do not agree */
};
extern struct py_segments_found py_segments_found;

/* Whether the interpreter has such blocks. */
bool py_segments_exist(void);
/* Where the first segment can lie from `p` on. */
uintptr_t py_segments_next(uintptr_t p);
/* Goes through the segment at `p`, a multiple as told by py_segments_next(), in memory that is there up to `end`, as
 * much of it as is in use: `pages` with memory that it knows all of, the table included, then `block` for each block
 * there. Returns where the next one can lie. */
uintptr_t py_segments_visit(uintptr_t p, uintptr_t end, const struct py_segments_visit *visit);
/* When all segments were gone through: what waits in lists of heaps. */
void py_segments_visit_waiting(const struct py_segments_visit *visit);
