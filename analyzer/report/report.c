/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/report/report.h"
#include "analyzer/base/mem.h"
#include "analyzer/views/remains.h"
#include "analyzer/places/symbolise.h"
#include "analyzer/out/progress.h"
#include "formats/block.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MISSING_SHOWN 5 /* sentences on what is missing; the rest is counted */
#define LISTENERS_MAX 3 /* of a command; the rest of ACCOUNT_MAX_MORE is for the models that it needs */

/* ---- opening ---- */

static void on_progress(void *self, uint64_t done, uint64_t total) { progress_update(self, done, total); }

struct lines {
	struct place_table *places;
	struct map by_key;
};

/* By the line that people look at first. */
static uint32_t line_of(void *self, node_id node)
{
	struct lines *l = self;
	const struct place *p = place_find(l->places, place_blame(l->places, node));
	uint64_t key =
		pt_xxh3(p->file, strlen(p->file)) + (uint64_t)(uint32_t)p->at.line + (p->module ? p->address : 0);
	uint32_t *at = map_at(&l->by_key, map_mix(key) ^ pt_xxh3(p->function, strlen(p->function)));

	if (*at == MAP_NONE)
		*at = (uint32_t)l->by_key.n - 1;
	return *at;
}

static void find_fragments(struct report_trace *t)
{
	struct lines lines = { .places = &t->places };
	const struct fragments_options options = { line_of, &lines };

	fragments_finish(&t->fragments, &options);
	map_free(&lines.by_key);
}

static void replay(struct report_trace *t, unsigned needs, const struct options_common *common, struct model **more,
		   size_t n_more)
{
	struct progress progress;
	struct growth_natives natives = { place_native_function, &t->places };
	struct account_options options = {
		.replay = { .n_workers = -1,
			    .progress = on_progress,
			    .progress_self = &progress,
			    .region = common->region,
			    .mark = common->mark },
		.by_thread = needs & REPORT_THREADS,
		.by_task = needs & REPORT_TASKS,
		.more = more,
		.n_more = n_more,
	};

	spans_init(&t->spans, &t->trace);
	more[options.n_more++] = &t->spans.model;
	if (needs & REPORT_GROWTH) {
		curves_init(&t->curves, &t->trace);
		more[options.n_more++] = &t->curves.model;
	}
	if (needs & REPORT_MOMENTS) {
		moments_init(&t->moments, &t->trace);
		more[options.n_more++] = &t->moments.collections.model;
	}
	if (needs & REPORT_FRAGMENTS) {
		fragments_init(&t->fragments, &t->trace);
		more[options.n_more++] = t->fragments.models[0];
		more[options.n_more++] = t->fragments.models[1];
	}
	if (needs & REPORT_REMAINS) {
		t->remains = remains_new(&t->trace, &t->places);
		more[options.n_more++] = &t->remains->cycles.model;
		more[options.n_more++] = &t->remains->surplus.model;
		more[options.n_more++] = &t->remains->unreached.model;
	}
	if (needs & REPORT_TYPES) {
		types_init(&t->types, &t->trace, true, needs & REPORT_REMAINS ? &t->remains->cycles : NULL);
		more[options.n_more++] = &t->types.model;
	}
	progress_start(&progress, "reading");
	account_run(&t->account, &t->trace, &options);
	progress_end(&progress);
	t->has |= needs;
	if (needs & REPORT_GROWTH) {
		curves_finish(&t->curves);
		growth_judge(&t->growth, &t->curves, &natives, common->warmup);
	}
	if (needs & REPORT_FRAGMENTS)
		find_fragments(t);
	if (needs & REPORT_REMAINS)
		remains_finish(t->remains, needs & REPORT_GROWTH ? t->curves.importing : NULL);
}

struct report_trace *report_load(const char *file, unsigned needs, const struct options_common *common,
				 const struct report_listener *listener, struct fault *ret_fault)
{
	const struct trace_options options = { .internals = common->internals, .raw_stacks = needs & REPORT_RAW };
	struct report_trace *t = mem_zero(1, sizeof *t);
	struct model *more[ACCOUNT_MAX_MORE];
	size_t n_more = 0;

	if (trace_open_with(&t->trace, file, &options, ret_fault)) {
		report_unload(t);
		return NULL;
	}
	t->spans.is_whole = true; /* as far as anybody has looked */
	t->symbols = symbolise_new(&t->trace, common, true);
	place_table_init(&t->places, &t->trace, t->symbols, common->sysroot);
	if (listener && listener->listen)
		n_more = listener->listen(listener->self, t, more, LISTENERS_MAX);
	if (needs & ~(unsigned)REPORT_RAW || n_more)
		replay(t, needs | REPORT_ACCOUNT, common, more, n_more);
	return t;
}

