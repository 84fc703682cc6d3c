/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moments: what there is of snapshots and collections in a trace, in a line each
 *
 * Who:   info, summary (REPORT_MOMENTS).
 */
#pragma once
#include "analyzer/models/collections.h"
#include "analyzer/memory/mapped.h"
#include "analyzer/out/json.h"

/* A snapshot, and what its copy said of itself. */
struct moments_snapshot {
	const struct snapshot *s;
	uint64_t pause_ns; /* of the program, while it was forked; 0: not known */
};

struct moments {
	struct snapshots snapshots;
	ARRAY(struct moments_snapshot) at; /* as snapshots.at */
	struct collections collections;    /* its model must listen */
};

/* The trace must be open, and outlive it. */
void moments_init(struct moments *h, struct trace *t);
void moments_free(struct moments *h);

/* [{id, t_s, reason, complete, objects, edges, missed, bytes, pause_s}]: bytes are those in the file. */
json_t *moments_snapshots_json(const struct moments *h);
/* {n, explicit, collected, uncollectable, pause_s, longest_pause_s}; null when none was seen. */
json_t *moments_collections_json(const struct moments *h);

/* "2: exit at 1.31 s, 83,112 objects; signal at ...": "" when there is none. Written into buf, which is returned. */
char *moments_snapshots_text(const struct moments *h, char *buf, size_t cap);
/* "49, one of them asked for; 29 ms in all, the longest 13 ms": likewise. */
char *moments_collections_text(const struct moments *h, char *buf, size_t cap);
