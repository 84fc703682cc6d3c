/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pieces: which dead objects hang on one dead container
 *
 * Theory. Garbage that waits for the collector piles up bit by bit: a request here, a job there, each a few objects
 * that refer to each other. A container that went with the function that had it (main() returned, and the program ends)
 * is garbage, too, with all that it holds; but it was alive as long as it got new entries. So dead objects of all ages
 * below one container with many entries were held up to the youngest of them.
 *
 * What:   of a set of dead objects those with many references to others of it, the largest first; what each leads to.
 * Who:    findings/, to tell what grew and went with the program from what waits.
 *        Containers that lead to the same objects, many of them, are one piece.
 * Memory: a byte an object, and 5 while it works. Time: linear.
 */
#pragma once
#include "analyzer/heap/heap.h"

struct pieces {
	uint8_t *of; /* by object: a number from 1; 0: it hangs on none */
};

/* `dead`: a set (of garbage_dead()). Pieces are at most 255. pieces_free() it. */
void pieces_find(struct pieces *p, const struct heap *h, const uint64_t *dead);
void pieces_free(struct pieces *p);
