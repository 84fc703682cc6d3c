/* SPDX-License-Identifier: Apache-2.0 */
/* map: linear probing at a load of at most two thirds; a free place has the value MAP_NONE. */
#include "analyzer/base/map.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>

static struct map_entry *probe(const struct map *m, uint64_t key)
{
	size_t i = map_mix(key) & (m->cap - 1);

	while (m->at[i].value != MAP_NONE && m->at[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return &m->at[i];
}

static void grow(struct map *m)
{
	struct map old = *m;

	m->cap = old.cap ? old.cap * 2 : 64;
	m->at = mem_resize(NULL, m->cap, sizeof *m->at);
	for (size_t i = 0; i < m->cap; i++)
		m->at[i].value = MAP_NONE;
	for (size_t i = 0; i < old.cap; i++)
		if (old.at[i].value != MAP_NONE)
			*probe(m, old.at[i].key) = old.at[i];
	free(old.at);
}

uint32_t map_find(const struct map *m, uint64_t key) { return m->cap ? probe(m, key)->value : MAP_NONE; }

/*
 * A new key counts as soon as it is asked for. A caller that leaves MAP_NONE there makes the table grow early, no more.
 */
uint32_t *map_at(struct map *m, uint64_t key)
{
	struct map_entry *e;

	if ((m->n + 1) * 3 > m->cap * 2)
		grow(m);
	e = probe(m, key);
	if (e->value == MAP_NONE) {
		e->key = key;
		m->n++;
	}
	return &e->value;
}

void map_free(struct map *m)
{
	free(m->at);
	*m = (struct map){ 0 };
}
