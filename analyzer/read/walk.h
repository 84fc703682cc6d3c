/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk: from the bytes of a file to the list of its blocks (private to read/)
 *
 * Steps of trace_open(), in order:
 *   walk_blocks()   hops from header to header, notes what is there and what is damaged
 *   walk_rings()    copies the rings, before their owners (if they are alive) write on; then walk_blocks() goes on with
 *                   what was appended in between, so that nothing falls between a ring and its block
 *   walk_defs()     reads the DEFS blocks
 *   walk_parts()    turns blocks and rings into parts: overlaps dropped, gaps noted, in the order of replay
 */
#pragma once
#include "analyzer/read/unpack.h"

/* A block that holds a piece of a thread's stream. */
struct walk_piece {
	struct part part;
	bool defs; /* a DEFS block: what it defines, not what happened */
};

struct walk_ring {
	uint64_t offset;
	uint32_t thread; /* index in trace.threads */
	struct pt_ring head;
	struct pt_slot *slots; /* a copy of the filled ones, owned */
	size_t n;
};

struct walk {
	struct trace *t;
	struct unpacker *unpacker;
	uint64_t at;                     /* where the next block should start */
	uint64_t end;                    /* silence is fine from here on (x_file_end) */
	ARRAY(struct walk_piece) pieces; /* DEFS and EVENTS blocks */
	ARRAY(uint64_t) ring_at;
	ARRAY(struct walk_ring) rings;
	struct map thread_of; /* number to index in trace.threads */
};

void walk_blocks(struct walk *w);
void walk_rings(struct walk *w);
void walk_defs(struct walk *w);
void walk_parts(struct walk *w);
void walk_done(struct walk *w);
