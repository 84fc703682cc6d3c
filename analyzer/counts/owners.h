/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owners: who made a change of a reference count: a line of Python, or a line of an extension in C
 *
 * Theory. The interpreter keeps its books in order, and so do the libraries that come with it: what they take and give
 * is their business, and happens in the name of the Python line that runs. What a third party's machine code takes and
 * gives is its own: it is done by the innermost frame of such code, if that was called by the innermost Python line.
 *
 *     list_dealloc          the interpreter's, passed over
 *     PyList_Append         likewise
 *     add_one    bugs.c:12  the owner: frame. Not direct: the count was changed by what it called
 *     add_all    bugs.c:30  entry: the outermost frame of this call from Python
 *     main       app.py:7   python
 *     run        host.c:99  outer: the innermost extension's frame that called Python
 *
 * A call of a function is told by the stack outwards of it: two changes with equal stacks outwards, in the same
 * function, are of one call, or of calls that one line made one after the other.
 * Who:   pairs.h, balance.h. Read-only once made. Memory: 20 bytes for each node of the trace.
 */
#pragma once
#include "analyzer/read/trace.h"

/* Names of frames, from somebody who can look them up. All may be NULL. */
struct owner_names {
	void *self;
	/* How many functions were inlined into each other at a frame, and which of them, counted from the innermost,
	 * stands for it. */
	unsigned (*functions)(void *self, node_id node, unsigned *ret_best);
	/* A number, equal for the same line of the same function, never 0. inner: which of functions(). */
	uint64_t (*line)(void *self, node_id node, unsigned inner);
	/* A number, equal for frames of the same function, never 0. */
	uint64_t (*function)(void *self, node_id node);
	/* Whether it takes or gives for whoever called it: a constructor or destructor of C++. */
	bool (*serves)(void *self, node_id node, unsigned inner);
	/* "bugs.c:57 in on_error". Written into buf, which is returned. */
	const char *(*where)(void *self, node_id node, unsigned inner, char *buf, size_t cap);
};

/* A frame as the source has it: one of the functions that were inlined there. */
struct owner_level {
	node_id node;
	unsigned inner; /* as struct owner_names counts them */
};

struct owner {
	node_id frame;  /* an extension's, else NODE_EMPTY: the Python line is the owner */
	node_id entry;  /* the outermost one that `python` called; NODE_EMPTY */
	node_id python; /* the innermost Python frame; NODE_EMPTY: none runs */
	node_id outer;  /* the innermost extension's frame outwards of `python`; NODE_EMPTY */
	bool direct;    /* by an instruction of `frame` itself: Py_INCREF and the like, which are no calls */
	bool import;    /* `python` belongs to an import: what a module takes while it is made, it keeps */
};

struct owners {
	const struct defs *defs;
	const struct owner_names *names;
	struct owner *at; /* by node */
	size_t n;
};

/* names: NULL, or lives as long. */
void owners_init(struct owners *o, const struct defs *d, const struct owner_names *names);
void owners_free(struct owners *o);

/* The owner of a change with this stack. */
static inline const struct owner *owner_of(const struct owners *o, node_id node)
{
	return &o->at[node < o->n ? node : 0];
}

/* Whether a frame is of machine code that is neither the interpreter's nor of what comes with it or with the system. */
bool owners_is_extension(const struct defs *d, node_id node);

/* Numbers that are equal for equal things, never 0; of NODE_EMPTY 0. */
uint64_t owners_function(const struct owners *o, node_id frame);     /* function, whoever called it */
uint64_t owners_call(const struct owners *o, node_id frame);         /* function and all that is outwards of it */
uint64_t owners_call_line(const struct owners *o, node_id frame);    /* likewise, and the line */
uint64_t owners_line(const struct owners *o, struct owner_level at); /* line and function, whoever called it */

/* The function that stands for a frame, or the one that it serves. */
struct owner_level owners_level(const struct owners *o, node_id frame);
/* The function that called it, in the same or another frame of an extension. False: Python did. */
bool owners_caller(const struct owners *o, struct owner_level *at);

/* "bugs.c:57 in on_error"; without names "_bugs.so+0x1234", "app.py:7 in main". Returns buf. */
const char *owners_where(const struct owners *o, struct owner_level at, char *buf, size_t cap);
