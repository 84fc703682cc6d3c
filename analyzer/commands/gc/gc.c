/* SPDX-License-Identifier: Apache-2.0 */
/* gc: what the garbage collector did: when, how long, what it freed, who made that and who asked for it */
#include "analyzer/commands/gc/gc.h"
#include "formats/block.h"

#include <string.h>

#define TOP_TEXT 10

extern const struct command command_gc;

struct gc_options {
	uint64_t top;
};

struct gc_all {
	ARRAY(struct gc_report *) at; /* in the order in which the traces were opened */
};

static const char *const triggers[] = { "threshold", "explicit", "shutdown" };

/* ---- folding by line ---- */

static uint64_t key_of_line(struct gc_report *g, node_id node)
{
	const struct place *p = place_find(&g->t->places, place_site(&g->t->places, node));
	uint64_t key = map_mix(pt_xxh3(p->file, strlen(p->file)) ^ (uint32_t)p->at.line);

	key = map_mix(key ^ pt_xxh3(p->function, strlen(p->function)));
	return p->module && !*p->file ? map_mix(key ^ p->address) : key;
}

static uint32_t line_for(struct gc_report *g, struct map *lines, const struct collections_row *row)
{
	uint32_t *i = map_at(lines, map_mix(key_of_line(g, row->node) + row->type));

	if (*i == MAP_NONE) {
		*i = (uint32_t)g->lines.n;
		*array_push(&g->lines) = (struct gc_line){ .node = row->node, .type = row->type };
	}
	return *i;
}

/* Several stacks of a line may lose blocks to one collection, which counts once. */
static void count_collections(struct gc_report *g, const uint32_t *line_of)
{
	for (size_t i = 0; i < g->collections.at.n; i++) {
		const struct collection *c = &g->collections.at.at[i];

		for (uint32_t k = 0; k < c->n_parts; k++) {
			struct gc_line *line = &g->lines.at[line_of[g->collections.parts.at[c->parts + k].row]];

			line->collections += line->last != i + 1;
			line->last = i + 1;
		}
	}
}

static int by_bytes(const void *a, const void *b)
{
	const struct gc_line *x = a, *y = b;

	if (x->freed.bytes != y->freed.bytes)
		return x->freed.bytes < y->freed.bytes ? 1 : -1;
	return x->node != y->node ? (x->node > y->node ? 1 : -1) : (x->type > y->type) - (x->type < y->type);
}

static void fold_lines(struct gc_report *g)
{
	uint32_t *line_of = mem_alloc((g->collections.rows.n + 1) * sizeof *line_of);
	struct map lines = { 0 };

	for (size_t i = 0; i < g->collections.rows.n; i++) {
		const struct collections_row *row = &g->collections.rows.at[i];
		struct gc_line *line;

		line_of[i] = line_for(g, &lines, row);
		line = &g->lines.at[line_of[i]];
		amount_add(&line->freed, &row->freed);
		if (row->freed.bytes > line->node_bytes) {
			line->node = row->node;
			line->node_bytes = row->freed.bytes;
		}
	}
	count_collections(g, line_of);
	if (g->lines.n)
		qsort(g->lines.at, g->lines.n, sizeof *g->lines.at, by_bytes);
	map_free(&lines);
	free(line_of);
}

static int by_pause(const void *a, const void *b)
{
	const struct gc_caller *x = a, *y = b;

	if (x->pause_ns != y->pause_ns)
		return x->pause_ns < y->pause_ns ? 1 : -1;
	return (x->node > y->node) - (x->node < y->node);
}

static void add_caller(struct gc_caller *to, const struct collection *c)
{
	uint64_t pause = collection_pause(c);

	to->n++;
	to->n_useless += c->ended && !c->collected;
	to->n_frees += c->freed.blocks != 0;
	to->pause_ns += pause;
	to->longest_ns = pause > to->longest_ns ? pause : to->longest_ns;
	to->collected += c->collected;
	amount_add(&to->freed, &c->freed);
}

