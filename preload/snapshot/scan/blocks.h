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

enum { BLOCKS_LEAF_BITS = 30, BLOCKS_PAGE_BITS = 12, BLOCKS_LEAVES = 1 << (47 - BLOCKS_LEAF_BITS) };
extern uint64_t blocks_leaf_bits[BLOCKS_LEAVES / 64]; /* whether any heap is there */
bool blocks_is_heap_page(uintptr_t p);
/* Whether the page at `p` is heap. */
static inline bool blocks_is_heap(uintptr_t p)
{
	uintptr_t leaf = p >> BLOCKS_LEAF_BITS;

	return leaf < BLOCKS_LEAVES && blocks_leaf_bits[leaf / 64] >> leaf % 64 & 1 && blocks_is_heap_page(p);
}

/* Pages of a mapping that the program made for itself, no heap: in doubt all of it is a root, and of each page it is
 * noted whether anything leads there. */
void blocks_mapping(uintptr_t start, uintptr_t end);
void blocks_touch_page(uintptr_t p);
/* A word was found that is an address at `p`, in no heap. */
static inline void blocks_touch(uintptr_t p)
{
	uintptr_t leaf = p >> BLOCKS_LEAF_BITS;

	if (leaf < BLOCKS_LEAVES && blocks_leaf_bits[leaf / 64] >> leaf % 64 & 1)
		blocks_touch_page(p);
}
/* Runs of pages of such mappings to which nothing leads. */
void blocks_each_untouched(void (*each)(void *self, uintptr_t start, uintptr_t end), void *self);

/* The block that `p` lies in; 0: none. */
uintptr_t blocks_find(uintptr_t p);
/* Notes that it was reached; false: it was before. */
bool blocks_reach(uintptr_t start);
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
