/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: how much of each allocator was in use over the run, and when last it was more
 *
 * What:  listens to a replay. Blocks are those of Python's arenas (small ones, where there are arenas), of its mimalloc
 *        (free-threaded builds), of malloc's heaps. Blocks with a mapping of their own, which go back with it, are left
 *        out, as far as their address and size tell.
 * Why:   memory that is free at the end is no waste if the program needed it a moment ago, or needs it now and then.
 * Cost:  an addition for each change; 512 numbers for each allocator.
 * End:   as models/account.h has it.
 */
#pragma once
#include "analyzer/replay/replay.h"

enum usage_kind { USAGE_ARENA, USAGE_MIMALLOC, USAGE_HEAP, USAGE_KINDS };
enum { USAGE_SAMPLES = 256 };

struct usage_row {
	uint64_t now, end;      /* bytes alive; at the end */
	uint64_t peak, peak_ns; /* the most, and when first */
	uint64_t made;          /* bytes ever made; what realloc moved is left out */
	/* in each 256th of the run */
	uint64_t most[USAGE_SAMPLES], least[USAGE_SAMPLES];
};

struct usage {
	struct trace *trace;
	struct model model; /* for account_options.more */
	struct usage_row rows[USAGE_KINDS];
	uint64_t mapped_bytes; /* arenas now */
	uint64_t live_bytes;   /* all counted layers now */
	uint64_t rss_bytes;    /* the last one known; 0: none */
	uint64_t end_ns;
	/* private */
	size_t sample;
	bool free_threaded, ended;
};

/* The trace must be open. */
void usage_init(struct usage *u, struct trace *t);

/* When last more than `bytes` were in use, to a 256th of the run; 0: never. */
uint64_t usage_last_above(const struct usage *u, enum usage_kind kind, uint64_t bytes);
/* In how many 256ths of the run use rose above or fell below `bytes`: 2 for one peak, at most. */
unsigned usage_crossings(const struct usage *u, enum usage_kind kind, uint64_t bytes);
