/* SPDX-License-Identifier: Apache-2.0 */
/* cycles: what only holds itself: uncollected, freed by past collections, and what no collection frees */
#include "analyzer/views/cycle_rows.h"
#include "analyzer/views/view.h"
#include "analyzer/report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TOP_TEXT    5
#define LINES_SHOWN 10

struct cycles_options {
	uint64_t snapshot, top;
};

struct cycles_report {
	struct cycles_options own;
	struct report_trace *trace;
	struct cycles cycles;
	struct cycle_list list;
	struct {
		uint64_t groups, objects, all_objects, bytes;
	} sums[CYCLE_STATES];
};

extern const struct command command_cycles;

static size_t listen(void *self, struct report_trace *t, struct model **models, size_t cap)
{
	struct cycles_report *x = self;

	if (x->trace || !cap)
		return 0;
	x->trace = t;
	cycles_init(&x->cycles, &t->trace, x->own.snapshot, true);
	models[0] = &x->cycles.model;
	return 1;
}

static void sum_up(struct cycles_report *x)
{
	for (size_t i = 0; i < x->list.at.n; i++) {
		const struct cycle_shown *s = &x->list.at.at[i];

		x->sums[s->row->state].groups += s->count;
		x->sums[s->row->state].objects += s->objects;
		x->sums[s->row->state].all_objects += s->all_objects;
		x->sums[s->row->state].bytes += s->bytes;
	}
}

/* ---- lines: the stacks of the model brought together ---- */

struct line {
	enum cycle_state state;
	string_id type;
	node_id node;
	uint64_t objects, all_objects, bytes;
};
struct lines {
	ARRAY(struct line) at;
};

static int by_objects(const void *left, const void *right)
{
	const struct line *a = left, *b = right;

	if (a->state != b->state)
		return a->state < b->state ? -1 : 1;
	if (a->objects != b->objects)
		return a->objects > b->objects ? -1 : 1;
	return a->bytes != b->bytes ? (a->bytes > b->bytes ? -1 : 1) : (a->type > b->type) - (a->type < b->type);
}

static void fold_lines(const struct cycles_report *x, struct lines *l)
{
	struct map by_line = { 0 };
	char where[4200];

	for (size_t i = 0; i < x->cycles.lines.n; i++) {
		const struct cycle_line *from = &x->cycles.lines.at[i];
		uint64_t key;
		uint32_t *at;

		place_site_where(&x->trace->places, from->node, true, where, sizeof where);
		key = pt_xxh3(where, strlen(where)) ^ map_mix((uint64_t)from->type << 8 | (uint64_t)from->state);
		at = map_at(&by_line, key);
		if (*at == MAP_NONE) {
			*at = (uint32_t)l->at.n;
			*array_push(&l->at) = (struct line){ from->state, from->type, from->node, 0, 0, 0 };
		}
		l->at.at[*at].objects += from->objects;
		l->at.at[*at].all_objects += from->all_objects;
		l->at.at[*at].bytes += from->bytes;
	}
	if (l->at.n)
		qsort(l->at.at, l->at.n, sizeof *l->at.at, by_objects);
	map_free(&by_line);
}

/* ---- JSON ---- */

static json_t *now_json(const struct cycles *c)
{
	json_t *o, *thresholds;

	if (!c->now_found)
		return json_null();
	o = json_object();
	json_put(o, "id", json_bytes(c->now));
	json_put(o, "t_s", json_seconds(c->now_ns));
	json_put(o, "reason", json_text(snapshot_reason_text(c->now_reason)));
	json_put(o, "objects", json_bytes(c->now_objects));
	json_put(o, "complete", json_boolean(c->now_complete));
	json_put(o, "collector_enabled", json_boolean(c->gc_enabled));
	json_put(o, "frozen", json_bytes(c->frozen));
	thresholds = json_array();
	for (int i = 0; i < 3; i++)
		json_add(thresholds, json_bytes(c->thresholds[i]));
	json_put(o, "thresholds", thresholds);
	return o;
}

static json_t *lines_json(struct cycles_report *x)
{
	struct lines lines = { 0 };
	json_t *list = json_array();

	fold_lines(x, &lines);
	for (size_t i = 0; i < lines.at.n; i++) {
		const struct line *l = &lines.at.at[i];
		json_t *o = json_object();

		json_put(o, "state", json_text(cycle_state_name(l->state)));
		json_put(o, "site", place_site_json(&x->trace->places, l->node));
		json_put(o, "type", json_text(strings_text(&x->cycles.strings, l->type)));
		json_put(o, "objects", json_bytes(l->objects));
		json_put(o, "all_objects", json_bytes(l->all_objects));
		json_put(o, "bytes", json_bytes(l->bytes));
		json_add(list, o);
	}
	array_free(&lines.at);
	return list;
}

