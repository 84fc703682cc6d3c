/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resident: what the resident memory of a process is, page by page
 *
 * What:  each address belongs to one holder: an arena, a heap of libc, a mapping of the program, a stack, a file, the
 *        tracer... Each resident page is counted for its holder, and for whether something alive lies in it. What
 * belongs to nobody is unexplained. How:   holders are known from the replay (memory/alive.h, pools.h) and, with a
 * snapshot, from the kernel's list of mappings (memory/mapped.h), which also says what is resident. Without one, what
 * holders took from the system counts as resident, libc's heaps as far as something alive lies in their pages: an
 * estimate. Heaps: libc's are found by how it makes them: the main one is called [heap]; others start at multiples of
 * 64 MiB. Blocks of 128 KiB and more may have a mapping of their own, in which they start 16 bytes behind a page's
 * start. mimalloc's segments (free-threaded builds) lie at multiples of 32 MiB.
 */
#pragma once
#include "analyzer/memory/mapped.h"
#include "analyzer/memory/pools.h"

/* Where holders overlap, the first of this list has the page. */
enum resident_holder {
	RESIDENT_TRACER,    /* libpytrace's own memory */
	RESIDENT_ARENA,     /* arenas of Python's object allocator */
	RESIDENT_FRAMES,    /* frames of Python functions */
	RESIDENT_FOREIGN,   /* heaps of an allocator other than libc */
	RESIDENT_FILE_MAP,  /* files that the program mapped */
	RESIDENT_MMAP,      /* anonymous memory that the program mapped */
	RESIDENT_KERNEL,    /* the kernel's page of code */
	RESIDENT_HEAP,      /* libc's heaps */
	RESIDENT_STACK,     /* of threads */
	RESIDENT_LARGE,     /* blocks that have a mapping of their own */
	RESIDENT_MIMALLOC,  /* segments of Python's mimalloc */
	RESIDENT_DATA,      /* variables of the program and its libraries */
	RESIDENT_CODE,      /* code and constants of these, files mapped by libc */
	RESIDENT_ELSEWHERE, /* blocks of an allocator that is not known */
	RESIDENT_NOBODY,
	RESIDENT_HOLDERS
};

struct resident_row {
	uint64_t pages_bytes;      /* resident pages */
	uint64_t live_pages_bytes; /* of these, with something alive in them */
	uint64_t head_pages_bytes; /* arenas: of the others, with the header of a pool that is in use */
	uint64_t live_bytes;       /* of blocks, as asked for, on resident pages */
};

/* A stretch of memory that libc or mimalloc cuts into blocks, in units that may go back to the system. */
struct resident_span {
	uint64_t start, end;
	uint64_t unit_bytes; /* a page; a slice of mimalloc */
	bool has_top;        /* what lies above the last block goes back by itself */
	uint64_t top;        /* where the last block ends; `start` when there is none */
	uint64_t live_bytes, live_blocks;
};

struct resident {
	bool exact; /* pages were counted; else estimated */
	bool has_rss;
	uint64_t rss_bytes;
	int64_t unexplained; /* rss_bytes less the sum of the rows; below 0 when the estimate is too high */
	struct resident_row rows[RESIDENT_HOLDERS];
	uint64_t mapped[RESIDENT_HOLDERS]; /* address space of each */
	ARRAY(struct resident_span) spans; /* by address */
	uint64_t large_blocks;
};

struct resident_options {
	const struct mapped *mapped; /* NULL or without areas: there is no snapshot */
	uint64_t foreign_bytes;      /* without: what an allocator says of its heaps; 0: not known */
};

void resident_count(struct resident *r, const struct alive *a, const struct pools *p,
		    const struct resident_options *options);
void resident_free(struct resident *r);
