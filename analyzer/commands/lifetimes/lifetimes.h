/* SPDX-License-Identifier: Apache-2.0 */
/* lifetimes: what `pytrace lifetimes` found in one process; lifetimes.c gathers it, lifetimes_show.c prints it */
#pragma once
#include "analyzer/report/report.h"
#include "analyzer/models/ages.h"

enum lifetimes_by { LIFETIMES_LINE, LIFETIMES_TYPE, LIFETIMES_STACK };
enum lifetimes_sort { LIFETIMES_MADE, LIFETIMES_CHURN, LIFETIMES_AGE, LIFETIMES_ALIVE };

struct lifetimes_options {
	int by;   /* enum lifetimes_by */
	int sort; /* enum lifetimes_sort */
	uint64_t top, churn;
};

/* Where blocks of a row were given back. */
struct lifetimes_end {
	uint32_t row; /* index in rows */
	node_id node;
	uint64_t blocks;
};

struct lifetimes_row {
	struct ages_row sum; /* node: the stack of its largest part */
	uint64_t node_blocks;
	size_t ends, n_ends; /* in .ends, the most blocks first */
};

struct lifetimes {
	struct report_trace *t;
	struct ages ages;
	struct ages_row total;
	ARRAY(struct lifetimes_row) rows;
	ARRAY(struct lifetimes_end) ends;
};

static inline uint64_t lifetimes_made(const struct ages_row *row) { return row->died.blocks + row->alive.blocks; }
void lifetimes_print(struct report *r, struct lifetimes *l, const struct lifetimes_options *own);