static json_t *collections_json(const struct cycles_report *x)
{
	static const char *const triggers[] = { "threshold", "explicit", "shutdown" };
	json_t *list = json_array();

	for (size_t i = 0; i < x->cycles.collections.n; i++) {
		const struct cycle_collection *g = &x->cycles.collections.at[i];
		json_t *o = json_object();

		json_put(o, "collection", json_integer((json_int_t)i + 1));
		json_put(o, "generation", json_integer(g->generation));
		json_put(o, "trigger", json_text(triggers[g->trigger < 3 ? g->trigger : 0]));
		json_put(o, "start_s", json_seconds(g->begin_ns));
		json_put(o, "collected", json_bytes(g->collected));
		json_put(o, "uncollectable", json_bytes(g->uncollectable));
		json_put(o, "snapshot", g->snapshot ? json_bytes(g->snapshot) : json_null());
		json_put(o, "explained", json_bytes(g->explained));
		json_add(list, o);
	}
	return list;
}

static void write_json(struct report *r, struct cycles_report *x)
{
	json_t *groups = json_array(), *sums = json_object();

	for (size_t i = 0; i < x->list.at.n && (!x->own.top || i < x->own.top); i++)
		json_add(groups, cycle_json(&x->list.at.at[i], &x->cycles, &x->trace->places));
	for (int s = 0; s < CYCLE_STATES; s++) {
		json_t *o = json_object();

		json_put(o, "groups", json_bytes(x->sums[s].groups));
		json_put(o, "objects", json_bytes(x->sums[s].objects));
		json_put(o, "all_objects", json_bytes(x->sums[s].all_objects));
		json_put(o, "bytes", json_bytes(x->sums[s].bytes));
		json_put(sums, cycle_state_name((enum cycle_state)s), o);
	}
	json_put(r->json, "snapshot", now_json(&x->cycles));
	json_put(r->json, "groups", groups);
	json_put(r->json, "sums", sums);
	json_put(r->json, "lines", lines_json(x));
	json_put(r->json, "collections", collections_json(x));
}

/* ---- text: the answer ---- */

static void print_sum(struct report *r, const struct cycles_report *x, enum cycle_state state, const char *title,
		      const char *note)
{
	char text[600];
	size_t used;

	used = (size_t)snprintf(text, sizeof text, "%s", format_plural(x->sums[state].groups, "cycle", "cycles").text);
	if (x->sums[state].groups)
		used += (size_t)snprintf(text + used, sizeof text - used, " of %s in all, %s",
					 format_plural(x->sums[state].objects, "object", "objects").text,
					 format_bytes(x->sums[state].bytes).text);
	if (*note)
		snprintf(text + used, sizeof text - used, "; %s", note);
	fprintf(r->out.file, "  %-14s ", title);
	format_wrapped(r->out.file, text, 17, 17, r->out.width);
}

static char *now_note(const struct cycles *c, char *buf, size_t cap)
{
	if (!c->now_found)
		snprintf(buf, cap, "no snapshot shows them");
	else if (!c->gc_enabled)
		snprintf(buf, cap, "the collector was off since %s", format_seconds((double)c->disabled_ns / 1e9).text);
	else
		snprintf(buf, cap, "a full collection would free them");
	return buf;
}

static char *past_note(const struct cycles *c, char *buf, size_t cap)
{
	uint64_t collected = 0, seen = 0;

	for (size_t i = 0; i < c->collections.n; i++) {
		collected += c->collections.at[i].collected;
		seen += c->collections.at[i].snapshot ? c->collections.at[i].collected : 0;
	}
	if (!c->collections.n)
		snprintf(buf, cap, "no collection ran");
	else if (c->n_followed < c->collections.n)
		snprintf(buf, cap, "by %s of %s, those with a snapshot (they freed %s, all together %s)",
			 format_count(c->n_followed).text,
			 format_plural(c->collections.n, "collection", "collections").text,
			 format_plural(seen, "object", "objects").text, format_count(collected).text);
	else
		snprintf(buf, cap, "by %s, which freed %s",
			 format_plural(c->collections.n, "collection", "collections").text,
			 format_plural(collected, "object", "objects").text);
	return buf;
}

