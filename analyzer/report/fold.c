/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/report/fold.h"
#include "formats/block.h"

#include <stdlib.h>
#include <string.h>

const char *const fold_metric_names[FOLD_METRICS] = { "live", "peak", "total", "temporary" };
const char *const fold_by_names[] = { "line", "function", "file", "stack", "layer", "thread", "task", "type" };

struct folding {
	struct fold *f;
	struct report *r;
	const struct fold_options *options;
	struct map by_key;
	struct map type_by_key; /* row and type to its part */
	uint32_t trace;         /* index of the one that is folded now */
	bool *seen;             /* rows of its types that went along with a row of its account */
};

/* What is added up: a row of an account, or the part of one that is of a type. */
struct portion {
	struct account_row row;
	string_id type;
	uint64_t reused;
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
static uint64_t key_of(struct folding *p, const struct portion *part, node_id site)
{
	const struct account_row *row = &part->row;
	struct place_table *places = &p->r->traces[p->trace]->places;
	enum fold_by by = (enum fold_by)p->options->by;

	if (is_import(p, row))
		return map_mix(UINT64_C(3) << 40);
	if (by == FOLD_TYPE)
		return map_mix(UINT64_C(4) << 40 | (part->type ? part->type : (uint64_t)row->layer << 32));
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

static bool is_chosen(const struct folding *p, const struct account_row *row)
{
	return chosen_of(p, row)->blocks || chosen_of(p, row)->bytes;
}

static bool is_wanted(const struct folding *p, const struct account_row *row)
{
	if (p->options->layer == FOLD_ALL_LAYERS ? !account_row_is_counted(row) : row->layer != p->options->layer)
		return false;
	return is_chosen(p, row);
}

static uint32_t row_of(struct folding *p, const struct portion *part, node_id site)
{
	const struct account_row *row = &part->row;
	uint32_t *at = map_at(&p->by_key, key_of(p, part, site));

	if (*at == MAP_NONE) {
		*at = (uint32_t)p->f->rows.n;
		*array_push(&p->f->rows) = (struct fold_row){ .trace = p->trace,
							      .node = row->node,
							      .site = site,
							      .thread = row->thread,
							      .task = row->task,
							      .type = part->type };
	}
	return *at;
}

static bool same_place(struct folding *p, const struct fold_row *to, node_id site)
{
	const struct place *a = place_find(&p->r->traces[to->trace]->places, to->site);
	const struct place *b = place_find(&p->r->traces[p->trace]->places, site);

	return a->at.column == b->at.column && a->at.end_column == b->at.end_column && a->address == b->address;
}

/* Returns the number of the row that it was added to. */
static uint32_t add_part(struct folding *p, const struct portion *part)
{
	const struct account_row *row = &part->row;
	const struct amount *chosen = chosen_of(p, row);
	node_id site = site_of(p, row);
	uint32_t number = row_of(p, part, site);
	struct fold_row *to = &p->f->rows.at[number];

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
	amount_add(&to->chosen, chosen);
	amount_add(&to->live, live_of(p, row));
	amount_add(&to->peak, &row->at[ACCOUNT_PEAK]);
	amount_add(&to->total, &row->total);
	amount_add(&to->temporary, &row->temporary);
	to->reused += part->reused;
	amount_add(&p->f->chosen, chosen);
	return number;
}

/* ---- types ---- */

static void take_amount(struct amount *from, const struct amount *a)
{
	from->bytes -= a->bytes < from->bytes ? a->bytes : from->bytes;
	from->blocks -= a->blocks < from->blocks ? a->blocks : from->blocks;
}

static void take_part(struct account_row *from, const struct account_row *part)
{
	for (int i = 0; i < ACCOUNT_STATES; i++)
		take_amount(&from->at[i], &part->at[i]);
	take_amount(&from->total, &part->total);
	take_amount(&from->temporary, &part->temporary);
}

/* The part of an account's row that is of one type. */
static struct portion part_of(struct folding *p, const struct account_row *row, const struct types_row *typed)
{
	const char *name = types_name(&p->r->traces[p->trace]->types, typed->type);
	struct portion part = { .row = *row, .reused = typed->reused };

	part.type = strings_add(&p->f->type_names, name, strlen(name));
	memcpy(part.row.at, typed->at, sizeof part.row.at);
	part.row.total = typed->total;
	part.row.temporary = typed->temporary;
	return part;
}

static bool is_of(const struct types_row *typed, const struct account_row *row) { return typed->layer == row->layer; }

/* By type: as many rows as there are types, and one of the rest. */
static void add_types(struct folding *p, const struct account_row *row)
{
	const struct types *t = &p->r->traces[p->trace]->types;
	struct portion rest = { .row = *row };

	for (uint32_t i = t->first_of[row->node]; i; i = t->rows.at[i].next) {
		struct portion part;

		if (!is_of(&t->rows.at[i], row))
			continue;
		p->seen[i] = true;
		part = part_of(p, row, &t->rows.at[i]);
		take_part(&rest.row, &part.row);
		if (is_chosen(p, &part.row) || part.reused)
			add_part(p, &part);
	}
	if (is_chosen(p, &rest.row))
		add_part(p, &rest);
}

static void add_row_type(struct folding *p, uint32_t number, const struct portion *part)
{
	uint32_t *at = map_at(&p->type_by_key, (uint64_t)number << 32 | part->type);
	struct fold_type *type;

	if (*at == MAP_NONE) {
		*at = (uint32_t)p->f->types.n;
		*array_push(&p->f->types) =
			(struct fold_type){ .type = part->type, .next = p->f->rows.at[number].first_type };
		p->f->rows.at[number].first_type = *at;
	}
	type = &p->f->types.at[*at];
	amount_add(&type->chosen, chosen_of(p, &part->row));
	amount_add(&type->live, live_of(p, &part->row));
	amount_add(&type->total, &part->row.total);
	type->reused += part->reused;
}

/* By anything else: what the row is made of. Rows of a thread or task are parts of what models/types.h counts. */
static void add_row(struct folding *p, const struct account_row *row)
{
	const struct report_trace *trace = p->r->traces[p->trace];
	uint32_t number = add_part(p, &(struct portion){ .row = *row });

	if (!(trace->has & REPORT_TYPES) || trace->has & (REPORT_THREADS | REPORT_TASKS))
		return;
	for (uint32_t i = trace->types.first_of[row->node]; i; i = trace->types.rows.at[i].next) {
		struct portion part = part_of(p, row, &trace->types.rows.at[i]);

		p->seen[i] |= is_of(&trace->types.rows.at[i], row);
		if (is_of(&trace->types.rows.at[i], row) && (is_chosen(p, &part.row) || part.reused)) {
			add_row_type(p, number, &part);
			p->f->rows.at[number].reused += part.reused;
		}
	}
}

/* Objects that were made in blocks of free lists where no block was ever allocated. */
static void add_reused(struct folding *p)
{
	const struct report_trace *trace = p->r->traces[p->trace];

	for (uint32_t i = 1; i < trace->types.rows.n; i++) {
		const struct types_row *typed = &trace->types.rows.at[i];
		struct account_row row = { .node = typed->node, .layer = typed->layer };

		if (p->seen[i] || !typed->reused ||
		    (p->options->layer != FOLD_ALL_LAYERS && p->options->layer != typed->layer))
			continue;
		if (p->options->by == FOLD_TYPE)
			add_types(p, &row);
		else
			add_row(p, &row);
	}
}

const char *fold_main_type(const struct fold *f, const struct fold_row *row)
{
	const struct fold_type *most = NULL;

	if (row->type)
		return strings_text(&f->type_names, row->type);
	for (uint32_t i = row->first_type; i; i = f->types.at[i].next)
		if (!most || f->types.at[i].chosen.bytes > most->chosen.bytes)
			most = &f->types.at[i];
	return most && most->chosen.bytes * 2 >= row->chosen.bytes ? strings_text(&f->type_names, most->type) : "";
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
	strings_add(&f->type_names, "", 0);
	*array_push(&f->types) = (struct fold_type){ 0 };
	for (; p.trace < r->n_traces; p.trace++) {
		const struct account *a = &r->traces[p.trace]->account;
		const struct types *types = &r->traces[p.trace]->types;

		p.seen = mem_zero(types->rows.n, sizeof *p.seen);
		for (size_t i = 0; i < a->rows.n; i++) {
			if (!is_wanted(&p, &a->rows.at[i]))
				continue;
			if (options->by == FOLD_TYPE)
				add_types(&p, &a->rows.at[i]);
			else
				add_row(&p, &a->rows.at[i]);
		}
		if (options->metric == FOLD_TOTAL && r->traces[p.trace]->has & REPORT_TYPES)
			add_reused(&p);
		free(p.seen);
	}
	for (size_t i = 0; i < f->rows.n; i++) {
		f->rows.at[i].thread = f->rows.at[i].many_threads ? ACCOUNT_MANY : f->rows.at[i].thread;
		f->rows.at[i].task = f->rows.at[i].many_tasks ? ACCOUNT_MANY : f->rows.at[i].task;
	}
	if (f->rows.n)
		qsort(f->rows.at, f->rows.n, sizeof *f->rows.at, compare);
	map_free(&p.by_key);
	map_free(&p.type_by_key);
}

void fold_free(struct fold *f)
{
	array_free(&f->rows);
	array_free(&f->types);
	strings_free(&f->type_names);
}

struct place fold_place(struct report *r, const struct fold_row *row)
{
	struct place p = *place_find(&r->traces[row->trace]->places, row->site);

	if (!row->many_places)
		return p;
	p.at.column = p.at.end_column = -1;
	p.address = PLACE_MANY;
	return p;
}
