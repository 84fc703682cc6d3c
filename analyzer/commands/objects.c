/* SPDX-License-Identifier: Apache-2.0 */
/* objects: a snapshot's objects by type or by the line that made them; what grew between two snapshots */
#include "analyzer/views/tally.h"
#include "analyzer/report/report.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOP_TEXT 20
#define TOP_DIFF 12

struct objects_options {
	uint64_t snapshot, diff, top;
	int by; /* enum tally_by; -1: as the report likes it */
};

/* What is shown: one snapshot, or two. */
struct objects {
	struct objects_options own;
	bool two_traces;
	struct view views[2], *now, *before;
	struct report_trace *now_of, *before_of; /* NULL: none was opened */
	size_t n_listened;
};

extern const struct command command_objects;

/* ---- which snapshots ---- */

static size_t listen(void *self, struct report_trace *t, struct model **models, size_t cap)
{
	struct objects *x = self;
	bool is_before = x->two_traces && x->n_listened++ == 0;
	size_t n = 0;

	if (is_before) {
		x->before_of = t;
		view_load(x->before, &t->places, x->own.diff);
		if (x->before->loaded)
			models[n++] = &x->before->join.model;
		return n;
	}
	x->now_of = t;
	view_load(x->now, &t->places, x->own.snapshot);
	if (x->now->loaded && n < cap)
		models[n++] = &x->now->join.model;
	if (x->own.diff && !x->two_traces) {
		view_load(x->before, &t->places, x->own.diff);
		if (x->before->loaded && n < cap)
			models[n++] = &x->before->join.model;
	}
	return n;
}

static bool is_number(const char *s)
{
	if (!*s)
		return false;
	while (isdigit((unsigned char)*s))
		s++;
	return !*s;
}

/* `--diff 1 3`: the second number came in among the files. */
static void take_number(struct report *r, struct objects *x)
{
	for (int i = 0; x->own.diff && !x->own.snapshot && r->common.n_operands > 1 && i < r->common.n_operands; i++) {
		if (!is_number(r->common.operands[i]) || !access(r->common.operands[i], F_OK))
			continue;
		x->own.snapshot = strtoull(r->common.operands[i], NULL, 10);
		for (int j = i; j + 1 < r->common.n_operands; j++)
			r->common.operands[j] = r->common.operands[j + 1];
		r->common.n_operands--;
	}
}

/* ---- JSON ---- */

static json_t *row_json(const struct tally *t, const struct tally_row *row, bool diff)
{
	json_t *o = json_object();

	json_put(o, "type",
		 t->by == TALLY_SITE && row->n_others ? json_null() : json_text(strings_text(&t->strings, row->type)));
	json_put(o, "count", json_bytes(row->now.count));
	json_put(o, "bytes", json_bytes(row->now.bytes));
	json_put(o, "retained_bytes", json_bytes(row->now.retained));
	json_put(o, "site", row->places ? place_site_json(row->places, row->node) : json_null());
	json_put(o, t->by == TALLY_TYPE ? "sites" : "types", json_integer((json_int_t)row->n_others + 1));
	json_put(o, "tracked", json_bytes(row->tracked));
	json_put(o, "frozen", json_bytes(row->frozen));
	json_put(o, "interned", json_bytes(row->interned));
	json_put(o, "immortal", json_bytes(row->immortal));
	json_put(o, "static", json_bytes(row->statics));
	if (!diff)
		return o;
	json_put(o, "count_before", json_bytes(row->before.count));
	json_put(o, "bytes_before", json_bytes(row->before.bytes));
	json_put(o, "retained_bytes_before", json_bytes(row->before.retained));
	json_put(o, "count_change", json_integer((json_int_t)(row->now.count - row->before.count)));
	json_put(o, "bytes_change", json_integer((json_int_t)(row->now.bytes - row->before.bytes)));
	return o;
}

