/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account: who holds how much: live, peak, total and temporary bytes and blocks, by stack, layer, thread and task
 *
 * Three states are kept:
 *   ACCOUNT_END   what was alive at the end that matters: just before the last PY_FINI that no PY_INIT follows (the
 *                 interpreter gives nearly everything back while it takes itself down); else at the end of the trace
 *   ACCOUNT_LAST  at the end of the trace
 *   ACCOUNT_PEAK  when the sum of the counted layers was highest, for the first time
 *
 * Sums are over the counted layers (mmap malloc raw mem object). Rows of other layers are there too, so that a
 * report can show them; `account_row_is_counted` tells. Blocks inherited from a parent process are in no row.
 * All figures are exact. A block is *temporary* when it was freed (not moved by realloc) while at most one other block
 * had been made in the process since its own birth.
 */
#pragma once
#include "analyzer/replay/replay.h"

struct amount {
	uint64_t bytes, blocks;
};

static inline void amount_add(struct amount *sum, const struct amount *more)
{
	sum->bytes += more->bytes;
	sum->blocks += more->blocks;
}

enum account_state { ACCOUNT_LAST, ACCOUNT_END, ACCOUNT_PEAK, ACCOUNT_STATES };

/* One stack in one layer (and, when asked for, one thread or task). */
struct account_row {
	node_id node;
	uint32_t thread; /* index in trace.threads of who made the blocks; ACCOUNT_MANY: several, and not split */
	uint32_t task;   /* index in trace.defs.tasks of what ran; ACCOUNT_MANY: as above */
	uint8_t layer;
	struct amount at[ACCOUNT_STATES];
	struct amount total; /* ever made */
	struct amount temporary;
	uint64_t first_ns, last_ns; /* of the first and the last block ever made */
};
#define ACCOUNT_MANY UINT32_MAX

struct account_layer {
	struct amount at[ACCOUNT_STATES]; /* at the peak of the process */
	struct amount total, temporary;
	uint64_t own_peak_bytes; /* the most that this layer ever held */
	uint64_t own_peak_ns;
};

/* The process over time. */
struct account_sample {
	uint64_t ns;
	uint64_t bytes;     /* counted layers, at ns */
	uint64_t max_bytes; /* the most since the sample before */
	uint64_t rss_bytes; /* last one known, 0: none */
	uint64_t layer_bytes[PT_LAYERS];
};

/* A block that was alive at ACCOUNT_END. */
struct survivor {
	uint64_t bytes;
	uint64_t born_ns;  /* this block */
	uint64_t first_ns; /* the first of its chain of reallocs */
	uint32_t row;      /* index in account.rows */
	uint32_t blocks;   /* 1; 0 for a further piece of a mapping */
	uint64_t addr;
};

struct account_mark {
	uint64_t ns;
	const char *label; /* borrowed from the trace */
	struct amount live;
};

/* Regions of one label. */
struct account_region {
	const char *label; /* borrowed from the trace */
	uint64_t times;    /* that one was entered */
};

struct account {
	struct trace *trace;
	ARRAY(struct account_row) rows;
	struct account_layer layers[PT_LAYERS];
	struct amount at[ACCOUNT_STATES], total, temporary; /* counted layers */
	uint64_t at_ns[ACCOUNT_STATES];
	bool end_is_fini; /* ACCOUNT_END is the moment before the interpreter went down */
	ARRAY(struct survivor) survivors;
	ARRAY(struct account_sample) samples; /* up to 256, evenly spread over the time of the trace */
	ARRAY(struct account_mark) marks;
	ARRAY(struct account_region) regions; /* in the order of their first entries */
	uint64_t peak_rss_bytes, last_rss_bytes;
	struct replay_counts counts;
};

struct account_options {
	struct replay_options replay;
	bool by_thread;            /* rows are split by thread */
	bool by_task;              /* rows are split by task */
	bool survivors;            /* fill account.survivors (memory: 48 bytes for each block alive at the end) */
	struct model *const *more; /* further listeners to the same replay */
	size_t n_more;             /* at most ACCOUNT_MAX_MORE */
};
enum { ACCOUNT_MAX_MORE = 14 };

/* Replays `t` into *a, which needs no initialisation. account_free() it. The trace must outlive it. */
void account_run(struct account *a, struct trace *t, const struct account_options *options);
void account_free(struct account *a);

static inline bool account_row_is_counted(const struct account_row *row)
{
	return pt_layer_counted((enum pt_layer)row->layer);
}
