/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump: the raw events, one a line, for people and tests
 *
 * The oracle of the format: it prints what the reader hands out, in order, and interprets nothing.
 */
#include "analyzer/report/report.h"
#include "analyzer/out/progress.h"
#include "analyzer/replay/order.h"

#include <inttypes.h>
#include <string.h>

extern const struct command command_dump;

struct dump_options {
	bool stacks, defs;
	uint64_t first, count;
};

struct dump {
	struct report *r;
	struct report_trace *t;
	const struct dump_options *own;
	bool separator; /* JSON: an event was printed before */
};

/* ---- stacks ---- */

static void print_stack(struct dump *d, node_id node)
{
	FILE *f = d->r->out.file;
	char buf[4200], safe[4200];

	const char *before = "  ";

	for (; node != NODE_EMPTY; node = defs_frame(&d->t->trace.defs, node)->parent) {
		size_t n;
		const struct place *frames = place_frames(&d->t->places, node, &n);

		for (size_t i = 0; i < n; i++) {
			fprintf(f, "%s%s %s", before, place_where(&frames[i], true, buf, sizeof buf),
				format_printable(safe, sizeof safe, frames[i].function));
			before = " < ";
		}
	}
}

static void json_stack(struct dump *d, node_id node)
{
	json_t *stack = place_stack_json(&d->t->places, node);

	fputs(", \"frames\": ", d->r->out.file);
	json_dumpf(stack, d->r->out.file, JSON_COMPACT);
	json_decref(stack);
}

/* ---- events ---- */

/* The name of a pair's number; NULL when it is the zero that it should be, and not worth a word. */
static const char *pair_name(uint8_t op, int field, uint64_t value)
{
	const char *name = pt_op_field(op, field);

	if (strcmp(name, "zero"))
		return name;
	return value ? (field ? "b" : "a") : NULL;
}

static void text_pair(FILE *f, const struct pt_event *ev)
{
	const char *a = pair_name(ev->op, 0, ev->addr), *b = pair_name(ev->op, 1, ev->size);

	fprintf(f, "%s", pt_op_name(ev->op));
	if (a)
		fprintf(f, " %s=%" PRIu64, a, ev->addr);
	if (b)
		fprintf(f, " %s=%" PRIu64, b, ev->size);
	fputc('\n', f);
}

static void json_pair(FILE *f, const struct pt_event *ev)
{
	const char *a = pair_name(ev->op, 0, ev->addr), *b = pair_name(ev->op, 1, ev->size);

	fputs(", \"values\": {", f);
	if (a)
		fprintf(f, "\"%s\": %" PRIu64, a, ev->addr);
	if (b)
		fprintf(f, "%s\"%s\": %" PRIu64, a ? ", " : "", b, ev->size);
	fputs("}}", f);
}

/* What a release says of the block's type; "" when it says nothing. */
static const char *type_of(const struct dump *d, const struct pt_event *ev)
{
	const struct defs *defs = &d->t->trace.defs;
	uint32_t type = pt_op_has_type(ev->op) ? typedefs_find(&defs->types, ev->size) : TYPEDEF_UNKNOWN;

	return strings_text(&defs->strings, defs->types.at.at[type].name);
}

static void put_type(const struct dump *d, const struct pt_event *ev)
{
	json_t *type = json_text(type_of(d, ev));

	if (json_string_length(type)) {
		fputs(", \"type\": ", d->r->out.file);
		json_dumpf(type, d->r->out.file, JSON_COMPACT | JSON_ENCODE_ANY);
	}
	json_decref(type);
}

static void text_event(struct dump *d, const struct batch *b, const struct pt_event *ev)
{
	const struct defs *defs = &d->t->trace.defs;
	FILE *f = d->r->out.file;
	const char *name = pt_op_name(ev->op), *layer;
	char safe[400];

	fprintf(f, "%10" PRIu64 " %4" PRIu64 ".%09" PRIu64 " %3" PRIu32 " %6" PRIu64 "  ",
		b->first + (uint64_t)(ev - b->events) + 1, b->ns / 1000000000, b->ns % 1000000000,
		d->t->trace.threads.at[b->thread].number, b->run);
	if (!defs->knows[ev->op]) {
		fprintf(f, "op-%u %" PRIu64 " %" PRIu64 "\n", ev->op, ev->addr, ev->size);
		return;
	}
	if (!pt_op_is_memory(ev->op)) {
		text_pair(f, ev);
		return;
	}
	layer = pt_layer_name(pt_op_layer(ev->op));
	fprintf(f, "%-10s %-7s %12" PRIx64 " %10" PRIu64 " #%" PRIu32, name, layer ? layer : "?", ev->addr,
		pt_op_has_type(ev->op) ? 0 : ev->size, ev->stack);
	if (*type_of(d, ev))
		fprintf(f, " %s", format_printable(safe, sizeof safe, type_of(d, ev)));
	if (d->own->stacks)
		print_stack(d, defs_node(defs, ev->stack));
	fputc('\n', f);
}

