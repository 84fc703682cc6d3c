/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alive: one walk over what is alive, at the moment.
 *
 * Theory of pools. All blocks of a pool have one size, that of the first allocation in it, until it is empty. A block
 * that realloc shrank in its place says less than that, so the size can't be seen from what is alive at the end; but
 * each allocation that is not such a one says it exactly. So the size asked for last is kept for each place.
 */
#include "analyzer/memory/alive.h"

#include <string.h>

enum { GIB_BITS = 30, GIBS = 1 << (48 - GIB_BITS), SMALL_MAX = 512, SMALL_POOL_BITS = 12, LARGE_POOL_BITS = 14 };
#define SMALL_ARENA (256 << 10)         /* has pools of 4 KiB; others have them of 16 KiB */
#define ARENA_MAX   (UINT64_C(1) << 26) /* more is none */

/* ---- pools ---- */

static size_t pools_in_gib(const struct alive *a) { return (size_t)1 << (GIB_BITS - a->pool_bits); }

static uint16_t *pool_at(struct alive *a, uint64_t addr)
{
	uint16_t **gib = &a->pools[addr >> GIB_BITS];

	if (!*gib)
		*gib = mem_map(pools_in_gib(a) * sizeof **gib);
	return &(*gib)[addr >> a->pool_bits & (pools_in_gib(a) - 1)];
}

unsigned alive_asked(const struct alive *a, uint64_t addr)
{
	const uint16_t *gib = a->pool_bits && addr <= PT_ADDRESS_MASK ? a->pools[addr >> GIB_BITS] : NULL;

	return gib ? gib[addr >> a->pool_bits & (pools_in_gib(a) - 1)] : 0;
}

/* Nothing was ever in its pools. */
static void new_arena(struct alive *a, uint64_t addr, uint64_t bytes)
{
	uint64_t end = addr + (bytes < ARENA_MAX ? bytes : ARENA_MAX);

	if (!a->pool_bits)
		a->pool_bits = bytes == SMALL_ARENA ? SMALL_POOL_BITS : LARGE_POOL_BITS;
	for (; addr < end && addr <= PT_ADDRESS_MASK; addr += UINT64_C(1) << a->pool_bits)
		if (a->pools[addr >> GIB_BITS])
			*pool_at(a, addr) = 0;
}

static bool is_small(const struct alive *a, const struct change *c)
{
	return (c->layer == PT_LAYER_OBJECT || c->layer == PT_LAYER_MEM) && c->bytes - 1 < SMALL_MAX && a->pool_bits;
}

static void on_changes(void *self, const struct change *changes, size_t n, const struct replay_now *now)
{
	struct alive *a = self;

	(void)now;
	for (const struct change *c = changes, *end = c + n; c < end; c++) {
		if (c->kind != BLOCK_BORN)
			a->moving = c->moved ? c->addr : 0;
		else if (c->layer == PT_LAYER_ARENA)
			new_arena(a, c->addr & PT_ADDRESS_MASK, c->bytes);
		else if (is_small(a, c) && !(c->moved && c->addr == a->moving))
			*pool_at(a, c->addr & PT_ADDRESS_MASK) = (uint16_t)c->bytes;
	}
}

/* ---- the moment ---- */

static void note(void *self, const struct live_block *b)
{
	struct alive *a = self;
	uint64_t room = PT_ADDRESS_MASK - b->addr, bytes = b->bytes < room ? b->bytes : room; /* whatever a file says */

	if (b->mapping || b->layer == PT_LAYER_ARENA)
		*array_push(&a->ranges) = (struct alive_range){ b->addr, b->addr + bytes, b->node, b->layer };
	else
		*array_push(&a->blocks) = (struct alive_block){ b->addr, bytes, b->node, b->layer, b->inherited };
}

static int by_addr(const void *left, const void *right)
{
	const struct alive_block *a = left, *b = right;

	return (a->addr > b->addr) - (a->addr < b->addr);
}

static int by_start(const void *left, const void *right)
{
	const struct alive_range *a = left, *b = right;

	return a->start != b->start ? (a->start > b->start) - (a->start < b->start)
				    : (a->end < b->end) - (a->end > b->end);
}

static void copy(struct alive *a, uint64_t ns, struct replay *r)
{
	a->blocks.n = a->ranges.n = 0;
	replay_each_live(r, note, a);
	if (a->blocks.n)
		qsort(a->blocks.at, a->blocks.n, sizeof *a->blocks.at, by_addr);
	if (a->ranges.n)
		qsort(a->ranges.at, a->ranges.n, sizeof *a->ranges.at, by_start);
	a->rss_bytes = a->rss_now;
	a->ns = ns;
}

static void look(struct alive *a, uint64_t ns, struct replay *r)
{
	a->blocks.n = a->ranges.n = 0;
	a->seen = !a->is_wanted || a->is_wanted(a->wanted_self);
	if (a->seen)
		copy(a, ns, r);
}

/* One of several times: what was seen before stays until it is wanted again. */
static void step(struct alive *a, uint64_t ns, struct replay *r)
{
	a->next_ns = ns + a->step_ns;
	if (!a->is_wanted(a->wanted_self))
		return;
	a->seen = true;
	copy(a, ns, r);
}

/* Whether the moment is the end. */
static bool is_end(const struct alive *a) { return !a->snapshot && !a->step_ns; }

static void on_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct alive *a = self;

	if (a->step_ns && now->ns >= a->next_ns && !a->ended)
		step(a, now->ns, r);
	switch (ev->op) {
	case PT_OP_RSS: a->rss_now = ev->size; break;
	case PT_OP_PY_INIT: a->ended = false; break;
	case PT_OP_PY_FINI:
		if (!a->ended && is_end(a))
			look(a, now->ns, r);
		a->ended = true;
		break;
	case PT_OP_SNAPSHOT:
		if (a->pages_of && ev->addr == a->pages_of)
			a->pages_rss_bytes = a->rss_now;
		if (a->snapshot && ev->addr == a->snapshot)
			look(a, now->ns, r);
		break;
	}
}

static void on_finish(void *self, const struct replay_now *now, struct replay *r)
{
	struct alive *a = self;

	if (!a->ended && is_end(a))
		look(a, now->ns, r);
}

/* ---- outside ---- */

void alive_init(struct alive *a, struct trace *t, uint64_t snapshot)
{
	*a = (struct alive){ .trace = t, .snapshot = snapshot };
	a->model = (struct model){ .self = a, .changes = on_changes, .event = on_event, .finish = on_finish };
	a->pools = mem_map(GIBS * sizeof *a->pools);
}

void alive_free(struct alive *a)
{
	for (size_t i = 0; a->pools && i < GIBS; i++)
		if (a->pools[i])
			mem_unmap(a->pools[i], pools_in_gib(a) * sizeof **a->pools);
	if (a->pools)
		mem_unmap(a->pools, GIBS * sizeof *a->pools);
	a->pools = NULL;
	array_free(&a->blocks);
	array_free(&a->ranges);
}

size_t alive_first_beyond(const struct alive *a, uint64_t addr)
{
	size_t low = 0, high = a->blocks.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (a->blocks.at[mid].addr + a->blocks.at[mid].bytes > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}
