/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repeats: what each run of the same work leaves behind, by line or stack
 *
 * A line grows when every run after the warm-up raised what is alive of it. That is CPython's own way of finding leaks
 * in its tests (-R warmups:runs), told by line. The pytest plugin (python/) asks it for its verdicts.
 */
#include "analyzer/findings/holder.h"
#include "analyzer/models/repeats.h"
#include "analyzer/views/remains.h"
#include "analyzer/report/report.h"
#include "formats/block.h"

#include <inttypes.h>
#include <string.h>

#define TOP_TEXT    10
#define WARMUP      1
#define HOLDERS_MAX 5 /* rows whose holder is looked for: each takes some hundred searches */

extern const struct command command_repeats;

enum repeats_by { BY_LINE, BY_STACK };
enum repeats_show { SHOW_RISE, SHOW_LEFT, SHOW_PEAK };

struct repeats_options {
	const char *begin, *end;
	bool thread_only;
	int by, show;
	uint64_t warmup, top, since;
};

/* A line, or a stack. */
struct row {
	uint32_t index; /* its line in the table of cells: rows are sorted later */
	node_id node;   /* of its largest part */
	uint64_t node_worth;
	unsigned layers;
	int64_t rise_bytes, rise_blocks; /* over the runs that are judged */
	uint64_t left_bytes, peak_bytes; /* of the last run */
	uint32_t n_rising;               /* runs that are judged and raised it */
	bool grows;
};

struct repeats_report {
	struct repeats_options own;
	struct repeats repeats;
	ARRAY(struct row) rows;
	ARRAY(uint32_t) row_of;     /* by cell of the model */
	struct repeats_cell *table; /* a line for each row, a column for each run */
	size_t n_judged;            /* runs after the warm-up */
};

/* ---- rows ---- */

static uint64_t key_of(struct place_table *places, node_id node, enum repeats_by by)
{
	const struct place *p = place_find(places, place_site(places, node));
	uint64_t key = map_mix(pt_xxh3(p->file, strlen(p->file)) ^ (uint32_t)p->at.line);

	if (by == BY_STACK)
		return map_mix(node);
	key = map_mix(key ^ pt_xxh3(p->function, strlen(p->function)));
	return p->module && !*p->file ? map_mix(key ^ p->address) : key;
}

static void make_rows(struct repeats_report *x, struct report_trace *t)
{
	struct map keys = { 0 };

	for (size_t i = 0; i < x->repeats.cells.n; i++) {
		const struct repeats_cell *cell = &x->repeats.cells.at[i];
		uint32_t *at = map_at(&keys, key_of(&t->places, cell->node, (enum repeats_by)x->own.by));

		if (*at == MAP_NONE) {
			*at = (uint32_t)x->rows.n;
			*array_push(&x->rows) = (struct row){ .index = *at, .node = cell->node };
		}
		*array_push(&x->row_of) = *at;
		x->rows.at[*at].layers |= cell->layers;
	}
	map_free(&keys);
}

static struct repeats_cell *cell_of(const struct repeats_report *x, const struct row *row, size_t run)
{
	return &x->table[(size_t)row->index * x->repeats.runs.n + run];
}

static void fill_table(struct repeats_report *x)
{
	size_t n = x->repeats.runs.n;

	x->table = mem_zero(x->rows.n * n + 1, sizeof *x->table);
	for (size_t i = 0; i < x->repeats.cells.n; i++) {
		const struct repeats_cell *cell = &x->repeats.cells.at[i];
		struct row *row = &x->rows.at[x->row_of.at[i]];
		/* Of a row that grows, the stack by which it does, and not one that only takes and gives back. */
		uint64_t worth = x->own.show == SHOW_PEAK ? cell->peak_bytes : cell->left.bytes;
		struct repeats_cell *to;

		if (cell->run >= n)
			continue;
		to = cell_of(x, row, cell->run);
		amount_add(&to->left, &cell->left);
		to->rise_bytes += cell->rise_bytes;
		to->rise_blocks += cell->rise_blocks;
		to->peak_bytes += cell->peak_bytes;
		if (cell->run + 1 == n && worth > row->node_worth) {
			row->node_worth = worth;
			row->node = cell->node;
		}
	}
}

