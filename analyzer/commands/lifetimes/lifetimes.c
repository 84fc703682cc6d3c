/* SPDX-License-Identifier: Apache-2.0 */
/* lifetimes: how long blocks live, by the line that made them and their type, and where they end */
#include "analyzer/commands/lifetimes/lifetimes.h"
#include "formats/block.h"

#include <string.h>

#define TOP_TEXT 15
#define CHURN    100

extern const struct command command_lifetimes;

struct lifetimes_all {
	ARRAY(struct lifetimes *) at; /* in the order in which the traces were opened */
	const struct lifetimes_options *own;
};

static const char *const by_names[] = { "line", "type", "stack" };
static const char *const sort_names[] = { "made", "churn", "age", "alive" };

/* ---- folding ---- */

static uint64_t key_of_line(struct lifetimes *l, node_id node)
{
	const struct place *p = place_find(&l->t->places, place_site(&l->t->places, node));
	uint64_t key = map_mix(pt_xxh3(p->file, strlen(p->file)) ^ (uint32_t)p->at.line);

	key = map_mix(key ^ pt_xxh3(p->function, strlen(p->function)));
	return p->module && !*p->file ? map_mix(key ^ p->address) : key;
}

static uint64_t key_of(struct lifetimes *l, const struct ages_row *row, enum lifetimes_by by)
{
	switch (by) {
	case LIFETIMES_TYPE: return map_mix(row->type + 1);
	case LIFETIMES_STACK: return map_mix((uint64_t)row->node << 32 | row->type);
	case LIFETIMES_LINE: break;
	}
	return map_mix(key_of_line(l, row->node) + row->type);
}

static void fold_row(struct lifetimes *l, struct lifetimes_row *to, const struct ages_row *row)
{
	uint64_t blocks = lifetimes_made(row);

	ages_add(&to->sum, row);
	ages_add(&l->total, row);
	if (blocks > to->node_blocks) {
		to->node_blocks = blocks;
		to->sum.node = row->node;
	}
}

/* In which folded row each row of the model is. */
static uint32_t *fold_rows(struct lifetimes *l, enum lifetimes_by by)
{
	uint32_t *folded = mem_alloc((l->ages.rows.n + 1) * sizeof *folded);
	struct map keys = { 0 };

	for (size_t i = 0; i < l->ages.rows.n; i++) {
		const struct ages_row *row = &l->ages.rows.at[i];
		uint32_t *at = map_at(&keys, key_of(l, row, by));

		if (*at == MAP_NONE) {
			*at = (uint32_t)l->rows.n;
			*array_push(&l->rows) =
				(struct lifetimes_row){ .sum = { .node = row->node, .type = row->type } };
		}
		folded[i] = *at;
		fold_row(l, &l->rows.at[*at], row);
	}
	map_free(&keys);
	return folded;
}

static int by_row(const void *a, const void *b)
{
	const struct lifetimes_end *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	if (x->blocks != y->blocks)
		return x->blocks < y->blocks ? 1 : -1;
	return (x->node > y->node) - (x->node < y->node);
}

/* Ends of a row at the same line are one. */
static void fold_ends(struct lifetimes *l, const uint32_t *folded)
{
	struct map keys = { 0 };

	for (size_t i = 0; i < l->ages.ends.n; i++) {
		const struct ages_end *end = &l->ages.ends.at[i];
		uint32_t row = folded[end->row];
		uint32_t *at = map_at(&keys, map_mix(key_of_line(l, end->node) ^ map_mix(row)));

		if (*at == MAP_NONE) {
			*at = (uint32_t)l->ends.n;
			*array_push(&l->ends) = (struct lifetimes_end){ .row = row, .node = end->node };
		}
		l->ends.at[*at].blocks += end->blocks;
	}
	map_free(&keys);
	if (l->ends.n)
		qsort(l->ends.at, l->ends.n, sizeof *l->ends.at, by_row);
	for (size_t i = 0; i < l->ends.n; i++) {
		struct lifetimes_row *row = &l->rows.at[l->ends.at[i].row];

		if (!row->n_ends++)
			row->ends = i;
	}
}

static uint64_t worth(const struct ages_row *row, enum lifetimes_sort sort)
{
	switch (sort) {
	case LIFETIMES_CHURN: return row->churn.blocks;
	case LIFETIMES_AGE: return row->died.blocks ? row->time_sum_ns / row->died.blocks : 0;
	case LIFETIMES_ALIVE: return row->alive.bytes;
	case LIFETIMES_MADE: break;
	}
	return lifetimes_made(row);
}

static enum lifetimes_sort sorted_by; /* qsort has no argument for its comparison */

static int by_worth(const void *a, const void *b)
{
	const struct lifetimes_row *x = a, *y = b;
	uint64_t wx = worth(&x->sum, sorted_by), wy = worth(&y->sum, sorted_by);

	if (wx != wy)
		return wx < wy ? 1 : -1;
	if (x->sum.node != y->sum.node)
		return x->sum.node < y->sum.node ? -1 : 1;
	return (x->sum.type > y->sum.type) - (x->sum.type < y->sum.type);
}