static void fold_callers(struct gc_report *g)
{
	struct map callers = { 0 };

	for (size_t i = 0; i < g->collections.at.n; i++) {
		const struct collection *c = &g->collections.at.at[i];
		uint32_t *at;

		if (c->trigger != PT_GC_EXPLICIT)
			continue;
		at = map_at(&callers, key_of_line(g, c->node));
		if (*at == MAP_NONE) {
			*at = (uint32_t)g->callers.n;
			*array_push(&g->callers) = (struct gc_caller){ .node = c->node };
		}
		add_caller(&g->callers.at[*at], c);
	}
	if (g->callers.n)
		qsort(g->callers.at, g->callers.n, sizeof *g->callers.at, by_pause);
	map_free(&callers);
}

/* ---- JSON ---- */

static json_t *type_json(const struct gc_report *g, uint32_t type)
{
	return type == TYPEDEF_UNKNOWN ? json_null() : json_text(defs_type_name(&g->t->trace.defs, type));
}

static json_t *parts_json(struct gc_report *g, const struct collection *c)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < c->n_parts; i++) {
		const struct collections_part *part = &g->collections.parts.at[c->parts + i];
		const struct collections_row *row = &g->collections.rows.at[part->row];
		json_t *o = json_object();

		json_put(o, "site", place_any_site_json(&g->t->places, row->node));
		json_put(o, "type", type_json(g, row->type));
		json_put(o, "bytes", json_bytes(part->freed.bytes));
		json_put(o, "blocks", json_bytes(part->freed.blocks));
		json_add(list, o);
	}
	return list;
}

static json_t *collection_json(struct gc_report *g, const struct collection *c)
{
	char thread[200];
	json_t *o = json_object();

	json_put(o, "generation", json_integer(c->generation));
	json_put(o, "start_s", json_seconds(c->begin_ns));
	json_put(o, "pause_s", c->ended ? json_seconds(c->end_ns - c->begin_ns) : json_null());
	json_put(o, "candidates", c->candidates == PT_GC_NOT_COUNTED ? json_null() : json_bytes(c->candidates));
	json_put(o, "collected", c->ended ? json_bytes(c->collected) : json_null());
	json_put(o, "uncollectable", c->ended ? json_bytes(c->uncollectable) : json_null());
	json_put(o, "trigger", c->trigger < 3 ? json_text(triggers[c->trigger]) : json_null());
	json_put(o, "site", place_any_site_json(&g->t->places, c->node));
	json_put(o, "stack", place_stack_json(&g->t->places, c->node));
	json_put(o, "thread", json_text(report_thread(g->t, c->thread, thread, sizeof thread)));
	json_put(o, "freed_bytes", json_bytes(c->freed.bytes));
	json_put(o, "freed_blocks", json_bytes(c->freed.blocks));
	json_put(o, "freed", parts_json(g, c));
	return o;
}

static json_t *sum_json(const struct collections_sum *s)
{
	json_t *o = json_object();
	const struct {
		const char *key;
		uint64_t n;
	} counts[] = {
		{ "collections", s->n },           { "explicit", s->n_explicit },
		{ "collected", s->collected },     { "uncollectable", s->uncollectable },
		{ "freed_bytes", s->freed.bytes }, { "freed_blocks", s->freed.blocks },
	};

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		json_put(o, counts[i].key, json_bytes(counts[i].n));
	json_put(o, "candidates", s->n_counted == s->n ? json_bytes(s->candidates) : json_null());
	json_put(o, "pause_s", json_seconds(s->pause_ns));
	json_put(o, "median_pause_s", json_seconds(s->median_ns));
	json_put(o, "p99_pause_s", json_seconds(s->p99_ns));
	json_put(o, "longest_pause_s", json_seconds(s->longest_ns));
	return o;
}

static json_t *generations_json(const struct collections *c)
{
	json_t *list = json_array();

	for (int i = 0; i < 3; i++) {
		struct collections_sum s = collections_sum(c, i);
		json_t *o = sum_json(&s);

		json_put(o, "generation", json_integer(i));
		json_add(list, o);
	}
	return list;
}

