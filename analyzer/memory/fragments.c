/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fragments: one walk over what is alive, by address, lists the units that are kept by little; then sites are chosen
 * one after the other, by what is left of these units.
 */
#include "analyzer/memory/fragments.h"
#include "formats/block.h"

#include <stdlib.h>
#include <string.h>

#define LEAST (UINT64_C(16) << 20) /* bytes of a pin; less is not worth a look */
#define FALL  (UINT64_C(8) << 20)  /* from the peak to the end: worth one */
#define RSS_BEYOND                                                                                        \
	(UINT64_C(48) << 20) /* resident beyond what is alive: likewise; heaps of threads peak one by one \
			      */

#define BEFORE_STEPS   100 /* of the run: the last of them at which arenas were sparse is looked at ... */
#define BEFORE_PERCENT 10  /* ... when no more than this part of the run came after it, and ... */
#define EARLIER_TIMES  2   /* ... so many times as much was pinned then */

enum {
	LOOSE = 4,    /* so many times what is alive in it makes a pin that others may join */
	SPARSE = 2,   /* a unit is kept by little when that much fits into it so often */
	NEARLY = 90,  /* percent of the units of a pin that its parts should explain ... */
	AT_LEAST = 50 /* ... and must */
};

/* Kept by `site`: blocks from `first` on lie in it. A hole has none; that one lies above it. */
struct unit {
	uint64_t resident, live;
	size_t first;
	uint32_t n, site;
	uint8_t kind; /* enum usage_kind */
	bool hole, taken;
};

struct site_sum {
	uint64_t kept;
	uint32_t blocks; /* in the unit looked at */
	uint32_t rank;   /* 1: the first one of the pin that is being made; 0: none */
};

struct work {
	struct fragments *f;
	struct alive *alive;
	const struct fragments_options *options;
	struct pools pools;
	struct mapped mapped;
	struct resident resident;
	uint64_t *before; /* of mapped.resident: bytes in all ranges before each; NULL: all is resident */
	ARRAY(struct unit) units;
	ARRAY(struct site_sum) sites;
	ARRAY(uint32_t) met;    /* sites in the unit looked at */
	ARRAY(uint32_t) ranked; /* sites in the order of their rank */
	uint32_t *site_of;      /* by node: + 1; 0: not asked yet */
};

/* ---- what is resident ---- */

static void sum_ranges(struct work *w)
{
	uint64_t sum = 0;

	w->before = mem_alloc((w->mapped.resident.n + 1) * sizeof *w->before);
	for (size_t i = 0; i < w->mapped.resident.n; i++) {
		w->before[i] = sum;
		sum += w->mapped.resident.at[i].end - w->mapped.resident.at[i].start;
	}
	w->before[w->mapped.resident.n] = sum;
}

/* Resident bytes below addr. */
static uint64_t resident_below(const struct work *w, uint64_t addr)
{
	size_t low = 0, high = w->mapped.resident.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->mapped.resident.at[mid].end > addr)
			high = mid;
		else
			low = mid + 1;
	}
	if (low == w->mapped.resident.n || addr <= w->mapped.resident.at[low].start)
		return w->before[low];
	return w->before[low] + addr - w->mapped.resident.at[low].start;
}

static uint64_t resident_in(const struct work *w, uint64_t start, uint64_t end)
{
	return w->before ? resident_below(w, end) - resident_below(w, start) : end - start;
}

/* ---- sites ---- */

static const struct alive_block *block_at(const struct work *w, size_t i) { return &w->alive->blocks.at[i]; }

static uint32_t site_of(struct work *w, size_t block)
{
	node_id node = block_at(w, block)->node;

	if (!w->site_of[node])
		w->site_of[node] = w->options->site_of(w->options->self, node) + 1;
	while (w->sites.n < w->site_of[node])
		*array_push(&w->sites) = (struct site_sum){ 0 };
	return w->site_of[node] - 1;
}

/* Fills w->met with the sites of a unit, and how many blocks each has in it. */
static void meet(struct work *w, const struct unit *u)
{
	w->met.n = 0;
	for (size_t i = u->first; i < u->first + u->n; i++) {
		uint32_t site = site_of(w, i);

		if (!w->sites.at[site].blocks++)
			*array_push(&w->met) = site;
	}
}

