/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curves: the live bytes of each stack over the run
 *
 * What:  listens to a replay. The run is cut into slices: of equal work (of as many blocks made by code of the
 * program's own, not the interpreter's, that was not importing a module), and where the program sets a mark. Each pair
 * of stack and layer has a curve: what was alive at the end of each slice. Only counted layers are looked at. Who:   a
 * model of replay_run() (account_options.more); growth/growth.c judges what it kept. Memory: 80 bytes for each curve,
 * 24 for each slice in which a curve changed; CURVES_SLICES and CURVES_BORDERS bound the slices. End:   where the
 * program ended (replay/ending.h), else the moment before the interpreter takes itself down (see models/account.h),
 * else the end of the trace.
 */
#pragma once
#include "analyzer/growth/marks.h"
#include "analyzer/replay/replay.h"

struct slice {
	uint64_t end_ns;
	uint64_t work;      /* blocks made in it that count as work */
	uint64_t collected; /* objects that collections freed in it */
	uint32_t rests;     /* times that nothing was made or given back for CURVES_REST_NS */
	bool by_work;       /* it ended when there had been enough; false: at a mark, or it is the last */
};

/* What a curve was at the end of a slice, and stayed until the slice of the next step. */
struct curve_step {
	uint64_t bytes, blocks;
	uint32_t slice, curve;
};

struct curve {
	uint64_t bytes, blocks;     /* alive at the end */
	uint64_t first_ns, last_ns; /* when the oldest and the newest of these was made */
	size_t first_step, n_steps; /* in curves.steps */
	node_id node;
	uint64_t births;      /* blocks made in all the run, up to the end */
	uint64_t late_deaths; /* blocks given back CURVES_LATE slices or more after they were made, in the last half */
	node_id freed_by;     /* the stack that gave a block back last; NODE_UNKNOWN or NODE_EMPTY: not known */
	uint32_t slice;       /* of the last change; private */
	uint8_t layer;
};

#define CURVES_SLICES  256  /* by work, at most; at least half of it in a long run */
#define CURVES_BORDERS 1024 /* marks at which a slice ends, at most */
#define CURVES_LATE    16   /* slices by work */
#define CURVES_REST_NS UINT64_C(200000)

struct curves {
	struct trace *trace;
	struct model model;         /* for account_options.more */
	ARRAY(struct slice) slices; /* up to the end */
	struct marks marks;         /* their borders are slices up to the end */
	ARRAY(struct curve) curves;
	ARRAY(struct curve_step) steps; /* after curves_finish() by curve, then by slice */
	bool *importing;                /* by node: a module was being imported */
	bool *working;                  /* by node: it is known who was, and no module was being imported */
	uint64_t work;                  /* blocks made that count as work, up to the end */
	uint64_t waits;                 /* times that a thread of the process slept or waited; 0: not known */
	uint64_t last_ns;               /* private: of the last change */
	uint32_t *of_node;              /* private: by node and layer, the number of the curve + 1 */
	uint64_t slice_work;            /* private: of a slice that is full */
	uint64_t work_in_slice;         /* private: since the last slice that was */
	ARRAY(uint64_t) work_ends;      /* private: when slices were full */
	bool touched;                   /* private: something changed in this slice */
	uint64_t end_ns;                /* when the end was */
	uint32_t end_slice;             /* private: slices up to it lie before the end */
	bool all_is_work;               /* private: no Python in this process */
	bool end_is_old;                /* private: end_ns is of the last time event before it; a later one may come */
	bool ended;                     /* private: the end has been seen, as far as is known */
	bool program_ended;             /* private: it was that of the program */
};

/* The trace must be open. The model is c->model. */
void curves_init(struct curves *c, struct trace *t);
/* After the replay: sorts the steps. */
void curves_finish(struct curves *c);
void curves_free(struct curves *c);

/* When, by the ends of slices, it was more than nothing first, and grew last, up to a slice. 0: never. */
void curves_times(const struct curves *c, const struct curve *curve, uint32_t slice, uint64_t *ret_first_ns,
		  uint64_t *ret_last_ns);

/* What a curve was at the ends of slices at[0..n), ascending: added to bytes[0..n) and blocks[0..n). */
void curves_sum(const struct curves *c, const struct curve *curve, const uint32_t *at, size_t n, uint64_t *bytes,
		uint64_t *blocks);
