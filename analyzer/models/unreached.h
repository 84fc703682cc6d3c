/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unreached: native blocks to which no pointer leads, over the snapshots of a trace
 *
 * What:  joins what the tracer saw in a snapshot (heap.lost: where no pointer leads, by the allocators' own structures)
 *        with the blocks that are alive by the events at that moment. Direct: no lost block leads to it, either; of a
 *        ring of lost blocks one stands for all. Indirect: a direct one leads to it, over others perhaps; that is its
 *        leader.
 *        A mapping that the program made for itself is lost when no word is an address in it, if its stack lost
 * several. Not:   objects of Python's, and what only they lead to (their verdict is another one: somebody forgot a
 * reference); what hangs on blocks that the events do not know (made before the trace began); blocks of the process
 * that forked this one. Proof of the contrary: a lost block that the program gives back after all was not lost: it has
 * a pointer that it hides. Such deaths are counted, up to the end of the trace, by the stack that made the block. Who:
 * counts/surplus.h hands the snapshots that it looks at to it; findings. Memory: 48 bytes a lost block, for one
 * snapshot at a time.
 */
#pragma once
#include "analyzer/base/map.h"
#include "analyzer/heap/heap.h"
#include "analyzer/models/account.h"
#include "analyzer/replay/replay.h"

enum { UNREACHED_SNAPSHOTS = 8 };

struct unreached_block {
	uint64_t address, bytes; /* as the program has it */
	uint64_t born_ns;
	node_id node;
	uint32_t leader; /* index of its direct block; its own when it is direct */
	uint8_t layer;
	bool given_back; /* later */
};

/* By the stack that made direct blocks. */
struct unreached_sum {
	node_id node;
	uint64_t given_back;                   /* blocks that were not lost after all */
	struct amount at[UNREACHED_SNAPSHOTS]; /* direct blocks, at each snapshot that was looked at */
};

/* Blocks that one stack made and another one moved, by realloc. */
struct unreached_move {
	node_id from, to;
	uint64_t blocks;
};

enum unreached_state {
	UNREACHED_NOT_LOOKED, /* no snapshot has such records: an older tracer's, or the trace ended before */
	UNREACHED_CUT,        /* the search came to no end */
	UNREACHED_IN_PARTS,   /* memory of an allocator that can't be taken apart was left out */
	UNREACHED_WHOLE,
};

struct unreached {
	struct model model;         /* hears of deaths, and of what is moved */
	enum unreached_state state; /* of the last snapshot that was looked at */
	bool is_libc;               /* at it */
	uint64_t threads, searched; /* at it: threads; bytes of blocks that were taken apart */
	unsigned n;                 /* snapshots looked at */
	uint64_t ns[UNREACHED_SNAPSHOTS];
	ARRAY(struct unreached_block) blocks; /* at the last one, direct ones before theirs */
	ARRAY(struct unreached_sum) sums;
	ARRAY(struct unreached_move) moves; /* of native blocks, over the whole run */

	/* private */
	struct map by_address, by_node, by_move;
	node_id moving; /* who made the block that died of the realloc in hand; NODE_EMPTY: none */
};

void unreached_init(struct unreached *u);
void unreached_free(struct unreached *u);
/* Takes a snapshot, in its SNAPSHOT event. */
void unreached_look(struct unreached *u, const struct heap *h, const struct replay_now *now, struct replay *r);