static void forget_met(struct work *w)
{
	for (size_t i = 0; i < w->met.n; i++)
		w->sites.at[w->met.at[i]].blocks = 0;
}

/* What the process that forked this one made is that one's business. */
static bool is_inherited(const struct work *w, const struct unit *u)
{
	uint32_t n = 0;

	for (size_t i = u->first; i < u->first + u->n; i++)
		n += block_at(w, i)->inherited;
	return n * 2 > u->n;
}

/* ---- units ---- */

static void add_unit(struct work *w, struct unit u)
{
	if (!u.resident || u.live * SPARSE >= u.resident || is_inherited(w, &u))
		return;
	meet(w, &u);
	u.site = w->met.at[0];
	for (size_t i = 1; i < w->met.n; i++)
		if (w->sites.at[w->met.at[i]].blocks > w->sites.at[u.site].blocks)
			u.site = w->met.at[i];
	forget_met(w);
	*array_push(&w->units) = u;
}

static void walk_arena(struct work *w, const struct pools_arena *a)
{
	struct fragments_layer *layer = &w->f->layers[USAGE_ARENA];
	uint64_t resident = resident_in(w, a->start, a->end);

	layer->mapped_bytes += a->end - a->start;
	layer->resident_bytes += resident;
	layer->live_bytes += a->live_bytes;
	if (!a->live_blocks) {
		layer->retained_bytes += resident;
		return;
	}
	add_unit(w, (struct unit){ .kind = USAGE_ARENA,
				   .resident = resident,
				   .live = a->live_bytes,
				   .first = alive_first_beyond(w->alive, a->start),
				   .n = (uint32_t)a->live_blocks });
}

/* Nothing is alive from `start` to `end`, where block `above` starts. */
static void add_hole(struct work *w, enum usage_kind kind, uint64_t start, uint64_t end, size_t above)
{
	struct unit hole = { .kind = (uint8_t)kind, .first = above, .n = 1, .hole = true };

	hole.resident = resident_in(w, start, end);
	if (kind == USAGE_HEAP)
		add_unit(w, hole);
	else
		w->f->layers[kind].retained_bytes += hole.resident;
}

/* The blocks of a unit: returns the index behind the last one. */
static size_t fill_unit(const struct work *w, struct unit *u, uint64_t start, uint64_t end)
{
	size_t i = u->first;

	for (; i < w->alive->blocks.n && block_at(w, i)->addr < end; i++) {
		uint64_t from = block_at(w, i)->addr, to = from + block_at(w, i)->bytes;

		from = from > start ? from : start;
		to = to < end ? to : end;
		u->live += to > from ? to - from : 0;
		u->n++;
	}
	return i;
}

static void walk_span(struct work *w, const struct resident_span *s)
{
	enum usage_kind kind = s->has_top ? USAGE_HEAP : USAGE_MIMALLOC;
	struct fragments_layer *layer = &w->f->layers[kind];
	size_t i = alive_first_beyond(w->alive, s->start), n = w->alive->blocks.n;
	uint64_t at = s->start; /* all below has been looked at */

	layer->mapped_bytes += s->end - s->start;
	layer->resident_bytes += resident_in(w, s->start, s->end);
	layer->live_bytes += s->live_bytes;
	while (i < n && block_at(w, i)->addr < s->end) {
		struct unit u = { .kind = (uint8_t)kind, .first = i };
		uint64_t start = (block_at(w, i)->addr > at ? block_at(w, i)->addr : at) & ~(s->unit_bytes - 1), last;

		if (start > at)
			add_hole(w, kind, at, start, i);
		at = start + s->unit_bytes;
		u.resident = resident_in(w, start, at);
		i = fill_unit(w, &u, start, at);
		last = block_at(w, i - 1)->addr + block_at(w, i - 1)->bytes;
		add_unit(w, u);
		if (last <= at)
			continue;
		at = last & ~(s->unit_bytes - 1); /* full of this block up to here */
		i -= last > at;
	}
	if (at < s->end)
		layer->retained_bytes += resident_in(w, at, s->end);
}

static void walk_all(struct work *w)
{
	for (size_t i = 0; i < w->pools.arenas.n; i++)
		if (!w->pools.arenas.at[i].is_chunk)
			walk_arena(w, &w->pools.arenas.at[i]);
	for (size_t i = 0; i < w->resident.spans.n && w->f->exact; i++)
		walk_span(w, &w->resident.spans.at[i]);
}

