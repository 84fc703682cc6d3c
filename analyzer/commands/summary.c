/* SPDX-License-Identifier: Apache-2.0 */
/* summary: one page on a process or a tree of processes, and what to look at next */
#include "analyzer/findings/words/finding_words.h"
#include "analyzer/report/fold.h"

#include <stdlib.h>
#include <string.h>

#define SITES_SHOWN    5
#define FINDINGS_SHOWN 5
#define SPARK_CELLS    60

extern const struct command command_summary;

static uint64_t sum_at(const struct report *r, enum account_state state)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < r->n_traces; i++)
		bytes += r->traces[i]->account.at[state].bytes;
	return bytes;
}

/* Whether the peak is another matter than the end. */
static bool has_own_peak(const struct report *r)
{
	return sum_at(r, ACCOUNT_PEAK) > sum_at(r, ACCOUNT_END) + sum_at(r, ACCOUNT_END) / 8;
}

/* ---- JSON ---- */

/* Findings of one process. */
static uint64_t count_of(const struct finding_list *l, const struct report_trace *t, enum growth_verdict verdict)
{
	uint64_t n = 0;

	for (size_t i = 0; i < l->n_found + l->n_undecided; i++)
		n += finding_is_in(&l->at[i], t->trace.front.pid) && l->at[i].sum.verdict == verdict;
	return n;
}

static json_t *process_json(const struct report_trace *t, const struct finding_list *l)
{
	const struct account *a = &t->account;
	json_t *o = json_object();

	json_put(o, "pid", json_integer(t->trace.front.pid));
	json_put(o, "program", json_text(t->trace.front.program));
	json_put(o, "duration_s", json_number(trace_duration_s(&t->trace)));
	json_put(o, "ended", json_text(trace_ended(&t->trace)));
	json_put(o, "live_bytes", json_bytes(a->at[ACCOUNT_END].bytes));
	json_put(o, "live_blocks", json_bytes(a->at[ACCOUNT_END].blocks));
	json_put(o, "peak_bytes", json_bytes(a->at[ACCOUNT_PEAK].bytes));
	json_put(o, "peak_blocks", json_bytes(a->at[ACCOUNT_PEAK].blocks));
	json_put(o, "peak_s", json_seconds(a->at_ns[ACCOUNT_PEAK]));
	json_put(o, "total_bytes", json_bytes(a->total.bytes));
	json_put(o, "total_blocks", json_bytes(a->total.blocks));
	json_put(o, "temporary_bytes", json_bytes(a->temporary.bytes));
	json_put(o, "temporary_blocks", json_bytes(a->temporary.blocks));
	json_put(o, "peak_rss_bytes", a->peak_rss_bytes ? json_bytes(a->peak_rss_bytes) : json_null());
	json_put(o, "findings", json_bytes(count_of(l, t, GROWTH_FOUND)));
	json_put(o, "undecided", json_bytes(count_of(l, t, GROWTH_UNDECIDED)));
	return o;
}

/* A layer over all processes. */
struct layer_sum {
	struct amount live, peak, total, temporary;
	uint64_t own_peak_bytes;
};

static struct layer_sum layer_sum(const struct report *r, enum pt_layer layer)
{
	struct layer_sum sum = { 0 };

	for (size_t i = 0; i < r->n_traces; i++) {
		const struct account_layer *l = &r->traces[i]->account.layers[layer];
		const struct {
			struct amount *to;
			const struct amount *from;
		} parts[] = { { &sum.live, &l->at[ACCOUNT_END] },
			      { &sum.peak, &l->at[ACCOUNT_PEAK] },
			      { &sum.total, &l->total },
			      { &sum.temporary, &l->temporary } };

		for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
			amount_add(parts[p].to, parts[p].from);
		}
		sum.own_peak_bytes += l->own_peak_bytes;
	}
	return sum;
}

