/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/commands/arenas/memory.h"
#include "formats/block.h"

#include <string.h>

/* ---- the moment ---- */

/* Whether its moment is the end: the one taken when the program ended. */
static bool is_of_the_end(const struct snapshot *s)
{
	return s && (s->reason == PT_SNAPSHOT_EXIT || s->reason == PT_SNAPSHOT_FATAL);
}

void memory_listen(struct memory *m, struct report_trace *t, uint64_t number, struct model *models[2])
{
	*m = (struct memory){ .t = t };
	snapshots_list(&m->snapshots, &t->trace);
	m->snapshot = snapshots_find(&m->snapshots, number);
	m->not_found = number && !m->snapshot;
	if (!number && !is_of_the_end(m->snapshot))
		m->snapshot = NULL;
	areas_init(&m->areas, &t->trace, number);
	alive_init(&m->alive, &t->trace, number);
	m->alive.pages_of = m->snapshot ? m->snapshot->number : 0;
	models[0] = &m->areas.model;
	models[1] = &m->alive.model;
}

/* ---- sites ---- */

struct sites {
	struct place_table *places;
	struct map by_key;
};

/* Lines, as `sites --by line` has them for people. */
static uint32_t site_of(void *self, node_id node)
{
	struct sites *s = self;
	struct place p = *place_find(s->places, place_importer(s->places, node));
	char where[4096];
	uint32_t *at;
	uint64_t key;

	p.at.column = -1;
	place_where(&p, true, where, sizeof where);
	key = pt_xxh3(where, strlen(where));
	at = map_at(&s->by_key, map_mix(key ^ pt_xxh3(p.function, strlen(p.function))));
	if (*at == MAP_NONE)
		*at = (uint32_t)s->by_key.n - 1;
	return *at;
}

/* What the allocator says of itself, where the kernel's word is missing. */
static uint64_t foreign_bytes(const struct areas *a)
{
	uint64_t bytes;

	return areas_figure(a, "jemalloc/resident", &bytes) || areas_figure(a, "tcmalloc/mapped", &bytes) ? bytes : 0;
}

void memory_finish(struct memory *m)
{
	struct sites sites = { .places = &m->t->places };
	const struct pins_options pins = { site_of, &sites };
	struct resident_options options = { .foreign_bytes = foreign_bytes(&m->areas) };

	if (m->snapshot) {
		mapped_load(&m->mapped, &m->t->trace, m->snapshot);
		options.mapped = &m->mapped;
	}
	pools_count(&m->pools, &m->alive);
	resident_count(&m->resident, &m->alive, &m->pools, &options);
	pins_count(&m->pins, &m->alive, &m->pools, &m->resident, &pins);
	map_free(&sites.by_key);
}

void memory_free(struct memory *m)
{
	pins_free(&m->pins);
	resident_free(&m->resident);
	pools_free(&m->pools);
	mapped_free(&m->mapped);
	alive_free(&m->alive);
	areas_free(&m->areas);
	snapshots_free(&m->snapshots);
}