static json_t *rows_json(struct objects *x, enum tally_by by, bool diff)
{
	json_t *list = json_array();
	struct tally t;

	if (!x->now->loaded)
		return list;
	tally_run(&t, by, diff ? x->before : NULL, x->now);
	for (size_t i = 0; i < t.rows.n && (!x->own.top || i < x->own.top); i++)
		json_add(list, row_json(&t, &t.rows.at[i], diff));
	tally_free(&t);
	return list;
}

static void write_json(struct report *r, struct objects *x, bool diff)
{
	json_put(r->json, "snapshot", view_json(x->now));
	json_put(r->json, "before", diff ? view_json(x->before) : json_null());
	json_put(r->json, "types", rows_json(x, TALLY_TYPE, diff));
	json_put(r->json, "sites", rows_json(x, TALLY_SITE, diff));
}

/* ---- text ---- */

static void where_cell(struct table *t, struct report *r, const struct tally_row *row)
{
	char where[4096];

	if (row->statics == row->now.count && row->statics)
		table_cell(t, "(static data)");
	else if (!row->places || row->node == NODE_UNKNOWN)
		table_cell(t, "(no block known)");
	else
		table_cell(t, "%s", place_site_where(row->places, row->node, r->common.full, where, sizeof where));
}

static void others_cell(struct table *t, const char *text, uint32_t n)
{
	if (n)
		table_cell(t, "%s and %s more", text, format_count(n).text);
	else
		table_cell(t, "%s", text);
}

static void name_cells(struct table *table, struct report *r, const struct tally *t, const struct tally_row *row)
{
	const char *type = strings_text(&t->strings, row->type);

	if (t->by == TALLY_TYPE) {
		table_cell(table, "%s", type);
		where_cell(table, r, row);
	} else {
		where_cell(table, r, row);
		others_cell(table, type, row->n_others);
	}
}

static void print_one(struct report *r, const struct tally *t, size_t n)
{
	static const struct table_column columns[2][5] = {
		{ { .title = "objects", .right = true },
		  { .title = "bytes", .right = true },
		  { .title = "retained", .right = true, .style = STYLE_STRONG },
		  { .title = "type", .elastic = true },
		  { .title = "mostly made at", .elastic = true, .style = STYLE_FAINT } },
		{ { .title = "objects", .right = true },
		  { .title = "bytes", .right = true },
		  { .title = "retained", .right = true, .style = STYLE_STRONG },
		  { .title = "made at", .elastic = true },
		  { .title = "type", .elastic = true, .style = STYLE_FAINT } },
	};
	struct table table;

	table_init(&table, columns[t->by], 5);
	for (size_t i = 0; i < n; i++) {
		const struct tally_row *row = &t->rows.at[i];

		table_cell(&table, "%s", format_count(row->now.count).text);
		table_cell(&table, "%s", format_bytes(row->now.bytes).text);
		table_cell(&table, "%s", format_bytes(row->now.retained).text);
		name_cells(&table, r, t, row);
	}
	table_print(&table, &r->out, 0);
	table_free(&table);
}

static struct format_text signed_count(int64_t n)
{
	struct format_text t;

	snprintf(t.text, sizeof t.text, "%s%.40s", n < 0 ? "-" : "+", format_count((uint64_t)(n < 0 ? -n : n)).text);
	return t;
}