static json_t *layers_json(const struct report *r)
{
	json_t *list = json_array();

	for (int layer = 0; layer < PT_LAYERS; layer++) {
		struct layer_sum sum = layer_sum(r, (enum pt_layer)layer);
		json_t *o;

		if (!pt_layer_name((enum pt_layer)layer))
			continue;
		o = json_object();
		json_put(o, "name", json_text(pt_layer_name((enum pt_layer)layer)));
		json_put(o, "counted", json_boolean(pt_layer_counted((enum pt_layer)layer)));
		json_put(o, "live_bytes", json_bytes(sum.live.bytes));
		json_put(o, "live_blocks", json_bytes(sum.live.blocks));
		json_put(o, "peak_bytes", json_bytes(sum.peak.bytes));
		json_put(o, "peak_blocks", json_bytes(sum.peak.blocks));
		json_put(o, "own_peak_bytes", json_bytes(sum.own_peak_bytes));
		json_put(o, "total_bytes", json_bytes(sum.total.bytes));
		json_put(o, "total_blocks", json_bytes(sum.total.blocks));
		json_put(o, "temporary_bytes", json_bytes(sum.temporary.bytes));
		json_put(o, "temporary_blocks", json_bytes(sum.temporary.blocks));
		json_add(list, o);
	}
	return list;
}

static json_t *sites_json(struct report *r, enum fold_metric metric)
{
	struct fold_options options = { .metric = (int)metric, .layer = FOLD_ALL_LAYERS };
	json_t *list = json_array();
	struct fold f;

	fold_run(&f, r, &options);
	for (size_t i = 0; i < f.rows.n && i < SITES_SHOWN; i++) {
		json_t *o = json_object();

		struct place site = fold_place(r, &f.rows.at[i]);

		json_put(o, "site", place_json(&site));
		json_put(o, "bytes", json_bytes(f.rows.at[i].chosen.bytes));
		json_put(o, "blocks", json_bytes(f.rows.at[i].chosen.blocks));
		json_add(list, o);
	}
	fold_free(&f);
	return list;
}

static void write_json(struct report *r, const struct finding_list *findings)
{
	json_t *processes = json_array(), *list = json_array();

	for (size_t i = 0; i < r->n_traces; i++)
		json_add(processes, process_json(r->traces[i], findings));
	for (size_t i = 0; i < findings->n_found; i++)
		json_add(list, finding_json(&findings->at[i]));
	json_put(r->json, "processes", processes);
	json_put(r->json, "layers", layers_json(r));
	json_put(r->json, "findings", list);
	json_put(r->json, "sites_live", sites_json(r, FOLD_LIVE));
	json_put(r->json, "sites_peak", sites_json(r, FOLD_PEAK));
}

/* ---- text: what happened ---- */

/* The live bytes over the time of the trace, darker is more. */
static void print_spark(const struct output *o, const struct account *a)
{
	static const char shades[] = " .:-=+*#%@";
	uint64_t cells[SPARK_CELLS] = { 0 }, top = a->at[ACCOUNT_PEAK].bytes;

	if (a->samples.n < 2 || !top)
		return;
	for (size_t i = 0; i < a->samples.n; i++) {
		uint64_t *cell = &cells[i * SPARK_CELLS / a->samples.n];

		*cell = a->samples.at[i].max_bytes > *cell ? a->samples.at[i].max_bytes : *cell;
	}
	fputs("  over time   |", o->file);
	for (size_t i = 0; i < SPARK_CELLS; i++) {
		uint64_t last = i && !cells[i] ? cells[i - 1] : cells[i];

		cells[i] = last;
		fputc(shades[(size_t)((double)last / (double)top * (sizeof shades - 2) + 0.5)], o->file);
	}
	fputs("|\n", o->file);
}

/* Cycles of the last snapshot, of one state or all (CYCLE_STATES). */
static struct amount cycles_of(const struct report_trace *t, enum cycle_state state)
{
	struct amount sum = { 0 };

	for (size_t i = 0; t->remains && i < t->remains->list.at.n; i++) {
		const struct cycle_shown *s = &t->remains->list.at.at[i];

		if (state != CYCLE_STATES && s->row->state != state)
			continue;
		sum.blocks += s->count;
		sum.bytes += s->bytes;
	}
	return sum;
}

