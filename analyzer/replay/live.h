/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live: the blocks that are alive, by address
 *
 * Theory. Every event looks one address up, so the table is a radix tree of three steps: gigabyte, page, place in the
 * page. Allocators align to 16, so a page has 256 places; addresses that are not multiples of 16 have trees of their
 * own, one for each remainder. A place holds the number of an entry in one array, whose free entries are used again
 * at once: what dies young stays in the cache. A place and its entry are two misses for a block that is old; replay
 * sees its events coming, so it asks for both some events ahead (live_prefetch_*).
 *
 * Memory: 48 bytes for each block alive at the same time, and 1 KiB for each page of addresses that ever held one.
 * Who:   one thread.
 */
#pragma once
#include <stdbool.h>
#include "formats/event.h"
#include "analyzer/base/arena.h"
#include "analyzer/base/array.h"

enum { LIVE_INHERITED = 1, LIVE_FREE_ENTRY = 2 };

struct live_entry {
	uint64_t addr : 48, layer : 8, flags : 8;
	uint64_t bytes;
	uint64_t number; /* of the allocation */
	uint64_t born_ns, first_ns;
	uint32_t node;
	uint32_t maker; /* who made it: replay_parts.h */
};

enum { LIVE_PAGE_BITS = 12, LIVE_GIB_BITS = 30, LIVE_ADDRESS_BITS = 48, LIVE_PLACES = 256, LIVE_REMAINDERS = 16 };

struct live_page {
	uint32_t entry[LIVE_PLACES]; /* 0: empty */
};
struct live_gib {
	struct live_page *page[1 << (LIVE_GIB_BITS - LIVE_PAGE_BITS)];
};
struct live_tree {
	struct live_gib *gib[1 << (LIVE_ADDRESS_BITS - LIVE_GIB_BITS)];
};

struct live {
	struct live_tree *tree[LIVE_REMAINDERS];
	ARRAY(struct live_gib *) gibs;    /* all of them */
	ARRAY(struct live_entry) entries; /* [0] is none */
	ARRAY(uint32_t) free_entries;     /* a stack */
	struct arena pages;
};

void live_init(struct live *l);
void live_free(struct live *l);
/* The place of an address of which no place was made yet. Private to live_place(). */
uint32_t *live_make_place(struct live *l, uint64_t addr);

/* Where the number of the entry for this address stands; NULL when there never was one. */
static inline uint32_t *live_find(const struct live *l, uint64_t addr)
{
	const struct live_tree *tree = l->tree[addr % LIVE_REMAINDERS];
	struct live_gib *gib = tree ? tree->gib[addr >> LIVE_GIB_BITS] : NULL;
	struct live_page *page =
		gib ? gib->page[addr >> LIVE_PAGE_BITS & ((1 << (LIVE_GIB_BITS - LIVE_PAGE_BITS)) - 1)] : NULL;

	return page ? &page->entry[addr / LIVE_REMAINDERS % LIVE_PLACES] : NULL;
}

/* The same, made if needed. */
static inline uint32_t *live_place(struct live *l, uint64_t addr)
{
	uint32_t *place = live_find(l, addr);

	return place ? place : live_make_place(l, addr);
}

static inline struct live_entry *live_at(struct live *l, uint32_t entry) { return &l->entries.at[entry]; }

/* A new entry, to be filled by the caller, at an empty place. Entries move: keep numbers. */
static inline struct live_entry *live_add(struct live *l, uint32_t *place)
{
	uint32_t entry;

	if (l->free_entries.n) {
		entry = l->free_entries.at[--l->free_entries.n];
	} else {
		entry = (uint32_t)l->entries.n;
		array_push(&l->entries);
	}
	*place = entry;
	return &l->entries.at[entry];
}

/* Forgets the entry at a place that is not empty. The entry can be read until the next live_add(). */
static inline void live_remove(struct live *l, uint32_t *place)
{
	l->entries.at[*place].flags = LIVE_FREE_ENTRY;
	*array_push(&l->free_entries) = *place;
	*place = 0;
}

/*
 * Asks for the memory that a look-up of `addr` is going to read, first the place, and some time later the entry. They
 * must be inlined: gcc takes a function that only prefetches for one without effect and drops the calls.
 */
__attribute__((always_inline)) static inline void live_prefetch_place(const struct live *l, uint64_t addr)
{
	const uint32_t *place = live_find(l, addr);

	if (place)
		__builtin_prefetch(place);
}

__attribute__((always_inline)) static inline void live_prefetch_entry(const struct live *l, uint64_t addr)
{
	const uint32_t *place = live_find(l, addr);

	if (place)
		__builtin_prefetch(&l->entries.at[*place], 1);
}
