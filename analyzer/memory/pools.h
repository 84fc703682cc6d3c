/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pools: the arenas of Python's object allocator (pymalloc), taken apart into pools and blocks
 *
 * What:  an arena is 256 KiB in pools of 4 KiB (before 3.10) or 1 MiB in pools of 16 KiB; a pool has a header of 48
 * bytes and blocks of one size, a multiple of 16 up to 512. Pools lie at multiples of their size, arenas at pages: what
 *        is left over at both ends is one pool less. An arena goes back to the system when all its pools are empty.
 * Used:  blocks that the program holds. An object on a free list of its type is such a block.
 * Chunks: since 3.11 the frames of Python lie in chunks of the same layer, told by their size.
 * Who:   commands, after the replay; from memory/alive.h.
 */
#pragma once
#include "analyzer/memory/alive.h"

enum { POOLS_ALIGN = 16, POOLS_CLASSES = 32, POOLS_HEADER = 48, POOLS_BLOCK_MAX = 512 };

/* Pools of one size of blocks: POOLS_ALIGN * (index + 1). */
struct pools_class {
	uint64_t pools;       /* with a block alive in them */
	uint64_t slots;       /* blocks that they have room for */
	uint64_t blocks;      /* alive */
	uint64_t asked_bytes; /* that the program asked for */
};

struct pools_arena {
	uint64_t start, end;
	uint64_t live_bytes, live_blocks; /* as asked for */
	uint32_t used, empty, unused;     /* pools: with a block alive; with none; never used */
	bool is_chunk;                    /* frames of Python, no arena */
};

struct pools {
	unsigned pool_bytes;
	unsigned extra_bytes;             /* that the debug hooks of Python put around each block */
	ARRAY(struct pools_arena) arenas; /* by address, chunks among them */
	struct pools_class classes[POOLS_CLASSES];
	uint64_t n_arenas, n_chunks;
	uint64_t arena_bytes, chunk_bytes;
	uint64_t live_bytes, live_blocks; /* in arenas; as asked for */
	uint64_t used, empty, unused;     /* pools */
	uint64_t header_bytes;            /* of used pools */
	uint64_t tail_bytes;              /* of used pools: behind the last block */
	uint64_t lost_bytes;              /* arenas lie askew: what is in no pool */
	uint64_t free_bytes;              /* free blocks of used pools */
	uint64_t rounding_bytes;          /* blocks are larger than what was asked for */
	uint64_t pinned_bytes;            /* free in arenas where something is alive: can't go back */
};

void pools_count(struct pools *p, const struct alive *a);
void pools_free(struct pools *p);
