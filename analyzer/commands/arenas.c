/* SPDX-License-Identifier: Apache-2.0 */
/* arenas: where the resident memory is: what allocators took from the system, what of it is used, what is free */
#include "analyzer/commands/report.h"

#include <string.h>

#define ROWS_TEXT 10

extern const struct command command_arenas;

struct arenas_options {
	uint64_t top;
};

/* One allocator, or one kind of mapping. */
struct holding {
	const char *name, *what;
	uint64_t mapped, live; /* bytes */
	bool mapped_is_known;  /* libc's heaps are not: then mapped is 0 */
};
enum { HOLDING_ARENA, HOLDING_OBJECT, HOLDING_MALLOC, HOLDING_MMAP, HOLDING_FILE, HOLDING_RESERVE, HOLDINGS };

/* A row of an allocator's own figures. */
struct figure_row {
	const char *name; /* "class 64", not terminated: */
	size_t len;
	uint64_t live, mapped, resident, dirty;
};

struct figure_rows {
	ARRAY(struct figure_row) at;
};

/* ---- figures: "jemalloc/class 64/live" ---- */

static struct figure_row *row_named(struct figure_rows *rows, const char *name, size_t len)
{
	for (size_t i = rows->at.n; i-- > 0;)
		if (rows->at.at[i].len == len && !memcmp(rows->at.at[i].name, name, len))
			return &rows->at.at[i];
	*array_push(&rows->at) = (struct figure_row){ .name = name, .len = len };
	return &rows->at.at[rows->at.n - 1];
}

static void gather_rows(struct figure_rows *rows, const struct areas *a)
{
	for (size_t i = 0; i < a->figures.n; i++) {
		const char *first = strchr(a->figures.at[i].name, '/'), *last = strrchr(a->figures.at[i].name, '/');
		uint64_t value = a->figures.at[i].value;
		struct figure_row *row;

		if (!first || first == last)
			continue;
		row = row_named(rows, first + 1, (size_t)(last - first - 1));
		if (!strcmp(last, "/live"))
			row->live = value;
		else if (!strcmp(last, "/mapped"))
			row->mapped = value;
		else if (!strcmp(last, "/resident"))
			row->resident = value;
		else if (!strcmp(last, "/dirty"))
			row->dirty = value;
	}
}

/* "live" of "jemalloc/live", which the allocator says of itself as a whole; NULL for a figure of a row. */
static const char *total_named(const char *figure)
{
	const char *slash = strchr(figure, '/');

	return slash && slash == strrchr(figure, '/') ? slash + 1 : NULL;
}

static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

static int by_free(const void *a, const void *b)
{
	const struct figure_row *x = a, *y = b;
	uint64_t fx = less(x->mapped, x->live), fy = less(y->mapped, y->live);

	return fx != fy ? (fx < fy ? 1 : -1) : (x->name > y->name) - (x->name < y->name);
}

/* ---- holdings ---- */

/* What the allocator itself says that it has mapped, or failing that the ranges that it was seen to map. */
static bool heap_mapped(const struct areas *a, uint64_t *ret)
{
	if (areas_figure(a, "jemalloc/mapped", ret) || areas_figure(a, "tcmalloc/mapped", ret))
		return true;
	*ret = a->heaps.mapped_bytes;
	return a->heaps.at.n > 0;
}

/* Free-threaded builds have mimalloc for objects, which has no arenas that are told of. */
static uint64_t in_mimalloc(const struct report_trace *t)
{
	if (!defs_meta_is_true(&t->trace.defs, "python.free_threaded"))
		return 0;
	return t->areas.other_bytes[PT_LAYER_MEM] + t->areas.other_bytes[PT_LAYER_OBJECT];
}