void report_unload(struct report_trace *t)
{
	if (!t)
		return;
	remains_free(t->remains);
	growth_free(&t->growth);
	if (t->has & REPORT_GROWTH)
		curves_free(&t->curves);
	if (t->has & REPORT_TYPES)
		types_free(&t->types);
	if (t->has & REPORT_MOMENTS)
		moments_free(&t->moments);
	if (t->has & REPORT_FRAGMENTS)
		fragments_free(&t->fragments);
	if (t->has) {
		account_free(&t->account);
		spans_free(&t->spans);
	}
	place_table_free(&t->places);
	symbols_free(t->symbols);
	trace_close(&t->trace);
	free(t);
}

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
			else if (shown++ < MISSING_SHOWN)
				fprintf(stderr, "pytrace: %s\n", format_printable(safe, sizeof safe, text));
	}
	if (shown > MISSING_SHOWN)
		fprintf(stderr, "pytrace: and %s (--json has them all)\n",
			format_plural(shown - MISSING_SHOWN, "more such note", "more such notes").text);
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

/* ---- what is missing ---- */

static void missing_count(uint64_t n, const char *what, void (*each)(const char *sentence, void *arg), void *arg)
{
	char sentence[160];

	if (!n)
		return;
	snprintf(sentence, sizeof sentence, "%s %s", format_count(n).text, what);
	each(sentence, arg);
}

void report_missing(const struct report_trace *t, void (*each)(const char *sentence, void *arg), void *arg)
{
	const struct replay_counts *c = &t->account.counts;
	const char *ended = trace_ended(&t->trace), *stacks_off = defs_meta(&t->trace.defs, "python.stacks_off", NULL);
	char sentence[400];

	if (!strcmp(ended, "killed"))
		each("the process was killed: the trace holds all that was recorded up to that moment", arg);
	else if (!strcmp(ended, "running"))
		each("the process is still running: the trace is read as of now", arg);
	else if (!strncmp(ended, "stopped: ", 9)) {
		snprintf(sentence, sizeof sentence, "recording stopped before the process ended: %.200s", ended + 9);
		each(sentence, arg);
	}
	missing_count(t->trace.lost_events, "events were lost by the tracer", each, arg);
	for (size_t i = 0; i < t->trace.troubles.n; i++)
		each(t->trace.troubles.at[i].text, arg);
	missing_count(c->lost_frees, "blocks were given back unseen", each, arg);
	if (c->parent_missing) {
		snprintf(sentence, sizeof sentence,
			 "this process was forked, and its parent's trace '%.200s' is not beside it",
			 t->trace.front.parent_file);
		each(sentence, arg);
	}
	if (stacks_off && *stacks_off) {
		snprintf(sentence, sizeof sentence, "Python stacks were not recorded: %.300s", stacks_off);
		each(sentence, arg);
	}
}

static void add_sentence(const char *sentence, void *arg) { json_add(arg, json_text(sentence)); }

json_t *report_trace_list(struct report_trace *const traces[], size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct trace *t = &traces[i]->trace;
		json_t *entry = json_object(), *missing = json_array();

		report_missing(traces[i], add_sentence, missing);
		json_put(entry, "file", json_text(t->file));
		json_put(entry, "pid", json_integer(t->front.pid));
		json_put(entry, "complete", json_boolean(trace_is_complete(t)));
		json_put(entry, "lost_events", json_bytes(t->lost_events));
		json_put(entry, "program", json_text(t->front.program));
		json_put(entry, "missing", missing);
		json_put(entry, "recorded", recorded_json(&traces[i]->spans));
		json_add(list, entry);
	}
	return list;
}

/* ---- text that all reports share ---- */

struct missing_printer {
	const struct output *out;
	size_t n;
};

static void print_missing(const char *sentence, void *arg)
{
	struct missing_printer *p = arg;
	char safe[1000];

	if (p->n++ >= MISSING_SHOWN)
		return;
	format_printable(safe, sizeof safe, sentence);
	fprintf(p->out->file, "%s%s%s %s\n", output_style(p->out, STYLE_BAD), p->n == 1 ? "NOTE:" : "     ",
		output_style(p->out, STYLE_PLAIN), safe);
}

char *report_ended(const struct report_trace *t, char *buf, size_t cap)
{
	const char *ended = trace_ended(&t->trace);
	int status = t->trace.front.x_exit_status;

	if (!strcmp(ended, "exit"))
		snprintf(buf, cap, "exit status %d", status);
	else if (!strcmp(ended, "signal"))
		snprintf(buf, cap, "ended by signal %d", status);
	else if (!strcmp(ended, "exec"))
		snprintf(buf, cap, "became another program (exec)");
	else
		snprintf(buf, cap, "%s", ended);
	return buf;
}

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

/* What the figures below are limited to. */
static void print_scope(const struct report *r, const char *what, const char *label, uint64_t n)
{
	char safe[400];

	if (!label)
		return;
	format_printable(safe, sizeof safe, label);
	if (n)
		fprintf(r->out.file, "Only what was made %s '%s' (%s)\n",
			*what == 'r' ? "in the region" : "after the mark", safe,
			format_plural(n, "time", "times").text);
	else
		fprintf(r->out.file, "Nothing: it has no %s '%s' ('pytrace info' lists what it has)\n", what, safe);
}

