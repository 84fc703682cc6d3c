/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ages: how long blocks live, in time and in allocations, by the stack that made them and the type of what was in them
 *
 * What:  for each stack and type: how many blocks died at which age, how many were alive at the end, which stacks gave
 *        them back, how many collections they saw. The age of a block that realloc moved counts from its first
 *        allocation in time, from the last in allocations.
 * End:   the moment before the interpreter takes itself down, as in account.h: what dies after it was alive at the end.
 *        Its type is known if it dies then.
 * How:   a listener: histograms of fixed buckets, one look into a table a death.
 * Memory: 330 bytes for each stack and type, 24 for each pair of them and a stack that gave blocks back, 24 a
 * collection.
 */
#pragma once
#include "analyzer/models/account.h"

enum { AGES_BUCKETS = 16 };
/* Where the buckets end: a block is in the first one whose bound is greater than its age. The last has no bound: 0. */
extern const uint64_t ages_time_bounds[AGES_BUCKETS];  /* ns */
extern const uint64_t ages_count_bounds[AGES_BUCKETS]; /* other blocks made meanwhile */

/* Collections that began and ended in a block's life: none, 1, 2, 3 to 9, 10 and more. */
enum { AGES_SURVIVED = 5 };

struct ages_row {
	node_id node;
	uint32_t type; /* index in trace.defs.types; TYPEDEF_UNKNOWN */
	struct amount died, alive;
	struct amount temporary;         /* died when at most one other block had been made */
	struct amount churn;             /* died when fewer than `churn_limit` other blocks had been made */
	uint64_t collected;              /* blocks given back by a collection */
	uint64_t resurrected;            /* deaths that their own finalizer undid */
	uint64_t time_sum_ns, count_sum; /* of the ages of those that died */
	uint64_t oldest_ns;              /* of them */
	uint64_t by_time[AGES_BUCKETS], by_count[AGES_BUCKETS];
	uint64_t survived[AGES_SURVIVED];
};

/* Who gave the blocks of a row back. */
struct ages_end {
	uint32_t row;
	node_id node;
	uint64_t blocks;
};

struct ages_collection {
	uint64_t ns;       /* when it had ended */
	uint64_t made;     /* blocks of the process when it began */
	uint64_t alive;    /* blocks of the object layer when it had ended */
	uint64_t young;    /* of these, made since the collection before it began; when it began ... */
	uint64_t survived; /* ... and when it had ended */
	uint8_t generation;
};

/* How often an object with a finalizer died in a block that is not given back yet. */
struct ages_retired {
	uint64_t deaths, first_made;
};

struct ages {
	struct trace *trace;
	struct model model; /* for account_options.more */
	uint64_t churn_limit;
	ARRAY(struct ages_row) rows;
	ARRAY(struct ages_end) ends;
	ARRAY(struct ages_collection) collections;
	bool has_lives; /* deaths were told one by one: resurrections can be seen */

	/* private */
	struct map row_of, end_of;
	struct map retired_of; /* address of a block to its place in ... */
	ARRAY(struct ages_retired) retired;
	uint64_t made;  /* blocks so far */
	uint64_t live;  /* of the object layer */
	uint64_t fresh; /* of them, made since the last collection began */
	uint64_t young; /* and between the two last ones */
	uint64_t last_made, previous_made;
	uint32_t collecting; /* index of the thread that collects, + 1 */
	bool finalizing;
	uint64_t fini_made; /* blocks before the interpreter went down */
};

/* `churn_limit`: see ages_row. */
void ages_init(struct ages *a, struct trace *trace, uint64_t churn_limit);
void ages_free(struct ages *a);

/* Adds the amounts of `more` to `to`. */
void ages_add(struct ages_row *to, const struct ages_row *more);
/* The bound of the bucket in which the middle one of those that died is; 0: beyond the last bound. */
uint64_t ages_median(const uint64_t buckets[AGES_BUCKETS], const uint64_t bounds[AGES_BUCKETS]);
