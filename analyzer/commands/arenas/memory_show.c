/* SPDX-License-Identifier: Apache-2.0 */
/* memory_show: what memory.h knows, as tables and as JSON. */
#include "analyzer/commands/arenas/memory.h"

#include <inttypes.h>
#include <string.h>

#define ELSEWHERE_TEXT "blocks of an allocator that is not known"

/* ---- resident memory ---- */

/* How a holder is shown: one row, or pages with something alive in them apart from the others. */
static const struct holder_text {
	const char *name, *live, *rest; /* rest NULL: one row */
} holders[RESIDENT_HOLDERS] = {
	[RESIDENT_ARENA] = { "arena", "arenas of Python's objects: pages with something alive",
			     "arenas: pages with nothing alive, yet their arena has" },
	[RESIDENT_FRAMES] = { "frames", "frames of Python functions", NULL },
	[RESIDENT_MIMALLOC] = { "mimalloc", "Python's mimalloc: pages with something alive",
				"mimalloc: pages that are free, or its own" },
	[RESIDENT_HEAP] = { "heap", "heaps of malloc: pages with something alive", "heaps: pages with nothing alive" },
	[RESIDENT_LARGE] = { "large", "large blocks of malloc, each mapped by itself", NULL },
	[RESIDENT_FOREIGN] = { "foreign", "the program's own malloc: pages with something alive",
			       "its pages that are free, or its own" },
	[RESIDENT_ELSEWHERE] = { "elsewhere", ELSEWHERE_TEXT, NULL },
	[RESIDENT_MMAP] = { "mmap", "anonymous memory that the program mapped", NULL },
	[RESIDENT_FILE_MAP] = { "file", "files that the program mapped", NULL },
	[RESIDENT_STACK] = { "stack", "stacks of threads", NULL },
	[RESIDENT_DATA] = { "data", "variables of the program and its libraries", NULL },
	[RESIDENT_CODE] = { "code", "code and constants of these, other files", NULL },
	[RESIDENT_KERNEL] = { "kernel", "the kernel's", NULL },
	[RESIDENT_TRACER] = { "tracer", "libpytrace itself: rings, tables, code", NULL },
};
/* In the order of a reader's questions. */
static const enum resident_holder order[] = {
	RESIDENT_ARENA,   RESIDENT_MIMALLOC,  RESIDENT_FRAMES, RESIDENT_HEAP,     RESIDENT_LARGE,
	RESIDENT_FOREIGN, RESIDENT_ELSEWHERE, RESIDENT_MMAP,   RESIDENT_FILE_MAP, RESIDENT_STACK,
	RESIDENT_DATA,    RESIDENT_CODE,      RESIDENT_KERNEL, RESIDENT_TRACER,
};

struct rss_row {
	const char *holder, *part, *text;
	uint64_t bytes, live_bytes;
	bool has_live;
};

static bool has_blocks(enum resident_holder h)
{
	return h == RESIDENT_ARENA || h == RESIDENT_MIMALLOC || h == RESIDENT_HEAP || h == RESIDENT_LARGE ||
	       h == RESIDENT_FOREIGN || h == RESIDENT_ELSEWHERE;
}

/* Calls `each` for every row with something in it; returns the sum. */
static uint64_t each_row(const struct memory *m, void (*each)(const struct rss_row *row, void *arg), void *arg)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		const struct resident_row *r = &m->resident.rows[order[i]];
		const struct holder_text *h = &holders[order[i]];
		uint64_t live = h->rest ? r->live_pages_bytes : r->pages_bytes;
		struct rss_row rows[] = {
			{ h->name, h->rest ? "live" : "all", h->live, live, r->live_bytes, has_blocks(order[i]) },
			{ h->name, "headers", "arenas: pages with the header of a pool only", r->head_pages_bytes, 0,
			  false },
			{ h->name, "free", h->rest, r->pages_bytes - live - r->head_pages_bytes, 0, false },
		};

		for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
			if (rows[k].bytes)
				each(&rows[k], arg);
			sum += rows[k].bytes;
		}
	}
	return sum;
}

