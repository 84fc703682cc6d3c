/* SPDX-License-Identifier: Apache-2.0 */
/* pools: a table of arenas, and the headers of their pools. */
#include "preload/py/objects/pools.h"
#include "preload/py/parts.h"
#include "preload/base/tracer.h"

#include <string.h>

enum {
	ARENAS_MAX = 16 << 10,
	SMALL_ARENA = 256 << 10,
	LARGE_ARENA = 1 << 20,
	SMALL_POOL = 4 << 10,
	LARGE_POOL = 16 << 10,
	LAST_SMALL = 9, /* 3.9 is the last version with small ones */
	ALIGN = 16,
	CLASSES = 32,
};

struct arena {
	uintptr_t start;
	size_t bytes;
};

static struct arena arenas[ARENAS_MAX];
static size_t n_arenas;
static struct lock lock;
static size_t next_arena; /* in the copy */

/* ---- the table ---- */

void py_pools_arena(const void *p, size_t bytes)
{
	if (!p || bytes % (py_layout.minor <= LAST_SMALL ? SMALL_ARENA : LARGE_ARENA))
		return;
	lock_take(&lock);
	if (n_arenas < ARENAS_MAX) /* of others nothing is known: as if they were no heap */
		arenas[n_arenas++] = (struct arena){ (uintptr_t)p, bytes };
	lock_drop(&lock);
}

void py_pools_no_arena(const void *p)
{
	lock_take(&lock);
	for (size_t i = n_arenas; i-- > 0;) {
		if (arenas[i].start != (uintptr_t)p)
			continue;
		arenas[i] = arenas[--n_arenas];
		break;
	}
	lock_drop(&lock);
}

void py_pools_after_fork(void) { lock_drop(&lock); }

/* ---- a pool ---- */

struct pool {
	uint32_t in_use, unused0;
	uintptr_t first_free;
	uintptr_t next, previous;
	uint32_t arena, class;
	uint32_t next_offset; /* of the next block that is cut off */
	uint32_t last_offset; /* that a block can have */
};

/* Free blocks of a pool, by place. */
struct free_set {
	uint64_t bits[LARGE_POOL / ALIGN / 64];
	uint32_t n;
};

static bool note_free(struct free_set *f, uintptr_t start, const struct pool *pool, uint32_t bytes)
{
	uintptr_t p = pool->first_free;

	while (p) {
		uintptr_t offset = p - start;
		uint32_t place = (uint32_t)(offset / ALIGN);

		if (offset < sizeof *pool || offset >= pool->next_offset || (offset - sizeof *pool) % bytes ||
		    f->bits[place / 64] >> place % 64 & 1)
			return false;
		f->bits[place / 64] |= UINT64_C(1) << place % 64;
		f->n++;
		p = *(const uintptr_t *)p;
	}
	return true;
}

static bool is_sound(const struct pool *pool, uint32_t pool_bytes)
{
	uint32_t bytes = (pool->class + 1) * ALIGN;

	return pool->class < CLASSES && pool->last_offset == pool_bytes - bytes && pool->next_offset <= pool_bytes &&
	       pool->next_offset >= sizeof *pool && !((pool->next_offset - sizeof *pool) % bytes);
}

static void show(uintptr_t start, uint32_t pool_bytes, void (*pages)(void *self, uintptr_t start, uintptr_t end),
		 void (*block)(void *self, uintptr_t start, uintptr_t end, bool is_free), void *self)
{
	struct free_set f = { .n = 0 };
	struct pool pool;
	uint32_t bytes;

	memcpy(&pool, (const void *)start, sizeof pool);
	bytes = (pool.class + 1) * ALIGN;
	if (!pool.in_use)
		pages(self, start, start + pool_bytes);
	if (!pool.in_use || !is_sound(&pool, pool_bytes) || !note_free(&f, start, &pool, bytes) ||
	    f.n + pool.in_use != (pool.next_offset - sizeof pool) / bytes)
		return;
	pages(self, start, start + pool_bytes);
	for (uint32_t offset = sizeof pool; offset < pool.next_offset; offset += bytes) {
		uint32_t place = offset / ALIGN;

		block(self, start + offset, start + offset + bytes, f.bits[place / 64] >> place % 64 & 1);
	}
}

bool py_pools_next(void (*pool)(void *self, uintptr_t start, uintptr_t end),
		   void (*block)(void *self, uintptr_t start, uintptr_t end, bool is_free), void *self)
{
	uint32_t bytes = py_layout.minor <= LAST_SMALL ? SMALL_POOL : LARGE_POOL;
	const struct arena *a;
	uintptr_t p;

	if (next_arena >= n_arenas || !py_layout.minor || py_layout.free_threaded)
		return false;
	a = &arenas[next_arena++];
	p = (a->start + bytes - 1) & ~(uintptr_t)(bytes - 1);
	for (; p + bytes <= a->start + a->bytes; p += bytes)
		show(p, bytes, pool, block, self);
	return true;
}
