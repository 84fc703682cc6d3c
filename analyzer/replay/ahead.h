/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ahead: parts of a trace, decoded before they are asked for
 *
 * What:  worker threads decode the parts in the order of trace.parts, a few ahead of the merge, which is the only
 *        reader and asks for them in the same order. What it has not asked for and no worker has begun, it decodes
 *        itself, so that no worker at all is fine, too.
 * Memory: at most AHEAD parts beyond those that the merge holds.
 * Who:   all functions are for the one thread that merges.
 */
#pragma once
#include "analyzer/read/trace.h"

/* Events of one part with one run and one time; the next span starts where this one ends. */
struct span {
	uint32_t start;
	uint64_t run, ns;
};

struct decoded {
	struct pt_event *events;
	size_t n, cap;
	ARRAY(struct span) spans; /* at least one when n is not 0 */
	const char *fault;        /* what is wrong with the part; NULL: nothing */
	struct decoded *next;     /* in the list of spare ones */
};

struct ahead;

/* n_workers: as order_new(). */
struct ahead *ahead_new(const struct trace *t, int n_workers);
/* Part `index`, which must be one more than in the call before. Give it back with ahead_done(). */
struct decoded *ahead_get(struct ahead *a, size_t index);
void ahead_done(struct ahead *a, struct decoded *d);
void ahead_free(struct ahead *a);