static void find_holdings(struct holding all[HOLDINGS], const struct report_trace *t)
{
	const struct areas *a = &t->areas;
	struct holding *heap = &all[HOLDING_MALLOC];

	all[HOLDING_ARENA] = (struct holding){ "arena", "arenas of Python's object allocator", a->arenas.mapped_bytes,
					       a->arenas.live_bytes, true };
	all[HOLDING_OBJECT] = (struct holding){ "object", "Python's mimalloc", 0, in_mimalloc(t), false };
	*heap = (struct holding){ "malloc", report_allocator(&t->trace), 0, a->heaps.live_bytes - in_mimalloc(t),
				  false };
	for (int layer = 0; layer < PT_LAYERS; layer++)
		heap->live += a->other_bytes[layer];
	heap->mapped_is_known = heap_mapped(a, &heap->mapped);
	all[HOLDING_MMAP] = (struct holding){ "mmap", "anonymous mappings", a->mapping_bytes[PT_LAYER_MMAP],
					      a->mapping_bytes[PT_LAYER_MMAP], true };
	all[HOLDING_FILE] = (struct holding){ "file", "mappings of files", a->mapping_bytes[PT_LAYER_FILE],
					      a->mapping_bytes[PT_LAYER_FILE], true };
	all[HOLDING_RESERVE] =
		(struct holding){ "reserve", "address space without access", a->mapping_bytes[PT_LAYER_RESERVE],
				  a->mapping_bytes[PT_LAYER_RESERVE], true };
}

/* Resident memory that no block and no allocator explains: code, stacks, the tracer, and what libc keeps. */
static uint64_t unexplained(const struct areas *a, const struct holding all[HOLDINGS])
{
	uint64_t known = all[HOLDING_ARENA].mapped + all[HOLDING_OBJECT].live + all[HOLDING_MMAP].mapped, heap;

	if (!areas_figure(a, "jemalloc/resident", &heap))
		heap = all[HOLDING_MALLOC].mapped_is_known ? all[HOLDING_MALLOC].mapped : all[HOLDING_MALLOC].live;
	return less(a->rss_bytes, known + heap);
}

/* ---- JSON ---- */

static json_t *arena_rows_json(const struct area_list *list)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < list->at.n; i++) {
		const struct area *area = &list->at.at[i];
		json_t *o = json_object();

		json_put(o, "address", json_bytes(area->start));
		json_put(o, "mapped_bytes", json_bytes(area->end - area->start));
		json_put(o, "live_bytes", json_bytes(area->live_bytes));
		json_put(o, "live_blocks", json_bytes(area->live_blocks));
		json_put(o, "free_bytes", json_bytes(less(area->end - area->start, area->live_bytes)));
		json_add(rows, o);
	}
	return rows;
}

static json_t *figure_rows_json(const struct areas *a)
{
	struct figure_rows rows = { 0 };
	json_t *list = json_array();

	gather_rows(&rows, a);
	for (size_t i = 0; i < rows.at.n; i++) {
		const struct figure_row *row = &rows.at.at[i];
		char *name = mem_text(row->name, row->len);
		json_t *o = json_object();

		json_put(o, "name", json_text(name));
		json_put(o, "mapped_bytes", json_bytes(row->mapped));
		json_put(o, "live_bytes", json_bytes(row->live));
		json_put(o, "free_bytes", json_bytes(less(row->mapped, row->live)));
		if (!strncmp(name, "arena", 5)) {
			json_put(o, "resident_bytes", json_bytes(row->resident));
			json_put(o, "dirty_bytes", json_bytes(row->dirty));
		}
		json_add(list, o);
		free(name);
	}
	array_free(&rows.at);
	return list;
}

/* The totals that the allocator gives of itself: {"allocated": 3134088, ...}. */
static json_t *totals_json(const struct areas *a)
{
	json_t *o = json_object();

	for (size_t i = 0; i < a->figures.n; i++) {
		const char *total = total_named(a->figures.at[i].name);

		if (total)
			json_put(o, total, json_bytes(a->figures.at[i].value));
	}
	return o;
}

