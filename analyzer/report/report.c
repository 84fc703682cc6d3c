/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/report/report.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NOTES_SHOWN 5 /* on symbols that are missing; the rest is counted */

/* ---- opening ---- */

static int by_start(const void *left, const void *right)
{
	const struct report_trace *a = *(struct report_trace *const *)left, *b = *(struct report_trace *const *)right;

	if (a->trace.front.start_real_ns != b->trace.front.start_real_ns)
		return a->trace.front.start_real_ns < b->trace.front.start_real_ns ? -1 : 1;
	return strcmp(a->trace.file, b->trace.file);
}

static void load_all(struct report *r, unsigned needs)
{
	r->traces = mem_zero((size_t)r->common.n_operands, sizeof *r->traces);
	for (int i = 0; i < r->common.n_operands; i++) {
		struct fault fault = { 0 };
		struct report_trace *t = report_load(r->common.operands[i], needs, &r->common, &r->listener, &fault);

		if (t) {
			r->traces[r->n_traces++] = t;
		} else {
			fault_print(&fault, stderr);
			r->unreadable = true;
		}
	}
	qsort(r->traces, r->n_traces, sizeof *r->traces, by_start);
}

static void free_traces(struct report *r)
{
	for (size_t i = 0; i < r->n_traces; i++)
		report_unload(r->traces[i]);
	free(r->traces);
	r->traces = NULL;
	r->n_traces = 0;
}

int report_parse(struct report *r, const struct command *command, void *own, int argc, char **argv)
{
	*r = (struct report){ .command = command };
	switch (options_parse(&command->page, own, &r->common, argc, argv)) {
	case OPTIONS_GO: return REPORT_GO;
	case OPTIONS_DONE: return EXIT_FINE;
	case OPTIONS_WRONG: return EXIT_USAGE;
	}
	return EXIT_USAGE;
}

/* A report must not take the place of the trace that it is about. */
static bool output_is_a_trace(const struct report *r)
{
	struct stat out, in;

	if (!r->common.output || stat(r->common.output, &out))
		return false;
	for (int i = 0; i < r->common.n_operands; i++) {
		if (!stat(r->common.operands[i], &in) && in.st_ino == out.st_ino && in.st_dev == out.st_dev)
			return true;
	}
	return false;
}

int report_open(struct report *r, unsigned needs)
{
	if (output_is_a_trace(r)) {
		fprintf(stderr, "pytrace: '%s' is a trace to read; the report needs a file of its own\n",
			r->common.output);
		return EXIT_USAGE;
	}
	if (!output_open(&r->out, r->common.output, r->common.force))
		return EXIT_USAGE;
	load_all(r, needs);
	if (!r->n_traces) {
		output_abandon(&r->out);
		free_traces(r);
		return EXIT_UNREADABLE;
	}
	if (r->common.json) {
		r->json = json_document(r->command->page.name);
		json_put(r->json, "trace", report_trace_list(r->traces, r->n_traces));
	}
	return REPORT_GO;
}

int report_begin(struct report *r, const struct command *command, void *own, unsigned needs, int argc, char **argv)
{
	int code = report_parse(r, command, own, argc, argv);

	return code == REPORT_GO ? report_open(r, needs) : code;
}

/* ---- the end ---- */

static bool all_complete(const struct report *r)
{
	for (size_t i = 0; i < r->n_traces; i++) {
		if (!trace_is_complete(&r->traces[i]->trace))
			return false;
	}
	return true;
}

/* What symbols were missing is known when all have been looked up. In JSON it joins what else is missing; text has its
 * notes on top, so it goes to stderr, and doesn't get between the lines of exports. */
static void add_symbol_warnings(struct report *r)
{
	size_t shown = 0;

	for (size_t i = 0; i < r->n_traces; i++) {
		json_t *entry = r->json ? json_array_get(json_object_get(r->json, "trace"), i) : NULL;
		const char *text;
		char safe[2000];

		for (size_t n = 0; (text = symbols_warning(r->traces[i]->symbols, n)) != NULL; n++)
			if (r->json)
				json_add(json_object_get(entry, "missing"), json_text(text));
			else if (shown++ < NOTES_SHOWN)
				fprintf(stderr, "pytrace: %s\n", format_printable(safe, sizeof safe, text));
	}
	if (shown > NOTES_SHOWN)
		fprintf(stderr, "pytrace: and %s (--json has them all)\n",
			format_plural(shown - NOTES_SHOWN, "more such note", "more such notes").text);
}

void report_default_top(const struct report *r, uint64_t *top, uint64_t text, uint64_t json)
{
	if (*top == REPORT_TOP_NOT_SET)
		*top = r->common.json ? json : text;
}

int report_end(struct report *r)
{
	bool complete = all_complete(r), written = true;

	add_symbol_warnings(r);
	if (r->json && !json_write(r->json, r->out.file) && !ferror(r->out.file)) {
		fputs("pytrace: out of memory\n", stderr);
		written = false;
	}
	free_traces(r);
	if (!output_close(&r->out) || !written || r->unreadable)
		return EXIT_UNREADABLE;
	return r->common.require_complete && !complete ? EXIT_INCOMPLETE : EXIT_FINE;
}

/* ---- all processes together ---- */

static json_t *scope_json(const struct report *r, const char *label, size_t field)
{
	json_t *o;
	uint64_t times = 0;

	if (!label)
		return json_null();
	for (size_t i = 0; i < r->n_traces; i++)
		times += *(const uint64_t *)((const char *)&r->traces[i]->account.counts + field);
	o = json_object();
	json_put(o, "label", json_text(label));
	json_put(o, "times", json_bytes(times));
	return o;
}

void report_scope_json(struct report *r)
{
	json_put(r->json, "region", scope_json(r, r->common.region, offsetof(struct replay_counts, entered_region)));
	json_put(r->json, "mark", scope_json(r, r->common.mark, offsetof(struct replay_counts, entered_mark)));
}

void report_put_processes(struct report *r, void (*put)(json_t *o, const struct report_trace *t, const void *options),
			  const void *options)
{
	json_t *list = json_array();

	put(r->json, r->traces[0], options);
	for (size_t i = 0; i < r->n_traces; i++) {
		json_t *o = json_object();

		put(o, r->traces[i], options);
		json_add(list, o);
	}
	json_put(r->json, "processes", list);
}

void report_print_processes(struct report *r,
			    void (*print)(struct report *r, const struct report_trace *t, const void *options),
			    const void *options)
{
	for (size_t i = 0; i < r->n_traces; i++) {
		if (i)
			fputc('\n', r->out.file);
		print(r, r->traces[i], options);
	}
}

void report_put_alive(const struct report *r, json_t *o)
{
	uint64_t live = 0, peak = 0;

	for (size_t i = 0; i < r->n_traces; i++) {
		live += r->traces[i]->account.at[ACCOUNT_END].bytes;
		peak += r->traces[i]->account.at[ACCOUNT_PEAK].bytes;
	}
	json_put(o, "live_bytes", json_bytes(live));
	json_put(o, "peak_bytes", json_bytes(peak));
}
