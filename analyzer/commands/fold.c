/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/commands/fold.h"
#include "formats/block.h"

#include <stdlib.h>
#include <string.h>

const char *const fold_metric_names[FOLD_METRICS] = { "live", "peak", "total", "temporary" };
const char *const fold_by_names[] = { "line", "function", "file", "stack", "layer", "thread", "task" };

struct folding {
	struct fold *f;
	struct report *r;
	const struct fold_options *options;
	struct map by_key;
	uint32_t trace; /* index of the one that is folded now */
};

static uint64_t mix_text(uint64_t key, const char *text) { return map_mix(key ^ pt_xxh3(text, strlen(text))); }

/* A native frame without a line is told by its function, one without a name by its address. */
static uint64_t mix_place(uint64_t key, const struct place *p)
{
	key = mix_text(mix_text(key, p->file), p->function);
	if (p->module && !*p->file)
		key = mix_text(key, p->module) + (*p->function == '?' ? p->address : 0);
	return map_mix(key + (uint32_t)p->at.line);
}

/* Stacks of several traces are equal when their frames are: numbers mean nothing beyond their trace. */
static uint64_t stack_key(struct place_table *places, node_id node)
{
	uint64_t key = 1;

	for (; node > NODE_UNKNOWN; node = defs_frame(&places->trace->defs, node)->parent) {
		const struct place *p = place_find(places, node);

		key = map_mix(mix_place(key, p) + (uint32_t)p->at.column);
	}
	return key;
}

static node_id site_of(struct folding *p, const struct account_row *row)
{
	struct place_table *places = &p->r->traces[p->trace]->places;

	return p->options->importers ? place_importer(places, row->node) : place_site(places, row->node);
}

static bool is_import(const struct folding *p, const struct account_row *row)
{
	return p->options->one_import && p->r->traces[p->trace]->curves.importing[row->node];
}

static uint64_t key_of_site(const struct place *place, enum fold_by by)
{
	if (by == FOLD_LINE)
		return mix_place(by, place);
	return mix_text(mix_text(by, *place->file || !place->module ? place->file : place->module),
			by == FOLD_FILE ? "" : place->function);
}

/* Blocks of which nothing is known have nothing but their layer to be known by. */
static uint64_t key_of(struct folding *p, const struct account_row *row, node_id site)
{
	struct place_table *places = &p->r->traces[p->trace]->places;
	enum fold_by by = (enum fold_by)p->options->by;

	if (is_import(p, row))
		return map_mix(UINT64_C(3) << 40);
	if (by == FOLD_LAYER)
		return row->layer;
	if (by == FOLD_THREAD)
		return map_mix((uint64_t)p->trace << 32 | row->thread);
	if (by == FOLD_TASK)
		return map_mix(row->task ? (uint64_t)p->trace << 32 | row->task : 0);
	if (by == FOLD_STACK && row->node > NODE_UNKNOWN)
		return p->r->n_traces == 1 ? map_mix(UINT64_C(2) << 40 | row->node) : stack_key(places, row->node);
	if (site <= NODE_UNKNOWN)
		return map_mix(UINT64_C(1) << 40 | (uint64_t)row->layer << 8 | site);
	return key_of_site(place_find(places, site), by);
}

static void add_amount(struct amount *sum, const struct amount *a)
{
	sum->bytes += a->bytes;
	sum->blocks += a->blocks;
}

static const struct amount *live_of(const struct folding *p, const struct account_row *row)
{
	return &row->at[p->options->end == FOLD_END_TRACE ? ACCOUNT_LAST : ACCOUNT_END];
}

static const struct amount *chosen_of(const struct folding *p, const struct account_row *row)
{
	switch ((enum fold_metric)p->options->metric) {
	case FOLD_PEAK: return &row->at[ACCOUNT_PEAK];
	case FOLD_TOTAL: return &row->total;
	case FOLD_TEMPORARY: return &row->temporary;
	default: return live_of(p, row);
	}
}

