/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_parts: the state of a replay, and how models are told. Private to replay/
 *
 * replay.c takes each event through one switch; replay_maps.c does what is about mappings, replay_tell.c tells models,
 * replay_alive.c shows what is alive. What every event of a block needs is inline.
 */
#pragma once
#include "analyzer/replay/ending.h"
#include "analyzer/replay/live.h"
#include "analyzer/replay/ranges.h"
#include "analyzer/replay/replay.h"
#include "analyzer/replay/scope.h"

enum {
	REPLAY_CHANGES = 128,
	REPLAY_TEMPORARY_OTHERS = 1, /* blocks made during the life of a temporary one, at most */
};

/* A thread between two moments. */
struct in_flight {
	bool moving;             /* a realloc has begun ... */
	bool moving_known;       /* ... of a block that we know: */
	struct live_entry moved; /* it */
	ARRAY(struct cut) cuts;  /* of the last munmap: to be restored if it failed */
};

/* Who makes blocks: a thread and the task that it runs. Blocks know theirs by its number; the first ones are the
 * threads without a task, in their order. */
struct maker {
	uint32_t thread, task;
};

struct replay {
	struct trace *t;
	struct live live;    /* blocks */
	struct live overlay; /* blocks of the layer arena, in which other blocks lie */
	struct ranges ranges;
	struct in_flight *threads;
	ARRAY(struct maker) makers;
	struct map maker_of;       /* thread << 32 | task to its number */
	uint32_t *maker_in_thread; /* the present one */
	uint32_t maker;            /* that of now.thread */
	uint64_t *task_in_thread;  /* as the trace has it: makers are not told apart where reports don't */
	uint8_t action[256];
	struct replay_now now;
	struct replay_counts counts;
	struct scope scope;
	struct ending ending;
	bool stop;               /* a model has seen enough */
	bool paused, was_paused; /* recording is stopped; it was, at any time */
	bool fini;               /* the interpreter takes itself down */
	uint64_t paused_number;  /* allocations when it was stopped last */
	struct model *const *models;
	size_t n_models;
	size_t n_changes;
	struct change changes[REPLAY_CHANGES];
};

/* ---- telling the models ---- */

/* Hands them the changes that wait. replay_tell.c. */
void replay_flush(struct replay *r);

static inline struct change *replay_next_change(struct replay *r)
{
	if (r->n_changes == REPLAY_CHANGES)
		replay_flush(r);
	return &r->changes[r->n_changes++];
}

/* A change of a whole block. Field by field, into its place: a structure that is put together on the stack by stores of
 * words and copied by loads of two waits for each of them. */
static inline struct change *replay_tell(struct replay *r, const struct live_entry *e, enum change_kind kind,
					 bool moved)
{
	const struct maker *maker = &r->makers.at[e->maker];
	struct change *c = replay_next_change(r);

	c->addr = e->addr;
	c->bytes = e->bytes;
	c->born_ns = e->born_ns;
	c->first_ns = e->first_ns;
	c->number = e->number;
	c->node = e->node;
	c->thread = maker->thread;
	c->task = maker->task;
	c->type = TYPEDEF_UNKNOWN;
	c->freed_by = NODE_EMPTY;
	c->kind = kind;
	c->layer = e->layer;
	c->moved = moved;
	c->whole = true;
	c->temporary = false;
	return c;
}

static inline void replay_tell_born(struct replay *r, const struct live_entry *e, bool moved)
{
	replay_tell(r, e, BLOCK_BORN, moved);
}

static inline void replay_tell_freed(struct replay *r, const struct live_entry *e, bool moved, uint32_t type,
				     node_id by)
{
	struct change *c;

	if (e->flags & LIVE_INHERITED) {
		r->counts.inherited_freed++;
		return;
	}
	c = replay_tell(r, e, BLOCK_DIED, moved);
	c->type = type;
	c->freed_by = by;
	c->temporary =
		!moved && r->counts.allocations - e->number <= REPLAY_TEMPORARY_OTHERS && e->number > r->paused_number;
}

static inline void replay_tell_died(struct replay *r, const struct live_entry *e, bool moved)
{
	replay_tell_freed(r, e, moved, TYPEDEF_UNKNOWN, NODE_EMPTY);
}

/* ---- blocks ---- */

static inline struct live *replay_table(struct replay *r, uint8_t layer)
{
	return layer == PT_LAYER_ARENA ? &r->overlay : &r->live;
}

static inline uint64_t replay_addr(const struct pt_event *ev) { return ev->addr & PT_ADDRESS_MASK; }

/* ---- mappings: replay_maps.c ---- */

void replay_map(struct replay *r, const struct pt_event *ev, const struct in_flight *f);
void replay_unmap(struct replay *r, const struct pt_event *ev, struct in_flight *f);
/* The last munmap of this thread failed after all: what it took is back. */
void replay_unmap_fail(struct replay *r, struct in_flight *f);
/* It did not. */
void replay_forget_cuts(struct replay *r, struct in_flight *f);
