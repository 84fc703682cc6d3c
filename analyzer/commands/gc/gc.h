/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc: what `pytrace gc` found in one process; gc.c gathers it, gc_show.c prints it
 */
#pragma once
#include "analyzer/report/report.h"
#include "analyzer/models/collections.h"

/* A line whose objects were freed by collections; each type is a row of its own. */
struct gc_line {
	node_id node; /* the stack of its largest part */
	uint64_t node_bytes;
	uint32_t type; /* index in trace.defs.types */
	struct amount freed;
	uint64_t collections; /* that freed any of it */
	size_t last;          /* private */
};

/* A line that asked for collections. */
struct gc_caller {
	node_id node;                   /* the stack of the first one */
	uint64_t n, n_useless, n_frees; /* found nothing; freed blocks */
	uint64_t pause_ns, longest_ns, collected;
	struct amount freed;
};

struct gc_report {
	struct report_trace *t;
	struct collections collections;
	ARRAY(struct gc_line) lines;     /* most bytes first */
	ARRAY(struct gc_caller) callers; /* the most time first */
};

void gc_print(struct report *r, struct gc_report *g, uint64_t top);
