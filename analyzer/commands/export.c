/* SPDX-License-Identifier: Apache-2.0 */
/* export: a trace for other programs */
#include "analyzer/report/fold.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct export_options {
	struct fold_options fold;
	int format;
	bool blocks;
	bool lines;
};

extern const struct command command_export;

/* A form of output, by its place in the words of --format. */
struct export_form {
	void (*write)(struct report *r, const struct fold *f, const struct export_options *own);
};

/* Frames of the folded form end at a semicolon, stacks at the last space, records at a line's end. */
static void put_folded_text(FILE *f, const char *text)
{
	char safe[4096];

	format_printable(safe, sizeof safe, text);
	for (char *c = strchr(safe, ';'); c; c = strchr(c, ';'))
		*c = ':';
	fputs(safe, f);
}

static void put_folded_frame(FILE *f, const struct place *p, bool lines)
{
	char line[24] = "", where[1024];

	if (p->origin == ORIGIN_NONE) {
		put_folded_text(f, p->function);
		return;
	}
	if (lines && p->at.line > 0)
		snprintf(line, sizeof line, ":%d", p->at.line);
	put_folded_text(f, *p->function == '?' && p->module ? place_where(p, false, where, sizeof where) : p->function);
	fputs(" (", f);
	put_folded_text(f, *p->short_file || !p->module ? p->short_file : p->module);
	fprintf(f, "%s)", line);
}

static void put_folded_node(FILE *f, struct place_table *places, node_id node, bool lines)
{
	size_t n;
	const struct place *frames = place_frames(places, node, &n);

	for (size_t i = n; i-- > 0;) {
		put_folded_frame(f, &frames[i], lines);
		if (i)
			fputc(';', f);
	}
}

/* Frames come innermost first; the folded form starts at the root. */
static void put_folded_stack(FILE *f, struct place_table *places, node_id node, bool lines)
{
	const struct defs *d = &places->trace->defs;
	ARRAY(node_id) chain = { 0 };

	for (node_id at = node; at > NODE_UNKNOWN; at = defs_frame(d, at)->parent)
		*array_push(&chain) = at;
	if (!chain.n)
		*array_push(&chain) = node;
	for (size_t i = chain.n; i-- > 0;) {
		put_folded_node(f, places, chain.at[i], lines);
		if (i)
			fputc(';', f);
	}
	array_free(&chain);
}

static void write_folded(struct report *r, const struct fold *f, const struct export_options *own)
{
	for (size_t i = 0; i < f->rows.n; i++) {
		const struct fold_row *row = &f->rows.at[i];
		struct report_trace *t = r->traces[row->trace];
		uint64_t value = own->blocks ? row->chosen.blocks : row->chosen.bytes;
		char layers[100];

		if (!value)
			continue;
		put_folded_stack(r->out.file, &t->places, row->node, own->lines);
		if (row->node <= NODE_UNKNOWN)
			fprintf(r->out.file, ";[%s]", report_layers(row->layers, layers, sizeof layers));
		fprintf(r->out.file, " %" PRIu64 "\n", value);
	}
}

static const struct export_form forms[] = {
	{ write_folded },
};

static void warn_missing(const char *sentence, void *arg)
{
	char safe[1000];

	fprintf(stderr, "pytrace: %s: %s\n", (const char *)arg, format_printable(safe, sizeof safe, sentence));
}

static int run(int argc, char **argv)
{
	struct export_options own = { .fold = { .layer = FOLD_ALL_LAYERS, .by = FOLD_STACK } };
	struct report r;
	struct fold f;
	int code = report_begin(&r, &command_export, &own, REPORT_ACCOUNT, argc, argv);

	if (code != REPORT_GO)
		return code;
	/* The forms have no place for notes: they go beside. */
	for (size_t i = 0; i < r.n_traces; i++)
		report_missing(r.traces[i], warn_missing, r.traces[i]->trace.file);
	fold_run(&f, &r, &own.fold);
	forms[own.format].write(&r, &f, &own);
	fold_free(&f);
	return report_end(&r);
}

static const struct option_row rows[] = {
	{ 0, "format", OPTION_CHOICE, offsetof(struct export_options, format), "folded",
	  "the form: folded (a line for each stack, root first, frames between semicolons, then the value; the "
	  "default)" },
	FOLD_METRIC_ROW(struct export_options, fold),
	FOLD_LAYER_ROW(struct export_options, fold),
	FOLD_END_ROW(struct export_options, fold),
	{ 0, "blocks", OPTION_FLAG, offsetof(struct export_options, blocks), NULL, "values are blocks, not bytes" },
	{ 0, "lines", OPTION_FLAG, offsetof(struct export_options, lines), NULL, "frames show their line" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "export --format folded app.71.pytrace | flamegraph.pl > live.svg",
	  "a flame graph of what is alive at the end" },
	{ "export --metric peak -o peak.folded app.71.pytrace", "the peak, for speedscope.app" },
	{ "export --metric total --blocks --lines app.71.pytrace", "how often each stack allocated, with its lines" },
	{ 0 },
};

const struct command command_export = {
	.page =
		{
			.name = "export",
			.summary = "the stacks with their bytes, for other programs",
			.operands = "TRACE...",
			.details =
				"Folded stacks are what flame graph tools read. Stacks of several traces are added up.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_OUTPUT | OPTIONS_COMPLETE | OPTIONS_TRACES | OPTIONS_SCOPE | OPTIONS_STACKS,
		},
	.run = run,
};