static void print_cycles(struct report *r, const struct report_trace *t)
{
	struct amount left = cycles_of(t, CYCLE_UNCOLLECTED), never = cycles_of(t, CYCLE_UNCOLLECTABLE);

	if (!left.blocks && !never.blocks)
		return;
	fprintf(r->out.file, "  cycles      %s uncollected, %s", format_count(left.blocks).text,
		format_bytes(left.bytes).text);
	if (never.blocks)
		fprintf(r->out.file, "; %s that no collection frees, %s", format_count(never.blocks).text,
			format_bytes(never.bytes).text);
	fputc('\n', r->out.file);
}

static void print_process(struct report *r, const struct report_trace *t)
{
	const struct account *a = &t->account;
	FILE *f = r->out.file;
	char line[600];

	report_heading(r, t);
	fprintf(f, "\n  peak        %s%s%s in %s, at %s\n", output_style(&r->out, STYLE_STRONG),
		format_bytes(a->at[ACCOUNT_PEAK].bytes).text, output_style(&r->out, STYLE_PLAIN),
		format_plural(a->at[ACCOUNT_PEAK].blocks, "block", "blocks").text,
		format_seconds((double)a->at_ns[ACCOUNT_PEAK] / 1e9).text);
	fprintf(f, "  at the end  %s%s%s in %s%s\n", output_style(&r->out, STYLE_STRONG),
		format_bytes(a->at[ACCOUNT_END].bytes).text, output_style(&r->out, STYLE_PLAIN),
		format_plural(a->at[ACCOUNT_END].blocks, "block", "blocks").text,
		a->end_is_fini ? ", before the interpreter went down" : "");
	fprintf(f, "  ever made   %s in %s, %s of them freed again at once\n", format_bytes(a->total.bytes).text,
		format_plural(a->total.blocks, "block", "blocks").text,
		format_percent(a->temporary.blocks, a->total.blocks).text);
	if (a->peak_rss_bytes)
		fprintf(f, "  resident    %s at most\n", format_bytes(a->peak_rss_bytes).text);
	if (*moments_collections_text(&t->moments, line, sizeof line))
		fprintf(f, "  collector   %s\n", line);
	if (*moments_snapshots_text(&t->moments, line, sizeof line))
		fprintf(f, "  snapshots   %s\n", line);
	print_cycles(r, t);
	print_spark(&r->out, a);
}

static void print_processes(struct report *r, const struct finding_list *l)
{
	static const struct table_column columns[] = {
		{ .title = "pid", .right = true },
		{ .title = "program", .elastic = true, .style = STYLE_STRONG },
		{ .title = "time", .right = true },
		{ .title = "peak", .right = true },
		{ .title = "at the end", .right = true },
		{ .title = "blocks", .right = true },
		{ .title = "findings", .right = true },
		{ .title = "ended" },
	};
	struct table t;

	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < r->n_traces; i++) {
		const struct report_trace *trace = r->traces[i];
		char ended[100];

		table_cell(&t, "%u", trace->trace.front.pid);
		table_cell(&t, "%s", trace->trace.front.program);
		table_cell(&t, "%s", format_seconds(trace_duration_s(&trace->trace)).text);
		table_bytes(&t, trace->account.at[ACCOUNT_PEAK].bytes);
		table_bytes(&t, trace->account.at[ACCOUNT_END].bytes);
		table_count(&t, trace->account.at[ACCOUNT_END].blocks);
		table_count(&t, count_of(l, trace, GROWTH_FOUND));
		table_cell(&t, "%s%s", report_ended(trace, ended, sizeof ended),
			   trace_is_complete(&trace->trace) ? "" : " (incomplete)");
	}
	output_title(&r->out, "Processes");
	table_print(&t, &r->out, 2);
	table_free(&t);
}