static void json_event(struct dump *d, const struct batch *b, const struct pt_event *ev)
{
	const struct defs *defs = &d->t->trace.defs;
	FILE *f = d->r->out.file;
	const char *layer;

	fprintf(f,
		"%s\n  {\"number\": %" PRIu64 ", \"t_s\": %" PRIu64 ".%09" PRIu64 ", \"thread\": %" PRIu32
		", \"run\": %" PRIu64 ", \"op\": ",
		d->separator ? "," : "", b->first + (uint64_t)(ev - b->events) + 1, b->ns / 1000000000,
		b->ns % 1000000000, d->t->trace.threads.at[b->thread].number, b->run);
	d->separator = true;
	if (!defs->knows[ev->op]) {
		fprintf(f, "%u, \"a\": %" PRIu64 ", \"b\": %" PRIu64 "}", ev->op, ev->addr, ev->size);
		return;
	}
	fprintf(f, "\"%s\"", pt_op_name(ev->op));
	if (!pt_op_is_memory(ev->op)) {
		json_pair(f, ev);
		return;
	}
	layer = pt_layer_name(pt_op_layer(ev->op));
	fprintf(f, ", \"layer\": \"%s\", \"address\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"stack\": %" PRIu32,
		layer ? layer : "?", ev->addr, pt_op_has_type(ev->op) ? 0 : ev->size, ev->stack);
	put_type(d, ev);
	if (d->own->stacks)
		json_stack(d, defs_node(defs, ev->stack));
	fputc('}', f);
}

static void dump_events(struct dump *d)
{
	struct order *o = order_new(&d->t->trace, -1);
	uint64_t end = d->own->count ? d->own->first + d->own->count : UINT64_MAX;
	struct progress progress;
	struct batch b;

	progress_start(&progress, "dumping");
	while (order_next(o, &b) && b.first < end && !ferror(d->r->out.file)) {
		progress_update(&progress, order_bytes_done(o), order_bytes_total(o));
		for (size_t i = 0; i < b.n; i++) {
			if (b.first + i + 1 < d->own->first || b.first + i + 1 >= end)
				continue;
			if (d->r->common.json)
				json_event(d, &b, &b.events[i]);
			else
				text_event(d, &b, &b.events[i]);
		}
	}
	progress_end(&progress);
	order_free(o);
}

/* ---- definitions ---- */

static void dump_meta(struct dump *d)
{
	const struct defs *defs = &d->t->trace.defs;
	char safe[8192];

	for (size_t i = 0; i < defs->metas.n; i++) {
		const char *value = strings_text(&defs->strings, defs->metas.at[i].value);
		size_t len = strings_len(&defs->strings, defs->metas.at[i].value);

		fprintf(d->r->out.file, "meta %s =", strings_text(&defs->strings, defs->metas.at[i].key));
		for (size_t at = 0; at < len || at == 0; at += strlen(value + at) + 1)
			fprintf(d->r->out.file, " %s", format_printable(safe, sizeof safe, value + at));
		fputc('\n', d->r->out.file);
	}
}

static void dump_modules(struct dump *d)
{
	const struct defs *defs = &d->t->trace.defs;
	FILE *f = d->r->out.file;
	char safe[4200];

	for (size_t i = MODULE_UNKNOWN + 1; i < defs->modules.at.n; i++) {
		const struct module *m = &defs->modules.at.at[i];
		const uint8_t *id = (const uint8_t *)strings_text(&defs->strings, m->build_id);

		fprintf(f, "module %" PRIu64 " bias %" PRIx64 " at %" PRIx64 "-%" PRIx64 " flags %u build id ", m->id,
			m->bias, m->start, m->end, m->flags);
		for (size_t at = 0; at < strings_len(&defs->strings, m->build_id); at++)
			fprintf(f, "%02x", id[at]);
		fprintf(f, "%s %s\n", strings_len(&defs->strings, m->build_id) ? "" : "none",
			format_printable(safe, sizeof safe, strings_text(&defs->strings, m->path)));
	}
}

static void dump_tasks(struct dump *d)
{
	char safe[1000], text[1000];

	for (uint32_t i = 1; i < d->t->trace.defs.tasks.at.n; i++)
		fprintf(d->r->out.file, "task %s\n",
			format_printable(safe, sizeof safe, report_task(d->t, i, text, sizeof text)));
}

static void dump_types(struct dump *d)
{
	const struct defs *defs = &d->t->trace.defs;
	char safe[1000];

	for (size_t i = 1; i < defs->types.at.n; i++) {
		const struct typedef_row *t = &defs->types.at.at[i];

		fprintf(d->r->out.file,
			"type %s basic %" PRIu32 " item %" PRIu32 " before %" PRIu32 " flags %" PRIu32 "\n",
			format_printable(safe, sizeof safe, strings_text(&defs->strings, t->name)), t->basic_bytes,
			t->item_bytes, t->before_bytes, t->flags);
	}
}

