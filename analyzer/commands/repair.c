/* SPDX-License-Identifier: Apache-2.0 */
/* repair: a clean copy of a damaged or unfinished trace */
#include "analyzer/report/report.h"
#include "analyzer/out/progress.h"
#include "analyzer/read/rewrite.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

extern const struct command command_repair;

static void on_progress(void *self, uint64_t done, uint64_t total) { progress_update(self, done, total); }

static json_t *troubles_json(const struct trace *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->troubles.n; i++)
		json_add(list, json_text(t->troubles.at[i].text));
	return list;
}

/* The report goes to stdout, the copy into the file of -o. */
static void report_json(const struct trace *t, const struct rewrite_counts *c, const char *output)
{
	json_t *doc = json_document("repair");

	json_put(doc, "file", json_text(t->file));
	json_put(doc, "output", json_text(output));
	json_put(doc, "events", json_bytes(c->events));
	json_put(doc, "definitions", json_bytes(c->definitions));
	json_put(doc, "blocks_kept", json_bytes(c->blocks_kept));
	json_put(doc, "blocks_made", json_bytes(c->blocks_made));
	json_put(doc, "blocks_dropped", json_bytes(c->blocks_dropped));
	json_put(doc, "bytes", json_bytes(c->bytes));
	json_put(doc, "wrong", troubles_json(t));
	json_write(doc, stdout);
}

static void report_text(const struct trace *t, const struct rewrite_counts *c, const char *output)
{
	char safe[1000];

	printf("%s: %s events, %s; %s kept, %s made, %s dropped\n", format_printable(safe, sizeof safe, output),
	       format_count(c->events).text, format_bytes(c->bytes).text,
	       format_plural(c->blocks_kept, "block", "blocks").text, format_count(c->blocks_made).text,
	       format_count(c->blocks_dropped).text);
	for (size_t i = 0; i < t->troubles.n; i++)
		printf("  %s\n", format_printable(safe, sizeof safe, t->troubles.at[i].text));
}

static int repair(struct trace *t, struct output *out, const struct options_common *common)
{
	struct rewrite_counts counts;
	struct progress progress;
	bool written;

	progress_start(&progress, "copying");
	written = rewrite_trace(t, out->file, &counts, on_progress, &progress);
	progress_end(&progress);
	if (!written) {
		fprintf(stderr, "pytrace: %s: cannot be written\n", common->output);
		output_abandon(out);
		return EXIT_UNREADABLE;
	}
	if (!output_close(out))
		return EXIT_UNREADABLE;
	if (common->json)
		report_json(t, &counts, common->output);
	else
		report_text(t, &counts, common->output);
	return common->require_complete && !trace_is_complete(t) ? EXIT_INCOMPLETE : EXIT_FINE;
}

static int wrong_use(const char *why)
{
	fprintf(stderr, "pytrace repair: %s\n", why);
	return EXIT_USAGE;
}

static int run(int argc, char **argv)
{
	struct options_common common = { 0 };
	struct fault fault;
	struct output out;
	struct trace t;
	char own;
	int code;

	switch (options_parse(&command_repair.page, &own, &common, argc, argv)) {
	case OPTIONS_DONE: return EXIT_FINE;
	case OPTIONS_WRONG: return EXIT_USAGE;
	case OPTIONS_GO: break;
	}
	if (common.n_operands != 1)
		return wrong_use("one trace at a time");
	if (!common.output || !strcmp(common.output, "-"))
		return wrong_use("the copy needs a name: -o FILE");
	if (trace_open(&t, common.operands[0], &fault)) {
		fault_print(&fault, stderr);
		code = EXIT_UNREADABLE;
	} else if (!output_open(&out, common.output, common.force)) {
		code = EXIT_USAGE;
	} else {
		code = repair(&t, &out, &common);
	}
	trace_close(&t);
	return code;
}

static const struct option_example examples[] = {
	{ "repair -o whole.pytrace app.71.pytrace",
	  "packs what a killed process left in its rings, drops what is damaged" },
	{ 0 },
};

const struct command command_repair = {
	.page = {
		.name = "repair",
		.summary = "a clean copy of a damaged trace",
		.operands = "TRACE",
		.details = "Copies every block that is sound, packs what lies in rings, and adds a footer. What could not be "
			   "kept is printed, and noted in the copy, which never claims to be more than it is.",
		.examples = examples,
		.groups = OPTIONS_REPORT,
	},
	.run = run,
};
