/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repeats: the same work done several times, and what each run of it left behind
 *
 * What:  a run begins at a mark of one label and ends at the next mark of another (or at any next mark). For each stack
 *        and run: by how much the run raised what is alive of that stack, what it made that is alive to this day, and
 *        what of it was alive when the run held most.
 * Why:   what a cache takes when it fills is taken by the first runs; what is replaced rises and falls in the same run;
 *        a leak is what each run adds. Only repeating tells them apart.
 * How:   a listener. Blocks are told apart by their numbers: those of a run lie between its marks, whatever the thread.
 *        Deaths between two runs of what a run made count for the run that follows. All ends when the interpreter
 *        begins to take itself down. Counted layers only.
 * Memory: 72 bytes for each stack and run that met.
 */
#pragma once
#include "analyzer/base/map.h"
#include "analyzer/models/account.h"

struct repeats_run {
	uint64_t begin_ns, end_ns;
	uint64_t first, last;            /* numbers of the blocks made in it */
	struct amount made, left;        /* left: alive to this day */
	int64_t rise_bytes, rise_blocks; /* see struct repeats_cell; summed over the stacks */
	uint64_t peak_bytes;             /* the most that was alive at once of what it made */
	uint32_t thread;                 /* that set the mark */
	/* private */
	uint64_t own_bytes, epoch;
};

/* What a run did to a stack. */
struct repeats_cell {
	node_id node;
	uint32_t run;
	uint8_t layers; /* bit per layer */
	struct amount left;
	int64_t rise_bytes, rise_blocks; /* alive at its end, less what was alive at the end of the run before */
	uint64_t peak_bytes;             /* of what it made, at the run's peak */
	/* private */
	uint64_t own_bytes, epoch;
};

struct repeats {
	/* to be set before */
	const struct trace *trace;
	const char *begin, *end; /* labels; end NULL: any mark ends a run */
	bool thread_only;        /* only what the thread that set the mark makes is a run's */

	struct model model; /* for report_listener */
	ARRAY(struct repeats_run) runs;
	ARRAY(struct repeats_cell) cells; /* in the order of their first blocks; whole after the replay */

	/* private */
	struct map cell_of;
	uint64_t made;
	bool is_open, is_over;
};

/* Sets .model. */
void repeats_init(struct repeats *r);
void repeats_free(struct repeats *r);
