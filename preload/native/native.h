/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native: the stack of machine code that the calling thread is in, and its union with the Python stack
 *
 * What:  one id for an event's stack: native frames and Python frames (FORMAT.md: NATIVE, JOIN).
 * How:   unwinding is a function of registers and of the words that it reads. Each thread keeps the frames of its last
 *        walk; a new walk unwinds from the hook's caller until it meets one of them, same place, same address, same
 * frame pointer, and then only compares the words that the old walk had read further out. So the answer is exact by
 *        construction, whatever longjmp, exceptions or switches of stacks did in between. Frames outwards of an
 * evaluation loop that Python's marks prove to be still the same call (py_thread.same) need not even be compared. Cost:
 * some nanoseconds a frame that is new, one a frame that is compared. Who:   hooks. Own thread only, depth DEPTH_OWN.
 * Takes no lock but when an address is met for the first time.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "preload/cpu/cpu.h"

struct thread; /* preload/record/thread.h */
struct native_frame;
struct native_memo;
struct native_trails;

/* All zero is the first state. */
struct native_thread {
	struct native_frame *frames; /* of the last walk, the outermost first */
	struct native_frame *fresh;
	struct native_memo *memo;
	struct native_trails *trails;
	uint32_t *evals; /* indices of the frames that are in an evaluation loop */
	uint32_t depth, n_evals, capacity;
	uint32_t memo_misses;
	uint8_t memo_bits; /* of the number of its entries */
	bool memo_missed;  /* at the last walk */
	bool cut;          /* the last walk did not reach the outermost frame */
	bool in_step;      /* it found as many evaluation loops as the Python stack had entries */
	uint64_t lo, hi;   /* a stack that this thread was seen on */
	uint64_t epoch;
	struct native_thread *other; /* memory of walks that know nothing of walks before; for checks */
};

/* Whether native frames are wanted: written once, before the first event. */
extern bool native_on __attribute__((visibility("hidden")));
/* In the constructor. `above_stack`: an address above all frames of the main thread, such as its environment. */
void native_start(const void *above_stack);

/* The id of the stack of the function whose CPU_FRAME() is `frame`, without that function itself; `python` is the id of
 * its Python stack, which is the answer when nothing native is known. */
uint32_t native_stack(struct thread *t, uint32_t python, const void *frame);

/* The same by a walk that knows nothing of walks before. Slow: the oracle of PYTRACE_LOG=check. */
uint32_t native_stack_full(struct thread *t, uint32_t python, const void *frame);
/* The same in a signal handler, from the thread's interrupted context, whose pc is right behind an instruction that
 * wrote to a watched word: the innermost frame is that instruction (PT_NATIVE_EXACT), its address one less than pc. */
uint32_t native_stack_of_write(struct thread *t, uint32_t python, const void *ucontext);
/* Calls `each` for the frames of such a walk, the innermost first, as long as it returns true. True: the walk could not
 * go on to the outermost. */
bool native_each(struct thread *t, const void *frame, bool (*each)(void *arg, const struct cpu_context *c), void *arg);
/* And for those of native_stack_of_write(). */
bool native_each_of_write(struct thread *t, const void *ucontext, bool (*each)(void *arg, const struct cpu_context *c),
			  void *arg);

void native_thread_end(struct native_thread *n);
/* Something was unloaded, so that its addresses may mean other code. */
void native_unloaded(void);
void native_after_fork(void);
