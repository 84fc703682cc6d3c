/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block: the outer shape of a trace file: front page, block headers, ring pages
 *
 * What:  the structs that lie in the file as they are (little-endian, explicit sizes, asserted), and their checks.
 * Who:   the tracer maps the front page and its rings and writes blocks; the reader trusts none of it.
 * Never: allocates or does I/O.
 * See:   FORMAT.md, the specification.
 */
#pragma once
#include "formats/event.h"

#define PT_FILE_MAGIC  "PYTRACE\n"
#define PT_BLOCK_MAGIC UINT32_C(0x4b425450) /* "PTBK" */
#define PT_VERSION     1

/* Flags a reader must know (incompatible) or may pass over (compatible). None so far. */
#define PT_KNOWN_INCOMPATIBLE UINT32_C(0)
#define PT_KNOWN_COMPATIBLE   UINT32_C(0)

enum pt_state { PT_STATE_RUNNING = 1, PT_STATE_STOPPED = 2, PT_STATE_ENDED = 3 };
enum pt_ended { PT_ENDED_NOT, PT_ENDED_EXIT, PT_ENDED_SIGNAL, PT_ENDED_EXEC };
/* Why recording stopped before the program did (state STOPPED). */
enum pt_stop {
	PT_STOP_NOT,
	PT_STOP_DISK_FULL,
	PT_STOP_WRITE_ERROR,
	PT_STOP_MAX_SIZE,
	PT_STOP_OUTPUT_GONE,
	PT_STOP_MEMORY,
	PT_STOP_ASKED,
};

#define PT_FRONT_BYTES   4096
#define PT_PROGRAM_BYTES 256

/*
 * The front page: the first PT_FRONT_BYTES of the file. The tracer keeps it mapped, so that after a SIGKILL it tells
 * how far things had come. `fixed_xxh3` covers the bytes before it; what follows changes while the program runs.
 */
struct pt_front {
	char magic[8];
	uint16_t version;
	uint16_t header_bytes; /* size of the front page; a reader goes on from here */
	uint32_t incompatible; /* unknown bit: refuse */
	uint32_t compatible;   /* unknown bit: read on */
	uint32_t page_bytes;   /* rings are aligned to it */
	uint32_t pid, ppid;
	uint64_t start_real_ns; /* CLOCK_REALTIME at time 0 of the trace */
	uint64_t start_mono_ns; /* CLOCK_MONOTONIC at time 0 of the trace */
	uint64_t id;            /* random: tells two traces of one pid apart */
	/* A forked child knows its parent: the trace `parent_id` had just recorded FORK `fork_serial`. 0: not forked.
	 */
	uint64_t parent_id;
	uint64_t fork_serial;
	char program[PT_PROGRAM_BYTES];     /* script or program name, UTF-8, zero-filled */
	char parent_file[PT_PROGRAM_BYTES]; /* base name of the parent's trace */
	uint64_t fixed_xxh3;

	uint32_t x_state;               /* enum pt_state */
	uint32_t x_ended;               /* enum pt_ended */
	int32_t x_exit_status;          /* exit status, or the signal */
	uint32_t x_stop;                /* enum pt_stop */
	uint64_t x_end_ns;              /* when it ended or stopped */
	uint64_t x_file_end;            /* no block starts at or beyond */
	uint64_t x_lost[PT_LOST_KINDS]; /* events lost, by enum pt_lost */
	uint64_t x_last_ns;             /* time of the last block written */
};
_Static_assert(offsetof(struct pt_front, fixed_xxh3) == 584 && sizeof(struct pt_front) == 696,
	       "the front page is on disk");

enum pt_block_kind {
	PT_BLOCK_DEFS = 1,
	PT_BLOCK_EVENTS = 2,
	PT_BLOCK_RING = 3,
	PT_BLOCK_PAD = 4,
	PT_BLOCK_FOOTER = 5,
	PT_BLOCK_SNAPSHOT = 6
};
#define PT_BLOCK_ZSTD  1 /* flag: the payload is one zstd frame */
#define PT_BLOCK_ALIGN 16

/*
 * A block header. The payload follows at once; the next block starts at the next multiple of PT_BLOCK_ALIGN.
 *
 * `first_slot` and `n_slots` say which part of its thread's ring a block was made from: slots are counted from the
 * thread's first. What lies in a ring below the end of the thread's last block is there twice and is dropped.
 */
struct pt_block {
	uint32_t magic;
	uint16_t kind;
	uint16_t flags;
	uint32_t stored_bytes; /* of the payload in the file */
	uint32_t raw_bytes;    /* of the payload unpacked */
	uint32_t thread;       /* dense number from 1; 0: the process */
	uint32_t n_events;     /* EVENTS: events; DEFS: definitions */
	uint64_t first_slot, n_slots;
	uint64_t first_run; /* the run in force at the first event */
	uint64_t first_ns, last_ns;
	uint64_t payload_xxh3; /* of the stored bytes; 0 for RING and PAD */
	uint64_t header_xxh3;  /* of the bytes above */
};
_Static_assert(sizeof(struct pt_block) == 80, "block headers are on disk");

/*
 * A ring: a RING block whose header lies at the start of a page, followed in the same page by this struct; the slots
 * start at the next page. The owner thread alone writes slots and then x_head (release); whoever packs the ring
 * writes its blocks first, then x_head = 0, then what the next slot starts from (x_base_slot, x_run, x_ns). A ring
 * whose x_thread is 0 is free.
 */
struct pt_ring {
	uint32_t x_thread, x_tid;
	uint64_t x_base_slot;  /* number of the first slot in the ring, counted from the thread's first */
	uint64_t x_head;       /* slots filled */
	uint64_t x_run;        /* the run in force at the first slot */
	uint64_t x_ns;         /* the time in force at the first slot */
	uint32_t n_slots;      /* capacity */
	uint32_t slots_offset; /* from the start of the block header */
};

/* The payload of the FOOTER, before `n` pairs {op, count} of 64-bit numbers, one per op that occurred. */
struct pt_footer {
	uint64_t n_events, n_defs, n_blocks, n_threads, duration_ns, n;
};

/* Fills magic and header_xxh3; everything else is set by the caller. */
void pt_block_seal(struct pt_block *b);
/* Whether the bytes are a block header that its checksum confirms. */
bool pt_block_is_valid(const struct pt_block *b);
void pt_front_seal(struct pt_front *f);
/* Whether the fixed part agrees with its checksum. */
bool pt_front_is_valid(const struct pt_front *f);
uint64_t pt_xxh3(const void *data, size_t len);