static void judge(struct repeats_report *x, struct row *row)
{
	size_t n = x->repeats.runs.n;

	for (size_t run = n - x->n_judged; run < n; run++) {
		const struct repeats_cell *cell = cell_of(x, row, run);

		row->rise_bytes += cell->rise_bytes;
		row->rise_blocks += cell->rise_blocks;
		row->n_rising += cell->rise_bytes > 0 && cell->rise_blocks >= 0;
	}
	row->left_bytes = cell_of(x, row, n - 1)->left.bytes;
	row->peak_bytes = cell_of(x, row, n - 1)->peak_bytes;
	row->grows = x->n_judged > 1 && row->n_rising == x->n_judged;
}

/* What a row is shown for; 0: it is not. */
static uint64_t worth(const struct row *row, enum repeats_show show)
{
	switch (show) {
	case SHOW_LEFT: return row->left_bytes;
	case SHOW_PEAK: return row->peak_bytes;
	case SHOW_RISE: break;
	}
	return row->grows ? (uint64_t)row->rise_bytes : 0;
}

static enum repeats_show sorted_for; /* qsort has no argument for its comparison */

static int by_worth(const void *a, const void *b)
{
	const struct row *l = a, *r = b;
	uint64_t wl = worth(l, sorted_for), wr = worth(r, sorted_for);

	if (wl != wr)
		return wl < wr ? 1 : -1;
	return (l->node > r->node) - (l->node < r->node);
}

static void fold(struct repeats_report *x, struct report_trace *t)
{
	size_t n = x->repeats.runs.n;

	x->n_judged = n > x->own.warmup ? n - (size_t)x->own.warmup : 0;
	make_rows(x, t);
	fill_table(x);
	for (size_t i = 0; n && i < x->rows.n; i++)
		judge(x, &x->rows.at[i]);
	sorted_for = (enum repeats_show)x->own.show;
	if (x->rows.n)
		qsort(x->rows.at, x->rows.n, sizeof *x->rows.at, by_worth);
}

/* ---- who holds it ---- */

static bool find_holder(struct repeats_report *x, struct report_trace *t, const struct row *row, struct holder *ret)
{
	bool *mine = mem_zero(t->trace.defs.stacks.nodes.n + 1, sizeof *mine), found;

	for (size_t i = 0; i < x->repeats.cells.n; i++)
		if (x->row_of.at[i] == row->index)
			mine[x->repeats.cells.at[i].node] = true;
	found = holder_find(ret, &t->remains->view, mine, 0);
	free(mine);
	return found;
}

/* ---- JSON ---- */

enum series { RISE_BYTES, RISE_BLOCKS, LEFT_BYTES, LEFT_BLOCKS, PEAK_BYTES, SERIES };

static json_t *series_json(const struct repeats_report *x, const struct row *row, enum series what)
{
	json_t *list = json_array();

	for (size_t run = 0; run < x->repeats.runs.n; run++) {
		const struct repeats_cell *c = cell_of(x, row, run);
		const int64_t numbers[SERIES] = { c->rise_bytes, c->rise_blocks, (int64_t)c->left.bytes,
						  (int64_t)c->left.blocks, (int64_t)c->peak_bytes };

		json_add(list, json_integer(numbers[what]));
	}
	return list;
}

