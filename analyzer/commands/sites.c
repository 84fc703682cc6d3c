/* SPDX-License-Identifier: Apache-2.0 */
/* sites: who allocated it, by line, function, file, stack, layer, thread, task or type */
#include "analyzer/report/fold.h"

#include <string.h>

#define TOP_TEXT 20

struct sites_options {
	struct fold_options fold;
	uint64_t top;
};

extern const struct command command_sites;

static const char *const metric_titles[FOLD_METRICS] = {
	[FOLD_LIVE] = "Alive at the end",
	[FOLD_PEAK] = "Alive when memory use was highest",
	[FOLD_TOTAL] = "All ever allocated",
	[FOLD_TEMPORARY] = "Freed again at once",
};

/* ---- JSON ---- */

static bool has_no_site(enum fold_by by)
{
	return by == FOLD_LAYER || by == FOLD_THREAD || by == FOLD_TASK || by == FOLD_TYPE;
}

static json_t *site_json(struct report *r, const struct fold_row *row, enum fold_by by)
{
	struct place p = fold_place(r, row);

	if (has_no_site(by))
		return json_null();
	if (by == FOLD_FUNCTION || by == FOLD_FILE) {
		p.at = (struct pt_position){ 0, 0, -1, -1 };
		p.address = PLACE_MANY;
	}
	if (by == FOLD_FILE && p.origin != ORIGIN_NONE)
		p.function = NULL;
	return place_json(&p);
}

static json_t *layer_json(unsigned layers)
{
	return layers & (layers - 1) ? json_null() : json_text(pt_layer_name((enum pt_layer)__builtin_ctz(layers)));
}

static json_t *types_json(const struct fold *f, const struct fold_row *row)
{
	json_t *list = json_array();

	for (uint32_t i = row->first_type; i; i = f->types.at[i].next) {
		const struct fold_type *t = &f->types.at[i];
		json_t *o = json_object();

		json_put(o, "type", json_text(strings_text(&f->type_names, t->type)));
		json_put(o, "bytes", json_bytes(t->chosen.bytes));
		json_put(o, "blocks", json_bytes(t->chosen.blocks));
		json_put(o, "live_bytes", json_bytes(t->live.bytes));
		json_put(o, "live_blocks", json_bytes(t->live.blocks));
		json_put(o, "total_bytes", json_bytes(t->total.bytes));
		json_put(o, "total_blocks", json_bytes(t->total.blocks));
		json_put(o, "reused", json_bytes(t->reused));
		json_add(list, o);
	}
	return list;
}

static json_t *type_json(const struct fold *f, const struct fold_row *row)
{
	const char *type = fold_main_type(f, row);

	return *type ? json_text(type) : json_null();
}

static void put_amounts(json_t *o, const struct fold_row *row)
{
	const struct {
		const char *key;
		uint64_t n;
	} numbers[] = {
		{ "bytes", row->chosen.bytes },
		{ "blocks", row->chosen.blocks },
		{ "live_bytes", row->live.bytes },
		{ "live_blocks", row->live.blocks },
		{ "peak_bytes", row->peak.bytes },
		{ "peak_blocks", row->peak.blocks },
		{ "total_bytes", row->total.bytes },
		{ "total_blocks", row->total.blocks },
		{ "temporary_bytes", row->temporary.bytes },
		{ "temporary_blocks", row->temporary.blocks },
		{ "stacks", row->n_stacks },
	};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		json_put(o, numbers[i].key, json_bytes(numbers[i].n));
}

