/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pins: two passes over the same units. The first asks whose a unit is, when it is one site's alone; the second, with
 * the sites in order, at which site the last of those in a unit is met: from there on it would be free.
 */
#include "analyzer/memory/pins.h"

#include <stdlib.h>

enum { NOBODY = 0, MANY = UINT32_MAX }; /* else a number + 1 */
enum kind { ARENA, UNIT, TOP };

/* Units one after the other that have the same owner. */
struct run {
	uint64_t first, n;
	uint64_t bytes, last_bytes; /* alive in them, and in the last of them */
	uint32_t owner;
};

struct work {
	struct pins *p;
	const struct alive *a;
	const struct pins_options *options;
	bool together; /* the second pass */
	ARRAY(struct pins_row) sites;
	ARRAY(uint32_t) rank;   /* by site: its place in the order + 1 */
	ARRAY(uint64_t) gains;  /* by rank */
	ARRAY(struct run) runs; /* units of a span with something in them, in order */
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

static void gain(struct work *w, uint32_t owner, enum kind kind, uint64_t bytes, uint64_t held)
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
	row->held_bytes += held;
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
	gain(w, owner, ARENA, arena->end - arena->start, arena->live_bytes);
}

/* In the last unit of the run before, as far as it goes. */
static void share_unit(struct work *w, struct run *before, uint32_t owner, uint64_t bytes)
{
	uint32_t both = join(w, before->owner, owner);
	struct run unit = { before->first + before->n - 1, 1, before->last_bytes + bytes, before->last_bytes + bytes,
			    both };

	if (both != before->owner && before->n > 1) {
		before->n--;
		before->bytes -= before->last_bytes;
		*array_push(&w->runs) = unit;
		return;
	}
	before->owner = both;
	before->bytes += bytes;
	before->last_bytes += bytes;
}

/* Units that nobody was in so far. */
static void add_units(struct work *w, const struct run *units)
{
	struct run *before = w->runs.n ? &w->runs.at[w->runs.n - 1] : NULL;

	if (!before || before->owner != units->owner || before->first + before->n != units->first) {
		*array_push(&w->runs) = *units;
		return;
	}
	before->n += units->n;
	before->bytes += units->bytes;
	before->last_bytes = units->last_bytes;
}

static void add_block(struct work *w, const struct resident_span *s, uint64_t n_units, const struct alive_block *b)
{
	uint64_t start = b->addr > s->start ? b->addr - s->start : 0;
	uint64_t end = b->addr + (b->bytes ? b->bytes : 1) - s->start, unit = s->unit_bytes;
	struct run *before = w->runs.n ? &w->runs.at[w->runs.n - 1] : NULL;
	uint64_t fresh = before ? (before->first + before->n) * unit : 0; /* nothing was there from here on */
	uint32_t owner = owner_of(w, b);
	struct run units = { .owner = owner };

	end = end < n_units * unit ? end : n_units * unit;
	if (before && start < fresh)
		share_unit(w, before, owner, (end < fresh ? end : fresh) - start);
	start = start > fresh ? start : fresh;
	if (start >= end)
		return;
	units.first = start / unit;
	units.n = (end - 1) / unit + 1 - units.first;
	units.bytes = end - start;
	units.last_bytes = units.n > 1 ? end - (units.first + units.n - 1) * unit : units.bytes;
	add_units(w, &units);
}

static void own_units(struct work *w, const struct resident_span *s, uint64_t n)
{
	size_t i = alive_first_beyond(w->a, s->start);

	w->runs.n = 0;
	for (; i < w->a->blocks.n && w->a->blocks.at[i].addr < s->end; i++) {
		count_block(w, &w->a->blocks.at[i]);
		add_block(w, s, n, &w->a->blocks.at[i]);
	}
}

static void walk_span(struct work *w, const struct resident_span *s)
{
	uint64_t end = (s->end - s->start) / s->unit_bytes; /* of the units not looked at yet, from the top down */
	uint32_t above = NOBODY;

	if (!end)
		return;
	own_units(w, s, end);
	for (size_t i = w->runs.n; i-- > 0;) {
		const struct run *r = &w->runs.at[i];

		if (s->has_top)
			gain(w, above, TOP, (end - r->first - r->n) * s->unit_bytes, 0);
		gain(w, r->owner, UNIT, r->n * s->unit_bytes, r->bytes);
		above = join(w, above, r->owner);
		end = r->first;
	}
	if (s->has_top)
		gain(w, above, TOP, end * s->unit_bytes, 0);
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
	return row->pinned_bytes > row->held_bytes ? row->pinned_bytes - row->held_bytes : 0;
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
	array_free(&w.runs);
	free(w.site_of);
}

void pins_free(struct pins *p) { array_free(&p->rows); }
