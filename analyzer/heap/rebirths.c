/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/heap/rebirths.h"

void rebirths_note(struct rebirths *r, const struct defs *defs, const struct pt_event *ev, uint64_t ns, uint64_t number)
{
	uint32_t *index;

	if (ev->op != PT_OP_REUSE)
		return;
	index = map_at(&r->index_of, ev->addr);
	if (*index == MAP_NONE) {
		*index = (uint32_t)r->at.n;
		(void)array_push(&r->at);
	}
	r->at.at[*index] = (struct rebirth){ ns, number, defs_node(defs, (uint32_t)(ev->size >> 32)) };
}

const struct rebirth *rebirths_find(const struct rebirths *r, uint64_t address, uint64_t number)
{
	uint32_t index = r && r->index_of.n ? map_find(&r->index_of, address) : MAP_NONE;

	return index != MAP_NONE && r->at.at[index].number >= number ? &r->at.at[index] : NULL;
}

void rebirths_free(struct rebirths *r)
{
	map_free(&r->index_of);
	array_free(&r->at);
}