static void print_answer(struct report *r, const struct cycles_report *x)
{
	const struct cycles *c = &x->cycles;
	char note[400];

	if (c->now_found)
		fprintf(r->out.file, "%sSnapshot %" PRIu64 "%s (%s) at %s: %s%s\n", output_style(&r->out, STYLE_TITLE),
			c->now, output_style(&r->out, STYLE_PLAIN), snapshot_reason_text(c->now_reason),
			format_seconds((double)c->now_ns / 1e9).text,
			format_plural(c->now_objects, "object", "objects").text,
			c->now_complete ? "" : ", not complete");
	fputc('\n', r->out.file);
	print_sum(r, x, CYCLE_UNCOLLECTED, "Uncollected:", now_note(c, note, sizeof note));
	print_sum(r, x, CYCLE_COLLECTED, "Collected:", past_note(c, note, sizeof note));
	print_sum(r, x, CYCLE_UNCOLLECTABLE, "Uncollectable:", "");
}

/* ---- text: rows ---- */

static void print_freed_by(struct report *r, struct cycles_report *x, const struct cycle_shown *s)
{
	const struct cycle_row *row = s->row;
	char where[4200];

	fputs("   Freed by ", r->out.file);
	place_site_where(&x->trace->places, row->freed, r->common.full, where, sizeof where);
	if (row->trigger == PT_GC_EXPLICIT)
		fprintf(r->out.file, "gc.collect()%s%s", *where ? " at " : "", where);
	else
		fputs(row->trigger == PT_GC_SHUTDOWN ? "the collection at shutdown"
						     : "collections that a threshold started",
		      r->out.file);
	if (s->collections > 1)
		fprintf(r->out.file, ", in %s from number %u on\n",
			format_plural(s->collections, "collection", "collections").text, row->collection);
	else
		fprintf(r->out.file, ", collection %u\n", row->collection);
}

static void print_row(struct report *r, struct cycles_report *x, const struct cycle_shown *s, size_t number)
{
	const struct cycle_row *row = s->row;
	char why[400];

	fprintf(r->out.file, "\n%s%zu.%s %s of %s: ", output_style(&r->out, STYLE_STRONG), number,
		output_style(&r->out, STYLE_PLAIN), format_plural(s->count, "cycle", "cycles").text,
		format_plural(row->group_objects, "object", "objects").text);
	fprintf(r->out.file, "%s in all, %s%s%s\n", format_plural(s->objects, "object", "objects").text,
		output_style(&r->out, STYLE_STRONG), format_bytes(s->bytes).text, output_style(&r->out, STYLE_PLAIN));
	if (row->state == CYCLE_UNCOLLECTABLE) {
		fputs("   ", r->out.file);
		format_wrapped(r->out.file, cycle_why(row->why, why, sizeof why), 3, 3, r->out.width);
	}
	cycle_print(s, &x->cycles, &x->trace->places, &r->out, r->common.full, 3);
	if (row->state == CYCLE_COLLECTED)
		print_freed_by(r, x, s);
}

static void print_rows(struct report *r, struct cycles_report *x, enum cycle_state state, const char *title)
{
	size_t n = 0, shown = 0;

	for (size_t i = 0; i < x->list.at.n; i++) {
		if (x->list.at.at[i].row->state != state)
			continue;
		if (!n++) {
			fputc('\n', r->out.file);
			output_title(&r->out, title);
		}
		if (x->own.top && shown >= x->own.top)
			continue;
		print_row(r, x, &x->list.at.at[i], ++shown);
	}
	if (n > shown)
		fprintf(r->out.file, "\nand %s (--top 0 for all)\n",
			format_plural(n - shown, "more kind of cycle", "more kinds of cycles").text);
}

/* Which lines make what the collector has to find. */
static void print_lines(struct report *r, struct cycles_report *x)
{
	static const struct table_column columns[] = {
		{ .title = "objects", .right = true, .style = STYLE_STRONG },
		{ .title = "bytes", .right = true },
		{ .title = "state" },
		{ .title = "type", .elastic = true },
		{ .title = "made at", .elastic = true, .style = STYLE_FAINT },
	};
	struct lines lines = { 0 };
	struct table table;
	char where[4200];

	fold_lines(x, &lines);
	table_init(&table, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < lines.at.n && (!x->own.top || i < LINES_SHOWN); i++) {
		const struct line *l = &lines.at.at[i];

		if (!l->objects)
			continue;
		table_cell(&table, "%s", format_count(l->objects).text);
		table_cell(&table, "%s", format_bytes(l->bytes).text);
		table_cell(&table, "%s", cycle_state_name(l->state));
		table_cell(&table, "%s", strings_text(&x->cycles.strings, l->type));
		table_cell(&table, "%s",
			   place_site_where(&x->trace->places, l->node, r->common.full, where, sizeof where));
	}
	if (table.n_cells) {
		fputc('\n', r->out.file);
		output_title(&r->out, "By line: objects that the collector counts");
		table_print(&table, &r->out, 0);
	}
	table_free(&table);
	array_free(&lines.at);
}

