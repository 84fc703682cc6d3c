/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order: all events of a trace in the order in which they happened
 *
 * What:  merges the threads by run number and hands out batches: events of one thread with one time.
 * How:   parts are decoded ahead by worker threads, in the order of their first run, which is the order in which the
 *        merge asks for them. Memory: a few decoded parts more than there are threads in the middle of one.
 * Who:   one thread calls; batches are valid until the next call.
 */
#pragma once
#include "analyzer/read/trace.h"

struct batch {
	const struct pt_event *events; /* a RUN or TIME event opens the batch that it dates */
	size_t n;
	size_t n_readable; /* events that lie there, at least n: what probably comes next, for prefetching */
	uint64_t first;    /* number of the first event, counted from 0 in the order handed out */
	uint64_t run;
	uint64_t ns;     /* time since the start of the trace */
	uint32_t thread; /* index in trace.threads */
	size_t part;     /* index in trace.parts; the batch begins with ... */
	size_t at;       /* ... this event of it */
	bool after_gap;  /* events of this thread before this batch are missing */
};

struct order;

/* n_workers: threads that decode ahead; 0 decodes in the calling thread; negative: as many as there are processors. */
struct order *order_new(struct trace *t, int n_workers);
/* 1 with *ret filled, 0 at the end. Damaged parts are passed over: they become troubles of the trace. */
int order_next(struct order *o, struct batch *ret);
/* Bytes of the file behind us, of order_bytes_total(): for a progress bar. */
uint64_t order_bytes_done(const struct order *o);
uint64_t order_bytes_total(const struct order *o);
void order_free(struct order *o);
