/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring: the piece of the trace file that a thread writes its slots into
 *
 * What:  taking a ring for a thread, packing it into blocks when it is full, giving it back.
 * How:   a ring is a RING block of the file, its space taken beforehand and mapped shared: a store into it cannot
 *        fail, and after a SIGKILL it is in the file. The thread that fills a ring packs it.
 * Sizes: the first thread gets RING_MEDIUM, others RING_SMALL; who fills that gets RING_MEDIUM, and who is BUSY gets
 *        RING_LARGE. Most processes are short: of a large one they would touch each page, of the file and of what packs
 *        it, once.
 * Who:   the owner; at the end of the trace the thread that ends it, for threads known to be outside (lifecycle.c).
 */
#pragma once
#include "preload/base/os.h"
#include "preload/record/thread.h"

enum {
	RING_SMALL = 4096,
	RING_MEDIUM = 16384,
	RING_LARGE = 65536,
	RING_BUSY = 8 * RING_MEDIUM, /* slots that a thread has had before it gets a large one */
	RING_SPARE = 8               /* slots kept free for RUN, TIME, SIZE64 and an event */
};

/* One mapped ring. Never unmapped: a thread that dies leaves it to the next one. */
struct ring {
	struct pt_ring *shared;
	struct pt_slot *slots;
	uint64_t offset; /* of its block in the file */
	uint32_t n_slots;
	struct thread *owner; /* NULL: free */
	struct ring *next;
};

/* What a ring takes in the file: its page and its slots. */
static inline uint64_t ring_bytes(uint32_t n_slots) { return OS_PAGE + n_slots * sizeof(struct pt_slot); }
/* Gives `t` a ring of `n_slots`. False when the output cannot grow. */
bool ring_take(struct thread *t, uint32_t n_slots);
/* Packs what is in the ring into blocks and empties it. False when it could not be written: then the tracer is off and
 * the ring keeps what it has. */
bool ring_pack(struct thread *t);
/* Sums over all packing of this process; for the footer. */
struct ring_totals {
	uint64_t n_events, n_defs, n_blocks, op_counts[256];
};
void ring_totals(struct ring_totals *out);
/* Calls `f` for each ring of the file. */
void ring_each(void (*f)(const struct ring *r, void *arg), void *arg);
void ring_after_fork(void);
