/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory: where the memory of a process is at one moment, all that `arenas` tells
 *
 * What:  the models of memory brought together: what allocators took (areas), pools, resident pages, pins.
 * When:  at the end, with the pages of the snapshot that was taken there, if there is one; or at a snapshot.
 * How:   memory_listen() before the replay, memory_finish() after it; then print or put.
 */
#pragma once
#include "analyzer/report/report.h"
#include "analyzer/memory/areas.h"
#include "analyzer/memory/pins.h"

struct memory {
	struct report_trace *t;
	struct snapshots snapshots;
	const struct snapshot *snapshot; /* whose pages are shown; NULL: there is none */
	bool not_found;                  /* the snapshot that was asked for is not there */
	struct areas areas;
	struct alive alive;
	struct pools pools;
	struct mapped mapped;
	struct resident resident;
	struct pins pins;
};

/* Lists the snapshots of a trace and makes the models ready. `number`: of the snapshot whose moment is shown; 0: the
 * end. Puts two models into `models`. */
void memory_listen(struct memory *m, struct report_trace *t, uint64_t number, struct model *models[2]);
/* After the replay. */
void memory_finish(struct memory *m);
void memory_free(struct memory *m);

/* Resident memory by who has it: a table, or the keys rss, rss_bytes, rss_exact, unexplained_bytes. */
void memory_print_rss(const struct memory *m, const struct output *o);
void memory_put_rss(const struct memory *m, json_t *o);

/* Python's object allocator: arenas, pools, size classes: text, or the keys pools, classes. */
void memory_print_pools(const struct memory *m, const struct output *o, uint64_t top);
void memory_put_pools(const struct memory *m, json_t *o);

/* Who keeps memory from going back: a table, or the key pins. */
void memory_print_pins(const struct memory *m, const struct output *o, uint64_t top);
void memory_put_pins(const struct memory *m, json_t *o);

/* The stretches of memory that libc (`mimalloc`: Python's own allocator) cuts into blocks. */
json_t *memory_spans_json(const struct memory *m, bool mimalloc);
/* Free bytes of these below something that is alive: of libc's heaps below their last block. */
uint64_t memory_spans_pinned(const struct memory *m, bool mimalloc);
