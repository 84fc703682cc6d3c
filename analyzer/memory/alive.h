/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alive: what was alive at one moment, sorted by address
 *
 * What:  listens to a replay and copies the live blocks and mappings of one moment: the end, as models/account.h has
 * it, that of a snapshot, or the last time at
 * which the caller wanted it. Beside it what only the events tell: how large the blocks are that each pool of
 * Python's object allocator is cut into (pools.h), and who took and gave back resident memory. Cost:  32 bytes for each
 * block alive at the moment; two bytes for each pool's place in the address space. Who:   a model of replay_run()
 * (account_options.more, report_listener).
 */
#pragma once
#include "analyzer/replay/replay.h"

struct alive_block {
	uint64_t addr, bytes;
	node_id node;   /* stack that made it */
	uint8_t layer;  /* enum pt_layer: malloc, raw, mem, object */
	bool inherited; /* made by the process that forked this one */
};

/* A mapping, an arena, or a heap of an allocator. */
struct alive_range {
	uint64_t start, end;
	node_id node;
	uint8_t layer;
};

struct alive {
	struct trace *trace;
	struct model model;
	uint64_t snapshot; /* whose moment is looked for; 0: the end */
	uint64_t
		step_ns; /* set by the caller: the last one of times so far apart at which it is wanted; 0: it is not */
	bool seen;       /* the moment was met */
	uint64_t ns;     /* when it was */
	ARRAY(struct alive_block) blocks;
	ARRAY(struct alive_range) ranges; /* mappings of any layer, arenas; they may overlap */
	uint64_t rss_bytes;               /* the last one known at the moment; 0: none */
	uint64_t pages_of;                /* set by the caller: a snapshot whose pages are shown; 0: none */
	uint64_t pages_rss_bytes;         /* the last one known when it was taken */
	bool (*is_wanted)(void *self);    /* set by the caller: asked at the moment; NULL: it is */
	void *wanted_self;
	unsigned pool_bits; /* pools are of 1 << pool_bits bytes; 0: no arena was seen */
	/* private */
	uint16_t **pools; /* by gigabyte of address space: for each pool the bytes last asked for in it */
	uint64_t moving;  /* the block that a realloc took away just now */
	uint64_t rss_now, next_ns;
	bool ended;
};

/* The trace must be open. `snapshot`: the number of one, or 0. The model is a->model. */
void alive_init(struct alive *a, struct trace *t, uint64_t snapshot);
void alive_free(struct alive *a);

/* The bytes that were asked for when a block was last made in the pool at `addr`; 0: there was none since the arena
 * that it lies in was made. */
unsigned alive_asked(const struct alive *a, uint64_t addr);

/* Index of the first block that ends beyond addr. */
size_t alive_first_beyond(const struct alive *a, uint64_t addr);
