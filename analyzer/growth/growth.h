/* SPDX-License-Identifier: Apache-2.0 */
/*
 * growth: what was not given back, and whether it grows without end
 *
 * What:  groups what was alive at the end by stack and judges each group by the curve of its live bytes: found,
 *        undecided, or held (stays, but does not grow).
 * How:   growth.c opens with the rules and why they are as they are. A finding is claimed on strong evidence only.
 * Who:   leaks, summary and run, after a replay that growth/curves.h listened to.
 */
#pragma once
#include "analyzer/growth/curves.h"

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
	GROWTH_SAWTOOTH,  /* it shrank in between by a good part of what it grew: garbage that waits for its collection?
			   */
	GROWTH_IMPORTING, /* it grew while modules were being imported */
	GROWTH_BUILDING,  /* nearly all that the program made came from this one call */
	GROWTH_STOPPED,   /* the program stopped working long before its end, so that growth could not go on */
	GROWTH_LITTLE,    /* it grew by too little to tell a leak from a small cache that fills up */
	GROWTH_EVICTING,  /* it grew a little, and old blocks of it were given back for new ones: a bounded cache? */
	GROWTH_WAITING,   /* its blocks may be of dead objects that wait on the interpreter's free lists */
	GROWTH_GARBAGE,   /* nobody refers to it, and the collector is on: it waits for its collection */
	GROWTH_UNSEEN,    /* recording was stopped, and blocks of before were given back meanwhile: the old half of a
			     cache? */
	GROWTH_BOUNDED,   /* what holds it has a bound, which the run did not reach */
	GROWTH_UNEVEN, /* windows of the same work brought different amounts: it builds something of different inputs?
			*/
	GROWTH_GIVEN_BACK, /* all of it was given back when the program ended: what was built until then? */
	GROWTH_DOUBTS,
};

#define GROWTH_WINDOWS_MAX 16

/* The numbers that a verdict rests on. Windows are of equal work, or of equally many marks; those of the warm-up (the
 * first quarter) are left out of the counts. */
struct growth_evidence {
	uint32_t windows, growing,
		growing_last;              /* all after the warm-up, those in which it grew, and of the last quarter */
	uint64_t warm_bytes;               /* alive at the end of the warm-up */
	int64_t grown_bytes, grown_blocks; /* from then to the end */
	uint64_t warm_ns, end_ns;          /* the time that the windows after the warm-up cover */
	int64_t first_half_bytes, last_half_bytes; /* of it, in the first and in the last half of the windows */
	int64_t fall_bytes;                        /* the deepest fall of the curve after the warm-up */
	uint64_t late_deaths;                      /* blocks given back long after they were made, in all the run */
	uint32_t spread_percent;          /* how much the windows differ in blocks that they brought: 0 not at all */
	uint64_t even_bytes, even_blocks; /* what each mark brought, exactly, in each window; 0: not that even */
};

/* Sums of curves at one moment. */
struct growth_sum {
	node_id node;        /* the stack that holds the most */
	uint64_t node_bytes; /* of it alone, in one layer */
	uint64_t bytes, blocks;
	uint64_t first_ns, last_ns; /* 0: not known */
	uint32_t n_stacks;
	uint16_t layers; /* bit per enum pt_layer */
};

/* Blocks alive at the end that belong together: by their stack, by the functions of their stack, or by their innermost
 * function, whichever showed the growth first. */
struct growth_group {
	enum growth_verdict verdict;
	enum growth_doubt doubt;
	node_id node; /* the stack of the group that holds the most */
	uint32_t n_stacks;
	uint64_t bytes, blocks;     /* alive at the end */
	uint64_t node_bytes;        /* of these by `node` alone, in one layer */
	uint64_t births;            /* blocks that its stacks made in all the run */
	uint64_t first_ns, last_ns; /* when the oldest and the newest of these blocks was made */
	uint16_t layers;            /* bit per enum pt_layer */
	struct growth_evidence evidence;
	uint64_t curve_bytes[GROWTH_WINDOWS_MAX + 1]; /* alive at the windows' borders, warm-up included */
	uint64_t curve_blocks[GROWTH_WINDOWS_MAX + 1];
	/* Of these bytes and blocks those that were given back while the program ended, all at once. */
	uint64_t given_bytes, given_blocks;
	node_id table;             /* the stack that made the table of what held these; NODE_EMPTY: not known */
	struct growth_sum closing; /* private: before that */
};