static json_t *row_json(struct repeats_report *x, struct report_trace *t, const struct row *row, bool with_holder)
{
	static const char *const names[SERIES] = { "rise_bytes", "rise_blocks", "left_bytes", "left_blocks",
						   "peak_bytes" };
	struct place_table *places = &t->places;
	const char *type = types_main(&t->types, row->node);
	struct holder holder = { 0 };
	bool held = with_holder && find_holder(x, t, row, &holder);
	double n = x->n_judged ? (double)x->n_judged : 1;
	json_t *o = json_object();

	json_put(o, "grows", json_boolean(row->grows));
	json_put(o, "site", place_json(place_find(places, place_site(places, row->node))));
	json_put(o, "blame", place_json(place_find(places, place_blame(places, row->node))));
	json_put(o, "below", place_below_json(places, row->node));
	json_put(o, "stack", place_stack_json(places, row->node));
	json_put(o, "layers", report_layers_json(row->layers));
	json_put(o, "type", *type ? json_text(type) : json_null());
	json_put(o, "bytes_per_run", json_number((double)row->rise_bytes / n));
	json_put(o, "blocks_per_run", json_number((double)row->rise_blocks / n));
	for (enum series i = 0; i < SERIES; i++)
		json_put(o, names[i], series_json(x, row, i));
	json_put(o, "holder", held ? chain_json(&holder.chain, &t->remains->view) : json_null());
	json_put(o, "held_by", held ? json_text(holder.chain.expression) : json_null());
	if (held)
		holder_free(&holder);
	return o;
}

static json_t *run_json(const struct repeats_run *run)
{
	json_t *o = json_object();

	json_put(o, "begin_s", json_seconds(run->begin_ns));
	json_put(o, "end_s", json_seconds(run->end_ns));
	json_put(o, "made_bytes", json_bytes(run->made.bytes));
	json_put(o, "made_blocks", json_bytes(run->made.blocks));
	json_put(o, "left_bytes", json_bytes(run->left.bytes));
	json_put(o, "left_blocks", json_bytes(run->left.blocks));
	json_put(o, "rise_bytes", json_integer(run->rise_bytes));
	json_put(o, "rise_blocks", json_integer(run->rise_blocks));
	json_put(o, "peak_bytes", json_bytes(run->peak_bytes));
	return o;
}

static void write_json(struct report *r, struct repeats_report *x)
{
	json_t *runs = json_array(), *rows = json_array();
	struct report_trace *t = r->traces[0];

	report_scope_json(r);
	json_put(r->json, "begin", json_text(x->own.begin));
	json_put(r->json, "end", x->own.end ? json_text(x->own.end) : json_null());
	json_put(r->json, "by", json_text(x->own.by == BY_STACK ? "stack" : "line"));
	json_put(r->json, "warmup", json_bytes(x->own.warmup));
	for (size_t i = 0; i < x->repeats.runs.n; i++)
		json_add(runs, run_json(&x->repeats.runs.at[i]));
	json_put(r->json, "runs", runs);
	for (size_t i = 0; i < x->rows.n && (!x->own.top || i < x->own.top); i++) {
		const struct row *row = &x->rows.at[i];

		if (worth(row, (enum repeats_show)x->own.show))
			json_add(rows, row_json(x, t, row, x->own.show == SHOW_RISE && i < HOLDERS_MAX));
	}
	json_put(r->json, "rows", rows);
}

/* ---- text ---- */

static char *signed_bytes(int64_t bytes, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s%s", bytes < 0 ? "-" : "+", format_bytes((uint64_t)llabs(bytes)).text);
	return buf;
}

static void print_runs(struct report *r, const struct repeats_report *x)
{
	static const struct table_column columns[] = {
		{ .title = "run", .right = true },      { .title = "made", .right = true },
		{ .title = "its peak", .right = true }, { .title = "more alive", .right = true, .style = STYLE_STRONG },
		{ .title = "blocks", .right = true },   { .title = "" }
	};
	struct table t;
	char text[80];

	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < x->repeats.runs.n; i++) {
		const struct repeats_run *run = &x->repeats.runs.at[i];

		table_cell(&t, "%zu", i + 1);
		table_cell(&t, "%s", format_bytes(run->made.bytes).text);
		table_cell(&t, "%s", format_bytes(run->peak_bytes).text);
		table_cell(&t, "%s", signed_bytes(run->rise_bytes, text, sizeof text));
		table_cell(&t, "%+" PRId64, run->rise_blocks);
		table_cell(&t, "%s", i + x->n_judged < x->repeats.runs.n ? "warm-up" : "");
	}
	table_print(&t, &r->out, 0);
	table_free(&t);
}

