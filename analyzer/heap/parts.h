/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts: what the files of heap/ share (private to heap/)
 *
 * Pages. Addresses of objects are multiples of 8. A page of memory with an object in it has a struct heap_page: a bit
 * for each place, and the number of the first object. So an object's number is the number of bits before its own: one
 * look at a small table, one at a page, which are few (10 M objects lie in some 200 thousand) and stay in the cache.
 */
#pragma once
#include "analyzer/heap/heap.h"

#include <string.h>

enum { HEAP_PAGE_BITS = 12, HEAP_WORDS = 8 /* of 64 places of 8 bytes */, HEAP_ADDRESS_BITS = 48 };

struct heap_page {
	uint64_t number;             /* address >> HEAP_PAGE_BITS */
	uint64_t places[HEAP_WORDS]; /* a bit for each object */
	uint16_t before[HEAP_WORDS]; /* objects in the words before */
	uint32_t base;               /* number of the first object */
};

/* While objects are being added: the page of an address, made when it is new. */
struct heap_pages {
	ARRAY(struct heap_page) at;
	uint32_t *table; /* index in `at` + 1, hashed by number; 0: empty */
	uint32_t mask;
};

/* Adds an object's address (a multiple of 8 below 2^48); false when it is there already. */
bool heap_pages_add(struct heap_pages *p, uint64_t address);
/* Sorts, numbers, and hands all over to the heap: heap_find() works from now on. Returns the number of objects. */
uint32_t heap_pages_finish(struct heap_pages *p, struct heap *h);
void heap_pages_free(struct heap_pages *p);

/* heap_find() for several addresses, at most 64. */
void heap_find_all(const struct heap *h, uint32_t n, const uint64_t *address, object_id *ret);

/* Sorts n elements of `each` bytes by the 32-bit number at `offset` in each; equal ones stay in their order. Linear. */
void heap_sort(void *at, size_t n, size_t each, size_t offset);

/* A set of numbers. */
static inline uint64_t *bits_new(uint64_t n) { return mem_zero(n / 64 + 1, sizeof(uint64_t)); }
static inline bool bits_has(const uint64_t *b, uint32_t i) { return b[i / 64] >> i % 64 & 1; }
static inline void bits_add(uint64_t *b, uint32_t i) { b[i / 64] |= UINT64_C(1) << i % 64; }

/*
 * A part of a heap as a graph of its own: the objects of a set, numbered densely in their order, and the edges among
 * them that hold. `edge` says which of the heap's edges each is; HEAP_NONE: a raw pointer.
 */
struct heap_part {
	uint32_t n;
	object_id *objects;
	uint32_t *first, *to, *edge;
	uint64_t *set;  /* of the objects; owned */
	uint32_t *rank; /* by 64 objects: how many of the set are before */
};

/* surplus: raw pointers to objects whose surplus is above 0 are edges, too; NULL: none are. */
void heap_part_make(struct heap_part *p, const struct heap *h, uint64_t *set, const int32_t *surplus);
void heap_part_free(struct heap_part *p);
/* The vertex of an object; UINT32_MAX when it is not in the part. */
static inline uint32_t heap_part_vertex(const struct heap_part *p, object_id o)
{
	if (!bits_has(p->set, o))
		return UINT32_MAX;
	return p->rank[o / 64] + (uint32_t)__builtin_popcountll(p->set[o / 64] & ((UINT64_C(1) << o % 64) - 1));
}

/* Whether the raw pointer counts as a reference: its target has a count that nothing else explains. */
static inline bool heap_raw_counts(const struct heap_raw *r, const int32_t *surplus)
{
	return surplus && r->target != HEAP_NONE && r->target != r->object && surplus[r->target] > 0;
}

/* Objects still to be looked at, each at most once: room for all from the start, touched as far as needed. */
struct heap_queue {
	object_id *at;
	size_t n, bytes;
};
static inline struct heap_queue heap_queue_new(const struct heap *h)
{
	size_t bytes = ((size_t)h->n + 1) * sizeof(object_id);

	return (struct heap_queue){ mem_map(bytes), 0, bytes };
}
static inline void heap_queue_free(struct heap_queue *q) { mem_unmap(q->at, q->bytes); }
