/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally: the objects of one snapshot, or of two, counted by type and by the line that made them
 *
 * What:  rows with count, bytes and retained bytes, before and now. Types are told apart by name, lines by file and
 *        number, so that rows of different snapshots, and of different traces, fall together.
 * Retained: what would be freed if all objects of the row went, each byte once.
 */
#pragma once
#include "analyzer/base/strings.h"
#include "analyzer/views/view.h"

enum tally_by { TALLY_TYPE, TALLY_SITE };

struct tally_amount {
	uint64_t count, bytes, retained;
};

struct tally_row {
	string_id type;             /* by site: of most of its bytes */
	struct place_table *places; /* of `node` */
	node_id node;               /* a stack of most of its bytes; NODE_UNKNOWN: it lies in no block that is known */
	uint32_t n_others;          /* by type: further lines; by site: further types */
	struct tally_amount before, now;
	uint64_t tracked, frozen, interned, immortal, statics; /* of those of now; tracked, frozen: by the collector */
	uint64_t top_bytes;                                    /* of the part that `node` or `type` is of */
};

struct tally {
	enum tally_by by;
	struct strings strings;
	struct map keys; /* private */
	ARRAY(struct tally_row) rows;
	struct tally_amount before, now; /* sums; retained: all */
};

/* Counts the objects of `now`, and of `before` (NULL: there is no other). Both want VIEW_DOMINATORS. Rows are sorted:
 * with most retained first; of two by what they grew. tally_free() it. */
void tally_run(struct tally *t, enum tally_by by, struct view *before, struct view *now);
void tally_free(struct tally *t);