static json_t *row_json(struct report *r, const struct fold *f, const struct fold_row *row, enum fold_by by)
{
	struct report_trace *t = r->traces[row->trace];
	json_t *o = json_object();
	char thread[200];

	json_put(o, "site", site_json(r, row, by));
	json_put(o, "below", has_no_site(by) ? json_null() : place_below_json(&t->places, row->node));
	json_put(o, "stack", by == FOLD_STACK ? place_stack_json(&t->places, row->node) : json_null());
	json_put(o, "layer", layer_json(row->layers));
	json_put(o, "layers", report_layers_json(row->layers));
	json_put(o, "thread",
		 row->thread == ACCOUNT_MANY ? json_null()
					     : json_text(report_thread(t, row->thread, thread, sizeof thread)));
	json_put(o, "task", by == FOLD_TASK ? report_task_json(t, row->task) : json_null());
	json_put(o, "type", type_json(f, row));
	json_put(o, "types",
		 by == FOLD_TYPE || by == FOLD_THREAD || by == FOLD_TASK ? json_null() : types_json(f, row));
	json_put(o, "largest_site", by == FOLD_TYPE ? place_json(place_find(&t->places, row->site)) : json_null());
	put_amounts(o, row);
	json_put(o, "reused", json_bytes(row->reused));
	return o;
}

static void write_json(struct report *r, const struct fold *f, const struct sites_options *own)
{
	json_t *rows = json_array();

	json_put(r->json, "metric", json_text(fold_metric_names[own->fold.metric]));
	json_put(r->json, "by", json_text(fold_by_names[own->fold.by]));
	report_scope_json(r);
	json_put(r->json, "bytes", json_bytes(f->chosen.bytes));
	json_put(r->json, "blocks", json_bytes(f->chosen.blocks));
	for (size_t i = 0; i < f->rows.n && (!own->top || i < own->top); i++)
		json_add(rows, row_json(r, f, &f->rows.at[i], (enum fold_by)own->fold.by));
	json_put(r->json, "rows", rows);
}

/* ---- text ---- */

static void type_cell(struct table *t, const struct fold *f, const struct fold_row *row)
{
	char layers[100], safe[400];

	if (row->type)
		table_cell(t, "%s", format_printable(safe, sizeof safe, strings_text(&f->type_names, row->type)));
	else if (row->layers == 1u << PT_LAYER_OBJECT)
		table_cell(t, "%s", "(not known)");
	else
		table_cell(t, "(no object, layer %s)", report_layers(row->layers, layers, sizeof layers));
}

static void where_cell(struct table *t, struct report *r, const struct fold_row *row, enum fold_by by)
{
	struct report_trace *trace = r->traces[row->trace];
	struct place p = fold_place(r, row);
	char buf[4096], layers[100];

	if (by == FOLD_LAYER)
		table_cell(t, "%s", report_layers(row->layers, layers, sizeof layers));
	else if (by == FOLD_THREAD)
		table_cell(t, "%s", report_thread(trace, row->thread, buf, sizeof buf));
	else if (by == FOLD_TASK)
		table_cell(t, "%s", report_task(trace, row->task, buf, sizeof buf));
	else if (p.origin == ORIGIN_NONE)
		table_cell(t, "%s, layer %s", p.function, report_layers(row->layers, layers, sizeof layers));
	else if (by == FOLD_LINE || by == FOLD_TYPE)
		table_cell(t, "%s", place_where(&p, r->common.full, buf, sizeof buf));
	else if (p.module && !*p.file)
		table_cell(t, "%s", r->common.full ? p.module_path : p.module);
	else
		table_cell(t, "%s", r->common.full ? p.file : p.short_file);
}

static void function_cell(struct table *t, struct report *r, const struct fold_row *row, enum fold_by by)
{
	struct place_table *places = &r->traces[row->trace]->places;
	const struct place *p = place_find(places, row->site);
	char function[4096];

	place_function(p, r->common.full, function, sizeof function);
	if (by == FOLD_LAYER || by == FOLD_FILE || (by != FOLD_THREAD && by != FOLD_TASK && p->origin == ORIGIN_NONE))
		table_cell(t, "%s", "");
	else if (by == FOLD_THREAD || by == FOLD_TASK)
		table_cell(t, "pid %u", r->traces[row->trace]->trace.front.pid);
	else if (row->importing)
		table_cell(t, "%s (import)", function);
	else
		table_cell(t, "%s", place_function_below(places, row->node, r->common.full, function, sizeof function));
}