static void print_two(struct report *r, const struct tally *t, size_t n)
{
	static const struct table_column columns[2][6] = {
		{ { .title = "objects", .right = true, .style = STYLE_STRONG },
		  { .title = "bytes", .right = true, .style = STYLE_STRONG },
		  { .title = "now", .right = true },
		  { .title = "retained now", .right = true },
		  { .title = "type", .elastic = true },
		  { .title = "mostly made at", .elastic = true, .style = STYLE_FAINT } },
		{ { .title = "objects", .right = true, .style = STYLE_STRONG },
		  { .title = "bytes", .right = true, .style = STYLE_STRONG },
		  { .title = "now", .right = true },
		  { .title = "retained now", .right = true },
		  { .title = "made at", .elastic = true },
		  { .title = "type", .elastic = true, .style = STYLE_FAINT } },
	};
	struct table table;

	table_init(&table, columns[t->by], 6);
	for (size_t i = 0; i < n; i++) {
		const struct tally_row *row = &t->rows.at[i];

		table_cell(&table, "%s", signed_count((int64_t)(row->now.count - row->before.count)).text);
		table_cell(&table, "%s", format_bytes_signed((int64_t)(row->now.bytes - row->before.bytes)).text);
		table_cell(&table, "%s", format_count(row->now.count).text);
		table_cell(&table, "%s", format_bytes(row->now.retained).text);
		name_cells(&table, r, t, row);
	}
	table_print(&table, &r->out, 0);
	table_free(&table);
}

/* Rows that did not change are none of a comparison. */
static size_t changed(const struct tally *t)
{
	size_t n = 0;

	while (n < t->rows.n && (t->rows.at[n].now.bytes > t->rows.at[n].before.bytes ||
				 t->rows.at[n].now.count > t->rows.at[n].before.count))
		n++;
	return n;
}

static void print_tally(struct report *r, struct objects *x, enum tally_by by, bool diff)
{
	static const char *const titles[2][2] = { { "By type", "By the line that made them" },
						  { "What grew, by type", "What grew, by the line that made it" } };
	struct tally t;
	size_t all, n;

	tally_run(&t, by, diff ? x->before : NULL, x->now);
	all = diff ? changed(&t) : t.rows.n;
	n = x->own.top && x->own.top < all ? (size_t)x->own.top : all;
	fprintf(r->out.file, "\n%s%s%s", output_style(&r->out, STYLE_TITLE), titles[diff][by],
		output_style(&r->out, STYLE_PLAIN));
	if (n < all)
		fprintf(r->out.file, " (top %zu of %s; --top 0 for all)", n, format_count(all).text);
	fputs("\n\n", r->out.file);
	if (!n)
		fputs("Nothing.\n", r->out.file);
	else if (diff)
		print_two(r, &t, n);
	else
		print_one(r, &t, n);
	tally_free(&t);
}

static void print_change(struct report *r, struct objects *x)
{
	uint64_t before = 0, now = 0;

	for (object_id o = 0; o < x->before->heap.n; o++)
		before += x->before->join.bytes[o];
	for (object_id o = 0; o < x->now->heap.n; o++)
		now += x->now->join.bytes[o];
	fprintf(r->out.file, "%sChange%s: %s objects, ", output_style(&r->out, STYLE_TITLE),
		output_style(&r->out, STYLE_PLAIN), signed_count((int64_t)x->now->heap.n - x->before->heap.n).text);
	fprintf(r->out.file, "%s\n", format_bytes_signed((int64_t)(now - before)).text);
}

static void print_text(struct report *r, struct objects *x, bool diff)
{
	char sentence[400];

	report_heading(r, x->now_of);
	if (diff && x->two_traces)
		report_heading(r, x->before_of);
	if (!x->now->loaded) {
		fprintf(r->out.file, "%s\n", view_missing(x->now, x->own.snapshot, sentence, sizeof sentence));
		return;
	}
	if (diff) {
		fputs("Before: ", r->out.file);
		view_heading(x->before, &r->out);
		fputs("Now:    ", r->out.file);
	}
	view_heading(x->now, &r->out);
	if (diff)
		print_change(r, x);
	if (x->own.by != TALLY_SITE)
		print_tally(r, x, TALLY_TYPE, diff);
	if (x->own.by == TALLY_SITE || (diff && x->own.by < 0))
		print_tally(r, x, TALLY_SITE, diff);
}

/* ---- the command ---- */

static int wrong(struct report *r, const char *what)
{
	(void)r;
	fprintf(stderr, "pytrace: %s; 'pytrace objects --help' tells more\n", what);
	return EXIT_USAGE;
}