static json_t *holding_json(const struct holding *p, const struct areas *a)
{
	bool is_arena = !strcmp(p->name, "arena"), is_malloc = !strcmp(p->name, "malloc");
	json_t *o = json_object();

	json_put(o, "name", json_text(p->name));
	json_put(o, "mapped_bytes", p->mapped_is_known ? json_bytes(p->mapped) : json_null());
	json_put(o, "live_bytes", json_bytes(p->live));
	json_put(o, "free_bytes", p->mapped_is_known ? json_bytes(less(p->mapped, p->live)) : json_null());
	json_put(o, "pinned_bytes", json_null());
	json_put(o, "rows", is_arena ? arena_rows_json(&a->arenas) : is_malloc ? figure_rows_json(a) : json_array());
	if (is_malloc) {
		json_put(o, "allocator", json_text(p->what));
		json_put(o, "figures", totals_json(a));
	}
	return o;
}

static void put_trace(json_t *o, const struct report_trace *t)
{
	struct holding all[HOLDINGS];
	json_t *layers = json_array();
	uint64_t rss = t->areas.rss_bytes;

	find_holdings(all, t);
	for (int i = 0; i < HOLDINGS; i++)
		if (i != HOLDING_OBJECT || all[i].live)
			json_add(layers, holding_json(&all[i], &t->areas));
	json_put(o, "pid", json_bytes(t->trace.front.pid));
	json_put(o, "layers", layers);
	json_put(o, "rss_bytes", rss ? json_bytes(rss) : json_null());
	json_put(o, "unexplained_bytes", rss ? json_bytes(unexplained(&t->areas, all)) : json_null());
	json_put(o, "pins", json_null());
}

/* ---- text ---- */

static void print_holdings(struct report *r, const struct holding all[HOLDINGS])
{
	static const struct table_column columns[] = {
		{ .title = "mapped", .right = true },
		{ .title = "live", .right = true, .style = STYLE_STRONG },
		{ .title = "free", .right = true },
		{ .title = "layer" },
		{ .title = "of", .elastic = true, .style = STYLE_FAINT },
	};
	struct table t;

	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (int i = 0; i < HOLDINGS; i++) {
		const struct holding *p = &all[i];

		if (!p->mapped && !p->live)
			continue;
		table_cell(&t, "%s", p->mapped_is_known ? format_bytes(p->mapped).text : "?");
		table_cell(&t, "%s", format_bytes(p->live).text);
		table_cell(&t, "%s", p->mapped_is_known ? format_bytes(less(p->mapped, p->live)).text : "?");
		table_cell(&t, "%s", p->name);
		table_cell(&t, "%s", p->what);
	}
	table_print(&t, &r->out, 0);
	table_free(&t);
}

static void print_arenas(struct report *r, const struct area_list *list)
{
	size_t n = 0;
	uint64_t bytes = 0;

	for (size_t i = 0; i < list->at.n; i++) {
		const struct area *a = &list->at.at[i];

		if (a->live_bytes >= (a->end - a->start) / 2)
			continue;
		n++;
		bytes += less(a->end - a->start, a->live_bytes);
	}
	if (list->at.n)
		fprintf(r->out.file, "\nPython's object allocator has %s; %s less than half full, with %s free.\n",
			format_plural(list->at.n, "arena", "arenas").text,
			n == 1 ? "1 of them is"
			: n    ? format_plural(n, "", "of them are").text
			       : "none of them is",
			format_bytes(bytes).text);
}

static void print_totals(struct report *r, const struct areas *a)
{
	unsigned n = 0;
	char name[64];

	for (size_t i = 0; i < a->figures.n; i++) {
		const char *whole = a->figures.at[i].name, *total = total_named(whole);

		if (!total)
			continue;
		if (!n++)
			fprintf(r->out.file, "\nWhat %.*s says of itself:\n", (int)(total - 1 - whole), whole);
		fprintf(r->out.file, "  %10s  %s\n", format_bytes(a->figures.at[i].value).text,
			format_printable(name, sizeof name, total));
	}
}

