/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/read/typedefs.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The tracer counts from 1. Ids may be missing where blocks are damaged, but not most of them. */
enum { IDS_PER_TYPE = 64, IDS_MIN = 4096 };

void typedefs_init(struct typedefs *t) { *array_push(&t->at) = (struct typedef_row){ 0 }; }

bool typedefs_add(struct typedefs *t, struct strings *strings, const struct pt_def *def)
{
	struct pt_type head;
	uint32_t *index;

	if (!def->id || def->id > INT32_MAX || def->len < sizeof head)
		return false;
	memcpy(&head, def->data, sizeof head);
	index = map_at(&t->loading, def->id);
	if (*index == MAP_NONE) {
		*index = (uint32_t)t->at.n;
		array_push(&t->at);
	}
	t->at.at[*index] = (struct typedef_row){
		.name = strings_add(strings, def->data + sizeof head, def->len - sizeof head),
		.flags = head.flags,
		.basic_bytes = head.basic_bytes,
		.item_bytes = head.item_bytes,
		.before_bytes = head.before_bytes,
	};
	if (def->id > t->max_id)
		t->max_id = def->id;
	return true;
}

void typedefs_finish(struct typedefs *t)
{
	uint64_t bound = (uint64_t)t->at.n * IDS_PER_TYPE + IDS_MIN;

	t->n_ids = (uint32_t)(t->max_id < bound ? t->max_id + 1 : bound);
	t->index_of = mem_zero(t->n_ids, sizeof *t->index_of);
	for (size_t i = 0; i < t->loading.cap; i++) {
		const struct map_entry *e = &t->loading.at[i];

		if (e->value != MAP_NONE && e->key < t->n_ids)
			t->index_of[e->key] = e->value;
	}
	map_free(&t->loading);
}

void typedefs_free(struct typedefs *t)
{
	array_free(&t->at);
	map_free(&t->loading);
	free(t->index_of);
	t->index_of = NULL;
	t->n_ids = 0;
}