static void put_offset(FILE *f, const struct raw_stack *raw)
{
	if (raw->op == PT_OP_NATIVE)
		fprintf(f, " module %" PRIu32 " offset %" PRIx64 "%s%s%s", raw->what,
			(uint64_t)raw->offset_high << 32 | raw->offset, raw->flags & PT_NATIVE_EXACT ? " exact" : "",
			raw->flags & PT_NATIVE_EVAL ? " eval" : "", raw->flags & PT_NATIVE_CUT ? " cut" : "");
	else if (raw->what == PT_CODE_ENTRY)
		fputs(" entry", f);
	else if (raw->offset == PT_OFFSET_NONE)
		fprintf(f, " code %" PRIu32 " offset none", raw->what);
	else
		fprintf(f, " code %" PRIu32 " offset %" PRIu32, raw->what, raw->offset);
}

/* The definition, and what became of it. */
static void dump_raw_stack(struct dump *d, const struct raw_stack *raw)
{
	FILE *f = d->r->out.file;

	fprintf(f, "%s #%" PRIu32, pt_op_name(raw->op), raw->id);
	if (raw->op == PT_OP_JOIN) {
		fprintf(f, " python #%" PRIu32 " native #%" PRIu32, raw->below, raw->what);
	} else {
		fprintf(f, " on #%" PRIu32, raw->below);
		put_offset(f, raw);
	}
	fprintf(f, " = node %" PRIu32, defs_node(&d->t->trace.defs, raw->id));
	print_stack(d, defs_node(&d->t->trace.defs, raw->id));
	fputc('\n', f);
}

static void dump_defs(struct dump *d)
{
	static const char *const tables[] = { "none", "lnotab", "3.10", "3.11" };
	const struct defs *defs = &d->t->trace.defs;
	FILE *f = d->r->out.file;
	char safe[4200], file[4200];

	dump_meta(d);
	for (size_t i = 1; i < defs->codes.n; i++) {
		const struct code *c = &defs->codes.at[i];

		fprintf(f, "code %" PRIu64 " line %" PRIu32 " table %s %" PRIu32 "/%" PRIu32 " %s %s\n", c->id,
			c->first_line, tables[c->linetable & 3], c->table_got, c->table_bytes,
			format_printable(file, sizeof file, strings_text(&defs->strings, c->file)),
			format_printable(safe, sizeof safe, strings_text(&defs->strings, c->name)));
	}
	dump_modules(d);
	dump_tasks(d);
	dump_types(d);
	for (size_t i = 0; i < defs->stacks.raw.n; i++)
		dump_raw_stack(d, &defs->stacks.raw.at[i]);
}

static void dump_trace(struct dump *d)
{
	if (d->r->n_traces > 1 && !d->r->common.json)
		fprintf(d->r->out.file, "trace %s\n", d->t->trace.file);
	if (d->own->defs && !d->r->common.json)
		dump_defs(d);
	else
		dump_events(d);
}

/* The list of events may be longer than memory: the document is written around it as text. */
static void json_start(struct report *r)
{
	fputs("{\n\"schema\": \"pytrace.dump/1\",\n\"trace\": ", r->out.file);
	json_dumpf(json_object_get(r->json, "trace"), r->out.file, JSON_COMPACT);
	fputs(",\n\"events\": [", r->out.file);
	json_decref(r->json);
	r->json = NULL;
}

static int run(int argc, char **argv)
{
	struct dump_options own = { .first = 1 };
	struct report r;
	int code = report_begin(&r, &command_dump, &own, REPORT_RAW, argc, argv);

	if (code != REPORT_GO)
		return code;
	if (r.common.json)
		json_start(&r);
	for (size_t i = 0; i < r.n_traces; i++)
		dump_trace(&(struct dump){ &r, r.traces[i], &own, i > 0 });
	if (r.common.json)
		fputs("\n]\n}\n", r.out.file);
	return report_end(&r);
}

static const struct option_row rows[] = {
	{ 's', "stacks", OPTION_FLAG, offsetof(struct dump_options, stacks), NULL, "the frames of each event" },
	{ 'd', "defs", OPTION_FLAG, offsetof(struct dump_options, defs), NULL,
	  "definitions (facts, code objects, modules, tasks, stacks) instead of events" },
	{ 0, "first", OPTION_NUMBER, offsetof(struct dump_options, first), "N", "start at event number N" },
	{ 'n', "count", OPTION_NUMBER, offsetof(struct dump_options, count), "N", "at most N events" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "dump app.71.pytrace", "every event: number, time, thread, run, what, where, how much, stack" },
	{ "dump --stacks --first 1000 --count 20 app.71.pytrace", "twenty events with their frames" },
	{ 0 },
};

const struct command command_dump = {
	.page = {
		.name = "dump",
		.summary = "the raw events, one a line",
		.operands = "TRACE...",
		.details = "Each line: number of the event in the order of the process, time in seconds, thread, number "
			   "of the run, what happened, and for events on memory the layer, the address (hexadecimal), "
			   "the size in bytes and the id of the stack.",
		.rows = rows,
		.examples = examples,
		.groups = OPTIONS_REPORT | OPTIONS_STACKS,
	},
	.run = run,
};