static void print_hints(struct report *r, const struct cycles_report *x)
{
	const struct cycles *c = &x->cycles;
	char sentence[400] = "";

	if (!c->list.at.n)
		snprintf(sentence, sizeof sentence,
			 "There is no snapshot in this trace. PYTRACE_SNAPSHOT=exit, the default, shows what is "
			 "uncollected at the end; PYTRACE_SNAPSHOT=exit,gc also what each collection frees, with the "
			 "references that close the cycles.");
	else if (c->collections.n && !c->n_followed)
		snprintf(sentence, sizeof sentence,
			 "What the past collections freed is not in this trace's snapshots: a run with "
			 "PYTRACE_SNAPSHOT=exit,gc takes one at the start of each, and shows the cycles that it frees "
			 "with the references that close them. 'pytrace gc' lists the collections.");
	if (!*sentence)
		return;
	fputc('\n', r->out.file);
	format_wrapped(r->out.file, sentence, 0, 0, r->out.width);
}

static void print_text(struct report *r, struct cycles_report *x)
{
	report_heading(r, x->trace);
	print_answer(r, x);
	print_rows(r, x, CYCLE_UNCOLLECTABLE, "Uncollectable: no collection frees them");
	print_rows(r, x, CYCLE_UNCOLLECTED, "Uncollected: nobody else holds them");
	print_rows(r, x, CYCLE_COLLECTED, "Collected: freed by past collections");
	print_lines(r, x);
	print_hints(r, x);
}

/* ---- the command ---- */

static int run(int argc, char **argv)
{
	struct cycles_report x = { .own.top = REPORT_TOP_NOT_SET };
	struct report r;
	int code = report_parse(&r, &command_cycles, &x.own, argc, argv);

	if (code != REPORT_GO)
		return code;
	if (r.common.n_operands > 1) {
		fputs("pytrace: cycles takes one trace; 'pytrace cycles --help' tells more\n", stderr);
		return EXIT_USAGE;
	}
	r.listener = (struct report_listener){ listen, &x };
	code = report_open(&r, REPORT_ACCOUNT);
	if (code != REPORT_GO)
		return code;
	report_default_top(&r, &x.own.top, TOP_TEXT, 0);
	cycle_list_init(&x.list, &x.cycles, &x.trace->places);
	sum_up(&x);
	if (r.json)
		write_json(&r, &x);
	else
		print_text(&r, &x);
	cycle_list_free(&x.list);
	cycles_free(&x.cycles);
	return report_end(&r);
}

static const struct option_row rows[] = {
	{ 's', "snapshot", OPTION_NUMBER, offsetof(struct cycles_options, snapshot), "N",
	  "the snapshot that shows what is uncollected (the last one that was not taken for a collection)" },
	{ 'n', "top", OPTION_NUMBER, offsetof(struct cycles_options, top), "N",
	  "kinds of cycles to print of each state (5; in JSON all), 0 for all" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "cycles app.71.pytrace", "what is uncollected at the end, and what can never be collected" },
	{ "run -- env PYTRACE_SNAPSHOT=exit,gc python app.py", "records what each collection is about to find" },
	{ "cycles --json app.71.pytrace | jq '.groups[] | [.state, .count, .closing_edge.name]'", "for scripts" },
	{ 0 },
};

const struct command command_cycles = {
	.page =
		{
			.name = "cycles",
			.summary = "groups of objects that only hold themselves: their lines and closing edges",
			.operands = "TRACE",
			.details =
				"The collector's own reasoning, redone from a snapshot: of each object, the references "
				"that come from garbage are taken off its count; what has none left is garbage. A cycle "
				"is a group in which everybody reaches everybody; groups of the same types, lines and "
				"references are one row.\n\n"
				"Uncollected: there in the program's last snapshot, and freed by the next full "
				"collection, if there is one. Collected: shown by the snapshot at the start of a "
				"collection (PYTRACE_SNAPSHOT=exit,gc takes them), and seen to be freed by it. "
				"Uncollectable: held by gc.garbage, in the permanent generation (gc.freeze), or held "
				"over a type that does not tell the collector what it holds.\n\n"
				"Objects are counted as gc.collect() does: those that the collector tracks, in the "
				"cycles and below them. The closing edge is the reference whose cut frees the group: "
				"the last one that was made, as far as the trace tells; for a list, the line that "
				"last moved its items is the line that appended it.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_FULL | OPTIONS_STACKS,
		},
	.run = run,
};
