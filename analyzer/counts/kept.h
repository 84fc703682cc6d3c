/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept: what C code keeps in tables of its own, and in which blocks
 *
 * Theory. Words of native memory that are addresses of objects (heap/keepers.h) explain counts that no reference in the
 * heap does. One word proves nothing: it may be left over in memory that is in use, so that of objects that were lost a
 * few in a thousand seem to be held. So populations are judged: objects of one type, made by one stack. Where words
 * explain the greater part of their surplus, C code keeps them, and each word counts; where they do not, none does.
 *
 * Memory: 4 bytes an object while it runs; 32 bytes a keeper.
 */
#pragma once
#include "analyzer/heap/join.h"
#include "analyzer/heap/keepers.h"
#include "analyzer/replay/replay.h"

/* Takes from each object's surplus what native memory explains. `node`: by object, as of struct join. */
void kept_subtract(const struct heap *h, const node_id *node, int32_t *surplus);

/* Where a keeper lies, as the events know it. */
struct kept_block {
	node_id node;            /* that made it; NODE_UNKNOWN: none that is known, or data of a file */
	uint64_t address, bytes; /* as the program has it; bytes 0: not known */
	uint8_t layer;
};

/* A word that leads to a block of Python's in which no object of the snapshot lies: bytes that only C code has. Or a
 * dead object that waits to be used again: those on a free list lead to each other, and to all that they had. */
struct kept_other {
	uint32_t keeper;  /* index in heap.keepers */
	node_id node;     /* that made the block */
	uint64_t address; /* where the word leads */
	uint64_t bytes;
	bool dead; /* no word leads to it but of blocks of Python's that hold no object either */
};

struct kept {
	const struct heap *heap;
	struct kept_block *blocks; /* by keeper; NULL: there are none */
	ARRAY(struct kept_other) others;

	uint32_t *first,
		*keepers; /* kept_index(): the keepers of object o are keepers[first[o]] to [first[o + 1] - 1] */

	/* private */
	struct map by_address; /* a keeper's address to the first of its records */
	struct map by_word;    /* an address to which words lead, of no object, to the first of the keepers that do */
};

/* Before blocks are shown. */
void kept_start(struct kept *k, const struct heap *h);
/* A block that is alive at the snapshot. */
void kept_see(struct kept *k, const struct live_block *b);
/* One of Python's in which no object of the snapshot lies, and no buffer of one: whether a word leads to it. */
bool kept_see_other(struct kept *k, const struct live_block *b);
/* When all were shown. */
void kept_finish(struct kept *k);
/* Fills .first and .keepers, if that was not done yet; false: there are none. `h`: the heap, where it lies now. */
bool kept_index(struct kept *k, const struct heap *h);
/* What kind of memory a keeper is: the same number for all blocks that one stack made, and for the data of one file. 0:
 * nothing is known of it. */
uint64_t kept_kind(const struct kept *k, uint32_t keeper);
/* The stack, or the file (NULL: it is of a stack), of such a number. */
node_id kept_node(uint64_t kind);
const char *kept_file(const struct kept *k, uint64_t kind);
void kept_free(struct kept *k);