static void print_layers(struct report *r)
{
	static const struct table_column columns[] = {
		{ .title = "layer" },
		{ .title = "at the end", .right = true },
		{ .title = "blocks", .right = true },
		{ .title = "at the peak", .right = true },
		{ .title = "ever made", .right = true },
		{ .title = "blocks", .right = true },
		{ .title = "freed at once", .right = true },
	};
	struct table t;

	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (int layer = PT_LAYERS; layer-- > 0;) {
		struct layer_sum sum = layer_sum(r, (enum pt_layer)layer);

		if (!pt_layer_counted((enum pt_layer)layer) || !sum.total.blocks)
			continue;
		table_cell(&t, "%s", pt_layer_name((enum pt_layer)layer));
		table_bytes(&t, sum.live.bytes);
		table_count(&t, sum.live.blocks);
		table_bytes(&t, sum.peak.bytes);
		table_bytes(&t, sum.total.bytes);
		table_count(&t, sum.total.blocks);
		table_cell(&t, "%s", format_percent(sum.temporary.blocks, sum.total.blocks).text);
	}
	if (t.n_cells) {
		fputc('\n', r->out.file);
		table_print(&t, &r->out, 2);
	}
	table_free(&t);
}

/* ---- text: what is wrong, what holds it ---- */

static void print_finding(struct report *r, const struct finding *f)
{
	const struct output *o = &r->out;
	char amount[60];

	fprintf(o->file, "  %s%s%s: %s", output_style(o, STYLE_BAD), finding_verdict(f), output_style(o, STYLE_PLAIN),
		finding_amount(f, amount, sizeof amount));
	if (f->all_rate > 0)
		fprintf(o->file, ", growing by %s", format_rate(f->all_rate).text);
	if (r->n_traces > 1)
		finding_print_pids(o, f);
	fputc('\n', o->file);
	finding_print_place(o, f, false, 4);
}

static void print_findings(struct report *r, const struct finding_list *l)
{
	const char *reservation = finding_reservation(r);
	FILE *f = r->out.file;

	fputc('\n', f);
	output_title(&r->out, "Findings");
	for (size_t i = 0; i < l->n_found && i < FINDINGS_SHOWN; i++)
		print_finding(r, &l->at[i]);
	if (l->n_found > FINDINGS_SHOWN)
		fprintf(f, "  and %zu more\n", l->n_found - FINDINGS_SHOWN);
	if (!l->n_found)
		fprintf(f, "  %snone%s: %s\n", output_style(&r->out, reservation ? STYLE_PLAIN : STYLE_GOOD),
			output_style(&r->out, STYLE_PLAIN), reservation ? reservation : "nothing grows without end");
	if (l->n_undecided)
		fprintf(f, "  %s undecided: 'pytrace leaks' tells which and what run would decide\n",
			format_plural(l->n_undecided, "group is", "groups are").text);
}

static void site_cells(struct report *r, const struct fold *f, const struct fold_row *row, struct table *t)
{
	struct place p = *place_find(&r->traces[row->trace]->places, row->site);
	char where[4096], layers[100];

	p.at.column = -1;
	table_cell(t, "%s", format_bytes(row->chosen.bytes).text);
	table_cell(t, "%s", format_percent(row->chosen.bytes, f->chosen.bytes).text);
	table_cell(t, "%s", format_count(row->chosen.blocks).text);
	if (row->imports)
		table_cell(t, "modules that were imported");
	else if (p.origin == ORIGIN_NONE)
		table_cell(t, "%s, layer %s", p.function, report_layers(row->layers, layers, sizeof layers));
	else
		table_cell(t, "%s", place_where(&p, false, where, sizeof where));
	table_cell(t, "%s",
		   p.origin == ORIGIN_NONE || row->imports ? "" : place_function(&p, false, where, sizeof where));
}

static void print_sites(struct report *r, const char *title, enum fold_metric metric)
{
	static const struct table_column columns[] = {
		{ .title = "bytes", .right = true, .style = STYLE_STRONG },
		{ .title = "share", .right = true },
		{ .title = "blocks", .right = true },
		{ .title = "where", .elastic = true },
		{ .title = "function", .elastic = true, .style = STYLE_FAINT },
	};
	struct fold_options options = {
		.metric = (int)metric, .layer = FOLD_ALL_LAYERS, .one_import = true, .importers = true
	};
	struct table t;
	struct fold f;

	fold_run(&f, r, &options);
	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < f.rows.n && i < SITES_SHOWN; i++)
		site_cells(r, &f, &f.rows.at[i], &t);
	if (t.n_cells) {
		fputc('\n', r->out.file);
		output_title(&r->out, title);
		table_print(&t, &r->out, 2);
	}
	table_free(&t);
	fold_free(&f);
}

