/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rebirths: objects that were made in blocks which their type had kept (REUSE events): their line and their birth are
 * not the block's
 *
 * Memory: 40 bytes for each address at which an object was ever made so, which is bounded by the memory that the
 * program used for objects, not by the length of the trace. Who:    join notes what passes while it listens to a
 * replay. Whoever loads a heap in the middle of one listens by himself and gives it to the join: join.rebirths.
 */
#pragma once
#include "analyzer/replay/replay.h"

struct rebirth {
	uint64_t ns, number; /* when; allocations made until then */
	node_id node;
};

struct rebirths {
	struct map index_of; /* address of the object */
	ARRAY(struct rebirth) at;
};

/* Takes in any event: those that are no REUSE change nothing. number: of the last allocation that was made. */
void rebirths_note(struct rebirths *r, const struct defs *defs, const struct pt_event *ev, uint64_t ns,
		   uint64_t number);
/* The last rebirth at the object's address, if it was in the block that was allocated as `number`; else NULL. */
const struct rebirth *rebirths_find(const struct rebirths *r, uint64_t address, uint64_t number);
void rebirths_free(struct rebirths *r);
