/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/counts/kept.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define MOSTLY 50 /* percent of a population's surplus that words must explain */

/* Python's debug hooks hand out what lies behind the start of a block; objects begin behind heads of theirs. */
enum { BEFORE_MOST = 48, BEFORE_STEP = 16 };

/* ---- what words explain ---- */

/* Objects of one type, made by one stack. */
struct population {
	uint64_t surplus, explained;
};

struct explaining {
	const struct heap *h;
	const node_id *node;
	const uint32_t *words;
	int32_t *surplus;
	struct map by_key;
	ARRAY(struct population) at;
};

static uint32_t explained(const struct explaining *x, object_id o)
{
	return (uint32_t)x->surplus[o] < x->words[o] ? (uint32_t)x->surplus[o] : x->words[o];
}

static struct population *population_of(struct explaining *x, object_id o)
{
	uint32_t *at = map_at(&x->by_key, (uint64_t)x->h->type[o] << 32 | x->node[o]);

	if (*at == MAP_NONE) {
		*at = (uint32_t)x->at.n;
		*array_push(&x->at) = (struct population){ 0 };
	}
	return &x->at.at[*at];
}

void kept_subtract(const struct heap *h, const node_id *node, int32_t *surplus)
{
	uint32_t *words = keepers_words(h);
	struct explaining x = { .h = h, .node = node, .words = words, .surplus = surplus };

	for (object_id o = 0; words && o < h->n; o++) {
		struct population *p = surplus[o] > 0 ? population_of(&x, o) : NULL;

		if (!p)
			continue;
		p->surplus += (uint64_t)surplus[o];
		p->explained += explained(&x, o);
	}
	for (object_id o = 0; words && o < h->n; o++) {
		const struct population *p = surplus[o] > 0 && words[o] ? population_of(&x, o) : NULL;

		if (p && p->explained * 100 >= p->surplus * MOSTLY)
			surplus[o] -= (int32_t)explained(&x, o);
	}
	map_free(&x.by_key);
	array_free(&x.at);
	free(words);
}

/* ---- blocks ---- */

void kept_start(struct kept *k, const struct heap *h)
{
	*k = (struct kept){ .heap = h };
	if (!h->keepers.n)
		return;
	k->blocks = mem_zero(h->keepers.n, sizeof *k->blocks);
	for (uint32_t i = 0; i < h->keepers.n; i++) {
		const struct heap_keeper *from = &h->keepers.at[i];
		uint32_t *at = from->kind == PT_KEEPER_BLOCK ? map_at(&k->by_address, from->address) : NULL;

		k->blocks[i].node = NODE_UNKNOWN;
		if (at && *at == MAP_NONE)
			*at = i;
		for (size_t w = from->first; from->kind != PT_KEEPER_EDGES && w < from->first + from->n; w++) {
			if (heap_find(h, h->kept.at[w]) != HEAP_NONE)
				continue;
			at = map_at(&k->by_word, h->kept.at[w]);
			if (*at == MAP_NONE)
				*at = i;
		}
	}
}

void kept_see(struct kept *k, const struct live_block *b)
{
	for (uint64_t before = 0; k->blocks && before <= BEFORE_MOST; before += BEFORE_STEP) {
		uint32_t i = map_find(&k->by_address, b->addr - before);

		if (i == MAP_NONE)
			continue;
		if (before + b->bytes <= k->heap->keepers.at[i].bytes)
			k->blocks[i] = (struct kept_block){ b->node, b->addr, b->bytes, b->layer };
		return;
	}
}

bool kept_see_other(struct kept *k, const struct live_block *b)
{
	for (uint64_t before = 0; k->blocks && before <= BEFORE_MOST; before += BEFORE_STEP) {
		uint32_t i = map_find(&k->by_word, b->addr + before);

		if (i == MAP_NONE)
			continue;
		*array_push(&k->others) = (struct kept_other){ i, b->node, b->addr + before, b->bytes, false };
		return true;
	}
	return false;
}