static void put_row(const struct rss_row *row, void *arg)
{
	json_t *o = json_object();

	json_put(o, "holder", json_text(row->holder));
	json_put(o, "part", json_text(row->part));
	json_put(o, "bytes", json_bytes(row->bytes));
	json_put(o, "live_bytes", row->has_live ? json_bytes(row->live_bytes) : json_null());
	json_put(o, "what", json_text(row->text));
	json_add(arg, o);
}

void memory_put_rss(const struct memory *m, json_t *o)
{
	const struct resident *r = &m->resident;
	json_t *list = json_array();

	each_row(m, put_row, list);
	json_put(o, "snapshot", m->mapped.snapshot ? json_bytes(m->mapped.snapshot) : json_null());
	json_put(o, "rss_bytes", r->has_rss ? json_bytes(r->rss_bytes) : json_null());
	json_put(o, "rss_exact", json_boolean(r->exact));
	json_put(o, "rss", list);
	json_put(o, "unexplained_bytes", r->has_rss ? json_integer(r->unexplained) : json_null());
}

static void print_row(const struct rss_row *row, void *arg)
{
	table_bytes(arg, row->bytes);
	if (row->has_live)
		table_bytes(arg, row->live_bytes);
	else
		table_cell(arg, "%s", "");
	table_cell(arg, "%s", row->text);
}

static void print_title(const struct memory *m, const struct output *o)
{
	const struct resident *r = &m->resident;
	char moment[100] = "at the end";

	if (m->alive.snapshot)
		snprintf(moment, sizeof moment, "at snapshot %" PRIu64 ", %s", m->alive.snapshot,
			 format_seconds((double)m->alive.ns / 1e9).text);
	fprintf(o->file, "%sResident %s: %s%s", output_style(o, STYLE_TITLE), moment,
		r->has_rss ? format_bytes(r->rss_bytes).text : "not known", output_style(o, STYLE_PLAIN));
	fputs(r->exact ? ", counted page by page.\n\n"
		       : ". There is no snapshot of that moment, so these are sizes of mappings, not pages.\n\n",
	      o->file);
}

static const char *unexplained_text(const struct resident *r)
{
	if (r->unexplained >= 0)
		return "unexplained";
	return r->exact ? "not in the kernel's sum, which was taken a moment earlier"
			: "of the above is not resident: never touched, or swapped out";
}

void memory_print_rss(const struct memory *m, const struct output *o)
{
	static const struct table_column columns[] = {
		{ .title = "resident", .right = true, .style = STYLE_STRONG },
		{ .title = "in blocks", .right = true },
		{ .title = "of", .elastic = true },
	};
	const struct resident *r = &m->resident;
	struct table t;

	print_title(m, o);
	table_init(&t, columns, sizeof columns / sizeof *columns);
	each_row(m, print_row, &t);
	if (r->has_rss) {
		table_cell(&t, "%s",
			   r->unexplained < 0 ? format_bytes_signed(r->unexplained).text
					      : format_bytes((uint64_t)r->unexplained).text);
		table_cell(&t, "%s", "");
		table_cell(&t, "%s", unexplained_text(r));
	}
	table_print(&t, o, 0);
	table_free(&t);
}

/* ---- pools ---- */

static json_t *class_json(const struct pools_class *c, unsigned size)
{
	json_t *o = json_object();

	json_put(o, "size", json_integer(size));
	json_put(o, "pools", json_bytes(c->pools));
	json_put(o, "slots", json_bytes(c->slots));
	json_put(o, "blocks", json_bytes(c->blocks));
	json_put(o, "live_bytes", json_bytes(c->asked_bytes));
	json_put(o, "free_bytes", json_bytes((c->slots - c->blocks) * size));
	return o;
}

