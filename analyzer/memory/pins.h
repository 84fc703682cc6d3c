/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pins: whose blocks keep memory from going back to the system
 *
 * Theory. Memory goes back in units: an arena of Python's object allocator when nothing is alive in it; of libc's heaps
 * the part above the last block by itself, a page in the middle when malloc_trim() is called; of mimalloc slices of
 * 64 KiB. A site pins what would go back if exactly its blocks were not there, and what can't now: units in which
 * nothing but its blocks is alive, and in libc's heaps the free pages above which there is nothing but them. That is
 * more than its blocks take, and it may be very much more: that is what fragmentation is. What several sites hold
 * together none of them pins alone; `together_bytes` adds them up in their order. Not:   heaps of other allocators,
 * blocks with a mapping of their own (they go back with their block).
 */
#pragma once
#include "analyzer/memory/resident.h"

struct pins_row {
	uint32_t site;           /* as pins_options.site_of has it */
	node_id node;            /* a stack of it: that of its first block by address */
	uint64_t blocks, bytes;  /* alive in memory that could be pinned */
	uint64_t held_bytes;     /* of these blocks, in the memory that they pin: by so little ... */
	uint64_t pinned_bytes;   /* ... so much is pinned; the sum of: */
	uint64_t arena_bytes;    /* whole arenas */
	uint64_t page_bytes;     /* pages of libc's heaps, slices of mimalloc, in which nothing else is */
	uint64_t top_bytes;      /* free pages of libc's heaps, above which nothing else is */
	uint64_t together_bytes; /* what would go back without this site and all that come before it */
};

struct pins {
	ARRAY(struct pins_row) rows; /* most pinned beyond held_bytes first; sites that pin nothing are left out */
};

struct pins_options {
	/* The number of a stack's site: dense, from 0. */
	uint32_t (*site_of)(void *self, node_id node);
	void *self;
};

void pins_count(struct pins *p, const struct alive *a, const struct pools *pools, const struct resident *r,
		const struct pins_options *options);
void pins_free(struct pins *p);
