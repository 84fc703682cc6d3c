/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balance_parts: the steps of balance_make(). Private to counts/
 *
 * Three steps. Each history is paired, its changes are counted to the rows of their lines (balance_rows.c), and those
 * that may be to blame are kept: candidates of a case, an object out of balance (balance_cases.c). Then the cases that
 * leave no choice are decided; then the others, by what the first ones told (balance_blame.c). Lines that turn out to
 * hand out references are passed over in another round (balance_handing.c). Last, rows get their verdicts (balance.c).
 */
#pragma once
#include "analyzer/counts/balance.h"

/* A change that may be to blame. */
enum role {
	ROLE_TAKE,   /* an extension's, which no give of its call answers */
	ROLE_CAME,   /* Python's, inside a call by an extension: perhaps left to that */
	ROLE_GIVE,   /* an extension's, which answers no take of its call */
	ROLE_PAIRED, /* likewise, which does answer one */
};

struct candidate {
	uint64_t ns;
	uint64_t call; /* number of the call from Python that it is part of */
	uint32_t once; /* number of the time that it was called: equal for changes that follow each other */
	uint32_t row;
	node_id node;
	uint8_t role; /* enum role */
	uint8_t how;  /* enum pair_how */
	bool direct, blamed;
};

/* An object out of balance. */
struct object_case {
	int64_t surplus;
	size_t first, n; /* of candidates */
	uint32_t history;
	bool guessed;
	bool alone; /* nothing else refers to it */
};

/* What is known of a row from objects that leave no choice. */
struct record {
	uint64_t sure_bad, sure_fine;
	uint32_t last_object; /* index of the history counted last, + 1 */
	uint32_t last_bad;
	uint64_t bad_now; /* of that one */
};

struct partner {
	struct balance_partner is;
	uint32_t row;
};

/* The changes of a row with one stack. */
struct spot {
	uint32_t row;
	node_id node;
	uint64_t n[2], bad[2]; /* gives, takes */
};

struct judge {
	struct balance *b;
	const struct owners *o;
	const struct heap *heap;
	int32_t *surplus; /* by object of the heap */
	struct map by_line, by_partner, by_spot;
	struct map *handing;          /* lines of functions that hand out references: their callers are the owners */
	ARRAY(struct record) records; /* by row */
	ARRAY(struct partner) partners;
	ARRAY(struct spot) spots;
	ARRAY(struct candidate) candidates;
	ARRAY(struct object_case) cases;
};

/* The frame that owns a change. */
static inline node_id balance_owner_frame(const struct owner *w) { return w->frame ? w->frame : w->python; }

/* ---- balance_rows.c ---- */

/* The line that a frame's changes count to. */
struct owner_level balance_level(const struct judge *j, node_id frame);
/* The index of the row of that line and type, a new one if there is none. */
uint32_t balance_row_of(struct judge *j, node_id frame, node_id node, uint32_t type);
/* The changes of a row with one stack. Until the next one is asked for. */
struct spot *balance_spot(struct judge *j, uint32_t row, node_id node);
/* Counts a change of a history. Returns its row. */
uint32_t balance_count(struct judge *j, const struct pairs *p, const struct pair_change *c, uint32_t history);

/* ---- balance_cases.c ---- */

/* Takes in the history with this index. */
void balance_take(struct judge *j, uint32_t index);

/* ---- balance_blame.c ---- */

/* Decides all cases. */
void balance_decide(struct judge *j);

/* ---- balance_handing.c ---- */

/* Finds rows that hand out: j->handing. Returns how many. */
unsigned balance_find_handing(struct judge *j);