void memory_put_pools(const struct memory *m, json_t *o)
{
	const struct pools *p = &m->pools;
	json_t *sums = json_object(), *list = json_array();
	const struct {
		const char *key;
		uint64_t n;
	} numbers[] = {
		{ "arenas", p->n_arenas },
		{ "pool_bytes", p->pool_bytes },
		{ "used", p->used },
		{ "empty", p->empty },
		{ "unused", p->unused },
		{ "header_bytes", p->header_bytes },
		{ "tail_bytes", p->tail_bytes },
		{ "rounding_bytes", p->rounding_bytes },
		{ "free_bytes", p->free_bytes },
		{ "lost_bytes", p->lost_bytes },
		{ "debug_bytes", p->extra_bytes * p->live_blocks },
	};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		json_put(sums, numbers[i].key, json_bytes(numbers[i].n));
	for (unsigned i = 0; i < POOLS_CLASSES; i++)
		if (p->classes[i].pools)
			json_add(list, class_json(&p->classes[i], (i + 1) * POOLS_ALIGN));
	json_put(o, "pools", p->n_arenas ? sums : json_null());
	if (!p->n_arenas)
		json_decref(sums);
	json_put(o, "classes", list);
}

/* Classes by what is free in their pools. */
static size_t sort_classes(const struct pools *p, unsigned out[POOLS_CLASSES])
{
	size_t n = 0;

	for (unsigned i = 0; i < POOLS_CLASSES; i++) {
		uint64_t free_bytes = (p->classes[i].slots - p->classes[i].blocks) * (i + 1);
		size_t k = n;

		if (!p->classes[i].pools)
			continue;
		for (; k &&
		       (p->classes[out[k - 1]].slots - p->classes[out[k - 1]].blocks) * (out[k - 1] + 1) < free_bytes;
		     k--)
			out[k] = out[k - 1];
		out[k] = i;
		n++;
	}
	return n;
}

static void print_classes(const struct pools *p, const struct output *o, uint64_t top)
{
	static const struct table_column columns[] = {
		{ .title = "blocks of", .right = true },
		{ .title = "pools", .right = true },
		{ .title = "alive", .right = true },
		{ .title = "free", .right = true },
		{ .title = "in use", .right = true },
		{ .title = "free bytes", .right = true, .style = STYLE_STRONG },
	};
	unsigned classes[POOLS_CLASSES];
	size_t n = sort_classes(p, classes);
	struct table t;

	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < n && (!top || i < top); i++) {
		const struct pools_class *c = &p->classes[classes[i]];
		unsigned size = (classes[i] + 1) * POOLS_ALIGN;

		table_cell(&t, "%u", size);
		table_count(&t, c->pools);
		table_count(&t, c->blocks);
		table_count(&t, c->slots - c->blocks);
		table_cell(&t, "%s", format_percent(c->blocks, c->slots).text);
		table_bytes(&t, (c->slots - c->blocks) * size);
	}
	table_print(&t, o, 0);
	if (top && n > top)
		fprintf(o->file, "and %s (--top 0 for all)\n", format_plural(n - top, "more size", "more sizes").text);
	table_free(&t);
}

void memory_print_pools(const struct memory *m, const struct output *o, uint64_t top)
{
	const struct pools *p = &m->pools;
	char pools[64], empty[64];

	if (!p->n_arenas)
		return;
	snprintf(pools, sizeof pools, "%s", format_plural(p->used + p->empty + p->unused, "pool", "pools").text);
	snprintf(empty, sizeof empty, "%s", format_count(p->empty).text);
	fprintf(o->file, "\n%sPython's object allocator: %s of %s%s, with %s: ", output_style(o, STYLE_TITLE),
		format_plural(p->n_arenas, "arena", "arenas").text,
		format_bytes(p->arenas.n ? p->arena_bytes / p->n_arenas : 0).text, output_style(o, STYLE_PLAIN), pools);
	fprintf(o->file, "%s with something alive, %s empty,", format_count(p->used).text, empty);
	fprintf(o->file, " %s never used.\n", format_count(p->unused).text);
	fprintf(o->file, "Of pools in use %s are free blocks,", format_bytes(p->free_bytes).text);
	fprintf(o->file, " %s rounding up,", format_bytes(p->rounding_bytes).text);
	fprintf(o->file, " %s headers and ends.\n\n", format_bytes(p->header_bytes + p->tail_bytes).text);
	print_classes(p, o, top);
}

/* ---- pins ---- */

