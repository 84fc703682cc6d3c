/* SPDX-License-Identifier: Apache-2.0 */
/* arenas: where the resident memory is: what allocators took from the system, what of it is used, what is free */
#include "analyzer/commands/arenas/memory.h"

#include <inttypes.h>
#include <string.h>

#define ROWS_TEXT 10

extern const struct command command_arenas;

struct arenas_options {
	uint64_t top, snapshot;
};

/* What is known of each trace, in the order in which they were opened. */
struct arenas {
	ARRAY(struct memory *) at;
	uint64_t snapshot;
};

/* One allocator, or one kind of mapping. */
struct holding {
	const char *name, *what;
	uint64_t mapped, live, pinned; /* bytes; pinned: free, and can't go back to the system */
	bool mapped_is_known;          /* libc's heaps are not without a snapshot: then mapped is 0 */
	bool pinned_is_known;
};
enum {
	HOLDING_ARENA,
	HOLDING_FRAMES,
	HOLDING_OBJECT,
	HOLDING_MALLOC,
	HOLDING_MMAP,
	HOLDING_FILE,
	HOLDING_RESERVE,
	HOLDINGS
};

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

/* What the allocator itself says that it has mapped, or failing that the ranges that it was seen to map. Libc's heaps
 * are in the kernel's list, which a snapshot has. */
static bool heap_mapped(const struct memory *m, uint64_t *ret)
{
	const struct areas *a = &m->areas;

	if (areas_figure(a, "jemalloc/mapped", ret) || areas_figure(a, "tcmalloc/mapped", ret))
		return true;
	*ret = a->heaps.mapped_bytes;
	if (a->heaps.at.n || !m->resident.exact)
		return a->heaps.at.n > 0;
	*ret = m->resident.mapped[RESIDENT_HEAP] + m->resident.mapped[RESIDENT_LARGE];
	return *ret > 0;
}

/* Free-threaded builds have mimalloc for objects, which has no arenas that are told of. */
static uint64_t in_mimalloc(const struct memory *m)
{
	if (!defs_meta_is_true(&m->t->trace.defs, "python.free_threaded"))
		return 0;
	return m->areas.other_bytes[PT_LAYER_MEM] + m->areas.other_bytes[PT_LAYER_OBJECT];
}

static struct holding mapping(const char *name, const char *what, uint64_t bytes)
{
	return (struct holding){ name, what, bytes, bytes, 0, true, true };
}

static void find_malloc(struct holding *heap, const struct memory *m)
{
	const struct areas *a = &m->areas;

	*heap = (struct holding){
		"malloc", report_allocator(&m->t->trace), 0, a->heaps.live_bytes - in_mimalloc(m), 0, false, false
	};
	for (int layer = 0; layer < PT_LAYERS; layer++)
		heap->live += a->other_bytes[layer];
	heap->mapped_is_known = heap_mapped(m, &heap->mapped);
	if (!strcmp(heap->what, "libc") && m->resident.exact) {
		heap->pinned = memory_spans_pinned(m, false);
		heap->pinned_is_known = true;
	}
}

static void find_holdings(struct holding all[HOLDINGS], const struct memory *m)
{
	const struct areas *a = &m->areas;
	const struct pools *p = &m->pools;
	uint64_t mimalloc = m->resident.exact ? m->resident.mapped[RESIDENT_MIMALLOC] : 0;

	all[HOLDING_ARENA] = (struct holding){
		"arena", "arenas of Python's object allocator", p->arena_bytes, p->live_bytes, p->pinned_bytes, true,
		true
	};
	all[HOLDING_FRAMES] = mapping("frames", "frames of Python functions", p->chunk_bytes);
	all[HOLDING_OBJECT] = (struct holding){ "object",       "Python's mimalloc",          mimalloc,
						in_mimalloc(m), memory_spans_pinned(m, true), mimalloc > 0,
						mimalloc > 0 };
	find_malloc(&all[HOLDING_MALLOC], m);
	all[HOLDING_MMAP] = mapping("mmap", "anonymous mappings", a->mapping_bytes[PT_LAYER_MMAP]);
	all[HOLDING_FILE] = mapping("file", "mappings of files", a->mapping_bytes[PT_LAYER_FILE]);
	all[HOLDING_RESERVE] = mapping("reserve", "address space without access", a->mapping_bytes[PT_LAYER_RESERVE]);
}

