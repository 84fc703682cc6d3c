/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: runs a trace through the live-block table and tells models what was born and what died
 *
 * What:  pairs allocations with releases: realloc's two moments, partial unmaps, mappings over mappings, releases of
 *        blocks that nobody saw being made, blocks inherited from the process that forked this one.
 * How:   models get arrays of changes, in order, never a call per event; every other event is handed over by itself.
 * Memory: bounded by what is live at one time, not by the length of the trace.
 *
 * A realloc is one BLOCK_DIED and one BLOCK_BORN with `moved` set, at the moment it returned: until then the old block
 * counts. Layers that are no memory of their own (arena, file, reserve) are handed over too; see pt_layer_counted().
 */
#pragma once
#include "analyzer/read/trace.h"
#include "analyzer/replay/unseen.h"

enum change_kind {
	BLOCK_BORN,
	BLOCK_DIED,
	BLOCK_BACK, /* munmap failed: what DIED just before is alive after all */
};

struct change {
	uint64_t addr;
	uint64_t bytes;    /* of the block; of the part given back when a mapping dies piece by piece */
	uint64_t born_ns;  /* when this block was made */
	uint64_t first_ns; /* when the first of its chain of reallocs was made */
	uint64_t number;   /* of its allocation, counted from 1 over the process */
	node_id node;      /* stack that made it */
	uint32_t thread;   /* that made it: index in trace.threads */
	uint32_t task;     /* that ran in the thread: index in trace.defs.tasks; TASK_NONE */
	uint32_t type;     /* DIED: of what was in it, index in trace.defs.types; TYPEDEF_UNKNOWN */
	node_id freed_by;  /* DIED: stack that gave it back; NODE_EMPTY: of a mapping, moved, or not known */
	uint8_t kind;      /* enum change_kind */
	uint8_t layer;     /* enum pt_layer */
	bool moved;        /* part of a realloc */
	bool whole; /* DIED: nothing is left of it (false: a part of a mapping went); BACK: the reverse; BORN: true */
	bool temporary; /* DIED: freed (not moved) when at most one other block had been made since its birth */
};

/* A block or a piece of a mapping that is alive. */
struct live_block {
	uint64_t addr, bytes, born_ns, first_ns, number;
	node_id node;
	uint32_t thread, task;
	uint8_t layer;
	bool inherited; /* made by the process that forked this one; not in any sum */
	bool mapping;   /* a piece of one */
	bool whole;     /* false: a further piece of a mapping, which counts no block of its own */
};

struct replay_now {
	uint64_t ns;     /* since the start of the trace */
	uint64_t number; /* of the last event, counted from 1 in the order of the process */
	uint32_t thread;
};

struct replay;

/* A listener. Any function may be NULL. */
struct model {
	void *self;
	/* Births and deaths, in order, all at the time now->ns and of the thread now->thread. */
	void (*changes)(void *self, const struct change *c, size_t n, const struct replay_now *now);
	/* An event of shape PAIR (marks, forks, py-init, py-fini, rss, ...), in its place among the changes. */
	void (*event)(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r);
	/* After the last event. */
	void (*finish)(void *self, const struct replay_now *now, struct replay *r);
	/* The program has ended, and the interpreter goes on to its own end: exit handlers will run. Not told of a
	 * program whose end can't be seen (ending.h); at most once. */
	void (*program_end)(void *self, const struct replay_now *now, struct replay *r);
};

/* What replay found that a report should say. */
struct replay_counts {
	uint64_t events, allocations, frees;
	uint64_t unknown_frees; /* of blocks made before the trace started, or lost */
	uint64_t lost_frees;    /* an address was handed out again that had never been given back */
	uint64_t stopped_frees; /* of blocks not known, once recording had been stopped: made in between, or before it
				   began */
	struct unseen unseen;
	uint64_t unmatched_moves;                   /* a realloc whose other moment is missing */
	uint64_t unknown_events;                    /* ops that this version does not know */
	uint64_t inherited_blocks, inherited_bytes; /* alive when the parent forked */
	uint64_t inherited_freed;
	uint64_t entered_region, entered_mark; /* of the scope: how often its region was entered, its mark set */
	bool parent_missing; /* this is the child of a fork and its parent's trace was not found beside it */
};

struct replay_options {
	int n_workers; /* as order_new() */
	/* Only what was made in regions of this label, and between a mark of this label and the next mark, is told and
	 * counted as alive; NULL: all. See scope.h. */
	const char *region, *mark;
	bool no_parent; /* do not look for the trace of the process that forked this one */
	/* Called now and then, at least once at the end; NULL: nobody watches. */
	void (*progress)(void *self, uint64_t done, uint64_t total);
	void *progress_self;
};

/* Replays the whole trace. What is wrong with it is found on the way: see trace.troubles afterwards. */
void replay_run(struct trace *t, const struct replay_options *options, struct model *const models[], size_t n_models,
		struct replay_counts *ret_counts);

/* Calls `each` for every block that is alive now, mappings included, in no particular order. For models, in event()
 * and finish(). A block in the middle of a realloc is alive. */
void replay_each_live(struct replay *r, void (*each)(void *self, const struct live_block *b), void *self);

/* The block that starts at `addr`, mappings left out. For models, in event() and finish(). False: none is alive there.
 */
bool replay_find_live(struct replay *r, uint64_t addr, struct live_block *ret);
