/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oracle: what libunwind says of the stack, step by step, to compare with; for PYTRACE_LOG=check only
 *
 * libunwind is loaded when it is asked for, into a scope of its own: linked, its `backtrace` would replace libc's in
 * the program. It takes locks and memory of the loader, which a tracer at work must not.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread; /* preload/record/thread.h */

/* Loads libunwind. False: it is not there, or this build knows no libunwind. In the constructor. */
bool oracle_start(void);

/* Compares the frames of native_each() from the function whose CPU_FRAME() is `frame` with libunwind's. Returns the
 * number of frames that agree; *ret_wrong is the first that does not (its address as we see it, and as libunwind does),
 * both 0 when all agree up to where we end. */
struct oracle_wrong {
	uint64_t ours, theirs;
	bool early; /* we ended where libunwind goes on */
};
size_t oracle_compare(struct thread *t, const void *frame, struct oracle_wrong *ret_wrong);
/* The same of native_each_of_write(), in a handler. */
size_t oracle_compare_write(struct thread *t, const void *ucontext, struct oracle_wrong *ret_wrong);