/* ---- JSON ---- */

static json_t *arena_rows_json(const struct pools *p, bool chunks)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < p->arenas.n; i++) {
		const struct pools_arena *arena = &p->arenas.at[i];
		json_t *o;

		if (arena->is_chunk != chunks)
			continue;
		o = json_object();
		json_put(o, "address", json_bytes(arena->start));
		json_put(o, "mapped_bytes", json_bytes(arena->end - arena->start));
		json_put(o, "live_bytes", json_bytes(arena->live_bytes));
		json_put(o, "live_blocks", json_bytes(arena->live_blocks));
		json_put(o, "free_bytes", json_bytes(less(arena->end - arena->start, arena->live_bytes)));
		json_put(o, "used_pools", json_integer(arena->used));
		json_put(o, "empty_pools", json_integer(arena->empty));
		json_put(o, "unused_pools", json_integer(arena->unused));
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

static json_t *rows_json(int which, const struct memory *m)
{
	if (which == HOLDING_ARENA || which == HOLDING_FRAMES)
		return arena_rows_json(&m->pools, which == HOLDING_FRAMES);
	if (which == HOLDING_MALLOC && m->areas.figures.n)
		return figure_rows_json(&m->areas);
	if (which == HOLDING_OBJECT || which == HOLDING_MALLOC)
		return memory_spans_json(m, which == HOLDING_OBJECT);
	return json_array();
}

static json_t *holding_json(const struct holding *p, int which, const struct memory *m)
{
	json_t *o = json_object();

	json_put(o, "name", json_text(p->name));
	json_put(o, "mapped_bytes", p->mapped_is_known ? json_bytes(p->mapped) : json_null());
	json_put(o, "live_bytes", json_bytes(p->live));
	json_put(o, "free_bytes", p->mapped_is_known ? json_bytes(less(p->mapped, p->live)) : json_null());
	json_put(o, "pinned_bytes", p->pinned_is_known ? json_bytes(p->pinned) : json_null());
	json_put(o, "rows", rows_json(which, m));
	if (which == HOLDING_MALLOC) {
		json_put(o, "allocator", json_text(p->what));
		json_put(o, "figures", totals_json(&m->areas));
	}
	return o;
}

static void put_trace(json_t *o, const struct report_trace *t, const void *options)
{
	const struct memory *m = t->own;
	struct holding all[HOLDINGS];
	json_t *layers = json_array();

	(void)options;
	find_holdings(all, m);
	for (int i = 0; i < HOLDINGS; i++)
		if (all[i].live || (i != HOLDING_OBJECT && i != HOLDING_FRAMES))
			json_add(layers, holding_json(&all[i], i, m));
	json_put(o, "pid", json_bytes(m->t->trace.front.pid));
	json_put(o, "layers", layers);
	memory_put_rss(m, o);
	memory_put_pools(m, o);
	memory_put_pins(m, o);
}

/* ---- text ---- */

static void print_holdings(struct report *r, const struct holding all[HOLDINGS])
{
	static const struct table_column columns[] = {
		{ .title = "mapped", .right = true },
		{ .title = "live", .right = true, .style = STYLE_STRONG },
		{ .title = "free", .right = true },
		{ .title = "pinned", .right = true },
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
		if (p->pinned_is_known)
			table_bytes(&t, p->pinned);
		else
			table_cell(&t, "%s", "?");
		table_cell(&t, "%s", p->name);
		table_cell(&t, "%s", p->what);
	}
	table_print(&t, &r->out, 0);
	table_free(&t);
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

static void print_trace(struct report *r, const struct report_trace *t, const void *options)
{
	const struct arenas_options *own = options;
	const struct memory *m = t->own;
	struct holding all[HOLDINGS];

	find_holdings(all, m);
	report_heading(r, t);
	fputc('\n', r->out.file);
	memory_print_rss(m, &r->out);
	fprintf(r->out.file, "\n%sBy allocator%s, resident or not:\n\n", output_style(&r->out, STYLE_TITLE),
		output_style(&r->out, STYLE_PLAIN));
	print_holdings(r, all);
	memory_print_pools(m, &r->out, own->top);
	memory_print_pins(m, &r->out, own->top);
	print_totals(r, &m->areas);
	print_rows(r, &m->areas, own->top);
}

static size_t listen(void *self, struct report_trace *t, struct model **models, size_t cap)
{
	struct arenas *a = self;
	struct memory *m;

	if (cap < 2)
		return 0;
	t->own = m = *array_push(&a->at) = mem_zero(1, sizeof *m);
	memory_listen(m, t, a->snapshot, models);
	if (m->not_found)
		fprintf(stderr, "pytrace: %s: there is no snapshot %" PRIu64 "\n", t->trace.file, a->snapshot);
	return 2;
}

static void close_all(struct arenas *a)
{
	for (size_t i = 0; i < a->at.n; i++) {
		memory_free(a->at.at[i]);
		free(a->at.at[i]);
	}
	array_free(&a->at);
}

static int run(int argc, char **argv)
{
	struct arenas_options own = { .top = ROWS_TEXT };
	struct arenas all = { 0 };
	struct report r;
	int code = report_parse(&r, &command_arenas, &own, argc, argv);

	if (code != REPORT_GO)
		return code;
	all.snapshot = own.snapshot;
	r.listener = (struct report_listener){ listen, &all };
	code = report_open(&r, REPORT_ACCOUNT);
	if (code == REPORT_GO) {
		for (size_t i = 0; i < all.at.n; i++) {
			memory_finish(all.at.at[i]);
			r.unreadable |= all.at.at[i]->not_found;
		}
		if (r.json)
			report_put_processes(&r, put_trace, NULL);
		else
			report_print_processes(&r, print_trace, &own);
		code = report_end(&r);
	}
	close_all(&all);
	return code;
}

static const struct option_row rows[] = {
	{ 'n', "top", OPTION_NUMBER, offsetof(struct arenas_options, top), "N",
	  "rows of size classes, pins and arenas to print (10), 0 for all" },
	{ 's', "snapshot", OPTION_NUMBER, offsetof(struct arenas_options, snapshot), "N",
	  "the moment of snapshot N ('pytrace info' lists them); without it the end" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "arenas app.71.pytrace",
	  "what the resident memory is, what of it is free, and who keeps it from going back" },
	{ "arenas --snapshot 2 app.71.pytrace", "the same when snapshot 2 was taken" },
	{ "arenas --json app.71.pytrace", "each arena, each size class, each line that pins memory" },
	{ 0 },
};

const struct command command_arenas = {
	.page = {
		.name = "arenas",
		.summary = "what resident memory is, page by page: used, free, pinned by whom",
		.operands = "TRACE...",
		.details = "Every resident page is counted for who has it: arenas of Python's object allocator, heaps of "
			   "malloc, mappings, stacks, files, the tracer itself. What is left is printed as unexplained. Pages "
			   "are known from the snapshot that is taken at the end (PYTRACE_SNAPSHOT); without it, sizes of "
			   "mappings stand in for them.\n\n"
			   "Live bytes are those that the program asked for and holds, objects on a type's free list among "
			   "them. Much that is free while little is alive is fragmentation. An arena goes back to the system "
			   "when nothing is alive in it; a heap of malloc only above its last block, pages in its middle when "
			   "malloc_trim() is called. So a few blocks can keep much: pinned memory. A pin is a line without "
			   "whose blocks it could go back, and nothing else in the program would have to change for that; "
			   "what several lines hold together is in the column `together`.\n\n"
			   "jemalloc and tcmalloc, as the backend (PYTRACE_BACKEND=jemalloc) or brought by the program, are "
			   "asked for their own figures; a row of jemalloc's is a size class or one of its arenas. What they "
			   "pin is not known.",
		.rows = rows,
		.examples = examples,
		.groups = OPTIONS_REPORT | OPTIONS_SYMBOLS,
	},
	.run = run,
};