static void print_table(struct report *r, const struct fold *f, const struct sites_options *own, size_t n)
{
	static const struct table_column columns[] = {
		{ .title = "bytes", .right = true, .style = STYLE_STRONG },
		{ .title = "share", .right = true },
		{ .title = "blocks", .right = true },
		{ .title = "where", .elastic = true },
		{ .title = "function", .elastic = true, .style = STYLE_FAINT },
	};
	static const struct table_column by_type[] = {
		{ .title = "bytes", .right = true, .style = STYLE_STRONG },
		{ .title = "share", .right = true },
		{ .title = "blocks", .right = true },
		{ .title = "type", .elastic = true },
		{ .title = "most of it made at", .elastic = true, .style = STYLE_FAINT },
	};
	enum fold_by by = (enum fold_by)own->fold.by;
	struct table t;

	table_init(&t, by == FOLD_TYPE ? by_type : columns,
		   sizeof columns / sizeof *columns - (by == FOLD_LAYER || by == FOLD_FILE));
	for (size_t i = 0; i < n; i++) {
		const struct fold_row *row = &f->rows.at[i];

		table_cell(&t, "%s", format_bytes(row->chosen.bytes).text);
		table_cell(&t, "%s", format_percent(row->chosen.bytes, f->chosen.bytes).text);
		table_cell(&t, "%s", format_count(row->chosen.blocks).text);
		if (by == FOLD_TYPE)
			type_cell(&t, f, row);
		where_cell(&t, r, row, by);
		if (by != FOLD_TYPE && t.n_columns == sizeof columns / sizeof *columns)
			function_cell(&t, r, row, by);
	}
	table_print(&t, &r->out, 0);
	table_free(&t);
}

/* A stack takes several lines: a table has no place for it. */
static void print_stacks(struct report *r, const struct fold *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct fold_row *row = &f->rows.at[i];
		char layers[100];

		fprintf(r->out.file, "%s%s%s (%s) in %s, layer %s\n", output_style(&r->out, STYLE_STRONG),
			format_bytes(row->chosen.bytes).text, output_style(&r->out, STYLE_PLAIN),
			format_percent(row->chosen.bytes, f->chosen.bytes).text,
			format_plural(row->chosen.blocks, "block", "blocks").text,
			report_layers(row->layers, layers, sizeof layers));
		place_print_stack(&r->traces[row->trace]->places, row->node, &r->out, 4, r->common.full);
	}
}

static void print_text(struct report *r, const struct fold *f, const struct sites_options *own)
{
	size_t n = own->top && own->top < f->rows.n ? (size_t)own->top : f->rows.n;
	const char *by = fold_by_names[own->fold.by];

	for (size_t i = 0; i < r->n_traces; i++)
		report_heading(r, r->traces[i]);
	fprintf(r->out.file, "\n%s%s: %s in %s%s, by %s", output_style(&r->out, STYLE_TITLE),
		metric_titles[own->fold.metric], format_bytes(f->chosen.bytes).text,
		format_plural(f->chosen.blocks, "block", "blocks").text, output_style(&r->out, STYLE_PLAIN), by);
	if (n < f->rows.n)
		fprintf(r->out.file, " (top %zu of %s; --top 0 for all)", n, format_count(f->rows.n).text);
	fputs("\n\n", r->out.file);
	if (!f->rows.n)
		fputs("Nothing.\n", r->out.file);
	else if (own->fold.by == FOLD_STACK)
		print_stacks(r, f, n);
	else
		print_table(r, f, own, n);
}

