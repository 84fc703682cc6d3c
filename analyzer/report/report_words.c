/* SPDX-License-Identifier: Apache-2.0 */
/* report_words: what all reports say in the same words: their heading, threads, tasks, layers */
#include "analyzer/report/report.h"

#include <string.h>

#define MISSING_SHOWN 5 /* sentences on what is missing; the rest is counted */

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
