/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline: what was alive over the time of a run, by layer and by type
 *
 * What:  samples at equal distances: the bytes of each layer, the most of all counted ones since the sample before, the
 *        resident memory last known; and of each type the bytes of blocks of which that type is known. Marks and
 *        snapshots on the way.
 * How:   a listener. A sample shows what had happened before its time. The type of a block is known when it dies, or at
 *        the end (models/types.h): then the block is added to all samples of its life, by two differences.
 * Memory: 8 bytes for each type and sample.
 */
#pragma once
#include "analyzer/models/types.h"

struct timeline_sample {
	uint64_t ns;
	uint64_t bytes;     /* counted layers */
	uint64_t max_bytes; /* the most since the sample before */
	uint64_t rss_bytes; /* the last one known; 0: none */
	uint64_t layer_bytes[PT_LAYERS];
};

struct timeline_type {
	string_id type;     /* of types.names */
	uint64_t max_bytes; /* the most of any sample */
	int64_t *bytes;     /* by sample */
};

struct timeline_mark {
	uint64_t ns;
	const char *label; /* borrowed from the trace */
};

struct timeline_snapshot {
	uint64_t ns, number;
	uint32_t reason; /* enum pt_snapshot_reason */
};

struct timeline {
	struct trace *trace;
	struct model model; /* for account_options.more */
	struct types types; /* its model must listen, too, behind ours */
	uint64_t from_ns, to_ns;
	ARRAY(struct timeline_sample) samples; /* the last one at to_ns */
	ARRAY(struct timeline_type) by_type;   /* after timeline_finish() most bytes at the highest sample first */
	ARRAY(struct timeline_mark) marks;
	ARRAY(struct timeline_snapshot) snapshots;
	size_t highest;   /* the sample with the highest max_bytes */
	uint64_t peak_ns; /* when most was alive in the span shown, for the first time */
	uint64_t peak_bytes;
	uint64_t rss_peak_bytes; /* of the samples */
	/* private */
	size_t n;
	bool started; /* the span shown has begun */
	uint64_t layers[PT_LAYERS], bytes, high, rss;
	uint32_t *of_type; /* by string_id, index + 1 */
	size_t n_of_type;
};

struct timeline_options {
	size_t n;                /* samples, at least 1 */
	uint64_t from_ns, to_ns; /* what is shown; to_ns 0: to the end */
};

/* The trace must be open. Models to listen: t->model, then t->types.model. */
void timeline_init(struct timeline *t, struct trace *trace, const struct timeline_options *options);
/* After the replay. */
void timeline_finish(struct timeline *t);
void timeline_free(struct timeline *t);

/* The sample that shows what happened at `ns`: the first one later; t->n when there is none. */
size_t timeline_index(const struct timeline *t, uint64_t ns);
