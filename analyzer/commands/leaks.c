/* SPDX-License-Identifier: Apache-2.0 */
/* leaks: what was not given back: findings with their evidence, what is undecided, and what is merely held */
#include "analyzer/findings/kinds/finding_kinds.h"
#include "analyzer/findings/words/finding_words.h"
#include "analyzer/findings/words/suspects.h"

#include <stdlib.h>
#include <string.h>

#define UNFREED_TEXT 10
#define UNFREED_JSON 100

struct leaks_options {
	uint64_t top;
	const char *suspects;
};

extern const struct command command_leaks;

/* ---- JSON ---- */

/* By process: whether native memory was searched for blocks that nobody reaches. */
static json_t *native_json(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_traces; i++)
		json_add(list, json_text(finding_native_state(r->traces[i])));
	return list;
}

static json_t *summary_json(struct report *r, const struct finding_list *list)
{
	json_t *o = json_object();

	finding_put_alive(r, o);
	json_put(o, "findings", json_bytes(list->n_found));
	json_put(o, "undecided", json_bytes(list->n_undecided));
	json_put(o, "unfreed", json_bytes(list->n - list->n_found - list->n_undecided));
	json_put(o, "suppressed", json_bytes(0));
	json_put(o, "baseline", json_null());
	json_put(o, "native_search", native_json(r));
	return o;
}

static void write_json(struct report *r, const struct finding_list *list, uint64_t top)
{
	json_t *lists[] = { json_array(), json_array(), json_array() };
	size_t held = list->n_found + list->n_undecided;
	size_t n = top && list->n - held > top ? held + (size_t)top : list->n;

	for (size_t i = 0; i < n; i++)
		json_add(lists[list->at[i].sum.verdict], finding_json(&list->at[i]));
	json_put(r->json, "findings", lists[GROWTH_FOUND]);
	json_put(r->json, "undecided", lists[GROWTH_UNDECIDED]);
	json_put(r->json, "unfreed", lists[GROWTH_HELD]);
	json_put(r->json, "retained", finding_retained_json(r));
	json_put(r->json, "summary", summary_json(r, list));
}

/* ---- text ---- */

static void print_verdict(struct report *r, const struct finding_list *list)
{
	const struct output *o = &r->out;
	const char *reservation = finding_reservation(r);
	struct amount live = finding_alive(r);

	fprintf(o->file, "\n%s%s%s", output_style(o, list->n_found ? STYLE_BAD : STYLE_GOOD),
		list->n_found ? format_plural(list->n_found, "finding", "findings").text : "No leak found",
		output_style(o, STYLE_PLAIN));
	if (!list->n_found && reservation)
		fprintf(o->file, ", but %s", reservation);
	if (list->n_undecided)
		fprintf(o->file, ", %s undecided", format_count(list->n_undecided).text);
	fprintf(o->file, ". Not given back: %s in %s.\n", format_bytes(live.bytes).text,
		format_plural(live.blocks, "block", "blocks").text);
	for (size_t i = 0; i < r->n_traces; i++) {
		const char *native = finding_native_reservation(r->traces[i]);

		if (native)
			format_wrapped(o->file, native, 0, 0, o->width);
	}
}

static void print_findings(struct report *r, const struct finding_list *list, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		fputc('\n', r->out.file);
		finding_print(r, &list->at[i], i - from + 1);
	}
}

/* What stays of imports is much and tells little: one row for all of it. */
static void import_cells(struct table *t, const struct amount *imports)
{
	if (!imports->blocks)
		return;
	table_bytes(t, imports->bytes);
	table_count(t, imports->blocks);
	table_cell(t, "%s", "");
	table_cell(t, "%s", "");
	table_cell(t, "modules that were imported");
	table_cell(t, "%s", "");
}

/* Rows of what is held: `top` of them, imports taken together unless everything is wanted. Returns how many are left.
 */
static size_t held_rows(struct report *r, const struct finding_list *list, uint64_t top, struct table *t)
{
	struct amount imports = { 0 };
	size_t rows = 0, from = list->n_found + list->n_undecided;

	for (size_t i = from; i < list->n; i++) {
		const struct finding *f = &list->at[i];

		if (r->common.full || !f->trace->curves.importing[f->sum.node])
			continue;
		imports.bytes += f->sum.bytes;
		imports.blocks += f->sum.blocks;
	}
	import_cells(t, &imports);
	for (size_t i = from; i < list->n; i++) {
		const struct finding *f = &list->at[i];

		if (!r->common.full && f->trace->curves.importing[f->sum.node])
			continue;
		if (!top || rows < top)
			finding_cells(r, f, t);
		rows++;
	}
	return top && rows > top ? rows - (size_t)top : 0;
}

static void print_held(struct report *r, const struct finding_list *list, uint64_t top)
{
	static const struct table_column columns[] = {
		{ .title = "bytes", .right = true, .style = STYLE_STRONG },
		{ .title = "blocks", .right = true },
		{ .title = "first", .right = true },
		{ .title = "last", .right = true },
		{ .title = "where", .elastic = true },
		{ .title = "function", .elastic = true, .style = STYLE_FAINT },
	};
	struct table t;
	size_t left;

	table_init(&t, columns, sizeof columns / sizeof *columns);
	left = held_rows(r, list, top, &t);
	if (t.n_cells) {
		fputc('\n', r->out.file);
		output_title(&r->out, "Not given back, and not growing (no leak)");
		table_print(&t, &r->out, 0);
	}
	table_free(&t);
	if (left)
		fprintf(r->out.file, "and %s (--top 0 for all)\n",
			format_plural(left, "more stack", "more stacks").text);
}