/* A comparison with nothing: said on stderr, as a wrong option is. */
static bool lacks_before(struct objects *x)
{
	char sentence[400];

	if ((!x->own.diff && !x->two_traces) || x->before->loaded)
		return false;
	fprintf(stderr, "pytrace: nothing to compare with: %s\n",
		view_missing(x->before, x->own.diff, sentence, sizeof sentence));
	return true;
}

static int run(int argc, char **argv)
{
	struct objects x = { .own = { .top = REPORT_TOP_NOT_SET, .by = -1 } };
	struct report r;
	bool diff;
	int code = report_parse(&r, &command_objects, &x.own, argc, argv);

	x.now = &x.views[0];
	x.before = &x.views[1];
	if (code != REPORT_GO)
		return code;
	take_number(&r, &x);
	if (r.common.n_operands > 2)
		return wrong(&r, "objects takes one trace, or two to compare");
	x.two_traces = r.common.n_operands == 2;
	r.listener = (struct report_listener){ listen, &x };
	code = report_open(&r, REPORT_ACCOUNT);
	if (code != REPORT_GO)
		return code;
	diff = x.before->loaded && x.now_of;
	lacks_before(&x);
	report_default_top(&r, &x.own.top, diff && x.own.by < 0 ? TOP_DIFF : TOP_TEXT, 0);
	if (!x.now_of)
		x.now_of = x.before_of, x.now = x.before, x.before = &x.views[0], diff = false;
	view_want(x.now, VIEW_DOMINATORS);
	view_want(x.before, VIEW_DOMINATORS);
	if (r.json)
		write_json(&r, &x, diff);
	else
		print_text(&r, &x, diff);
	view_free(x.now);
	view_free(x.before);
	return report_end(&r);
}

static const struct option_row rows[] = {
	{ 's', "snapshot", OPTION_NUMBER, offsetof(struct objects_options, snapshot), "N",
	  "the snapshot to show (the last complete one that was not taken for a collection)" },
	{ 0, "by", OPTION_CHOICE, offsetof(struct objects_options, by), "type|site",
	  "what makes a row of the text: the type (the default) or the line that made the objects" },
	{ 'd', "diff", OPTION_NUMBER, offsetof(struct objects_options, diff), "N",
	  "what grew since snapshot N; 'N M' compares N with M" },
	{ 'n', "top", OPTION_NUMBER, offsetof(struct objects_options, top), "N",
	  "rows to print (20; in JSON all), 0 for all" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "objects app.71.pytrace", "what was alive at the end: types, and what they keep alive" },
	{ "objects --by site app.71.pytrace", "the same by the lines that made them" },
	{ "objects --diff 1 3 app.71.pytrace", "what grew between the first and the third snapshot" },
	{ "objects before.pytrace after.pytrace", "what the second run has more than the first" },
	{ "objects --json app.71.pytrace | jq '.types[] | select(.type == \"app.Session\")'", "for scripts" },
	{ 0 },
};

const struct command command_objects = {
	.page =
		{
			.name = "objects",
			.summary = "a snapshot's objects: count, bytes and retained bytes; what grew between two",
			.operands = "TRACE [TRACE]",
			.details =
				"Bytes are those of the blocks in which the objects lie, with the buffers that are "
				"theirs alone: a list's items, a dict's table. What static objects (built-in types, "
				"small numbers) take is counted too, though it lies in no block. Retained bytes are "
				"what would be given back if all objects of the row went: what can be reached from "
				"the program's roots over them only. Rows overlap in it: a dict retains what its "
				"values retain.\n\n"
				"Snapshots are taken by the traced program: PYTRACE_SNAPSHOT says when (exit, "
				"signal=USR2, every=60s, growth=20%, gc). 'pytrace info' lists them.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_FULL | OPTIONS_STACKS,
		},
	.run = run,
};
