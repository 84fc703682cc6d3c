/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/replay/live.h"

#include <string.h>

void live_init(struct live *l)
{
	*l = (struct live){ 0 };
	*array_push(&l->entries) = (struct live_entry){ .flags = LIVE_FREE_ENTRY };
}

uint32_t *live_make_place(struct live *l, uint64_t addr)
{
	struct live_tree **tree = &l->tree[addr % LIVE_REMAINDERS];
	struct live_gib **gib;
	struct live_page **page;

	if (!*tree)
		*tree = mem_map(sizeof **tree);
	gib = &(*tree)->gib[addr >> LIVE_GIB_BITS];
	if (!*gib)
		*array_push(&l->gibs) = *gib = mem_map(sizeof **gib);
	page = &(*gib)->page[addr >> LIVE_PAGE_BITS & ((1 << (LIVE_GIB_BITS - LIVE_PAGE_BITS)) - 1)];
	if (!*page) {
		*page = arena_take(&l->pages, sizeof **page);
		memset(*page, 0, sizeof **page);
	}
	return &(*page)->entry[addr / LIVE_REMAINDERS % LIVE_PLACES];
}

void live_free(struct live *l)
{
	for (size_t i = 0; i < l->gibs.n; i++)
		mem_unmap(l->gibs.at[i], sizeof *l->gibs.at[i]);
	for (int r = 0; r < LIVE_REMAINDERS; r++)
		mem_unmap(l->tree[r], sizeof *l->tree[r]);
	array_free(&l->gibs);
	array_free(&l->entries);
	array_free(&l->free_entries);
	arena_free(&l->pages);
}
