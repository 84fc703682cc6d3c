/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remains: what the last snapshot of a trace says of the blocks that are left
 *
 * What:  garbage that no collection took, and why; who holds what is no garbage.
 * Verdicts: garbage that waits for the next collection is nothing: every program has some. It is a finding when there
 *        will be no such collection (the collector is off), when it may not look (gc.freeze), when it can't (types
 *        without tp_traverse, gc.garbage), or when it grows all the same. Garbage of the interpreter's own and of
 *        libraries is a finding only when there is much of it: programs that switch the collector off leave a little.
 * Who:   opened with a trace when findings are wanted; they ask.
 */
#pragma once
#include "analyzer/counts/surplus.h"
#include "analyzer/views/cycle_rows.h"
#include "analyzer/views/view.h"

/* Why a cycle is a finding. */
enum remains_reason {
	REMAINS_NONE,          /* it is none */
	REMAINS_OFF,           /* the collector is off */
	REMAINS_FROZEN,        /* in the permanent generation */
	REMAINS_GROWING,       /* the collector is on, and yet it grows */
	REMAINS_UNCOLLECTABLE, /* no collection can free it */
};

struct remains {
	struct place_table *places;
	const bool *importing; /* by node; NULL */
	struct cycles cycles;  /* of now alone */
	struct cycle_list list;
	struct surplus surplus;
	struct unreached unreached;
	struct view view;
	struct amount *claimed; /* by curve: what of it is part of a finding on garbage; NULL: nothing is */
};

struct remains *remains_new(struct trace *t, struct place_table *places);
/* After the replay. `importing`: by node, whether a module was being imported; borrowed. NULL: not known. */
void remains_finish(struct remains *r, const bool *importing);
void remains_free(struct remains *r);

/* Whether the collector is on, and comes often enough that garbage can be left to it. */
bool remains_collects(const struct remains *r);

/* Of one row of r->list. `growing`: most of its blocks are of stacks that were found to grow. */
enum remains_reason remains_judge(const struct remains *r, const struct cycle_shown *shown, bool growing);

/* The frame to look at: of the members the first whose code is the user's, rather not a cell or tuple; NODE_UNKNOWN
 * when nothing is known. */
node_id remains_node(const struct remains *r, const struct cycle_shown *shown);
