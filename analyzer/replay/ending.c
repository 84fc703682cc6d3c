/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ending: from the last event backwards
 *
 * The main module runs in a frame called <module> that nobody of Python called, or below runpy's when it was started
 * with -m. Functions given to atexit are called by nobody of Python, too, but are no module.
 */
#include "analyzer/replay/ending.h"
#include "analyzer/base/path.h"
#include "analyzer/read/unpack.h"

#include <stdlib.h>
#include <string.h>

#define MAIN_THREAD  1  /* the number of the first thread that the tracer sees: it loads it, or forked */
#define CLEAN_SHARE  4  /* a clean-up makes fewer blocks than this part of all that happened */
#define OTHERS_SHARE 16 /* threads that do more than this part of all after the main module are the program, too */

struct search {
	const struct trace *t;
	struct unpacker *unpacker;
	bool *in_program; /* by node: the main module is the outermost Python frame */
	bool *in_python;  /* by node: there is a Python frame */
	uint32_t thread;  /* the main one */
	uint64_t made;    /* blocks that it made after the program */
	bool fini;        /* the interpreter's end was seen */
};

/* An event, and its time. */
struct found {
	struct ending at;
	uint64_t ns;
};

/* Whether a frame that no Python frame called is the program itself. */
static bool is_program(const struct defs *d, const struct node *node)
{
	const struct code *code = &d->codes.at[node->code];
	const char *name = strings_text(&d->strings, code->name);

	return !strcmp(name, "<module>") || !strcmp(name, "_run_module_as_main");
}

/* Callers have smaller numbers, so one pass settles all. */
static void look_at_nodes(struct search *s)
{
	const struct defs *d = &s->t->defs;
	bool *python = s->in_python = mem_zero(d->stacks.nodes.n + 1, sizeof *python);

	s->in_program = mem_zero(d->stacks.nodes.n + 1, sizeof *s->in_program);
	for (node_id i = NODE_UNKNOWN + 1; i < d->stacks.nodes.n; i++) {
		const struct node *node = defs_frame(d, i);

		python[i] = python[node->parent] || node->kind == NODE_PYTHON;
		s->in_program[i] = python[node->parent] || node->kind != NODE_PYTHON ? s->in_program[node->parent]
										     : is_program(d, node);
	}
}

/* In a program that has an interpreter inside, modules end and the work goes on. */
static bool is_interpreter(const struct trace *t)
{
	const char *exe = defs_meta(&t->defs, "exe", NULL), *name = exe ? path_name(exe) : "";

	return !strncmp(name, "python", 6);
}

static bool find_main_thread(struct search *s)
{
	for (uint32_t i = 0; i < s->t->threads.n; i++)
		if (s->t->threads.at[i].number == MAIN_THREAD) {
			s->thread = i;
			return true;
		}
	return false;
}

static bool makes(uint8_t op)
{
	return op < PT_OP_MEMORY_END && (pt_op_kind(op) == PT_ALLOC || pt_op_kind(op) == PT_MAP);
}

/* Looks for the last event in one part whose stack is wanted, by node. */
static bool find_in(struct search *s, const bool *wanted, const struct pt_event *events, size_t n, size_t *ret)
{
	const struct defs *d = &s->t->defs;

	for (size_t i = n; i-- > 0;) {
		const struct pt_event *ev = &events[i];

		if (!d->knows[ev->op])
			continue;
		s->fini |= ev->op == PT_OP_PY_FINI;
		if (ev->op >= PT_OP_MEMORY_END)
			continue;
		if (wanted[defs_node(d, ev->stack)]) {
			*ret = i;
			return true;
		}
		s->made += makes(ev->op);
	}
	return false;
}

static bool is_cleaning(const struct search *s) { return s->made * CLEAN_SHARE <= s->t->n_events; }

/* The time that is in force at an event of a part. */
static uint64_t time_at(const struct trace *t, const struct part *p, const struct pt_event *events, size_t at)
{
	uint64_t ns = p->first_ns;

	for (size_t i = 0; i <= at; i++)
		if ((events[i].op == PT_OP_RUN || events[i].op == PT_OP_TIME) && t->defs.knows[events[i].op])
			ns = events[i].size;
	return ns;
}

/* The same in all parts of one thread. */
static struct found find_last(struct search *s, uint32_t thread, const bool *wanted)
{
	struct pt_event *events = NULL;
	struct found f = { { .found = false }, 0 };

	s->made = 0;
	for (size_t i = s->t->parts.n; i-- > 0 && !f.at.found && is_cleaning(s);) {
		const struct part *p = &s->t->parts.at[i];
		size_t n;

		if (p->thread != thread)
			continue;
		events = mem_resize(events, p->n_events + 1, sizeof *events);
		unpack_part(s->unpacker, s->t, p, events, &n);
		f.at.found = find_in(s, wanted, events, n, &f.at.event);
		f.at.part = i;
		if (f.at.found)
			f.ns = time_at(s->t, p, events, f.at.event);
	}
	free(events);
	return f;
}

/* Whether threads did much after it. */
static bool others_go_on(const struct search *s, uint64_t ns)
{
	double n = 0;

	for (size_t i = 0; i < s->t->parts.n; i++) {
		const struct part *p = &s->t->parts.at[i];

		if (p->thread == s->thread || p->last_ns <= ns)
			continue;
		n += p->first_ns >= ns
			     ? p->n_events
			     : (double)p->n_events * (double)(p->last_ns - ns) / (double)(p->last_ns - p->first_ns);
	}
	return n * OTHERS_SHARE > (double)s->t->n_events;
}

/* The last event of a thread but the main one. */
static struct found last_of_others(struct search *s)
{
	struct found last = { { .found = false }, 0 };

	for (uint32_t i = 0; i < s->t->threads.n; i++) {
		struct found f;

		if (i == s->thread || s->t->threads.at[i].last_ns < last.ns)
			continue;
		f = find_last(s, i, s->in_python);
		if (f.at.found && f.ns >= last.ns)
			last = f;
	}
	return last;
}

struct ending ending_find(const struct trace *t)
{
	struct search s = { .t = t };
	struct found f = { { .found = false }, 0 };

	if (!is_interpreter(t) || !find_main_thread(&s))
		return f.at;
	look_at_nodes(&s);
	s.unpacker = unpack_new();
	f = find_last(&s, s.thread, s.in_program);
	f.at.found = f.at.found && s.fini && is_cleaning(&s);
	if (f.at.found && others_go_on(&s, f.ns))
		f = last_of_others(&s);
	unpack_free(s.unpacker);
	free(s.in_program);
	free(s.in_python);
	return f.at;
}