static int run(int argc, char **argv)
{
	struct sites_options own = { .fold.layer = FOLD_ALL_LAYERS, .top = REPORT_TOP_NOT_SET };
	struct report r;
	struct fold f;
	int code = report_parse(&r, &command_sites, &own, argc, argv);

	if (code == REPORT_GO)
		code = report_open(&r, REPORT_ACCOUNT | (own.fold.by == FOLD_THREAD ? REPORT_THREADS : 0) |
					       (own.fold.by == FOLD_TASK ? REPORT_TASKS : 0) |
					       (own.fold.by == FOLD_TYPE || r.common.json ? REPORT_TYPES : 0));
	if (code != REPORT_GO)
		return code;
	report_default_top(&r, &own.top, TOP_TEXT, 0);
	own.fold.importers = !r.json && !r.common.full && own.fold.by != FOLD_STACK;
	fold_run(&f, &r, &own.fold);
	if (r.json)
		write_json(&r, &f, &own);
	else
		print_text(&r, &f, &own);
	fold_free(&f);
	return report_end(&r);
}

static const struct option_row rows[] = {
	FOLD_METRIC_ROW(struct sites_options, fold),
	{ 'b', "by", OPTION_CHOICE, offsetof(struct sites_options, fold.by),
	  "line|function|file|stack|layer|thread|task|type", "what makes a row (line, the default)" },
	FOLD_LAYER_ROW(struct sites_options, fold),
	FOLD_END_ROW(struct sites_options, fold),
	{ 'n', "top", OPTION_NUMBER, offsetof(struct sites_options, top), "N",
	  "rows to print (20; in JSON all), 0 for all" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "sites app.71.pytrace", "the lines that hold most at the end" },
	{ "sites --metric peak --by function app.71.pytrace", "which functions make the peak" },
	{ "sites --metric temporary app.71.pytrace", "lines that allocate and free at once: churn" },
	{ "sites --metric total --by stack --top 5 --full app.71.pytrace",
	  "the five busiest stacks, every frame of them" },
	{ "sites --by task app.71.pytrace", "which asyncio tasks and greenlets hold it" },
	{ "sites --by type app.71.pytrace", "which Python types hold it, and where most of each was made" },
	{ "sites --region request app.71.pytrace",
	  "what was made in `with libpytrace.region('request')` and is still there" },
	{ "sites --by layer *.pytrace", "all processes of a tree taken together, by allocator" },
	{ 0 },
};

const struct command command_sites = {
	.page =
		{
			.name = "sites",
			.summary = "who allocated it: by line, function, file, stack, layer, thread, task or type",
			.operands = "TRACE...",
			.details = "A site is the innermost frame of a block's stack that somebody can change: a "
				   "Python frame, or a native one whose source line is known (debug information). "
				   "Frames of the interpreter and of the system's libraries are passed over; the native "
				   "function that did it for a Python line stands behind the line's function. A stack "
				   "without such a frame is listed by the innermost native function, one of which "
				   "nothing is known by its layer.\n\n"
				   "Layers are mmap (anonymous mappings), malloc (called by C code), raw, mem and "
				   "object (the "
				   "three domains of Python's allocators). Every byte is counted once: a block of the "
				   "object "
				   "allocator is not counted again as part of the arena it lies in. Peak is the moment "
				   "when the "
				   "sum of these layers was highest. In several traces each process has its own peak "
				   "and end.\n\n"
				   "Types are those of Python objects: of a freed block the one that lay in it then, of "
				   "one that is alive the one that the last snapshot has there. A buffer that one object "
				   "points to, such as the items of a list, is \"list (buffer)\". pytrace info tells the "
				   "share of blocks whose type is known.\n\n"
				   "In JSON, `type` is that of most of a row's bytes, `types` are all of them, `reused` the "
				   "objects made in blocks of free lists (PYTRACE_LIVES). Native frames have their module and "
				   "the address in it (of return, as "
				   "addr2line understands it), and `below` is the native frame below a Python site. "
				   "Bytes and blocks are those of the metric; columns count from 0 as "
				   "Python's do. Text "
				   "counts columns from 1, as editors do.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_SCOPE | OPTIONS_FULL | OPTIONS_STACKS,
		},
	.run = run,
};