/* ---- one pin ---- */

static bool is_of(const struct unit *u, enum usage_kind kind) { return u->kind == kind && !u->taken; }

/* The site that keeps most of what is left; MAP_NONE when it is too little. */
static uint32_t worst_site(struct work *w, enum usage_kind kind)
{
	uint32_t worst = MAP_NONE;

	for (size_t i = 0; i < w->sites.n; i++)
		w->sites.at[i].kept = 0;
	for (size_t i = 0; i < w->units.n; i++)
		if (is_of(&w->units.at[i], kind))
			w->sites.at[w->units.at[i].site].kept += w->units.at[i].resident - w->units.at[i].live;
	for (uint32_t i = 0; i < w->sites.n; i++)
		if (w->sites.at[i].kept >= LEAST &&
		    (worst == MAP_NONE || w->sites.at[i].kept > w->sites.at[worst].kept))
			worst = i;
	return worst;
}

/* For sorting. */
struct candidate {
	uint32_t site;
	uint64_t kept;
};

static int by_kept(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->kept != b->kept)
		return a->kept < b->kept ? 1 : -1;
	return (a->site > b->site) - (a->site < b->site);
}

/* Sites with blocks in the units that `leader` keeps, by what these units come to. `leader` is the first. */
static void rank_companions(struct work *w, enum usage_kind kind, uint32_t leader)
{
	struct candidate *all;
	size_t n = 0;

	for (size_t i = 0; i < w->sites.n; i++)
		w->sites.at[i] = (struct site_sum){ 0 };
	for (size_t i = 0; i < w->units.n; i++) {
		const struct unit *u = &w->units.at[i];

		if (!is_of(u, kind) || u->site != leader)
			continue;
		meet(w, u);
		for (size_t k = 0; k < w->met.n; k++)
			w->sites.at[w->met.at[k]].kept += u->resident;
		forget_met(w);
	}
	all = mem_alloc((w->sites.n + 1) * sizeof *all);
	for (uint32_t i = 0; i < w->sites.n; i++)
		if (w->sites.at[i].kept)
			all[n++] = (struct candidate){ i, i == leader ? UINT64_MAX : w->sites.at[i].kept };
	qsort(all, n, sizeof *all, by_kept);
	w->ranked.n = 0;
	for (size_t i = 0; i < n; i++) {
		*array_push(&w->ranked) = all[i].site;
		w->sites.at[all[i].site].rank = (uint32_t)i + 1;
	}
	free(all);
}

/* The highest rank in a unit: with all sites up to it gone, it goes back. UINT32_MAX: a site has none. */
static uint32_t rank_of(struct work *w, const struct unit *u)
{
	uint32_t rank = 0;

	meet(w, u);
	for (size_t i = 0; i < w->met.n; i++) {
		uint32_t its = w->sites.at[w->met.at[i]].rank;

		rank = its && rank != UINT32_MAX ? (its > rank ? its : rank) : UINT32_MAX;
	}
	forget_met(w);
	return rank;
}

/* How many sites it takes, in their order, until most of what the first one keeps goes back; 0: too many. */
static size_t count_parts(struct work *w, enum usage_kind kind, uint32_t leader)
{
	size_t most = w->ranked.n < FRAGMENTS_PARTS ? w->ranked.n : FRAGMENTS_PARTS, n = 0;
	uint64_t all = 0, sum = 0, by[FRAGMENTS_PARTS + 1] = { 0 };

	for (size_t i = 0; i < w->units.n; i++) {
		const struct unit *u = &w->units.at[i];
		uint32_t rank;

		if (!is_of(u, kind) || u->site != leader)
			continue;
		rank = rank_of(w, u);
		all += u->resident;
		if (rank <= most)
			by[rank] += u->resident;
	}
	for (size_t i = 1; i <= most; i++)
		sum += by[i];
	if (sum * 100 < all * AT_LEAST)
		return 0;
	for (all = 0; n < most && all * 100 < sum * NEARLY; n++)
		all += by[n + 1];
	return n;
}

