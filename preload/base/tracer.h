/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracer: the two words that every hook looks at, and the small things that all files of the preload share
 *
 * tracer.state   whether this process records. It lies in a page that the kernel wipes in the child of a fork
 *                (MADV_WIPEONFORK), so that a child notices at its first event that it is one, also when it was made by
 *                a raw system call, and at no cost for the parent. vfork shares the page, and rightly so: the child
 *                works in the parent's memory.
 * order.run      number of the current run: the total order of the process's events (FORMAT.md, "Order").
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "formats/block.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

enum tracer_state {
	TRACER_UNKNOWN = 0, /* before the constructor, or in the child of a fork that has not looked yet */
	TRACER_ON = 1,
	TRACER_OFF = 2,  /* for good: a pass-through */
	TRACER_IDLE = 3, /* nothing has been recorded yet (PYTRACE_START=0): the same for hooks, but for what has to be
			    known when it starts */
};

struct tracer {
	_Alignas(4096) _Atomic(uint32_t) state;
	char rest_of_page[4092];
};
extern struct tracer tracer;

struct order {
	_Alignas(64) _Atomic(uint64_t) run;
	_Atomic(uint64_t) now_ns; /* the last time that any thread read from the clock, since the start of the trace */
};
extern struct order order;

static inline bool tracer_is_off(void)
{
	return atomic_load_explicit(&tracer.state, memory_order_relaxed) == TRACER_OFF;
}
static inline bool tracer_is_on(void) { return atomic_load_explicit(&tracer.state, memory_order_relaxed) == TRACER_ON; }

/* Whether there is a trace that this process writes to. */
static inline bool tracer_is_alive(void)
{
	uint32_t state = atomic_load_explicit(&tracer.state, memory_order_relaxed);

	return state == TRACER_ON || state == TRACER_IDLE;
}

/* Not 0: nothing new is recorded for now (pause.h). */
extern _Atomic(uint32_t) tracer_paused;
static inline bool tracer_is_paused(void)
{
	return unlikely(atomic_load_explicit(&tracer_paused, memory_order_relaxed));
}

/* Who wants to be told of each block of the OBJ domain, besides the trace: hooks/lives.h, preload/watch. 0 in most
 * programs, and tested in one go. */
enum { OBJECTS_LIVES = 1, OBJECTS_WATCH = 2, OBJECTS_PAGES = 4 };
extern _Atomic(uint8_t) objects_wanted;
static inline bool objects_are_wanted(void) { return atomic_load_explicit(&objects_wanted, memory_order_relaxed); }

struct thread;

/* What the lower floors ask of the highest (lifecycle.c), which fills it in before the state becomes ON. */
struct upward {
	/* At the first event of a process whose state is UNKNOWN. True when it is the child of a fork that is now ON.
	 */
	bool (*adopt)(void);
	/* When the clock was read: looks for what happens rarely. Depth DEPTH_OWN. */
	void (*tick)(struct thread *t);
	/* A thread is about to have its last event. Depth DEPTH_OWN. */
	void (*dies)(struct thread *t);
	/* A signal is about to end the process. Depth DEPTH_OUTSIDE, or REAL in a handler. */
	void (*ends)(int signal);
	/* Recording is to stop, or to go on. Depth DEPTH_OWN. */
	void (*toggle)(struct thread *t);
};
extern struct upward upward;

/* A lock for rare moments: held for microseconds, with the thread's hooks closed (thread->depth set), so that neither
 * a signal handler nor the host's code can want it while it is held. The child of a fork opens all of them. */
struct lock {
	atomic_flag taken;
};
void lock_take(struct lock *l);
static inline bool lock_try(struct lock *l)
{
	return !atomic_flag_test_and_set_explicit(&l->taken, memory_order_acquire);
}
static inline void lock_drop(struct lock *l) { atomic_flag_clear_explicit(&l->taken, memory_order_release); }