/* ---- text: what to do next ---- */

/* The traces as they were named, quoted for a shell when they need it; many are left to the reader's own pattern. */
static void put_traces(const struct report *r)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%";
	char safe[4096];

	for (size_t i = 0; i < r->n_traces && i < 3; i++) {
		const char *file = format_printable(safe, sizeof safe, r->traces[i]->trace.file);

		fprintf(r->out.file, file[strspn(file, plain)] || !*file ? " '%s'" : " %s", file);
	}
	if (r->n_traces > 3)
		fputs(" ...", r->out.file);
}

static bool has_objects(const struct report *r)
{
	return r->n_traces == 1 && r->traces[0]->remains && r->traces[0]->remains->view.loaded;
}

static bool has_cycles(const struct report *r)
{
	return r->n_traces == 1 && cycles_of(r->traces[0], CYCLE_STATES).blocks;
}

static void print_next(struct report *r, const struct finding_list *l)
{
	const struct {
		bool useful;
		const char *command, *why;
	} steps[] = {
		{ l->n_found > 0, "leaks", "the evidence for each finding, with its stack" },
		{ !l->n_found, "leaks", "what stays, and why it is no leak" },
		{ has_cycles(r), "cycles", "which objects only hold each other" },
		{ has_objects(r), "objects", "what is alive by type, and what it keeps alive" },
		{ has_own_peak(r), "sites --metric peak", "what makes the peak" },
		{ true, "sites --metric total --by function", "what allocates most" },
	};

	fputc('\n', r->out.file);
	output_title(&r->out, "Next");
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		if (!steps[i].useful)
			continue;
		fprintf(r->out.file, "  pytrace %s", steps[i].command);
		put_traces(r);
		fprintf(r->out.file, "   %s# %s%s\n", output_style(&r->out, STYLE_FAINT), steps[i].why,
			output_style(&r->out, STYLE_PLAIN));
	}
}

static void print_text(struct report *r, const struct finding_list *l)
{
	if (r->n_traces == 1)
		print_process(r, r->traces[0]);
	else
		print_processes(r, l);
	print_findings(r, l);
	print_sites(r, "Alive at the end", FOLD_LIVE);
	if (has_own_peak(r))
		print_sites(r, "Alive at the peak", FOLD_PEAK);
	print_layers(r);
	print_next(r, l);
}

static int run(int argc, char **argv)
{
	struct finding_list list;
	struct report r;
	int code = report_begin(&r, &command_summary, NULL,
				REPORT_GROWTH | REPORT_REMAINS | REPORT_FRAGMENTS | REPORT_MOMENTS, argc, argv);

	if (code != REPORT_GO)
		return code;
	finding_list_init(&list, &r);
	if (r.json)
		write_json(&r, &list);
	else
		print_text(&r, &list);
	finding_list_free(&list);
	return report_end(&r);
}

static const struct option_example examples[] = {
	{ "summary app.71.pytrace", "the first thing to look at" },
	{ "summary *.pytrace", "a process tree: a row for each process, sites and findings of all" },
	{ 0 },
};

const struct command command_summary = {
	.page =
		{
			.name = "summary",
			.summary = "one page: peak, end, findings, top sites, what to do next",
			.operands = "TRACE...",
			.details = "Bytes are sums over the layers mmap, malloc, raw, mem and object; none is counted "
				   "twice. The end is "
				   "the moment before the interpreter takes itself down. A site is the innermost "
				   "frame of the program's own: 'pytrace sites --help' says it in full.",
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_SYMBOLS | OPTIONS_WARMUP,
		},
	.run = run,
};