/* The thresholds in force from each moment on. Several that change at once are one row. */
static json_t *thresholds_json(struct gc_report *g)
{
	json_t *list = json_array();
	uint64_t now[3] = { 0 };

	for (size_t i = 0; i < g->collections.settings.n; i++) {
		const struct collections_setting *s = &g->collections.settings.at[i], *next = s + 1;
		bool last = i + 1 == g->collections.settings.n;
		json_t *o;

		if (s->what < PT_GC_SET_THRESHOLD_0 || s->what > PT_GC_SET_THRESHOLD_2)
			continue;
		now[s->what - PT_GC_SET_THRESHOLD_0] = s->value;
		if (!last && next->what > s->what && next->what <= PT_GC_SET_THRESHOLD_2 && next->node == s->node)
			continue;
		o = json_object();
		json_put(o, "t_s", json_seconds(s->ns));
		json_put(o, "thresholds",
			 json_pack("[i, i, i]", (int)(int32_t)now[0], (int)(int32_t)now[1], (int)(int32_t)now[2]));
		json_put(o, "site", place_any_site_json(&g->t->places, s->node));
		json_put(o, "stack", place_stack_json(&g->t->places, s->node));
		json_add(list, o);
	}
	return list;
}

static json_t *spans_json(struct gc_report *g)
{
	json_t *list = json_array();

	for (size_t i = 0; i < g->collections.disabled.n; i++) {
		const struct collections_span *s = &g->collections.disabled.at[i];
		json_t *o = json_object();

		json_put(o, "start_s", json_seconds(s->begin_ns));
		json_put(o, "end_s", s->ended ? json_seconds(s->end_ns) : json_null());
		json_put(o, "length_s", json_seconds(s->end_ns - s->begin_ns));
		json_put(o, "site", place_any_site_json(&g->t->places, s->begin_node));
		json_put(o, "stack", place_stack_json(&g->t->places, s->begin_node));
		json_put(o, "end_site", s->ended ? place_any_site_json(&g->t->places, s->end_node) : json_null());
		json_add(list, o);
	}
	return list;
}

static json_t *settings_json(struct gc_report *g, uint8_t what, const char *key)
{
	json_t *list = json_array();

	for (size_t i = 0; i < g->collections.settings.n; i++) {
		const struct collections_setting *s = &g->collections.settings.at[i];
		json_t *o;

		if (s->what != what)
			continue;
		o = json_object();
		json_put(o, "t_s", json_seconds(s->ns));
		json_put(o, key, json_bytes(s->value));
		json_put(o, "site", place_any_site_json(&g->t->places, s->node));
		json_add(list, o);
	}
	return list;
}

static json_t *lines_json(struct gc_report *g)
{
	json_t *list = json_array();

	for (size_t i = 0; i < g->lines.n; i++) {
		const struct gc_line *line = &g->lines.at[i];
		json_t *o = json_object();

		json_put(o, "site", place_any_site_json(&g->t->places, line->node));
		json_put(o, "stack", place_stack_json(&g->t->places, line->node));
		json_put(o, "type", type_json(g, line->type));
		json_put(o, "bytes", json_bytes(line->freed.bytes));
		json_put(o, "blocks", json_bytes(line->freed.blocks));
		json_put(o, "collections", json_bytes(line->collections));
		json_add(list, o);
	}
	return list;
}

static json_t *callers_json(struct gc_report *g)
{
	json_t *list = json_array();

	for (size_t i = 0; i < g->callers.n; i++) {
		const struct gc_caller *caller = &g->callers.at[i];
		json_t *o = json_object();

		json_put(o, "site", place_any_site_json(&g->t->places, caller->node));
		json_put(o, "stack", place_stack_json(&g->t->places, caller->node));
		json_put(o, "collections", json_bytes(caller->n));
		json_put(o, "found_nothing", json_bytes(caller->n_useless));
		json_put(o, "collected", json_bytes(caller->collected));
		json_put(o, "pause_s", json_seconds(caller->pause_ns));
		json_put(o, "longest_pause_s", json_seconds(caller->longest_ns));
		json_put(o, "freed_bytes", json_bytes(caller->freed.bytes));
		json_put(o, "freed_blocks", json_bytes(caller->freed.blocks));
		json_add(list, o);
	}
	return list;
}

