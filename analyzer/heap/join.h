/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join: what the replay knows of a snapshot's objects: the block that each lies in
 *
 * What:  a listener of a replay. At the SNAPSHOT event of its heap it asks for all live blocks. An object's block is
 * the one that starts at its address less its type's before_bytes. A raw pointer that leads to the start of a live
 *        block which is no object, and that only one object claims, makes that block the object's: a list's items, a
 *        dict's table. Chains of these are not followed.
 * Size:  32 bytes an object, 32 a buffer.
 *
 *     join_init(&j, &heap);
 *     replay_run(t, &options, (struct model *const[]){ &j.model }, 1, &counts);
 */
#pragma once
#include "analyzer/heap/heap.h"
#include "analyzer/heap/rebirths.h"

/* A block that is an object's buffer. */
struct join_buffer {
	object_id owner;
	node_id node;
	uint64_t address, bytes, born_ns, number;
	uint8_t layer; /* enum pt_layer */
	bool moved;    /* by a realloc later than born_ns: then node is who moved it */
};

struct join {
	struct heap *heap; /* its `reason` is set from the event */
	struct model model;
	bool found;           /* the event was seen: the columns hold something */
	uint64_t ns;          /* of the event */
	uint64_t last_number; /* of the last allocation seen before it: ages in allocations count from here */

	/* by object; no block was found: NODE_UNKNOWN, 0, 0, and the object's own bytes */
	node_id *node;
	node_id *maker;    /* what made the block: another than .node where an earlier object lay in it (made.h,
			      rebirths.h) */
	uint64_t *born_ns; /* the first of its chain of reallocs */
	uint64_t *number;  /* of its allocation, from 1 */
	uint64_t *bytes;   /* of its block and its buffers */
	uint64_t n_joined,
		joined_bytes; /* objects with a block; bytes of all blocks and buffers that belong to objects */
	uint64_t n_buffers, buffer_bytes;
	uint64_t n_other, other_bytes;     /* live blocks (no mappings) that are no object's */
	ARRAY(struct join_buffer) buffers; /* by owner */

	/* Objects made in blocks that their type had kept: their birth and line are those of the rebirth. Noted while
	 * listening; who has listened before gives his own before the event. */
	const struct rebirths *rebirths;
	uint64_t n_reborn;
	struct rebirths noted; /* private */
	struct map claimed;
	uint64_t befores[16]; /* private: distances between block and object */
	unsigned n_befores;
};

/* The heap is the caller's, loaded, and stays until join_free(). Before the replay, and when the trace has no such
 * event, the columns say that no block was found. */
void join_init(struct join *j, struct heap *h);
void join_free(struct join *j);
/* The buffers of an object, in join.buffers; *ret_n: how many. */
const struct join_buffer *join_buffers(const struct join *j, object_id o, size_t *ret_n);
