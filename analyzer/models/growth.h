/* SPDX-License-Identifier: Apache-2.0 */
/*
 * growth: what was not given back, and whether it grows without end
 *
 * What:  groups what was alive at the end by stack and judges each group by the curve of its live bytes: found,
 *        undecided, or held (stays, but does not grow).
 * How:   growth.c opens with the rules and why they are as they are. A finding is claimed on strong evidence only.
 * Who:   leaks, summary and run, after a replay that models/curves.h listened to.
 */
#pragma once
#include "analyzer/models/curves.h"

enum growth_verdict {
	GROWTH_FOUND,     /* grows without end, as far as the run shows */
	GROWTH_UNDECIDED, /* grows, but this run can't show that it goes on */
	GROWTH_HELD,      /* alive at the end, and not growing: no finding */
};

/* Why a group is no finding although it grew. */
enum growth_doubt {
	GROWTH_NO_DOUBT,
	GROWTH_TOO_SHORT, /* the run has too few windows to see a trend */
	GROWTH_SLOWING,   /* it grew less and less: perhaps a cache that fills up */
	GROWTH_GAPS,      /* it grew in some windows only, or not in the last ones */
	GROWTH_IMPORTING, /* it grew while modules were being imported */
	GROWTH_DOUBTS,
};

#define GROWTH_WINDOWS_MAX 16

/* The numbers that a verdict rests on. Windows cover the time in which the program was at work; those of the warm-up
 * (the first quarter) are left out of the counts. */
struct growth_evidence {
	uint32_t windows, growing,
		growing_last;              /* all after the warm-up, those in which it grew, and of the last quarter */
	uint64_t warm_bytes;               /* alive at the end of the warm-up */
	int64_t grown_bytes, grown_blocks; /* from then to the end */
	uint64_t warm_ns, end_ns;          /* the time that the windows after the warm-up cover */
	int64_t first_half_bytes,
		last_half_bytes; /* what of it grew in the first and in the last half of the windows */
};

/* Blocks alive at the end whose stacks have the same functions: stacks that differ only in lines are one group. */
struct growth_group {
	enum growth_verdict verdict;
	enum growth_doubt doubt;
	node_id node; /* the stack of the group that holds the most */
	uint32_t n_stacks;
	uint64_t bytes, blocks;     /* alive at the end */
	uint64_t node_bytes;        /* of these by `node` alone */
	uint64_t first_ns, last_ns; /* when the oldest and the newest of these blocks was made */
	uint64_t fingerprint;       /* of the functions and base file names of the stack; no lines, no folders */
	uint16_t layers;            /* bit per enum pt_layer */
	bool by_function;           /* stacks of many callers, taken together by their innermost function */
	struct growth_evidence evidence;
	uint64_t curve[GROWTH_WINDOWS_MAX + 1]; /* live bytes at the windows' borders, warm-up included */
};

struct growth {
	const struct curves *curves;
	ARRAY(struct growth_group) groups; /* found, undecided, held; in each the worst first */
	uint32_t n_found, n_undecided;
	uint32_t n_windows;                       /* warm-up included; 0: the run is too short to judge */
	uint32_t n_warm;                          /* windows of the warm-up */
	uint32_t borders[GROWTH_WINDOWS_MAX + 1]; /* slices */
};

void growth_judge(struct growth *g, const struct curves *c);
void growth_free(struct growth *g);
