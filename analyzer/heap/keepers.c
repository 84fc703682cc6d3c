/* SPDX-License-Identifier: Apache-2.0 */
/* keepers: words up, edges that lie in native memory down. */
#include "analyzer/heap/keepers.h"
#include "analyzer/base/mem.h"

/* Whether the object itself leads to this memory. */
static bool owns(const struct heap *h, object_id o, const struct heap_keeper *k)
{
	for (size_t i = heap_first_raw(h, o); i < h->raws.n && h->raws.at[i].object == o; i++)
		if (h->raws.at[i].address - k->address < k->bytes)
			return true;
	return false;
}

bool keepers_holds(const struct heap *h, const struct heap_keeper *k, object_id o)
{
	if (k->kind != PT_KEEPER_BLOCK)
		return k->kind == PT_KEEPER_DATA;
	return !(h->flags[o] & PT_OBJECT_RAW) || !owns(h, o, k);
}

static void add_words(const struct heap *h, uint32_t *words)
{
	for (size_t i = 0; i < h->keepers.n; i++) {
		const struct heap_keeper *k = &h->keepers.at[i];

		for (size_t w = k->first; w < k->first + k->n; w++) {
			object_id o = heap_find(h, h->kept.at[w]);

			if (o != HEAP_NONE && words[o] < UINT32_MAX && keepers_holds(h, k, o))
				words[o]++;
		}
	}
}

static void take_one(uint32_t *words, object_id o)
{
	if (o != HEAP_NONE && words[o])
		words[o]--;
}

/* Edges whose words lie in native memory: all those of an object in a file's data are. */
static void take_edges(const struct heap *h, uint32_t *words)
{
	for (size_t i = 0; i < h->keepers.n; i++) {
		const struct heap_keeper *k = &h->keepers.at[i];

		for (size_t w = k->first; k->kind == PT_KEEPER_EDGES && w < k->first + k->n; w++)
			take_one(words, heap_find(h, h->kept.at[w]));
	}
	for (object_id o = 0; o < h->n; o++)
		for (uint32_t e = h->first[o]; h->flags[o] & PT_OBJECT_STATIC && e < h->first[o + 1]; e++)
			take_one(words, heap_target(h->target[e]));
}

/* What interpreters and threads have, they have in structs of theirs. Frames lie on stacks, which are not looked at. */
static void take_roots(const struct heap *h, uint32_t *words)
{
	for (size_t i = 0; i < h->roots.n; i++) {
		const struct heap_root *r = &h->roots.at[i];

		for (uint32_t e = r->first; r->kind != PT_ROOT_FRAME && e < r->first + r->n; e++)
			take_one(words, heap_target(h->root_targets.at[e]));
	}
}

uint32_t *keepers_words(const struct heap *h)
{
	uint32_t *words;

	if (!h->keepers.n)
		return NULL;
	words = mem_zero(h->n + 1, sizeof *words);
	add_words(h, words);
	take_edges(h, words);
	take_roots(h, words);
	return words;
}
