/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history: what there is of snapshots and collections in a trace, in a line each
 *
 * Who:   info, summary (REPORT_HISTORY).
 */
#pragma once
#include "analyzer/models/collections.h"
#include "analyzer/models/mapped.h"
#include "analyzer/out/json.h"

/* A snapshot, and what its copy said of itself. */
struct history_snapshot {
	const struct snapshot *s;
	uint64_t pause_ns; /* of the program, while it was forked; 0: not known */
};

struct history {
	struct snapshots snapshots;
	ARRAY(struct history_snapshot) at; /* as snapshots.at */
	struct collections collections;    /* its model must listen */
};

/* The trace must be open, and outlive it. */
void history_init(struct history *h, struct trace *t);
void history_free(struct history *h);

/* [{id, t_s, reason, complete, objects, edges, missed, bytes, pause_s}]: bytes are those in the file. */
json_t *history_snapshots_json(const struct history *h);
/* {n, explicit, collected, uncollectable, pause_s, longest_pause_s}; null when none was seen. */
json_t *history_collections_json(const struct history *h);

/* "2: exit at 1.31 s, 83,112 objects; signal at ...": "" when there is none. Written into buf, which is returned. */
char *history_snapshots_text(const struct history *h, char *buf, size_t cap);
/* "49, one of them asked for; 29 ms in all, the longest 13 ms": likewise. */
char *history_collections_text(const struct history *h, char *buf, size_t cap);
