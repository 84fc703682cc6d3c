/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope: a part of a program that a replay is limited to: a region, what follows a mark, or where both hold
 *
 * What:  which blocks were made within. Models are told of these alone, so their figures are those of the scope.
 * How:   regions belong to threads and tasks (FORMAT.md, section 6); a mark holds for all threads up to the next mark.
 * A block belongs to the moment of its last realloc. Blocks are known by their number: those within lie in runs.
 * Memory: 16 bytes for each run of blocks made within, one after the other.
 * Who:   replay.c, replay_tell.c.
 */
#pragma once
#include "analyzer/base/array.h"
#include "analyzer/read/trace.h"

struct scope_open {
	uint32_t thread;
	uint64_t task; /* as the trace has it: several tasks may be one to a report */
};

struct scope {
	const char *region, *mark;             /* NULL: not limited by one */
	uint64_t entered_region, entered_mark; /* how often the region was entered, and the mark set */
	bool mark_holds;
	ARRAY(struct scope_open) open; /* the region, as often as it is entered now */
	ARRAY(struct scope_run { uint64_t first, last; }) runs;
};

/* Whether anything is limited. */
static inline bool scope_is_on(const struct scope *s) { return s->region || s->mark; }
/* A MARK, REGION_BEGIN or REGION_END of a thread that runs a task (0: none). */
void scope_event(struct scope *s, const struct pt_event *ev, const struct defs *defs, uint32_t thread, uint64_t task);
/* Whether what this thread and task make now is within. */
bool scope_holds(const struct scope *s, uint32_t thread, uint64_t task);
/* The next block, numbered beyond all before, is within. */
void scope_add(struct scope *s, uint64_t number);
bool scope_has(const struct scope *s, uint64_t number);
void scope_free(struct scope *s);