static void print_rows(struct report *r, struct repeats_report *x, size_t n)
{
	static const struct table_column columns[] = { { .title = "bytes", .right = true, .style = STYLE_STRONG },
						       { .title = "blocks", .right = true },
						       { .title = "type", .elastic = true },
						       { .title = "where", .elastic = true },
						       { .title = "function", .elastic = true, .style = STYLE_FAINT } };
	struct place_table *places = &r->traces[0]->places;
	enum repeats_show show = (enum repeats_show)x->own.show;
	struct table t;
	char text[4096];

	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &x->rows.at[i];
		const struct repeats_cell *last = cell_of(x, row, x->repeats.runs.n - 1);

		table_cell(&t, "%s", format_bytes(worth(row, show) / (show == SHOW_RISE ? x->n_judged : 1)).text);
		if (show == SHOW_RISE)
			table_cell(&t, "%s", format_count((uint64_t)row->rise_blocks / x->n_judged).text);
		else
			table_cell(&t, "%s", show == SHOW_LEFT ? format_count(last->left.blocks).text : "");
		table_cell(&t, "%s", format_printable(text, sizeof text, types_main(&r->traces[0]->types, row->node)));
		table_cell(&t, "%s",
			   place_where(place_find(places, place_site(places, row->node)), r->common.full, text,
				       sizeof text));
		table_cell(&t, "%s", place_function_below(places, row->node, r->common.full, text, sizeof text));
	}
	table_print(&t, &r->out, 0);
	table_free(&t);
}

/* Of the worst row: its stack, and who holds it. */
static void print_worst(struct report *r, struct repeats_report *x)
{
	struct report_trace *t = r->traces[0];
	struct holder holder;
	char safe[4096];

	fputs("\nStack of the first:\n", r->out.file);
	place_print_stack(&t->places, x->rows.at[0].node, &r->out, 3, r->common.full);
	if (!find_holder(x, t, &x->rows.at[0], &holder))
		return;
	format_printable(safe, sizeof safe, holder.chain.expression);
	fprintf(r->out.file, "Held by %s\n", safe);
	chain_print(&holder.chain, &t->remains->view, &r->out, r->common.full, 3);
	holder_free(&holder);
}

static void print_title(struct report *r, const struct repeats_report *x, size_t n)
{
	static const char *const titles[] = { "Grew in every run after the warm-up, by so much a run:",
					      "Made by the last run and still alive:",
					      "Made by the last run and alive at its peak:" };

	if (n)
		fprintf(r->out.file, "\n%s%s%s\n\n", output_style(&r->out, STYLE_TITLE), titles[x->own.show],
			output_style(&r->out, STYLE_PLAIN));
	else if (x->own.show == SHOW_RISE && x->n_judged < 2)
		fputs("\nTo tell what grows takes two runs after the warm-up.\n", r->out.file);
	else
		fputs(x->own.show == SHOW_RISE ? "\nNo line grew in every run after the warm-up.\n" : "\nNothing.\n",
		      r->out.file);
}

static void print_text(struct report *r, struct repeats_report *x)
{
	size_t n = 0;

	report_heading(r, r->traces[0]);
	if (!x->repeats.runs.n) {
		fputs("\nIt has no such mark ('pytrace info' lists what it has).\n", r->out.file);
		return;
	}
	fputc('\n', r->out.file);
	print_runs(r, x);
	while (n < x->rows.n && worth(&x->rows.at[n], (enum repeats_show)x->own.show) &&
	       (!x->own.top || n < x->own.top))
		n++;
	print_title(r, x, n);
	if (n) {
		print_rows(r, x, n);
		print_worst(r, x);
	}
}

/* ---- the command ---- */

static size_t listen(void *self, struct report_trace *t, struct model **models, size_t cap)
{
	struct repeats_report *x = self;

	if (!cap || x->repeats.trace)
		return 0;
	x->repeats.trace = &t->trace;
	repeats_init(&x->repeats);
	models[0] = &x->repeats.model;
	return 1;
}

static void finish(struct repeats_report *x)
{
	repeats_free(&x->repeats);
	array_free(&x->rows);
	array_free(&x->row_of);
	free(x->table);
}

