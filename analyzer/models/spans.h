/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spans: when recording was on
 *
 * What:  the spans of time in which what the program allocated was recorded: all of it, unless the trace has PAUSE and
 *        RESUME (PYTRACE_START, libpytrace.start() and stop(), a signal).
 * How:   a listener. Outside of the spans nothing is born in the trace; blocks that were recorded die at their time.
 * Who:   reports, which must not take silence for idleness.
 */
#pragma once
#include "analyzer/base/array.h"
#include "analyzer/replay/replay.h"

struct span {
	uint64_t from_ns, to_ns;
	uint32_t why;     /* enum pt_pause: who started it; 0: the trace began so */
	uint32_t why_not; /* who stopped it; 0: the trace ended so */
};

struct spans {
	struct model model;
	ARRAY(struct span) at;
	uint64_t recorded_ns; /* of all spans; after the replay */
	uint64_t end_ns;      /* of the trace */
	bool is_whole;        /* it was never stopped */
	bool on;
};

/* The trace must be open, and live as long. */
void spans_init(struct spans *s, const struct trace *t);
void spans_free(struct spans *s);