static void fold(struct lifetimes *l, const struct lifetimes_options *own)
{
	uint32_t *folded = fold_rows(l, (enum lifetimes_by)own->by);

	fold_ends(l, folded);
	sorted_by = (enum lifetimes_sort)own->sort;
	if (l->rows.n)
		qsort(l->rows.at, l->rows.n, sizeof *l->rows.at, by_worth);
	free(folded);
}

/* ---- JSON ---- */

static json_t *buckets_json(const uint64_t *buckets, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_add(list, json_bytes(buckets[i]));
	return list;
}

/* The bound that half of the dead are below; null: it is beyond the last one, or nothing died. */
static json_t *median_json(const struct ages_row *row, bool time)
{
	uint64_t bound =
		time ? ages_median(row->by_time, ages_time_bounds) : ages_median(row->by_count, ages_count_bounds);

	if (!bound || !row->died.blocks)
		return json_null();
	return time ? json_seconds(bound) : json_bytes(bound);
}

static void put_ages(json_t *o, const struct ages_row *row)
{
	uint64_t died = row->died.blocks;
	const struct {
		const char *key;
		uint64_t n;
	} numbers[] = {
		{ "blocks", lifetimes_made(row) },
		{ "bytes", row->died.bytes + row->alive.bytes },
		{ "died_blocks", died },
		{ "died_bytes", row->died.bytes },
		{ "alive_blocks", row->alive.blocks },
		{ "alive_bytes", row->alive.bytes },
		{ "temporary_blocks", row->temporary.blocks },
		{ "temporary_bytes", row->temporary.bytes },
		{ "churn_blocks", row->churn.blocks },
		{ "churn_bytes", row->churn.bytes },
		{ "collected_blocks", row->collected },
		{ "resurrected", row->resurrected },
	};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		json_put(o, numbers[i].key, json_bytes(numbers[i].n));
	json_put(o, "mean_age_s", died ? json_seconds(row->time_sum_ns / died) : json_null());
	json_put(o, "oldest_s", died ? json_seconds(row->oldest_ns) : json_null());
	json_put(o, "median_age_below_s", median_json(row, true));
	json_put(o, "mean_age_allocations", died ? json_number((double)row->count_sum / (double)died) : json_null());
	json_put(o, "median_age_below_allocations", median_json(row, false));
	json_put(o, "by_time", buckets_json(row->by_time, AGES_BUCKETS));
	json_put(o, "by_allocations", buckets_json(row->by_count, AGES_BUCKETS));
	json_put(o, "survived_collections", buckets_json(row->survived, AGES_SURVIVED));
}

static json_t *ends_json(struct lifetimes *l, const struct lifetimes_row *row)
{
	json_t *list = json_array();

	for (size_t i = 0; i < row->n_ends; i++) {
		const struct lifetimes_end *end = &l->ends.at[row->ends + i];
		json_t *o = json_object();

		json_put(o, "site", place_any_site_json(&l->t->places, end->node));
		json_put(o, "blocks", json_bytes(end->blocks));
		json_add(list, o);
	}
	return list;
}

static json_t *row_json(struct lifetimes *l, const struct lifetimes_row *row, const struct lifetimes_options *own)
{
	json_t *o = json_object();

	json_put(o, "site",
		 own->by == LIFETIMES_TYPE ? json_null() : place_any_site_json(&l->t->places, row->sum.node));
	json_put(o, "stack", own->by == LIFETIMES_STACK ? place_stack_json(&l->t->places, row->sum.node) : json_null());
	json_put(o, "type",
		 row->sum.type == TYPEDEF_UNKNOWN ? json_null()
						  : json_text(defs_type_name(&l->t->trace.defs, row->sum.type)));
	put_ages(o, &row->sum);
	json_put(o, "died_at", ends_json(l, row));
	return o;
}

static json_t *collections_json(const struct ages *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->collections.n; i++) {
		const struct ages_collection *c = &a->collections.at[i];
		json_t *o = json_object();

		json_put(o, "generation", json_integer(c->generation));
		json_put(o, "end_s", c->ns ? json_seconds(c->ns) : json_null());
		json_put(o, "alive_blocks", c->ns ? json_bytes(c->alive) : json_null());
		json_put(o, "young_blocks", json_bytes(c->young));
		json_put(o, "young_survivors", c->ns ? json_bytes(c->survived) : json_null());
		json_add(list, o);
	}
	return list;
}

static json_t *bounds_json(const uint64_t *bounds, bool time)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < AGES_BUCKETS - 1; i++)
		json_add(list, time ? json_seconds(bounds[i]) : json_bytes(bounds[i]));
	return list;
}