static struct place place_of(const struct memory *m, const struct pins_row *row)
{
	struct place_table *places = &m->t->places;
	struct place p = *place_find(places, place_importer(places, row->node));

	p.at.column = p.at.end_column = -1;
	return p;
}

void memory_put_pins(const struct memory *m, json_t *o)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->pins.rows.n; i++) {
		const struct pins_row *row = &m->pins.rows.at[i];
		struct place site = place_of(m, row);
		json_t *pin = json_object();

		json_put(pin, "site", place_json(&site));
		json_put(pin, "blocks", json_bytes(row->blocks));
		json_put(pin, "bytes", json_bytes(row->bytes));
		json_put(pin, "held_bytes", json_bytes(row->held_bytes));
		json_put(pin, "pinned_bytes", json_bytes(row->pinned_bytes));
		json_put(pin, "arena_bytes", json_bytes(row->arena_bytes));
		json_put(pin, "page_bytes", json_bytes(row->page_bytes));
		json_put(pin, "top_bytes", json_bytes(row->top_bytes));
		json_put(pin, "together_bytes", json_bytes(row->together_bytes));
		json_add(list, pin);
	}
	json_put(o, "pins", list);
}

static void print_pin(const struct memory *m, const struct pins_row *row, struct table *t)
{
	struct place p = place_of(m, row);
	char where[4096], function[1000];

	table_bytes(t, row->pinned_bytes);
	table_bytes(t, row->held_bytes);
	table_bytes(t, row->together_bytes);
	if (p.origin == ORIGIN_NONE) {
		table_cell(t, "%s", p.function);
		table_cell(t, "%s", "");
		return;
	}
	table_cell(t, "%s", place_where(&p, false, where, sizeof where));
	table_cell(t, "%s", place_function(&p, false, function, sizeof function));
}

void memory_print_pins(const struct memory *m, const struct output *o, uint64_t top)
{
	static const struct table_column columns[] = {
		{ .title = "pinned", .right = true, .style = STYLE_STRONG },
		{ .title = "by", .right = true },
		{ .title = "together", .right = true },
		{ .title = "where they are made", .elastic = true },
		{ .title = "function", .elastic = true, .style = STYLE_FAINT },
	};
	size_t n = m->pins.rows.n;
	struct table t;

	if (!n)
		return;
	fprintf(o->file,
		"\n%sPins%s: what could go back to the system if the blocks of one line were not there; together: of "
		"that "
		"line and all above it.\n\n",
		output_style(o, STYLE_TITLE), output_style(o, STYLE_PLAIN));
	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < n && (!top || i < top); i++)
		print_pin(m, &m->pins.rows.at[i], &t);
	table_print(&t, o, 0);
	if (top && n > top)
		fprintf(o->file, "and %s (--top 0 for all)\n", format_plural(n - top, "more line", "more lines").text);
	table_free(&t);
}

/* ---- heaps ---- */

json_t *memory_spans_json(const struct memory *m, bool mimalloc)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->resident.spans.n; i++) {
		const struct resident_span *s = &m->resident.spans.at[i];
		uint64_t bytes = s->end - s->start;
		json_t *o;

		if (s->has_top == mimalloc)
			continue;
		o = json_object();
		json_put(o, "address", json_bytes(s->start));
		json_put(o, "mapped_bytes", json_bytes(bytes));
		json_put(o, "live_bytes", json_bytes(s->live_bytes));
		json_put(o, "live_blocks", json_bytes(s->live_blocks));
		json_put(o, "free_bytes", json_bytes(bytes > s->live_bytes ? bytes - s->live_bytes : 0));
		json_put(o, "top_bytes", json_bytes(s->end > s->top ? s->end - s->top : 0));
		json_add(list, o);
	}
	return list;
}

uint64_t memory_spans_pinned(const struct memory *m, bool mimalloc)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < m->resident.spans.n; i++) {
		const struct resident_span *s = &m->resident.spans.at[i];

		if (s->has_top != mimalloc && s->live_blocks && s->top - s->start > s->live_bytes)
			bytes += s->top - s->start - s->live_bytes;
	}
	return bytes;
}