/* Words of what is not Python's lead to those that C code has. */
static void settle_others(struct kept *k)
{
	struct map outside = { 0 };

	for (uint32_t i = 0; i < k->heap->keepers.n; i++) {
		const struct heap_keeper *from = &k->heap->keepers.at[i];

		if (from->kind == PT_KEEPER_EDGES || k->blocks[i].layer == PT_LAYER_OBJECT)
			continue;
		for (size_t w = from->first; w < from->first + from->n; w++)
			if (map_find(&k->by_word, k->heap->kept.at[w]) != MAP_NONE)
				*map_at(&outside, k->heap->kept.at[w]) = i;
	}
	for (size_t i = 0; i < k->others.n; i++) {
		uint32_t keeper = map_find(&outside, k->others.at[i].address);

		k->others.at[i].dead = keeper == MAP_NONE;
		if (keeper != MAP_NONE)
			k->others.at[i].keeper = keeper;
	}
	map_free(&outside);
}

void kept_finish(struct kept *k)
{
	for (uint32_t i = 1; k->blocks && i < k->heap->keepers.n; i++) {
		const struct heap_keeper *from = &k->heap->keepers.at[i];
		uint32_t first = from->kind == PT_KEEPER_BLOCK ? map_find(&k->by_address, from->address) : i;

		if (first < i)
			k->blocks[i] = k->blocks[first];
	}
	if (k->others.n)
		settle_others(k);
	map_free(&k->by_address);
	map_free(&k->by_word);
}

/* ---- by object ---- */

/* Calls `each` for every word that holds an object of the snapshot. */
static void each_held(struct kept *k, void (*each)(struct kept *k, object_id o, uint32_t keeper))
{
	const struct heap *h = k->heap;

	for (uint32_t i = 0; i < h->keepers.n; i++) {
		const struct heap_keeper *from = &h->keepers.at[i];

		for (size_t w = from->first; from->kind != PT_KEEPER_EDGES && w < from->first + from->n; w++) {
			object_id o = heap_find(h, h->kept.at[w]);

			if (o != HEAP_NONE && keepers_holds(h, from, o))
				each(k, o, i);
		}
	}
}

static void count_one(struct kept *k, object_id o, uint32_t keeper)
{
	(void)keeper;
	k->first[o + 1]++;
}

/* From the last place of each downwards: afterwards first[o] is where it begins. */
static void put_one(struct kept *k, object_id o, uint32_t keeper) { k->keepers[--k->first[o + 1]] = keeper; }

bool kept_index(struct kept *k, const struct heap *h)
{
	if (!k->blocks)
		return false;
	k->heap = h;
	if (k->first)
		return true;
	k->first = mem_zero((size_t)k->heap->n + 2, sizeof *k->first);
	each_held(k, count_one);
	for (object_id o = 0; o < k->heap->n; o++)
		k->first[o + 1] += k->first[o];
	k->keepers = mem_alloc(((size_t)k->first[k->heap->n] + 1) * sizeof *k->keepers);
	k->first[k->heap->n + 1] = k->first[k->heap->n];
	each_held(k, put_one);
	memmove(k->first, k->first + 1, ((size_t)k->heap->n + 1) * sizeof *k->first);
	return true;
}

/* ---- what they are ---- */

/* Zeroed data lies behind the file's, in a mapping without a name. */
static heap_string file_at(const struct heap *h, uint64_t address)
{
	heap_string file = 0;
	uint64_t end = 0;

	for (size_t i = 0; i < h->areas.n && h->areas.at[i].start <= address; i++) {
		const struct heap_area *a = &h->areas.at[i];

		if (a->file || a->start != end)
			file = a->file;
		end = a->start + a->pages * 4096;
	}
	return address < end ? file : 0;
}

enum { KIND_NODE = 1, KIND_FILE };

uint64_t kept_kind(const struct kept *k, uint32_t keeper)
{
	const struct heap_keeper *from = &k->heap->keepers.at[keeper];
	uint64_t file = from->kind == PT_KEEPER_DATA ? file_at(k->heap, from->address) : 0;

	if (file)
		return file << 2 | KIND_FILE;
	return k->blocks[keeper].bytes ? (uint64_t)k->blocks[keeper].node << 2 | KIND_NODE : 0;
}

node_id kept_node(uint64_t kind) { return (kind & 3) == KIND_NODE ? (node_id)(kind >> 2) : NODE_UNKNOWN; }

const char *kept_file(const struct kept *k, uint64_t kind)
{
	return (kind & 3) == KIND_FILE ? heap_text_of(k->heap, (heap_string)(kind >> 2)) : NULL;
}

void kept_free(struct kept *k)
{
	free(k->blocks);
	free(k->first);
	free(k->keepers);
	array_free(&k->others);
	*k = (struct kept){ 0 };
}