struct growth {
	const struct curves *curves;
	ARRAY(struct growth_group) groups; /* found, undecided, held; in each the worst first */
	uint32_t *group_of;                /* by curve: index of its group; MAP_NONE: nothing of it was alive */
	uint64_t *fingerprints; /* by node: of its stack's functions and base file names; no lines, no folders */
	uint64_t *functions;    /* by node: of the innermost function that counts in it; 0: none does */
	uint64_t *stacks;       /* by node: of the frames that count in its stack; lines and all */
	uint64_t live_bytes, live_blocks; /* of all groups */
	bool alone;                       /* one thread did nearly all */
	bool on_demand;                   /* it waits all the time between what it makes */
	bool own_work;      /* most of the work is blocks that stay: windows are not independent of them */
	uint32_t n_windows; /* warm-up included; 0: the run is too short to judge */
	uint32_t n_warm;    /* windows of the warm-up */
	uint32_t borders[GROWTH_WINDOWS_MAX + 1]; /* slices */
	uint32_t closing;                  /* the slice after which the program closed: hardly any work came after it */
	const struct mark_family *marks;   /* by which windows are cut; NULL: by work */
	uint64_t warm_marks, window_marks; /* of the warm-up; of each window after it */
};

/* Names for frames of machine code, which only symbols have. Python frames count always; a native frame when it is
 * the user's to change, and (`alone`) when no Python frame called it. */
struct growth_natives {
	/* A number that stands for the function of a native frame, the same over runs; 0: the frame does not count. */
	uint64_t (*function)(void *self, node_id node, bool alone);
	void *self;
};

/* `natives` may be NULL: native frames do not count. `warmup`: marks, or where there are none windows, that are not
 * judged; 0: a quarter of them. */
void growth_judge(struct growth *g, const struct curves *c, const struct growth_natives *natives, uint64_t warmup);

/* What of a curve its group has: alive at the end, or before the program closed. */
void growth_alive(const struct growth *g, size_t curve, uint64_t *ret_bytes, uint64_t *ret_blocks);

/* What was alive at the end of the warm-up and of the last window, all together, in bytes. 0 windows: both are 0. */
void growth_total(const struct growth *g, uint64_t *ret_warm, uint64_t *ret_last);

/* Private: growth_windows.c. */
void growth_cut_windows(struct growth *g, uint64_t warmup);

/* Private: growth_closing.c. Adds what a curve was before the program closed. */
void growth_add_closing(const struct growth *g, struct growth_group *group, const struct curve *curve);
/* Whether the group is to be judged as it was before the program closed: then its amounts are those. */
bool growth_reopen(const struct growth *g, struct growth_group *group);
/* Whether what was given back may be what the program built until then; else group->table is filled in. */
bool growth_is_built(const struct growth *g, struct growth_group *group);
/* Takes it back: it is no finding. */
void growth_close(struct growth_group *group);
void growth_free(struct growth *g);

/* Withdraws the verdict on what was found when all that belongs together has grown by little. */
void growth_weigh(const struct growth *g, struct growth_group *group);

/* Withdraws the verdict on what was found: a doubt, or nothing when it grew by little. */
void growth_withdraw(const struct growth *g, struct growth_group *group, enum growth_doubt doubt);

/* Whether the evidence is that of a leak: growth in most windows, up to the end, and no fall in between. */
bool growth_is_steady(const struct growth_evidence *e);

/* Whether windows of the same work brought different amounts, as in a program that builds something. */
bool growth_is_uneven(const struct growth *g, const struct growth_evidence *e);

/* Adds the amounts of `more` to `group` and takes its evidence anew. The verdict stays. */
void growth_merge(const struct growth *g, struct growth_group *group, const struct growth_group *more);
