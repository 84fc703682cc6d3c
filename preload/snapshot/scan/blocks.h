/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blocks: which memory of the heap lies in which block, and which blocks were reached
 *
 * What:  two bits for each 16 bytes of the heap: a block starts here; it was reached. A word for each page says
 *        whether it is heap at all, and which block reaches into it from before.
 * How:   leaves of a GiB of address space, in memory that costs nothing where nothing is noted. So any word is told to
 *        be a pointer into a block, or not, by two loads and a search of at most 256 bits. Most words that are looked
 *        at are no pointers: those fall out at a bit for each leaf or for each page, which lie together in few pages.
 * Free:  what is free is noted as a block that was reached already: it is never looked into, and never lost.
 * Who:   the forked copy, its only thread: chunks.c, pools and segments through scan.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out;

/* Before all others. False: no memory. */
bool blocks_start(struct out *o);
/* Pages of a heap, from `start` to `end` (multiples of a page). Nothing in them is looked at but through pointers to
 * the blocks noted in them. */
void blocks_heap(uintptr_t start, uintptr_t end);
/* A block in such pages: at a multiple of 16. They may come in any order. */
void blocks_put(uintptr_t start, uintptr_t end, bool is_free);
/* Nothing noted so far reaches beyond `end`: behind the last block of what has several. */
void blocks_end(uintptr_t end);
/* A block that turned out to be free. False: none starts there. */
bool blocks_kill(uintptr_t start);
/* Whether one starts there. */
bool blocks_has(uintptr_t start);
/* The lowest and the highest address of all heaps. */
extern uintptr_t blocks_lowest, blocks_highest;
/* Where heaps end that lie below `limit`; at most that. */
uintptr_t blocks_highest_below(uintptr_t limit);

enum {
	BLOCKS_LEAF_BITS = 30,
	BLOCKS_PAGE_BITS = 12,
	BLOCKS_GRANULE_BITS = 4,
	BLOCKS_LEAVES = 1 << (47 - BLOCKS_LEAF_BITS),
	BLOCKS_PAGES = 1 << (BLOCKS_LEAF_BITS - BLOCKS_PAGE_BITS),
	BLOCKS_WORDS = 1 << (BLOCKS_LEAF_BITS - BLOCKS_GRANULE_BITS - 6),
	BLOCKS_WORDS_IN_PAGE = 1 << (BLOCKS_PAGE_BITS - BLOCKS_GRANULE_BITS - 6),
	BLOCKS_COVER_NOTHING = 1, /* a page of a heap whose first bytes are in no block from before */
};

/* What the inline functions below look into: it is asked of every word of the program. */
struct blocks_leaf {
	uint64_t heap[BLOCKS_PAGES / 64]; /* a bit a page: `cover` is not 0 */
	uint64_t touched[BLOCKS_PAGES / 64];
	uint64_t starts[BLOCKS_WORDS], reached[BLOCKS_WORDS];
	uint64_t cover[BLOCKS_PAGES]; /* 0: no heap; else BLOCKS_COVER_NOTHING, or the start of a block */
};
extern struct blocks_leaf **blocks_leaves;
extern uint64_t blocks_leaf_bits[BLOCKS_LEAVES / 64]; /* whether there is a leaf */

static inline size_t blocks_place(uintptr_t p, unsigned bits)
{
	return (p & (((uintptr_t)1 << BLOCKS_LEAF_BITS) - 1)) >> bits;
}

/* The leaf that knows of `p`, or NULL. */
static inline struct blocks_leaf *blocks_leaf_of(uintptr_t p)
{
	uintptr_t leaf = p >> BLOCKS_LEAF_BITS;

	return leaf < BLOCKS_LEAVES && blocks_leaf_bits[leaf / 64] >> leaf % 64 & 1 ? blocks_leaves[leaf] : NULL;
}

/* Whether the page at `p`, of this leaf, is heap. */
static inline bool blocks_is_heap_in(const struct blocks_leaf *leaf, uintptr_t p)
{
	size_t page = blocks_place(p, BLOCKS_PAGE_BITS);

	return leaf->heap[page / 64] >> page % 64 & 1;
}

static inline bool blocks_is_heap(uintptr_t p)
{
	const struct blocks_leaf *leaf = blocks_leaf_of(p);

	return leaf && blocks_is_heap_in(leaf, p);
}

/* The block that `p` lies in, in a page of this leaf that is heap; 0: none. */
static inline uintptr_t blocks_find_in(const struct blocks_leaf *leaf, uintptr_t p)
{
	size_t i = blocks_place(p, BLOCKS_GRANULE_BITS), word = i / 64;
	size_t first = word & ~(size_t)(BLOCKS_WORDS_IN_PAGE - 1);
	uint64_t bits = leaf->starts[word] & (~UINT64_C(0) >> (63 - i % 64));
	uintptr_t covered;

	while (!bits && word > first)
		bits = leaf->starts[--word];
	if (bits)
		return (p & ~(((uintptr_t)1 << BLOCKS_LEAF_BITS) - 1)) +
		       ((word * 64 + 63 - (size_t)__builtin_clzll(bits)) << BLOCKS_GRANULE_BITS);
	covered = leaf->cover[blocks_place(p, BLOCKS_PAGE_BITS)];
	return covered == BLOCKS_COVER_NOTHING ? 0 : covered;
}

/* Pages of a mapping that the program made for itself, no heap: in doubt all of it is a root, and of each page it is
 * noted whether anything leads there. */
void blocks_mapping(uintptr_t start, uintptr_t end);
/* A word was found that is an address at `p`, of this leaf and in no heap. */
static inline void blocks_touch_in(struct blocks_leaf *leaf, uintptr_t p)
{
	size_t page = blocks_place(p, BLOCKS_PAGE_BITS);

	leaf->touched[page / 64] |= UINT64_C(1) << page % 64;
}
/* Runs of pages of such mappings to which nothing leads. */
void blocks_each_untouched(void (*each)(void *self, uintptr_t start, uintptr_t end), void *self);

/* The block that `p` lies in; 0: none. */
static inline uintptr_t blocks_find(uintptr_t p)
{
	const struct blocks_leaf *leaf = blocks_leaf_of(p);

	return leaf && blocks_is_heap_in(leaf, p) ? blocks_find_in(leaf, p) : 0;
}
/* Notes that it was reached; false: it was before. */
static inline bool blocks_reach(uintptr_t start)
{
	size_t i = blocks_place(start, BLOCKS_GRANULE_BITS);
	uint64_t *word = &blocks_leaves[start >> BLOCKS_LEAF_BITS]->reached[i / 64], bit = UINT64_C(1) << i % 64;

	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}
bool blocks_is_reached(uintptr_t start);
uintptr_t blocks_end_of(uintptr_t start);
/* All that were not reached, by address in each heap. */
void blocks_each_lost(void (*each)(void *self, uintptr_t start, uintptr_t end), void *self);
/* How many were noted, and those of them that are not free. */
struct blocks_count {
	uint64_t blocks, bytes;
};
extern struct blocks_count blocks_count;
/* Whether memory was short: what was noted is not all. */
extern bool blocks_short;
