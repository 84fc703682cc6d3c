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

struct walk {
	struct trace *t;
	struct unpacker *unpacker;
	uint64_t at;                     /* where the next block should start */
	uint64_t end;                    /* silence is fine from here on (x_file_end) */
	ARRAY(struct walk_piece) pieces; /* DEFS and EVENTS blocks */
	ARRAY(uint64_t) ring_at;
	struct map thread_of;      /* number to index in trace.threads */
	ARRAY(uint64_t) ring_base; /* by thread: number of the first slot in its ring; UINT64_MAX: it has none */
};

/* Numbers of slots are counted in 64 bits; beyond this they are damage, and adding two of them can't overflow. */
#define WALK_MAX_SLOT (UINT64_C(1) << 60)

void walk_blocks(struct walk *w);
void walk_rings(struct walk *w);
void walk_defs(struct walk *w);
void walk_parts(struct walk *w); /* parts.c */
void walk_done(struct walk *w);