static void put_trace(json_t *o, const struct report_trace *t, const void *options)
{
	const struct lifetimes_options *own = options;
	struct lifetimes *l = t->own;
	json_t *total = json_object(), *list = json_array();

	put_ages(total, &l->total);
	json_put(o, "pid", json_bytes(l->t->trace.front.pid));
	json_put(o, "total", total);
	json_put(o, "resurrections_recorded", json_boolean(l->ages.has_lives));
	for (size_t i = 0; i < l->rows.n && (!own->top || i < own->top); i++)
		json_add(list, row_json(l, &l->rows.at[i], own));
	json_put(o, "rows", list);
	json_put(o, "collections", collections_json(&l->ages));
}

static void write_json(struct report *r, const struct lifetimes_options *own)
{
	report_scope_json(r);
	json_put(r->json, "by", json_text(by_names[own->by]));
	json_put(r->json, "sort", json_text(sort_names[own->sort]));
	json_put(r->json, "churn_limit", json_bytes(own->churn));
	json_put(r->json, "time_bounds_s", bounds_json(ages_time_bounds, true));
	json_put(r->json, "allocation_bounds", bounds_json(ages_count_bounds, false));
	json_put(r->json, "survived_bounds", json_pack("[i, i, i, i]", 1, 2, 3, 10));
	report_put_processes(r, put_trace, own);
}

/* ---- the command ---- */

static size_t listen(void *self, struct report_trace *t, struct model **models, size_t cap)
{
	struct lifetimes_all *all = self;
	struct lifetimes *l;

	if (!cap)
		return 0;
	t->own = l = *array_push(&all->at) = mem_zero(1, sizeof *l);
	l->t = t;
	ages_init(&l->ages, &t->trace, all->own->churn);
	models[0] = &l->ages.model;
	return 1;
}

static void free_all(struct lifetimes_all *all)
{
	for (size_t i = 0; i < all->at.n; i++) {
		struct lifetimes *l = all->at.at[i];

		ages_free(&l->ages);
		array_free(&l->rows);
		array_free(&l->ends);
		free(l);
	}
	array_free(&all->at);
}

static void print_trace(struct report *r, const struct report_trace *t, const void *options)
{
	lifetimes_print(r, t->own, options);
}

static int run(int argc, char **argv)
{
	struct lifetimes_options own = { .top = REPORT_TOP_NOT_SET, .churn = CHURN };
	struct lifetimes_all all = { .own = &own };
	struct report r;
	int code = report_parse(&r, &command_lifetimes, &own, argc, argv);

	if (code != REPORT_GO)
		return code;
	r.listener = (struct report_listener){ listen, &all };
	code = report_open(&r, REPORT_ACCOUNT);
	if (code == REPORT_GO) {
		report_default_top(&r, &own.top, TOP_TEXT, 0);
		for (size_t i = 0; i < all.at.n; i++)
			fold(all.at.at[i], &own);
		if (r.json)
			write_json(&r, &own);
		else
			report_print_processes(&r, print_trace, &own);
		code = report_end(&r);
	}
	free_all(&all);
	return code;
}

static const struct option_row rows[] = {
	{ 'b', "by", OPTION_CHOICE, offsetof(struct lifetimes_options, by), "line|type|stack",
	  "what makes a row, each with its types (line, the default)" },
	{ 's', "sort", OPTION_CHOICE, offsetof(struct lifetimes_options, sort), "made|churn|age|alive",
	  "what comes first: most blocks made (the default), most short-lived ones, the greatest mean age, most bytes "
	  "alive" },
	{ 'c', "churn", OPTION_NUMBER, offsetof(struct lifetimes_options, churn), "N",
	  "a block is short-lived when fewer than N others were made in its life (100)" },
	{ 'n', "top", OPTION_NUMBER, offsetof(struct lifetimes_options, top), "N",
	  "rows to print (15; in JSON all), 0 for all" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "lifetimes app.71.pytrace", "how old blocks get, and the lines that make most of them" },
	{ "lifetimes --sort churn app.71.pytrace", "lines whose blocks are gone at once: work that could be saved" },
	{ "lifetimes --by type --sort alive app.71.pytrace", "which types stay" },
	{ 0 },
};

const struct command command_lifetimes = {
	.page =
		{
			.name = "lifetimes",
			.summary = "how long blocks live, by the line that made them and by type, and where they end",
			.operands = "TRACE...",
			.details = "The age of a block is told in time and in the blocks that the process made meanwhile. "
				   "What was alive when the interpreter began to take itself down has not died, whatever "
				   "became of it then. A block that realloc moved is as old as its first allocation. "
				   "Temporary is what died when at most one other block had been made.\n\n"
				   "Types are those of what was in the block when it was given back; buffers of objects, and "
				   "what C code allocates, have none. A block that is kept for reuse (free lists) lives on "
				   "through the objects in it.\n\n"
				   "With PYTRACE_LIVES=1 (3.13 on), objects that their own finalizer resurrected are counted: "
				   "they died, lived on and died again.\n\n"
				   "Survivors: how many collections began and ended in a block's life; and for each collection "
				   "(in JSON) how many of the blocks made since the one before were alive when it had "
				   "ended.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_SCOPE | OPTIONS_FULL | OPTIONS_STACKS,
		},
	.run = run,
};
