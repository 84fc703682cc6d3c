/* SPDX-License-Identifier: Apache-2.0 */
/*
 * garbage: which objects nothing holds but themselves
 *
 * Theory. What the collector does, redone from the snapshot. Of the tracked objects that are not frozen, take the
 * refcounts and subtract each reference that one of them reports to another. What is left over zero is held from
 * outside; what is reachable from there is alive; the rest is garbage: GARBAGE_COLLECTABLE. Then the same of all
 * objects with all references that are known (those that tp_traverse does not report, raw pointers, those from
 * gc.garbage, those of frozen objects): what is garbage by this and was not by the first is held by itself in a way
 * that the collector can't see, or may not touch: GARBAGE_UNCOLLECTABLE. Raw pointers are guesses: they only count
 * where both ends belong to one cycle. Immortal, deferred and static objects are always held. Memory: 9 bytes an object
 * while it runs, 1 after; time: linear.
 */
#pragma once
#include "analyzer/heap/heap.h"

enum garbage_state {
	GARBAGE_HELD,          /* alive */
	GARBAGE_COLLECTABLE,   /* in a cycle or below one; the next full collection would free it */
	GARBAGE_UNCOLLECTABLE, /* the collector will not free it */
	GARBAGE_BELOW,         /* not tracked; only garbage refers to it: goes with it */
};

struct garbage {
	uint8_t *state;          /* by object: enum garbage_state */
	int32_t *surplus;        /* by object: as garbage_surplus() makes it */
	uint64_t n[4], bytes[4]; /* by state */
};

/* bytes: by object (join.bytes), or NULL for the objects' own. */
void garbage_find(struct garbage *g, const struct heap *h, const uint64_t *bytes);
void garbage_free(struct garbage *g);

/* By object: refcount less all counted references that the snapshot knows, roots included. Above 0: held by something
 * that is not in the snapshot (C code), or a kind of reference that is not walked. 0 for immortal and deferred objects.
 * The caller frees it. */
int32_t *garbage_surplus(const struct heap *h);

/* The set of objects (bits, heap.h) that nothing alive refers to, when objects with deferred counts (free-threaded:
 * functions, classes, modules ...) are taken for alive only where something refers to them. All of it waits for the
 * collector, or is garbage that it can't free. A guess for deferred objects: what C code alone holds is among it. The
 * caller frees it. `surplus`: of garbage_surplus(). */
uint64_t *garbage_dead(const struct heap *h, const int32_t *surplus);
