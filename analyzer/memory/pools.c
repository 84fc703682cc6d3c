/* SPDX-License-Identifier: Apache-2.0 */
/* pools: arenas and blocks are both sorted, so one walk does. */
#include "analyzer/memory/pools.h"

#include <stdlib.h>

enum { DEBUG_BEFORE = 16, DEBUG_EXTRA = 24, PROBE = 4096 };
#define SMALL_ARENA (256 << 10)
#define ARENA_MAX   (64 << 20) /* more is none, whatever a file says */

/* ---- what is an arena ---- */

static unsigned version_of(const struct trace *t)
{
	const char *text = defs_meta(&t->defs, "python.hexversion", NULL);

	return text ? (unsigned)strtoul(text, NULL, 0) >> 16 : 0;
}

/* Arenas have one size, or with large pages twice that; chunks of frames are multiples of 16 KiB as needed. */
static bool is_chunk(const struct alive *a, uint64_t bytes)
{
	unsigned version = version_of(a->trace);

	if (bytes > ARENA_MAX)
		return true;
	if (version && version < 0x030b)
		return false;
	if (!version)
		return bytes < SMALL_ARENA;
	return bytes != 1 << 20 && bytes != 2 << 20;
}

/* ---- one pool ---- */

struct pool {
	uint64_t start;
	uint64_t asked; /* sum of its live blocks */
	uint32_t blocks;
};

static unsigned size_of(const struct pools *p, unsigned asked)
{
	unsigned bytes = (asked + p->extra_bytes + POOLS_ALIGN - 1) / POOLS_ALIGN * POOLS_ALIGN;

	return bytes < POOLS_BLOCK_MAX ? bytes : POOLS_BLOCK_MAX;
}

static void add_pool(struct pools *p, struct pools_arena *arena, const struct alive *a, const struct pool *pool)
{
	unsigned asked = alive_asked(a, pool->start), size = size_of(p, asked ? asked : 1);
	struct pools_class *class = &p->classes[size / POOLS_ALIGN - 1];
	uint64_t slots = (p->pool_bytes - POOLS_HEADER) / size;
	uint64_t asked_for = pool->asked + pool->blocks * p->extra_bytes;

	if (!pool->blocks) {
		arena->empty += asked != 0;
		arena->unused += asked == 0;
		return;
	}
	arena->used++;
	class->pools++;
	class->slots += slots;
	class->blocks += pool->blocks;
	class->asked_bytes += pool->asked;
	p->header_bytes += POOLS_HEADER;
	p->tail_bytes += (p->pool_bytes - POOLS_HEADER) % size;
	p->free_bytes += slots > pool->blocks ? (slots - pool->blocks) * size : 0;
	p->rounding_bytes += pool->blocks * size > asked_for ? pool->blocks * size - asked_for : 0;
}

/* ---- arenas ---- */

static void add_pools(struct pools *p, struct pools_arena *arena, const struct alive *a, size_t *at)
{
	uint64_t mask = p->pool_bytes - 1, start = (arena->start + mask) & ~mask, end;

	for (; start + p->pool_bytes <= arena->end; start = end) {
		struct pool pool = { .start = start };

		end = start + p->pool_bytes;
		for (; *at < a->blocks.n && a->blocks.at[*at].addr < end; (*at)++) {
			pool.blocks++;
			pool.asked += a->blocks.at[*at].bytes;
		}
		add_pool(p, arena, a, &pool);
		arena->live_blocks += pool.blocks;
		arena->live_bytes += pool.asked;
	}
	p->lost_bytes += (arena->end - arena->start) & mask ? 0 : arena->start & mask ? p->pool_bytes : 0;
}

static void sum_arena(struct pools *p, const struct pools_arena *arena)
{
	uint64_t bytes = arena->end - arena->start;

	p->n_arenas++;
	p->arena_bytes += bytes;
	p->live_bytes += arena->live_bytes;
	p->live_blocks += arena->live_blocks;
	p->used += arena->used;
	p->empty += arena->empty;
	p->unused += arena->unused;
	if (arena->live_blocks)
		p->pinned_bytes += bytes - arena->live_bytes;
}

static void add_arena(struct pools *p, const struct alive *a, const struct alive_range *r)
{
	struct pools_arena arena = { .start = r->start, .end = r->end, .is_chunk = is_chunk(a, r->end - r->start) };
	size_t at = alive_first_beyond(a, r->start);

	if (arena.is_chunk) {
		p->n_chunks++;
		p->chunk_bytes += arena.end - arena.start;
	} else {
		add_pools(p, &arena, a, &at);
		sum_arena(p, &arena);
	}
	*array_push(&p->arenas) = arena;
}

/* Python's debug hooks hand out what lies 16 bytes behind the start of the block. Whether they are there can be seen
 * from where blocks lie in their pool: one way all fit. */
static bool is_debug(const struct alive *a, const struct alive_range *r, uint64_t pool_bytes, unsigned *n_plain,
		     unsigned *n_debug)
{
	size_t i = alive_first_beyond(a, r->start);

	for (; i < a->blocks.n && a->blocks.at[i].addr < r->end && *n_plain + *n_debug < PROBE; i++) {
		uint64_t offset = (a->blocks.at[i].addr & (pool_bytes - 1)) - POOLS_HEADER;
		unsigned asked = alive_asked(a, a->blocks.at[i].addr);
		unsigned plain = (asked + 15) / 16 * 16, debug = (asked + DEBUG_EXTRA + 15) / 16 * 16;
		bool fits_plain = asked && !(offset % plain), fits_debug = asked && !((offset - DEBUG_BEFORE) % debug);

		*n_plain += fits_plain && !fits_debug;
		*n_debug += fits_debug && !fits_plain;
	}
	return *n_debug > *n_plain;
}

void pools_count(struct pools *p, const struct alive *a)
{
	unsigned n_plain = 0, n_debug = 0;

	*p = (struct pools){ .pool_bytes = a->pool_bits ? 1u << a->pool_bits : 1u << 14 };
	for (size_t i = 0; i < a->ranges.n && n_plain + n_debug < PROBE; i++)
		if (a->ranges.at[i].layer == PT_LAYER_ARENA &&
		    is_debug(a, &a->ranges.at[i], p->pool_bytes, &n_plain, &n_debug))
			p->extra_bytes = DEBUG_EXTRA;
		else if (a->ranges.at[i].layer == PT_LAYER_ARENA)
			p->extra_bytes = 0;
	for (size_t i = 0; i < a->ranges.n; i++)
		if (a->ranges.at[i].layer == PT_LAYER_ARENA)
			add_arena(p, a, &a->ranges.at[i]);
}

void pools_free(struct pools *p) { array_free(&p->arenas); }