static int wrong(const char *sentence)
{
	fprintf(stderr, "pytrace: repeats %s; 'pytrace repeats --help' tells more\n", sentence);
	return EXIT_USAGE;
}

static int run(int argc, char **argv)
{
	struct repeats_report x = { .own = { .warmup = WARMUP, .top = REPORT_TOP_NOT_SET } };
	struct report r;
	int code = report_parse(&r, &command_repeats, &x.own, argc, argv);

	if (code != REPORT_GO)
		return code;
	if (!x.own.begin)
		return wrong("wants --begin: the label of the mark that each run begins with");
	if (r.common.n_operands != 1)
		return wrong("reads one trace: runs are those of one process");
	x.repeats.begin = x.own.begin;
	x.repeats.end = x.own.end;
	x.repeats.thread_only = x.own.thread_only;
	r.common.since = x.own.since;
	r.listener = (struct report_listener){ listen, &x };
	code = report_open(&r, REPORT_ACCOUNT | REPORT_TYPES | REPORT_REMAINS);
	if (code == REPORT_GO) {
		report_default_top(&r, &x.own.top, TOP_TEXT, 0);
		fold(&x, r.traces[0]);
		if (r.json)
			write_json(&r, &x);
		else
			print_text(&r, &x);
		code = report_end(&r);
	}
	finish(&x);
	return code;
}

static const struct option_row rows[] = {
	{ 0, "begin", OPTION_TEXT, offsetof(struct repeats_options, begin), "LABEL",
	  "the mark that each run begins with (libpytrace.mark)" },
	{ 0, "end", OPTION_TEXT, offsetof(struct repeats_options, end), "LABEL",
	  "the mark that it ends with (any other)" },
	{ 'w', "warmup", OPTION_NUMBER, offsetof(struct repeats_options, warmup), "N",
	  "runs that are not judged: caches fill (1)" },
	{ 0, "since", OPTION_NUMBER, offsetof(struct repeats_options, since), "BYTE",
	  "of a program that goes on: pass over the events before this place in the file, as "
	  "libpytrace.stats()['file_bytes'] told it after a libpytrace.flush()" },
	{ 'b', "by", OPTION_CHOICE, offsetof(struct repeats_options, by), "line|stack",
	  "what makes a row (line, the default)" },
	{ 's', "show", OPTION_CHOICE, offsetof(struct repeats_options, show), "rise|left|peak",
	  "which rows, and what comes first: those that grow in every run (the default); what the last run left; what "
	  "it held at its peak" },
	{ 0, "thread-only", OPTION_FLAG, offsetof(struct repeats_options, thread_only), NULL,
	  "only what the thread made that set the mark" },
	{ 'n', "top", OPTION_NUMBER, offsetof(struct repeats_options, top), "N",
	  "rows to print (10; in JSON all), 0 for all" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "repeats --begin request app.71.pytrace", "what each request left behind, from mark to mark" },
	{ "repeats --begin start --end stop --warmup 3 app.71.pytrace", "the same between two marks" },
	{ 0 },
};

const struct command command_repeats = {
	.page =
		{
			.name = "repeats",
			.summary = "the same work done several times: which lines leave more behind each time",
			.operands = "TRACE",
			.details =
				"A run begins at each mark of a label and ends at the next mark, or at the next mark of "
				"another label. A line grows when every run after the warm-up raised what is alive of it. "
				"What a cache takes to fill is taken by the first runs, and what is replaced goes in the "
				"run that replaces it. Let the program collect garbage before the end of a run "
				"(gc.collect()), or what waits for a collection looks like growth.\n\n"
				"In JSON, `rise_bytes` is for each run what was alive at its end, less what was alive at "
				"the end of the run before; `left_bytes` what it made that is alive to this day; "
				"`peak_bytes` what of the line was alive when the run held most of what it had made itself. "
				"A trace that is still being written can be read, too: libpytrace.flush() before.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_SCOPE | OPTIONS_FULL | OPTIONS_STACKS,
		},
	.run = run,
};
