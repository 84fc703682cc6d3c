/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fragments: resident memory that is free and yet does not go back to the system, and whose blocks keep it
 *
 * Units: memory goes back in units: a whole arena of Python's object allocator; a slice of its mimalloc; a page of
 * libc's heaps, but only the pages above the last block go back by themselves, those between blocks when malloc_trim()
 *        is called. A unit with little alive in it is kept by the site that has most blocks in it; free pages of a heap
 *        are kept by the block right above them. What is free above the last block of a heap, or in units with nothing
 *        alive, the allocator keeps for itself: nobody's blocks are to blame for it.
 * Pins:  sites are taken in the order of what they keep. Other sites with blocks in the same units are taken with it
 *        until most of these units would go back without all their blocks: parts of one pin. What takes more than a few
 *        sites is no pin. Those of one allocator are one, the sites its parts.
 * When:  at the end; and shortly before it, for what hangs on variables of main() is given back by then, and the memory
 *        that it kept with it. The later one counts unless the earlier one has far more to tell.
 * Exact: with the pages of a snapshot at the end; else what is mapped counts as resident, heaps and mimalloc are left
 * out. Cost:  a copy of what is alive at these moments, where much could be free at all (usage.h); else next to
 * nothing.
 */
#pragma once
#include "analyzer/memory/resident.h"
#include "analyzer/memory/usage.h"

enum { FRAGMENTS_PARTS = 8 };

struct fragments_part {
	uint32_t site;
	node_id node; /* the stack of its first block in these units */
	uint64_t blocks, bytes;
};

struct fragments_pin {
	enum usage_kind kind;
	uint64_t units;        /* that would go back; runs of free pages are left out */
	uint64_t pinned_bytes; /* resident memory that would go back without the blocks of all parts ... */
	uint64_t trim_bytes;   /* ... of this, free pages of heaps: malloc_trim() gives them back as it is */
	uint64_t held_bytes;   /* of the blocks, as far as they lie in these units */
	uint64_t blocks, bytes;
	struct fragments_part parts[FRAGMENTS_PARTS]; /* the one that keeps most first; further ones may be left out */
	unsigned n_parts;
};

struct fragments_layer {
	uint64_t mapped_bytes, resident_bytes, live_bytes;
	uint64_t retained_bytes; /* resident, with nothing alive in the unit or above it */
};

struct fragments {
	struct trace *trace;
	struct usage usage;
	struct alive alive, before;        /* at the end, and shortly before it */
	uint64_t used_before[USAGE_KINDS]; /* private: in use then */
	struct model *models[3];           /* for account_options.more, in this order */
	uint64_t earlier_ns; /* all is as it was then, shortly before the end, usage.rows[].end too; 0: at the end */
	bool looked;         /* much could be free: what follows is filled */
	bool exact;
	uint64_t rss_bytes, tracer_bytes; /* tracer_bytes: of it, the tracer's own; 0: not known */
	struct fragments_layer layers[USAGE_KINDS];
	ARRAY(struct fragments_pin) pins; /* most pinned first */
	struct snapshots snapshots;       /* private */
};

struct fragments_options {
	/* The number of a stack's site: dense, from 0. */
	uint32_t (*site_of)(void *self, node_id node);
	void *self;
};

/* The trace must be open; *f must not move. */
void fragments_init(struct fragments *f, struct trace *t);
/* After the replay. */
void fragments_finish(struct fragments *f, const struct fragments_options *options);
void fragments_free(struct fragments *f);
