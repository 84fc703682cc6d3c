/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside: the copy's own life, from its first instant to its end
 *
 * It must harm nobody: it lets go of the program's descriptors, blocks its signals, takes no lock that a thread which
 * is not there may hold, uses memory of its own, is the first to go when memory runs out, and ends in any case.
 */
#pragma once
#include "preload/cpu/cpu.h"
#include "preload/snapshot/copy.h"

#include <stdatomic.h>

/* In a page that program and copy share. */
struct copy_shared {
	_Atomic(uint32_t) done;     /* COPY_... ; a futex */
	_Atomic(uint64_t) progress; /* goes up while it works */
};
enum { COPY_WORKS, COPY_DONE, COPY_FAILED };

struct inside {
	struct copy_order order;
	uint64_t before_ns; /* of the monotonic clock, just before the copy is made */
	struct copy_shared *shared;
	void *fault_stack; /* INSIDE_FAULT_STACK bytes, for the handler of faults */
	void *own;         /* the copy's stack and what lies behind it: no memory of the program's */
	size_t own_bytes;
	uint64_t registers[CPU_REGISTERS]; /* of the thread that makes the copy */
};
enum { INSIDE_FAULT_STACK = 64 << 10 };

/* The whole life; `inside` is a struct inside. Does not return. */
int inside_main(void *inside);