static bool is_wanted(const struct folding *p, const struct account_row *row)
{
	if (p->options->layer == FOLD_ALL_LAYERS ? !account_row_is_counted(row) : row->layer != p->options->layer)
		return false;
	return chosen_of(p, row)->blocks || chosen_of(p, row)->bytes;
}

static struct fold_row *row_of(struct folding *p, const struct account_row *row, node_id site)
{
	uint32_t *at = map_at(&p->by_key, key_of(p, row, site));

	if (*at == MAP_NONE) {
		*at = (uint32_t)p->f->rows.n;
		*array_push(&p->f->rows) = (struct fold_row){
			.trace = p->trace, .node = row->node, .site = site, .thread = row->thread, .task = row->task
		};
	}
	return &p->f->rows.at[*at];
}

static bool same_place(struct folding *p, const struct fold_row *to, node_id site)
{
	const struct place *a = place_find(&p->r->traces[to->trace]->places, to->site);
	const struct place *b = place_find(&p->r->traces[p->trace]->places, site);

	return a->at.column == b->at.column && a->at.end_column == b->at.end_column && a->address == b->address;
}

static void add_row(struct folding *p, const struct account_row *row)
{
	const struct amount *chosen = chosen_of(p, row);
	node_id site = site_of(p, row);
	struct fold_row *to = row_of(p, row, site);

	to->many_places |= !same_place(p, to, site);
	to->importing |= site != place_site(&p->r->traces[p->trace]->places, row->node);
	to->imports |= is_import(p, row);
	to->many_threads |= to->thread != row->thread || to->trace != p->trace;
	to->many_tasks |= to->task != row->task || (to->trace != p->trace && row->task);
	to->layers |= (uint16_t)(1u << row->layer);
	to->n_stacks++;
	if (chosen->bytes > to->node_bytes) {
		to->trace = p->trace;
		to->node = row->node;
		to->site = site;
		to->node_bytes = chosen->bytes;
	}
	add_amount(&to->chosen, chosen);
	add_amount(&to->live, live_of(p, row));
	add_amount(&to->peak, &row->at[ACCOUNT_PEAK]);
	add_amount(&to->total, &row->total);
	add_amount(&to->temporary, &row->temporary);
	add_amount(&p->f->chosen, chosen);
}

static int compare(const void *left, const void *right)
{
	const struct fold_row *a = left, *b = right;

	if (a->chosen.bytes != b->chosen.bytes)
		return a->chosen.bytes > b->chosen.bytes ? -1 : 1;
	if (a->chosen.blocks != b->chosen.blocks)
		return a->chosen.blocks > b->chosen.blocks ? -1 : 1;
	if (a->trace != b->trace)
		return a->trace < b->trace ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

void fold_run(struct fold *f, struct report *r, const struct fold_options *options)
{
	struct folding p = { .f = f, .r = r, .options = options };

	*f = (struct fold){ 0 };
	for (; p.trace < r->n_traces; p.trace++) {
		const struct account *a = &r->traces[p.trace]->account;

		for (size_t i = 0; i < a->rows.n; i++) {
			if (is_wanted(&p, &a->rows.at[i]))
				add_row(&p, &a->rows.at[i]);
		}
	}
	for (size_t i = 0; i < f->rows.n; i++) {
		f->rows.at[i].thread = f->rows.at[i].many_threads ? ACCOUNT_MANY : f->rows.at[i].thread;
		f->rows.at[i].task = f->rows.at[i].many_tasks ? ACCOUNT_MANY : f->rows.at[i].task;
	}
	if (f->rows.n)
		qsort(f->rows.at, f->rows.n, sizeof *f->rows.at, compare);
	map_free(&p.by_key);
}

void fold_free(struct fold *f) { array_free(&f->rows); }

struct place fold_place(struct report *r, const struct fold_row *row)
{
	struct place p = *place_find(&r->traces[row->trace]->places, row->site);

	if (!row->many_places)
		return p;
	p.at.column = p.at.end_column = -1;
	p.address = PLACE_MANY;
	return p;
}
