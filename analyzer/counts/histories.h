/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histories: how the reference counts of watched objects changed, change by change
 *
 * What:  one history for each WATCH: the object, its type, the block that it lies in, every COUNT in order with its
 *        delta, how the watch ended and how the block did.
 * Runs:  a loop makes the same few changes a million times. A sequence of changes (at most HISTORY_PERIOD of them)
 *        that comes again at once, with equal deltas, stacks and threads, is kept once: a run. Nothing is lost but
 *        the moments between the first and the last time:
 *
 *            for (size_t i = 0; i < h->n; i += h->changes[i].period)      the runs; most have one change, once
 *                ... h->changes[i] to h->changes[i + period - 1] happened in this order `times` times
 *
 *        history_replay() hands out the changes one by one, as they happened.
 * Trust: none. A COUNT or UNWATCH of a number that is not open counts as strange; a number that is opened again closes
 *        what was open under it. A count may be anything: deltas are differences of counts, not believed.
 * Blocks: the watched object lies in the live block that holds its address at the moment of the WATCH: one that starts
 *        a multiple of 8 bytes, at most HISTORY_BEFORE, before it.
 * Memory: 40 bytes a change that is kept, about 300 a watch. Releases of blocks look into a bitmap first, so that a
 *        trace with few watches costs nothing.
 */
#pragma once
#include "analyzer/replay/replay.h"

enum {
	HISTORY_PERIOD = 12, /* changes: the longest run */
	HISTORY_BEFORE = 64, /* bytes between a block and the object in it */
};

struct history_change {
	uint64_t ns;      /* when it happened first */
	uint64_t last_ns; /* and last; equal unless it is of a run */
	int32_t delta;    /* to the count before; of a birth to 0; 0 of PT_COUNT_START */
	int32_t count;    /* after it, the first time */
	node_id node;     /* stack; NODE_EMPTY: not known */
	uint32_t thread;  /* index in trace.threads */
	uint32_t times;   /* how often: equal over a run */
	uint8_t period;   /* changes of its run: equal over a run */
	uint8_t flags;    /* enum pt_count_flags */
	uint8_t place;    /* in its run, from 0 */
	uint8_t unused;
};
_Static_assert(sizeof(struct history_change) == 40, "there may be many");

/* Whether they are the same change at another time: what a run is made of. */
static inline bool history_is_same(const struct history_change *a, const struct history_change *b)
{
	return a->node == b->node && a->delta == b->delta && a->thread == b->thread && a->flags == b->flags;
}

/* The block that the object lies in. */
struct history_block {
	uint64_t address, bytes; /* address 0: no such block is known */
	uint64_t number;         /* of its allocation, from 1 */
	uint64_t born_ns;        /* the first of its chain of reallocs */
	node_id node;            /* stack that made it */
	uint64_t died_ns;        /* UINT64_MAX: it was alive at the end of the trace */
	node_id freed_by;        /* stack that gave it back */
	bool moved;              /* by a realloc: what follows was not seen */
};

struct history {
	uint32_t number; /* of the watch */
	uint32_t type;   /* index in trace.defs.types, from the WATCH, else from the FREE; TYPEDEF_UNKNOWN */
	uint64_t object; /* its address */
	uint64_t ns;     /* of the WATCH */
	uint32_t thread; /* of the WATCH: index in trace.threads */
	struct history_block block;

	struct history_change *changes;
	size_t n, cap;
	uint64_t n_changes; /* COUNT events, each of a run counted */
	int32_t count;      /* the last one that was told */
	bool has_count;

	uint8_t end;       /* enum pt_unwatch; 0: the trace stopped while it was watched */
	uint64_t end_ns;   /* when; UINT64_MAX while it is open */
	node_id end_node;  /* stack of the UNWATCH */
	int32_t end_count; /* as the UNWATCH says */

	uint8_t matched[HISTORY_PERIOD + 1]; /* private: how many of the last changes equal those `i` before them */
};

struct histories {
	struct trace *trace;
	struct model model;       /* for account_options.more */
	ARRAY(struct history) at; /* in the order of their WATCH events */
	uint64_t n_changes;       /* of all of them */
	uint64_t n_strange;       /* COUNT and UNWATCH events of watches that were not open; numbers opened twice */
	uint64_t end_ns;          /* of the trace */
	uint64_t fini_ns;         /* when the interpreter began to take itself down; UINT64_MAX: it did not */

	/* private */
	struct map open;     /* number of a watch to its index, or HISTORY_CLOSED */
	struct map in_block; /* address of a block to the index of the last watch of what is in it */
	uint64_t *seen;      /* bitmap of hashes of such addresses */
};

/* The trace is open. */
void histories_init(struct histories *h, struct trace *trace);
void histories_free(struct histories *h);

/* Whether it was watched from the moment when the object was made: its changes add up to its count. */
static inline bool history_is_whole(const struct history *h) { return h->n && h->changes[0].flags & PT_COUNT_BIRTH; }
/* Whether the object's end was seen. */
static inline bool history_died(const struct history *h) { return h->end == PT_UNWATCH_DIED; }
/* Whether it was let go at once: no object, or not one of those that are watched. Reports leave them out. */
static inline bool history_is_none(const struct history *h) { return h->end == PT_UNWATCH_OTHER || !h->n; }

/* Calls `each` for every change as it happened, those of runs one by one. Their times within a run are those of its
 * first and last time; `count` is what it was then, period and times are 1. Stops when `each` returns false. */
void history_replay(const struct history *h, bool (*each)(void *self, const struct history_change *c), void *self);

/* Adds a change to a list of them, folding what comes again into runs, as histories do. `matched`: HISTORY_PERIOD + 1
 * bytes, 0 at the start, of this list. */
void history_push(struct history_change **changes, size_t *n, size_t *cap, uint8_t *matched,
		  const struct history_change *c);