static void count_block(struct work *w, struct fragments_pin *pin, size_t block)
{
	struct fragments_part *part = &pin->parts[w->sites.at[site_of(w, block)].rank - 1];

	if (!part->blocks)
		part->node = block_at(w, block)->node;
	part->blocks++;
	part->bytes += block_at(w, block)->bytes;
	pin->blocks++;
	pin->bytes += block_at(w, block)->bytes;
}

/* A block in two units, or right above a hole, is counted once: `next` is the first one that is to be. */
static void add_to_pin(struct work *w, struct fragments_pin *pin, const struct unit *u, size_t *next)
{
	pin->pinned_bytes += u->resident;
	pin->held_bytes += u->live;
	pin->trim_bytes += u->hole ? u->resident : 0;
	pin->units += !u->hole;
	for (size_t i = u->first > *next ? u->first : *next; i < u->first + u->n; i++) {
		count_block(w, pin, i);
		*next = i + 1;
	}
}

/* All units that one of the parts keeps are theirs; what would go back is what no other site is in. */
static void take(struct work *w, struct fragments_pin *pin)
{
	size_t next = 0;

	for (size_t i = 0; i < w->units.n; i++) {
		struct unit *u = &w->units.at[i];
		uint32_t its = w->sites.at[u->site].rank;

		if (!is_of(u, pin->kind) || !its || its > pin->n_parts)
			continue;
		u->taken = true;
		if (rank_of(w, u) <= pin->n_parts)
			add_to_pin(w, pin, u, &next);
	}
}

/* Of one allocator they are one, for one memory does not go back: the lines that keep most are its parts. */
static void add_pin(struct fragments *f, const struct fragments_pin *pin, size_t first)
{
	struct fragments_pin *sum = f->pins.n > first ? &f->pins.at[first] : NULL;

	if (!sum || pin->pinned_bytes < pin->held_bytes * LOOSE) {
		*array_push(&f->pins) = *pin;
		return;
	}
	for (unsigned i = 0; i < pin->n_parts && sum->n_parts < FRAGMENTS_PARTS; i++)
		sum->parts[sum->n_parts++] = pin->parts[i];
	sum->units += pin->units;
	sum->pinned_bytes += pin->pinned_bytes;
	sum->trim_bytes += pin->trim_bytes;
	sum->held_bytes += pin->held_bytes;
	sum->blocks += pin->blocks;
	sum->bytes += pin->bytes;
}

static void take_pins(struct work *w, enum usage_kind kind)
{
	size_t first = w->f->pins.n;
	uint32_t leader;

	while ((leader = worst_site(w, kind)) != MAP_NONE) {
		struct fragments_pin pin = { .kind = kind };
		size_t n;

		rank_companions(w, kind, leader);
		n = count_parts(w, kind, leader);
		pin.n_parts = (unsigned)(n ? n : 1);
		for (size_t i = 0; i < pin.n_parts; i++)
			pin.parts[i].site = w->ranked.at[i];
		take(w, &pin);
		if (n && pin.pinned_bytes >= LEAST)
			add_pin(w->f, &pin, first);
	}
}

/* ---- outside ---- */

static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

/* Whether so much could be free that it is worth a copy of all that is alive. */
static bool is_worth_it(void *self)
{
	const struct fragments *f = self;
	const struct usage *u = &f->usage;
	bool worth = less(u->mapped_bytes, u->rows[USAGE_ARENA].now) >= FALL ||
		     less(u->rss_bytes, u->live_bytes) >= RSS_BEYOND;

	for (int k = 0; k < USAGE_KINDS && !worth; k++)
		worth = less(u->rows[k].peak, u->rows[k].now) >= FALL;
	return worth;
}

/* Whether arenas are far from full now: then a copy is cheap, too. */
static bool is_sparse(void *self)
{
	struct fragments *f = self;
	const struct usage *u = &f->usage;
	uint64_t mapped = u->mapped_bytes, used = u->rows[USAGE_ARENA].now;

	if (less(mapped, used) < LEAST || mapped < used * LOOSE)
		return false;
	for (int k = 0; k < USAGE_KINDS; k++)
		f->used_before[k] = u->rows[k].now;
	return true;
}

