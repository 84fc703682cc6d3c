/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collections: what the garbage collector did, what it freed, and what steered it
 *
 * What:  every collection that the trace has, with what it freed: the blocks that its thread gave back between its
 * start and its end and that were made before. So the blocks of finalizers that it ran are not in it, and what a
 *        finalizer let go is. Sums of that by stack and type: the lines that make cyclic garbage. Each change of what
 *        steers the collector.
 * How:   a listener. While nobody collects it looks at the last change of an array only.
 * Memory: 112 bytes a collection, 24 for each stack and type that it freed something of.
 */
#pragma once
#include "analyzer/models/account.h"

struct collection {
	uint64_t begin_ns, end_ns; /* end_ns 0: it was not seen to end */
	uint64_t candidates;       /* PT_GC_NOT_COUNTED: not known */
	uint64_t collected, uncollectable;
	uint64_t made; /* blocks of the process before it */
	struct amount freed;
	size_t parts; /* index of its first one in `parts` */
	uint32_t n_parts;
	uint32_t thread; /* index in trace.threads */
	node_id node;    /* where the program was */
	uint8_t generation, trigger;
	bool ended;
};

/* What collections freed of one stack and type. */
struct collections_row {
	node_id node;
	uint32_t type; /* index in trace.defs.types */
	struct amount freed;
	uint64_t collections; /* that freed any of it */
	uint32_t last;        /* private: index + 1 of the last such one ... */
	size_t part;          /* ... and its part in that one */
};
struct collections_part {
	uint32_t row; /* index in rows */
	struct amount freed;
};

struct collections_setting {
	uint64_t ns;
	uint64_t value;
	node_id node; /* NODE_EMPTY: at the start, or by C code */
	uint8_t what; /* enum pt_gc_set */
	bool first;   /* what was in force at the start */
};

/* From a gc.disable() to the gc.enable() that ended it. */
struct collections_span {
	uint64_t begin_ns, end_ns;
	node_id begin_node, end_node;
	bool ended; /* false: to the end */
	bool first; /* it was off when the interpreter had started */
};

struct collections {
	struct trace *trace;
	struct model model; /* for account_options.more */
	ARRAY(struct collection) at;
	ARRAY(struct collections_row) rows;
	ARRAY(struct collections_part) parts;
	ARRAY(struct collections_setting) settings;
	ARRAY(struct collections_span) disabled;
	uint64_t end_ns; /* of the trace */

	/* private */
	ARRAY(uint32_t) open; /* indices of collections that run, one a thread */
	struct map row_of;
	uint64_t made;
	size_t since_init; /* settings told before this interpreter started */
};

void collections_init(struct collections *c, struct trace *trace);
void collections_free(struct collections *c);

/* Sums over one generation; or over all of them (generation < 0). */
struct collections_sum {
	uint64_t n, n_explicit, n_shutdown;
	uint64_t candidates; /* of those that counted them: n_counted */
	uint64_t n_counted, collected, uncollectable;
	uint64_t pause_ns, longest_ns, median_ns, p99_ns;
	size_t longest; /* its index */
	struct amount freed;
};
enum { COLLECTIONS_ALL = -1 };
struct collections_sum collections_sum(const struct collections *c, int generation);

static inline uint64_t collection_pause(const struct collection *c) { return c->ended ? c->end_ns - c->begin_ns : 0; }