void report_heading(struct report *r, const struct report_trace *t)
{
	const struct output *o = &r->out;
	const char *implementation = defs_meta(&t->trace.defs, "python.implementation", NULL);
	const char *version = defs_meta(&t->trace.defs, "python.version", NULL);
	struct missing_printer printer = { .out = o };
	char program[PT_PROGRAM_BYTES * 4], python[200], safe[200], ended[200], note[300];

	format_printable(program, sizeof program, t->trace.front.program);
	snprintf(python, sizeof python, "%.90s%s%.*s", implementation ? implementation : "Python", version ? " " : "",
		 version ? (int)strcspn(version, " ") : 0, version ? version : "");
	fprintf(o->file, "%s%s%s  pid %u, %s, %s, %s\n", output_style(o, STYLE_STRONG), *program ? program : "?",
		output_style(o, STYLE_PLAIN), t->trace.front.pid,
		version || implementation ? format_printable(safe, sizeof safe, python) : "no Python",
		format_seconds(trace_duration_s(&t->trace)).text, report_ended(t, ended, sizeof ended));
	if (*recorded_note(&t->spans, note, sizeof note))
		print_missing(note, &printer);
	report_missing(t, print_missing, &printer);
	if (printer.n > MISSING_SHOWN)
		fprintf(o->file, "      and %s ('pytrace info' lists them)\n",
			format_plural(printer.n - MISSING_SHOWN, "more such note", "more such notes").text);
	print_scope(r, "region", r->common.region, t->account.counts.entered_region);
	print_scope(r, "mark", r->common.mark, t->account.counts.entered_mark);
}

char *report_thread(const struct report_trace *t, uint32_t thread, char *buf, size_t cap)
{
	const struct trace_thread *row = thread < t->trace.threads.n ? &t->trace.threads.at[thread] : NULL;
	const char *name = row ? strings_text(&t->trace.defs.strings, row->name) : "";

	if (!row)
		snprintf(buf, cap, "several threads");
	else if (*name && row->tid)
		snprintf(buf, cap, "%s (tid %u)", name, row->tid);
	else if (row->tid == t->trace.front.pid)
		snprintf(buf, cap, "main thread");
	else if (row->tid)
		snprintf(buf, cap, "tid %u", row->tid);
	else
		snprintf(buf, cap, "thread %u", row->number);
	return buf;
}

static const struct task *task_at(const struct report_trace *t, uint32_t task)
{
	return task < t->trace.defs.tasks.at.n ? &t->trace.defs.tasks.at.at[task] : NULL;
}

static const char *kind_of_task(const struct task *task)
{
	return task->kind == PT_TASK_GREENLET ? "greenlet" : "asyncio";
}

char *report_task(const struct report_trace *t, uint32_t task, char *buf, size_t cap)
{
	const struct strings *strings = &t->trace.defs.strings;
	const struct task *row = task_at(t, task);
	const char *function = row ? strings_text(strings, row->function) : "", *many = "";
	char n[100] = "";

	if (!row)
		snprintf(buf, cap, "several tasks");
	else if (!row->kind)
		snprintf(buf, cap, "no task");
	else {
		many = row->kind == PT_TASK_GREENLET ? "greenlets" : "tasks";
		if (row->n > 1)
			snprintf(n, sizeof n, "%s %s", format_count(row->n).text, many);
		if (!row->name)
			snprintf(buf, cap, "%s (%s)", function, *n ? n : kind_of_task(row));
		else if (*function)
			snprintf(buf, cap, "%s (%s%s%s)", strings_text(strings, row->name), function, *n ? ", " : "",
				 n);
		else
			snprintf(buf, cap, "%s (%s)", strings_text(strings, row->name), *n ? n : kind_of_task(row));
	}
	return buf;
}

json_t *report_task_json(const struct report_trace *t, uint32_t task)
{
	const struct strings *strings = &t->trace.defs.strings;
	const struct task *row = task_at(t, task);
	json_t *o;

	if (!row || !row->kind)
		return json_null();
	o = json_object();
	json_put(o, "kind", json_text(kind_of_task(row)));
	json_put(o, "name", row->name ? json_text(strings_text(strings, row->name)) : json_null());
	json_put(o, "function", row->function ? json_text(strings_text(strings, row->function)) : json_null());
	json_put(o, "tasks", json_integer(row->n));
	return o;
}

/* Traces of before have no such fact: then it is libc's. */
const char *report_allocator(const struct trace *t)
{
	const char *name = defs_meta(&t->defs, "allocator", NULL);

	return name ? name : "libc";
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

char *report_layers(unsigned layers, char *buf, size_t cap)
{
	size_t used = 0;

	*buf = 0;
	for (unsigned layer = PT_LAYERS; layer-- > 0;) {
		const char *name = layers >> layer & 1 ? pt_layer_name((enum pt_layer)layer) : NULL;

		if (name && used < cap)
			used += (size_t)snprintf(buf + used, cap - used, "%s%s", used ? ", " : "", name);
	}
	return buf;
}

json_t *report_layers_json(unsigned layers)
{
	json_t *list = json_array();

	for (unsigned layer = 0; layer < PT_LAYERS; layer++) {
		if (layers >> layer & 1)
			json_add(list, json_text(pt_layer_name((enum pt_layer)layer)));
	}
	return list;
}