/* The snapshot of the end: of others the pages are not those of that moment. */
static const struct snapshot *last_snapshot(struct fragments *f)
{
	const struct snapshot *s;

	snapshots_list(&f->snapshots, f->trace);
	s = snapshots_find(&f->snapshots, 0);
	return s && (s->reason == PT_SNAPSHOT_EXIT || s->reason == PT_SNAPSHOT_FATAL) ? s : NULL;
}

void fragments_init(struct fragments *f, struct trace *t)
{
	const struct snapshot *s;

	*f = (struct fragments){ .trace = t };
	usage_init(&f->usage, t);
	alive_init(&f->alive, t, 0);
	f->alive.is_wanted = is_worth_it;
	f->alive.wanted_self = f;
	s = last_snapshot(f);
	f->alive.pages_of = s ? s->number : 0;
	f->models[0] = &f->usage.model;
	f->models[1] = &f->alive.model;
	alive_init(&f->before, t, 0);
	f->before.step_ns = t->end_ns / BEFORE_STEPS + 1;
	f->before.is_wanted = is_sparse;
	f->before.wanted_self = f;
	f->models[2] = &f->before.model;
}

static int by_pinned(const void *left, const void *right)
{
	const struct fragments_pin *a = left, *b = right;

	return (a->pinned_bytes < b->pinned_bytes) - (a->pinned_bytes > b->pinned_bytes);
}

static void look(struct work *w)
{
	struct fragments *f = w->f;
	struct resident_options options = { .mapped = &w->mapped };

	if (w->alive->pages_of)
		mapped_load(&w->mapped, f->trace, snapshots_find(&f->snapshots, w->alive->pages_of));
	pools_count(&w->pools, w->alive);
	resident_count(&w->resident, w->alive, &w->pools, &options);
	f->exact = w->resident.exact;
	f->rss_bytes = w->resident.rss_bytes;
	f->tracer_bytes = f->exact ? w->resident.rows[RESIDENT_TRACER].pages_bytes : 0;
	if (f->exact)
		sum_ranges(w);
	walk_all(w);
	for (int k = 0; k < USAGE_KINDS; k++)
		take_pins(w, (enum usage_kind)k);
	if (f->pins.n)
		qsort(f->pins.at, f->pins.n, sizeof *f->pins.at, by_pinned);
}

/* Fills `f` with what there was at the moment that `alive` has seen. */
static void look_at(struct fragments *f, struct alive *alive, const struct fragments_options *options)
{
	struct work w = { .f = f, .alive = alive, .options = options };

	if (!alive->seen)
		return;
	f->looked = true;
	w.site_of = mem_zero(f->trace->defs.stacks.nodes.n + 1, sizeof *w.site_of);
	look(&w);
	resident_free(&w.resident);
	pools_free(&w.pools);
	mapped_free(&w.mapped);
	free(w.before);
	array_free(&w.units);
	array_free(&w.sites);
	array_free(&w.met);
	array_free(&w.ranked);
	free(w.site_of);
	alive_free(alive); /* it may be large */
}

static uint64_t most_pinned(const struct fragments *f) { return f->pins.n ? f->pins.at[0].pinned_bytes : 0; }

/* What was shortly before the end takes the place of what is there at it. */
static void take_earlier(struct fragments *f, const struct fragments *before)
{
	array_free(&f->pins);
	f->looked = true;
	f->earlier_ns = f->before.ns;
	f->exact = before->exact;
	f->rss_bytes = before->rss_bytes;
	f->tracer_bytes = before->tracer_bytes;
	memcpy(&f->pins, &before->pins, sizeof f->pins);
	memcpy(f->layers, before->layers, sizeof f->layers);
	for (int k = 0; k < USAGE_KINDS; k++)
		f->usage.rows[k].end = f->used_before[k];
}

void fragments_finish(struct fragments *f, const struct fragments_options *options)
{
	struct fragments before = { .trace = f->trace };

	look_at(f, &f->alive, options);
	if (f->before.ns + f->usage.end_ns / 100 * BEFORE_PERCENT >= f->usage.end_ns)
		look_at(&before, &f->before, options);
	if (most_pinned(&before) > most_pinned(f) * EARLIER_TIMES)
		take_earlier(f, &before);
	else
		array_free(&before.pins);
}

void fragments_free(struct fragments *f)
{
	alive_free(&f->alive);
	alive_free(&f->before);
	snapshots_free(&f->snapshots);
	array_free(&f->pins);
}
