/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ranges: mappings that are alive, of which any part may go
 *
 * A mapping is one block, however many pieces of it are left; it is gone when its last piece is. Pieces are kept in a
 * sorted array: the kernel allows a process 65,530 of them, and they change seldom.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "analyzer/base/array.h"

struct mapping {
	uint64_t number, born_ns;
	uint32_t node, maker;
	uint32_t pieces; /* alive; 0: gone, but for ... */
	uint32_t held;   /* ... cuts that may be restored */
	uint8_t layer;
	bool inherited;
	uint32_t next_free;
};

struct range {
	uint64_t start, end;
	uint32_t mapping; /* index in ranges.mappings */
};

/* A part that was cut out. `last`: that was the last piece of its mapping. */
struct cut {
	struct range range;
	bool last;
};

struct ranges {
	ARRAY(struct range) at; /* sorted, not overlapping */
	ARRAY(struct mapping) mappings;
	uint32_t first_free;    /* index + 1; 0: none */
	ARRAY(struct cut) cuts; /* of the last ranges_cut() */
};

/* Puts a new mapping where nothing is (cut first). */
void ranges_add(struct ranges *r, uint64_t start, uint64_t end, const struct mapping *m);
/* Takes out whatever lies in [start, end), and leaves it in r->cuts. Their mappings can be read until
 * ranges_forget(), which must be called for each cut that is not given back with ranges_restore(). */
void ranges_cut(struct ranges *r, uint64_t start, uint64_t end);
void ranges_forget(struct ranges *r, const struct cut *c);
/* Puts a cut back (munmap failed). Returns false, and forgets it, when something else is there by now. */
bool ranges_restore(struct ranges *r, const struct cut *c);
void ranges_free(struct ranges *r);
