/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pins: two passes over the same units. The first asks whose a unit is, when it is one site's alone; the second, with
 * the sites in order, at which site the last of those in a unit is met: from there on it would be free.
 */
#include "analyzer/models/pins.h"

#include <stdlib.h>

enum { NOBODY = 0, MANY = UINT32_MAX }; /* else a number + 1 */
enum kind { ARENA, UNIT, TOP };

struct work {
	struct pins *p;
	const struct alive *a;
	const struct pins_options *options;
	bool together; /* the second pass */
	ARRAY(struct pins_row) sites;
	ARRAY(uint32_t) rank;   /* by site: its place in the order + 1 */
	ARRAY(uint64_t) gains;  /* by rank */
	ARRAY(uint32_t) owners; /* of the units of a span */
	uint32_t *site_of;      /* by node: + 1; 0: not asked yet */
};

static uint32_t site_of(struct work *w, node_id node)
{
	if (!w->site_of[node])
		w->site_of[node] = w->options->site_of(w->options->self, node) + 1;
	return w->site_of[node] - 1;
}

static struct pins_row *row_of(struct work *w, const struct alive_block *b)
{
	uint32_t site = site_of(w, b->node);

	while (w->sites.n <= site) {
		uint32_t number = (uint32_t)w->sites.n;

		*array_push(&w->sites) = (struct pins_row){ .site = number };
	}
	return &w->sites.at[site];
}

/* Whose a block is: its site, or that site's rank. */
static uint32_t owner_of(struct work *w, const struct alive_block *b)
{
	uint32_t site = site_of(w, b->node);

	return w->together ? w->rank.at[site] : site + 1;
}

static uint32_t join(const struct work *w, uint32_t a, uint32_t b)
{
	if (a == NOBODY || b == NOBODY || a == b)
		return a | b;
	if (!w->together)
		return MANY;
	return a > b ? a : b;
}

static void gain(struct work *w, uint32_t owner, enum kind kind, uint64_t bytes)
{
	struct pins_row *row;

	if (owner == NOBODY || owner == MANY)
		return;
	if (w->together) {
		w->gains.at[owner] += bytes;
		return;
	}
	row = &w->sites.at[owner - 1];
	row->pinned_bytes += bytes;
	*(kind == ARENA ? &row->arena_bytes : kind == UNIT ? &row->page_bytes : &row->top_bytes) += bytes;
}

static void count_block(struct work *w, const struct alive_block *b)
{
	struct pins_row *row;

	if (w->together)
		return;
	row = row_of(w, b);
	if (!row->blocks)
		row->node = b->node;
	row->blocks++;
	row->bytes += b->bytes;
}

/* ---- units ---- */

static void walk_arena(struct work *w, const struct pools_arena *arena)
{
	size_t i = alive_first_beyond(w->a, arena->start);
	uint32_t owner = NOBODY;

	for (; i < w->a->blocks.n && w->a->blocks.at[i].addr < arena->end; i++) {
		count_block(w, &w->a->blocks.at[i]);
		owner = join(w, owner, owner_of(w, &w->a->blocks.at[i]));
	}
	gain(w, owner, ARENA, arena->end - arena->start);
}

static void own_units(struct work *w, const struct resident_span *s, size_t n)
{
	size_t i = alive_first_beyond(w->a, s->start);

	w->owners.n = 0;
	array_reserve(&w->owners, n);
	for (size_t k = 0; k < n; k++)
		*array_push(&w->owners) = NOBODY;
	for (; i < w->a->blocks.n && w->a->blocks.at[i].addr < s->end; i++) {
		const struct alive_block *b = &w->a->blocks.at[i];
		uint64_t first = b->addr > s->start ? (b->addr - s->start) / s->unit_bytes : 0;
		uint64_t last = (b->addr + (b->bytes ? b->bytes : 1) - 1 - s->start) / s->unit_bytes;
		uint32_t owner = owner_of(w, b);

		count_block(w, b);
		for (; first <= last && first < n; first++)
			w->owners.at[first] = join(w, w->owners.at[first], owner);
	}
}

static void walk_span(struct work *w, const struct resident_span *s)
{
	size_t n = (size_t)((s->end - s->start) / s->unit_bytes);
	uint32_t above = NOBODY;

	own_units(w, s, n);
	while (n-- > 0) {
		if (w->owners.at[n] != NOBODY)
			gain(w, w->owners.at[n], UNIT, s->unit_bytes);
		else if (s->has_top)
			gain(w, above, TOP, s->unit_bytes);
		above = join(w, above, w->owners.at[n]);
	}
}

static void walk_all(struct work *w, const struct pools *pools, const struct resident *r)
{
	for (size_t i = 0; i < pools->arenas.n; i++)
		if (!pools->arenas.at[i].is_chunk)
			walk_arena(w, &pools->arenas.at[i]);
	for (size_t i = 0; i < r->spans.n; i++)
		walk_span(w, &r->spans.at[i]);
}

/* ---- outside ---- */

static uint64_t excess(const struct pins_row *row)
{
	return row->pinned_bytes > row->bytes ? row->pinned_bytes - row->bytes : 0;
}

static int by_excess(const void *left, const void *right)
{
	const struct pins_row *a = left, *b = right;

	if (excess(a) != excess(b))
		return excess(a) < excess(b) ? 1 : -1;
	if (a->pinned_bytes != b->pinned_bytes)
		return a->pinned_bytes < b->pinned_bytes ? 1 : -1;
	return (a->site > b->site) - (a->site < b->site);
}

static void rank_sites(struct work *w)
{
	if (w->sites.n)
		qsort(w->sites.at, w->sites.n, sizeof *w->sites.at, by_excess);
	for (size_t i = 0; i <= w->sites.n; i++) {
		*array_push(&w->rank) = 0;
		*array_push(&w->gains) = 0;
	}
	for (size_t i = 0; i < w->sites.n; i++)
		w->rank.at[w->sites.at[i].site] = (uint32_t)i + 1;
}

static void keep_rows(struct work *w)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->sites.n; i++) {
		sum += w->gains.at[i + 1];
		w->sites.at[i].together_bytes = sum;
		if (w->sites.at[i].pinned_bytes)
			*array_push(&w->p->rows) = w->sites.at[i];
	}
}

void pins_count(struct pins *p, const struct alive *a, const struct pools *pools, const struct resident *r,
		const struct pins_options *options)
{
	struct work w = { .p = p, .a = a, .options = options };

	*p = (struct pins){ 0 };
	w.site_of = mem_zero(a->trace->defs.stacks.nodes.n, sizeof *w.site_of);
	walk_all(&w, pools, r);
	rank_sites(&w);
	w.together = true;
	walk_all(&w, pools, r);
	keep_rows(&w);
	array_free(&w.sites);
	array_free(&w.rank);
	array_free(&w.gains);
	array_free(&w.owners);
	free(w.site_of);
}

void pins_free(struct pins *p) { array_free(&p->rows); }
