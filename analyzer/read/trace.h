/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace: a trace file, opened: its blocks, rings, definitions, threads, and what is wrong with it
 *
 * What:  maps the file, walks the block headers, loads every definition. Events stay packed until somebody asks
 *        (read/unpack.h decodes one block, replay/order.h all of them in order).
 * Trust: none. A damaged block costs itself: the walk goes on at the next header that its checksum confirms. Lengths,
 *        counts and ids are bounded before they are believed.
 * Alive: a trace that is still being written is read as of the moment of opening.
 */
#pragma once
#include <stdbool.h>
#include "formats/block.h"
#include "analyzer/base/array.h"
#include "analyzer/base/fault.h"
#include "analyzer/read/defs.h"

/* The most that a block may unpack to; more is damage. */
enum { TRACE_MAX_RAW_BYTES = 64 << 20 };

/* A part of one thread's stream of events: an EVENTS block, or what a ring holds beyond the last of them. */
struct part {
	uint64_t offset;              /* of the block header in the file */
	uint64_t first_slot, n_slots; /* of the thread's stream */
	uint64_t first_run;           /* in force at the first event */
	uint64_t first_ns, last_ns;
	uint32_t n_events;     /* as the header says; for a ring as counted */
	uint32_t thread;       /* index in trace.threads */
	bool after_gap;        /* slots between the part before and this one are missing */
	struct pt_event *ring; /* events taken from a ring, owned; NULL: packed in a block */
};

/* What lay in a ring when the trace was opened. Slots below `first_new` are in EVENTS blocks, too. */
struct trace_ring {
	uint64_t offset;
	uint32_t thread; /* index in trace.threads */
	uint32_t tid;
	struct pt_slot *slots; /* a copy of the filled ones */
	size_t n, first_new;
	uint64_t base_slot; /* number of slots[0] */
	uint64_t run, ns;   /* in force at slots[first_new] */
};

struct trace_thread {
	uint32_t number; /* in the file, from 1; 0: the process */
	uint32_t tid;    /* 0 when unknown */
	string_id name;  /* 0 when it has none */
	uint64_t n_events, first_ns, last_ns;
};

/* What is wrong with a trace, one sentence each: "a block of 3100 events has a wrong checksum (at byte 8192)". */
struct trouble {
	uint64_t offset; /* or FAULT_NOWHERE */
	char *text;
};

struct trace {
	char *file; /* as the user named it */
	const uint8_t *map;
	uint64_t file_bytes;
	uint64_t inode;
	struct pt_front front; /* a copy */
	bool alive;            /* the process was running, and writing this file, when it was opened */
	bool front_is_sound;   /* its checksum held */
	bool footer_found;
	struct pt_footer footer;
	struct defs defs;
	ARRAY(struct part)
	parts; /* sorted by first_run, then by place in the thread: the order in which replay needs them */
	ARRAY(struct trace_thread) threads;
	ARRAY(uint64_t) defs_at;      /* offsets of the DEFS blocks that could be read, in file order */
	ARRAY(uint64_t) snapshots_at; /* offsets of the SNAPSHOT blocks, in file order: read/snapshot.h */
	ARRAY(struct trace_ring) rings;
	ARRAY(struct trouble) troubles;
	uint64_t n_events;      /* in all parts, as the headers say */
	uint64_t n_blocks;      /* sound headers but for rings and pads */
	uint64_t n_damaged;     /* blocks that could not be read; more may be found while replaying */
	uint64_t missing_slots; /* of threads' streams, between the parts that are there */
	uint64_t lost_events;   /* counted by the tracer (front page) */
	uint64_t end_ns;        /* the latest time known */
	uint64_t cut_at;        /* where the file ends in the middle of a block; FAULT_NOWHERE when it doesn't */
};

/* Opens and reads all but the events. Returns 0, FAULT_IO (can't be read), FAULT_FORMAT (no trace) or FAULT_VERSION
 * (from the future). Anything else that is wrong becomes a trouble of an opened trace. trace_close() in any case. */
int trace_open(struct trace *t, const char *file, struct fault *ret_fault);

struct trace_options {
	bool internals;  /* stacks have all their frames, those of the interpreter included */
	bool raw_stacks; /* defs.stacks.raw stays: the definitions as they stand in the file */
	/* Place in the file, while it is being written (at the end blocks are moved together): events of the blocks
	 * before it are passed over, what they define is not. */
	uint64_t since;
};
int trace_open_with(struct trace *t, const char *file, const struct trace_options *options, struct fault *ret_fault);
void trace_close(struct trace *t);

/* Adds a trouble; the text is made as by printf. Also used by replay for what only decoding finds. */
void trace_trouble(struct trace *t, uint64_t offset, const char *text, ...) __attribute__((format(printf, 3, 4)));

/* How the process ended, as DESIGN 2.5 names it: "exit", "signal", "killed", "exec", "running" or "stopped: REASON".
 * "running": the process is alive on this machine and has this very file mapped. */
const char *trace_ended(const struct trace *t);
/* Whether every event that the program made is in the trace and could be read: a clean end, nothing lost, nothing
 * damaged, nothing cut. Complete once replay has seen all blocks; before, only what the headers tell. */
bool trace_is_complete(const struct trace *t);
/* Seconds from the start of the trace to its end. */
double trace_duration_s(const struct trace *t);