static void print_text(struct report *r, const struct finding_list *list, uint64_t top)
{
	for (size_t i = 0; i < r->n_traces; i++)
		report_heading(r, r->traces[i]);
	print_verdict(r, list);
	print_findings(r, list, 0, list->n_found);
	if (list->n_undecided) {
		fputc('\n', r->out.file);
		output_title(&r->out, "Undecided: it grew, but this run does not show that it goes on");
		print_findings(r, list, list->n_found, list->n_found + list->n_undecided);
	}
	finding_print_retained(r);
	print_held(r, list, top);
}

static bool write_suspects(const struct report *r, const struct finding_list *list, const char *file)
{
	struct suspects suspects;
	bool good;

	suspects_find(&suspects, r, list);
	good = suspects_write(&suspects, r, file, r->common.force);
	suspects_free(&suspects);
	return good;
}

static int run(int argc, char **argv)
{
	struct leaks_options own = { .top = REPORT_TOP_NOT_SET };
	struct finding_list list;
	struct report r;
	bool failed = false;
	int code = report_parse(&r, &command_leaks, &own, argc, argv);

	if (code == REPORT_GO)
		code = report_open(&r, REPORT_GROWTH | REPORT_REMAINS | REPORT_FRAGMENTS |
					       (r.common.json ? REPORT_TYPES : 0));
	if (code != REPORT_GO)
		return code;
	finding_list_init(&list, &r);
	report_default_top(&r, &own.top, UNFREED_TEXT, UNFREED_JSON);
	if (r.json)
		write_json(&r, &list, own.top);
	else
		print_text(&r, &list, own.top);
	if (own.suspects)
		failed = !write_suspects(&r, &list, own.suspects);
	finding_list_free(&list);
	code = report_end(&r);
	return failed ? EXIT_USAGE : code;
}

static const struct option_row rows[] = {
	{ 'n', "top", OPTION_NUMBER, offsetof(struct leaks_options, top), "N",
	  "rows of what is held without growing (10; in JSON 100), 0 for all" },
	{ 0, "suspects", OPTION_TEXT, offsetof(struct leaks_options, suspects), "FILE",
	  "also write whose counts to watch in a second run: PYTRACE_WATCH=suspects:FILE" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "leaks app.71.pytrace", "is there a leak, and on which line?" },
	{ "leaks --full app.71.pytrace", "the same with every frame and the whole paths" },
	{ "leaks --json app.71.pytrace | jq '.findings[].why'", "for scripts" },
	{ 0 },
};

const struct command command_leaks = {
	.page =
		{
			.name = "leaks",
			.summary = "what was not given back, and what of it grows without end",
			.operands = "TRACE...",
			.details =
				"The end that matters is the moment when the program ended: after it exit handlers run, "
				"and the interpreter takes itself down, and both give back what was hoarded. Where that "
				"can't be seen (an interpreter inside of another program, threads that go on) it is the "
				"moment before the interpreter takes itself down. What is alive there is grouped by the functions of its stack.\n\n"
				"A finding of the kind 'growth' is claimed on strong evidence only: after a warm-up, "
				"in most windows "
				"of the program's work and up to the end, more stayed alive, and it did not slow down. "
				"A cache that "
				"is full, imports, interned strings and thread pools stay without growing and are "
				"listed below as no "
				"leak. What grew without such evidence is 'undecided', with the run that would decide "
				"it.\n\n"
				"A 'reference-leak' grows, too, but nobody in the snapshots of the Python heap has the "
				"references that keep it alive: they were taken by C code and not given back. It names "
				"the setting that records, in a second run, who takes them ('pytrace refs').\n\n"
				"'native-unreachable' is native memory to which no pointer leads: the forked copy of the program that "
				"makes a snapshot goes through its registers, stacks, thread-local storage and data, and through all "
				"that these lead to, Python's objects among it. Nobody can give such a block back. What only blocks "
				"like it lead to is counted with it. In doubt a word is a pointer, and what looked lost "
				"and was given back later speaks against the finding. Not seen: pointers that are XORed, compressed or "
				"tagged in their high bits, in memory shared with others, in the registers of other threads; so a few "
				"blocks are 'undecided'. The C library's allocator and Python's own are searched; others "
				"(jemalloc) are not, and what they hold is taken for used.\n\n"
				"'fragmentation' is memory that stays though little in it is alive: a few blocks, spread "
				"over arenas and heaps, keep them from going back. It counts what would go back without these "
				"blocks, and names the line that made them. It must be much, and have been free for a good "
				"part of the run: what the program fills now and then is used. What the allocator keeps by "
				"its own rules is named, with what ends it, and is no finding. Pages are known from the snapshot "
				"that is taken at the end.\n\n"
				"The fingerprint of a finding is made of its verdict and the innermost functions of the user's "
				"own code with their files' names, without lines and folders: it stays the same over "
				"runs, machines and edits elsewhere. Native frames count in it by their symbols, line "
				"tables or not.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_FULL | OPTIONS_STACKS | OPTIONS_WARMUP,
		},
	.run = run,
};