static void print_rows(struct report *r, const struct areas *a, uint64_t top)
{
	static const struct table_column columns[] = {
		{ .title = "mapped", .right = true },
		{ .title = "live", .right = true },
		{ .title = "free", .right = true, .style = STYLE_STRONG },
		{ .title = "of", .elastic = true },
	};
	struct figure_rows rows = { 0 };
	struct table t;

	gather_rows(&rows, a);
	table_init(&t, columns, sizeof columns / sizeof *columns);
	if (rows.at.n)
		qsort(rows.at.at, rows.at.n, sizeof *rows.at.at, by_free);
	for (size_t i = 0; i < rows.at.n && (!top || i < top); i++) {
		const struct figure_row *row = &rows.at.at[i];

		table_cell(&t, "%s", format_bytes(row->mapped).text);
		table_cell(&t, "%s", format_bytes(row->live).text);
		table_cell(&t, "%s", format_bytes(less(row->mapped, row->live)).text);
		table_cell(&t, "%.*s", (int)row->len, row->name);
	}
	if (rows.at.n) {
		fputc('\n', r->out.file);
		table_print(&t, &r->out, 0);
	}
	table_free(&t);
	array_free(&rows.at);
}

static void print_trace(struct report *r, const struct report_trace *t, uint64_t top)
{
	const struct areas *a = &t->areas;
	struct holding all[HOLDINGS];

	find_holdings(all, t);
	report_heading(r, t);
	fputc('\n', r->out.file);
	if (a->rss_bytes)
		fprintf(r->out.file,
			"%sResident at the end: %s%s. %s of it is code, stacks, the tracer, and what "
			"allocators keep unseen.\n\n",
			output_style(&r->out, STYLE_TITLE), format_bytes(a->rss_bytes).text,
			output_style(&r->out, STYLE_PLAIN), format_bytes(unexplained(a, all)).text);
	print_holdings(r, all);
	print_arenas(r, &a->arenas);
	print_totals(r, a);
	print_rows(r, a, top);
}

static int run(int argc, char **argv)
{
	struct arenas_options own = { .top = ROWS_TEXT };
	struct report r;
	int code = report_begin(&r, &command_arenas, &own, REPORT_ACCOUNT | REPORT_AREAS, argc, argv);

	if (code != REPORT_GO)
		return code;
	if (r.json)
		report_put_processes(&r, put_trace);
	for (size_t i = 0; i < r.n_traces && !r.json; i++) {
		if (i)
			fputc('\n', r.out.file);
		print_trace(&r, r.traces[i], own.top);
	}
	return report_end(&r);
}

static const struct option_row rows[] = {
	{ 'n', "top", OPTION_NUMBER, offsetof(struct arenas_options, top), "N",
	  "rows of the allocator's size classes and arenas to print (10), 0 for all" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "arenas app.71.pytrace", "what is mapped, what of it is used, what is free" },
	{ "arenas --json app.71.pytrace", "each arena and each size class" },
	{ 0 },
};

const struct command command_arenas = {
	.page = {
		.name = "arenas",
		.summary = "where the memory is: mapped, used and free, by allocator",
		.operands = "TRACE...",
		.details = "What allocators took from the system is compared with the blocks in it that were alive at the "
			   "end. Much that is free while little is alive is fragmentation: an area goes back to the "
			   "system only when its last block does.\n\n"
			   "jemalloc and tcmalloc, as the backend (PYTRACE_BACKEND=jemalloc) or brought by the program, are "
			   "asked for their own figures; a row of jemalloc's is a size class or one of its arenas. How much "
			   "libc's malloc keeps is not known.",
		.rows = rows,
		.examples = examples,
		.groups = OPTIONS_REPORT,
	},
	.run = run,
};
