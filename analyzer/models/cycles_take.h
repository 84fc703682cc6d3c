/* SPDX-License-Identifier: Apache-2.0 */
/* cycles_take: one snapshot's garbage while cycles.c follows what becomes of it. Private to models/cycles. */
#pragma once
#include "analyzer/models/cycles.h"

struct cycles_snapshot {
	struct heap heap;
	struct join join;
	struct garbage garbage;
	struct groups groups;
	uint32_t *group_of; /* by object: the group that it is in, or goes with; CYCLES_NO_GROUP */
	struct map blocks;  /* address of a block of garbage, or of a buffer of it, or of the object, to the object */
	uint8_t *died;      /* by object */
	uint8_t *member;    /* by object: it is in a group, not below one */
};
#define CYCLES_NO_GROUP UINT32_MAX

/* Loads a snapshot at its event and finds its garbage. cycles_take_free() it. */
struct cycles_snapshot *cycles_take(struct trace *t, const struct snapshot *s, const struct rebirths *rebirths,
				    const struct pt_event *ev, const struct replay_now *now, struct replay *r);
void cycles_take_free(struct cycles_snapshot *s);

/* A block, or an object, at this address is no more. */
void cycles_take_died(struct cycles_snapshot *s, uint64_t address);

/* Adds rows: all garbage as it stands. */
void cycles_rows_now(struct cycles *c, const struct cycles_snapshot *s);
/* Adds rows: what a collection freed. Returns how many objects of those that it counts. */
uint64_t cycles_rows_freed(struct cycles *c, const struct cycles_snapshot *s, const struct cycle_collection *how,
			   uint32_t number);
