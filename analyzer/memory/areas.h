/* SPDX-License-Identifier: Apache-2.0 */
/*
 * areas: where memory is: what allocators took from the system to cut into blocks, and what of it is alive
 *
 * What:  listens to a replay. Areas are the arenas of Python's object allocator and the heaps of an allocator other
 * than libc (layers arena and heap). A block belongs to the area that its address lies in; the others are libc's.
 *        Beside it the figures that allocators gave of themselves (FIGURE events) and the resident memory.
 * When:  at the end that matters, as models/account.h has it: before the interpreter takes itself down, else the end of
 *        the trace; or at the moment of a snapshot. Blocks are looked at there only, so this costs nothing per event.
 */
#pragma once
#include "analyzer/replay/replay.h"

struct area {
	uint64_t start, end;
	uint64_t live_bytes, live_blocks; /* of blocks in it */
};

/* Areas of one kind, by address. */
struct area_list {
	ARRAY(struct area) at;
	uint64_t mapped_bytes, live_bytes, live_blocks;
};

struct figure {
	const char *name; /* "jemalloc/active", "jemalloc/class 64/live"; borrowed from the trace */
	uint64_t value;
};

struct areas {
	struct trace *trace;
	struct model model; /* for account_options.more */
	struct area_list arenas, heaps;
	uint64_t other_bytes[PT_LAYERS];   /* blocks that lie in no area, of malloc, raw, mem and object */
	uint64_t mapping_bytes[PT_LAYERS]; /* of layers mmap, file and reserve */
	ARRAY(struct figure) figures;      /* in the order in which the trace first names them */
	uint64_t rss_bytes;                /* 0: not known */
	ARRAY(struct figure) now;          /* private: the last ones */
	uint64_t rss_now;
	uint64_t snapshot; /* private: whose moment it is; 0: the end */
	bool ended;        /* private: a py-fini was seen, and no py-init since */
};

/* The trace must be open. `snapshot`: the number of one, or 0: the end. */
void areas_init(struct areas *a, struct trace *t, uint64_t snapshot);
void areas_free(struct areas *a);

/* A figure by its whole name; false when the trace has none. */
bool areas_figure(const struct areas *a, const char *name, uint64_t *ret_value);