static void put_trace(json_t *o, const struct report_trace *t, const void *options)
{
	struct gc_report *g = t->own;
	const struct collections *c = &g->collections;
	struct collections_sum all = collections_sum(c, COLLECTIONS_ALL);
	json_t *list = json_array();

	(void)options;
	json_put(o, "pid", json_bytes(g->t->trace.front.pid));
	json_put(o, "off", json_text(defs_meta(&g->t->trace.defs, "python.gc_off", NULL)));
	json_put(o, "total", sum_json(&all));
	json_put(o, "run_s", json_seconds(c->end_ns));
	json_put(o, "generations", generations_json(c));
	for (size_t i = 0; i < c->at.n; i++)
		json_add(list, collection_json(g, &c->at.at[i]));
	json_put(o, "collections", list);
	json_put(o, "thresholds", thresholds_json(g));
	json_put(o, "disabled_spans", spans_json(g));
	json_put(o, "frozen", settings_json(g, PT_GC_SET_FROZEN, "objects"));
	json_put(o, "debug", settings_json(g, PT_GC_SET_DEBUG, "flags"));
	json_put(o, "garbage", lines_json(g));
	json_put(o, "callers", callers_json(g));
}

/* ---- the command ---- */

static size_t listen(void *self, struct report_trace *t, struct model **models, size_t cap)
{
	struct gc_all *all = self;
	struct gc_report *g;

	if (!cap)
		return 0;
	t->own = g = *array_push(&all->at) = mem_zero(1, sizeof *g);
	g->t = t;
	collections_init(&g->collections, &t->trace);
	models[0] = &g->collections.model;
	return 1;
}

static void free_all(struct gc_all *all)
{
	for (size_t i = 0; i < all->at.n; i++) {
		struct gc_report *g = all->at.at[i];

		collections_free(&g->collections);
		array_free(&g->lines);
		array_free(&g->callers);
		free(g);
	}
	array_free(&all->at);
}

static void print_trace(struct report *r, const struct report_trace *t, const void *options)
{
	const struct gc_options *own = options;

	gc_print(r, t->own, own->top);
}

static int run(int argc, char **argv)
{
	struct gc_options own = { .top = TOP_TEXT };
	struct gc_all all = { 0 };
	struct report r;
	int code = report_parse(&r, &command_gc, &own, argc, argv);

	if (code != REPORT_GO)
		return code;
	r.listener = (struct report_listener){ listen, &all };
	code = report_open(&r, REPORT_ACCOUNT);
	if (code == REPORT_GO) {
		for (size_t i = 0; i < all.at.n; i++) {
			fold_lines(all.at.at[i]);
			fold_callers(all.at.at[i]);
		}
		if (r.json)
			report_put_processes(&r, put_trace, NULL);
		else
			report_print_processes(&r, print_trace, &own);
		code = report_end(&r);
	}
	free_all(&all);
	return code;
}

static const struct option_row rows[] = {
	{ 'n', "top", OPTION_NUMBER, offsetof(struct gc_options, top), "N",
	  "rows of each table to print (10), 0 for all" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "gc app.71.pytrace", "how much time collections took, what they freed, and which lines make work for them" },
	{ "gc --json app.71.pytrace", "every collection, with what it freed by line" },
	{ 0 },
};

const struct command command_gc = {
	.page =
		{
			.name = "gc",
			.summary = "what the garbage collector did: pauses, what it freed, which lines make cyclic garbage",
			.operands = "TRACE...",
			.details = "Each collection is told as gc.callbacks is told of it: the numbers of objects collected and "
				   "uncollectable are the interpreter's own. A pause lasts from the moment when the "
				   "interpreter starts to look at objects until it tells the callbacks that it is done. "
				   "Candidates are the objects that it looks at: those of the generation and of younger "
				   "ones; free-threaded builds and increments (3.14.0 to 3.14.4) do not have them "
				   "counted. Collections that the interpreter makes while it clears modules, and does "
				   "not tell callbacks of, are not in the trace.\n\n"
				   "Freed is memory: the blocks that the collecting thread gave back meanwhile, if they "
				   "were made before. By line, they are counted where they were allocated: the lines "
				   "that make cyclic garbage. An object may be several blocks, and what a collected "
				   "object alone held goes with it. An object whose block is kept for reuse (a free "
				   "list) is collected and not freed.\n\n"
				   "Explicit collections are those of gc.collect(), with the line that called it, and "
				   "those of C code (PyGC_Collect). Generations are the interpreter's: on 3.14.0 to 3.14.4 "
				   "1 is an increment; free-threaded builds have one heap, collected as 0 by themselves "
				   "and as 2 when asked. Thresholds and spans without collections are told "
				   "with the line that set them; changes made by C code are noticed at the next "
				   "collection and have none.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_FULL | OPTIONS_STACKS,
		},
	.run = run,
};
