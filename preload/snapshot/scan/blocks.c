/* SPDX-License-Identifier: Apache-2.0 */
/* blocks: bits by address. */
#include "preload/snapshot/scan/blocks.h"
#include "preload/base/os.h"
#include "preload/snapshot/out.h"

enum {
	LEAF_BITS = BLOCKS_LEAF_BITS,
	LEAVES = BLOCKS_LEAVES,
	GRANULE_BITS = BLOCKS_GRANULE_BITS,
	PAGE_BITS = BLOCKS_PAGE_BITS,
	WORDS = BLOCKS_WORDS,
	HEAPS_MAX = 1 << 16,
	MAPPINGS_MAX = 1 << 15,
};

struct heap_range {
	uintptr_t start, end;
};

struct blocks_leaf **blocks_leaves;
uint64_t blocks_leaf_bits[BLOCKS_LEAVES / 64];
static struct heap_range *heaps;
static size_t n_heaps;
static struct heap_range *mappings;
static size_t n_mappings;
static struct out *out;
uintptr_t blocks_lowest, blocks_highest;
struct blocks_count blocks_count;
bool blocks_short;

/* ---- leaves ---- */

static size_t granule_of(uintptr_t p) { return blocks_place(p, GRANULE_BITS); }
static size_t page_of(uintptr_t p) { return blocks_place(p, PAGE_BITS); }
static uintptr_t base_of(uintptr_t p) { return p & ~(((uintptr_t)1 << LEAF_BITS) - 1); }
static bool has(const uint64_t *bits, size_t i) { return bits[i / 64] >> i % 64 & 1; }
static void add(uint64_t *bits, size_t i) { bits[i / 64] |= UINT64_C(1) << i % 64; }

static struct blocks_leaf *leaf_of(uintptr_t p) { return p >> 47 ? NULL : blocks_leaves[p >> LEAF_BITS]; }

static struct blocks_leaf *leaf_for(uintptr_t p)
{
	struct blocks_leaf **leaf = p >> 47 ? NULL : &blocks_leaves[p >> LEAF_BITS];

	if (leaf && !*leaf && (*leaf = out_memory(out, sizeof **leaf)))
		add(blocks_leaf_bits, p >> LEAF_BITS);
	blocks_short |= !leaf || !*leaf;
	return leaf ? *leaf : NULL;
}

bool blocks_start(struct out *o)
{
	out = o;
	blocks_leaves = out_memory(o, LEAVES * sizeof(struct blocks_leaf *));
	heaps = out_memory(o, HEAPS_MAX * sizeof *heaps);
	mappings = out_memory(o, MAPPINGS_MAX * sizeof *mappings);
	return blocks_leaves && heaps && mappings;
}

/* ---- noting ---- */

static void widen(uintptr_t start, uintptr_t end)
{
	if (!blocks_lowest || start < blocks_lowest)
		blocks_lowest = start;
	if (end > blocks_highest)
		blocks_highest = end;
}

void blocks_heap(uintptr_t start, uintptr_t end)
{
	if (n_heaps && heaps[n_heaps - 1].end == start) {
		heaps[n_heaps - 1].end = end;
	} else if (n_heaps == HEAPS_MAX) {
		blocks_short = true;
		return;
	} else {
		heaps[n_heaps++] = (struct heap_range){ start, end };
	}
	widen(start, end);
	for (uintptr_t p = start; p < end; p += OS_PAGE) {
		struct blocks_leaf *leaf = leaf_for(p);

		if (!leaf)
			continue;
		leaf->cover[page_of(p)] = BLOCKS_COVER_NOTHING;
		add(leaf->heap, page_of(p));
	}
}

uintptr_t blocks_highest_below(uintptr_t limit)
{
	uintptr_t highest = blocks_lowest;

	for (size_t i = 0; i < n_heaps; i++)
		if (heaps[i].start < limit && heaps[i].end > highest)
			highest = heaps[i].end < limit ? heaps[i].end : limit;
	return highest;
}

static void cover(uintptr_t start, uintptr_t end)
{
	for (uintptr_t p = (start | (OS_PAGE - 1)) + 1; p < end; p += OS_PAGE) {
		struct blocks_leaf *leaf = leaf_for(p);

		if (!leaf)
			continue;
		leaf->cover[page_of(p)] = start;
		add(leaf->heap, page_of(p));
	}
}

void blocks_put(uintptr_t start, uintptr_t end, bool is_free)
{
	struct blocks_leaf *leaf = leaf_for(start);
	size_t i = granule_of(start);

	if (!leaf)
		return;
	add(leaf->starts, i);
	if (is_free)
		add(leaf->reached, i);
	else
		leaf->reached[i / 64] &= ~(UINT64_C(1) << i % 64); /* where another one ended */
	if (start >> PAGE_BITS != (end - 1) >> PAGE_BITS)
		cover(start, end);
	blocks_count.blocks += !is_free;
	blocks_count.bytes += is_free ? 0 : end - start;
}

void blocks_end(uintptr_t end)
{
	struct blocks_leaf *leaf = leaf_for(end);
	size_t i = granule_of(end);

	if (!leaf || has(leaf->starts, i))
		return;
	add(leaf->starts, i);
	add(leaf->reached, i);
}

bool blocks_has(uintptr_t start)
{
	const struct blocks_leaf *leaf = leaf_of(start);

	return leaf && !(start % (1 << GRANULE_BITS)) && blocks_is_heap(start) && has(leaf->starts, granule_of(start));
}

bool blocks_kill(uintptr_t start) { return blocks_has(start) && (blocks_reach(start), true); }

/* ---- mappings ---- */

void blocks_mapping(uintptr_t start, uintptr_t end)
{
	if (n_mappings == MAPPINGS_MAX)
		return; /* nothing is said of it */
	mappings[n_mappings++] = (struct heap_range){ start, end };
	widen(start, end);
	for (uintptr_t p = base_of(start); p < end; p += UINT64_C(1) << LEAF_BITS)
		leaf_for(p);
}

static bool is_untouched(uintptr_t p)
{
	const struct blocks_leaf *leaf = leaf_of(p);

	return leaf && !has(leaf->touched, page_of(p)) && !has(leaf->heap, page_of(p));
}

void blocks_each_untouched(void (*each)(void *self, uintptr_t start, uintptr_t end), void *self)
{
	for (size_t i = 0; i < n_mappings; i++) {
		uintptr_t run = 0, p = mappings[i].start;

		for (; p < mappings[i].end; p += OS_PAGE) {
			bool untouched = is_untouched(p);

			if (untouched && !run)
				run = p;
			if (!untouched && run)
				each(self, run, p);
			run = untouched ? run : 0;
		}
		if (run)
			each(self, run, p);
	}
}

/* ---- finding ---- */

bool blocks_is_reached(uintptr_t start) { return has(leaf_of(start)->reached, granule_of(start)); }

uintptr_t blocks_end_of(uintptr_t start)
{
	size_t i = granule_of(start + (1 << GRANULE_BITS)), word = i / 64;
	uintptr_t base = base_of(start + (1 << GRANULE_BITS));
	const struct blocks_leaf *leaf = leaf_of(base);
	uint64_t bits = leaf ? leaf->starts[word] & (~UINT64_C(0) << i % 64) : 0;

	while (leaf && !bits) {
		if (++word == WORDS) {
			base += UINT64_C(1) << LEAF_BITS;
			leaf = leaf_of(base);
			word = 0;
		}
		bits = leaf ? leaf->starts[word] : 0;
	}
	return leaf ? base + ((word * 64 + (size_t)__builtin_ctzll(bits)) << GRANULE_BITS) : base;
}

/* ---- what is left ---- */

void blocks_each_lost(void (*each)(void *self, uintptr_t start, uintptr_t end), void *self)
{
	enum { STEP = 64 << GRANULE_BITS };

	for (size_t h = 0; h < n_heaps; h++) {
		for (uintptr_t p = heaps[h].start; p < heaps[h].end; p += STEP) {
			const struct blocks_leaf *leaf = leaf_of(p);
			size_t word = granule_of(p) / 64;
			uint64_t bits = leaf ? leaf->starts[word] & ~leaf->reached[word] : 0;

			for (; bits; bits &= bits - 1) {
				uintptr_t start = p + ((uintptr_t)__builtin_ctzll(bits) << GRANULE_BITS);

				each(self, start, blocks_end_of(start));
			}
		}
	}
}
