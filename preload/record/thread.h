/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread: what the tracer knows of one thread, and the door through which every hook goes
 *
 * What:  struct thread; thread_enter and thread_leave around each hook; attaching at the first event, detaching when
 *        the thread dies.
 * How:   one pointer in thread-local storage (initial-exec: the library is preloaded, so there is room), everything
 *        else in the tracer's own memory.
 * Depth: 0 outside; 1 in the real function, where hooks that are called are part of the outer event and are not
 *        recorded; 2 in the tracer's own code. A hook that finds 2 is called by a signal handler: it is passed through
 *        and counted as lost (PT_LOST_BUSY).
 * Who:   the owner writes; the thread that ends the trace reads `depth` of the others (lifecycle.c).
 */
#pragma once
#include "preload/native/native.h"
#include "preload/py/py.h"
#include "preload/base/tracer.h"
#include "preload/watch/choose.h"

enum { COMM_BYTES = 16 }; /* of a thread's name in the kernel, with a zero */
enum { DEPTH_OUTSIDE, DEPTH_REAL, DEPTH_OWN };

struct ring;

struct thread {
	/* hot: one cache line */
	_Atomic(uint32_t) depth;
	uint32_t look_at; /* head at which emit_slow looks at the clock and at the ring's end */
	struct pt_slot *slots;
	struct pt_ring *shared; /* the ring's page in the file: head, base */
	uint32_t head, n_slots; /* filled, capacity */
	uint64_t run;
	uint64_t last_ns; /* time in force, since the start of the trace */
	struct ring *ring;
	/* cold */
	uint32_t clock_interval;
	uint32_t passes; /* hooks that may still pass without a look at the clock, while recording is stopped (pause.c)
			  */
	uint32_t number; /* dense, from 1 */
	uint32_t tid;
	uint32_t rounds;         /* of thread-specific-data destructors seen */
	bool quiet;              /* in a handler of ours: what is done now and then has to wait */
	bool inner;              /* an allocator takes memory from the system (hook.h): nothing may be asked of it */
	bool dying;              /* its destructor has run: when its tid is gone, its ring is for whoever needs one */
	uint64_t base_slot;      /* number of slots[0], counted from the thread's first */
	uint64_t clock_ns;       /* when the clock was read last */
	uint64_t fork_serial;    /* of the fork under way, 0: none */
	uint64_t comm_ns;        /* when the kernel was asked for its name */
	char comm[COMM_BYTES];   /* the name that was defined, zeros behind it (comm.h) */
	bool named;              /* Python has a name for it */
	const void *last_block;  /* that the object domain gave this thread, until an object was made in it (lives.h) */
	const char *dead_object; /* whose RETIRE is ... */
	uint64_t dead_slot;      /* ... the slot before this one; counted from the thread's first */
	struct choose_thread choose;
	struct thread *next;   /* list of all */
	_Atomic(bool) retired; /* dead, its ring given back: the struct may be taken by a new thread */
	struct py_thread py;
	struct native_thread native;
};

extern __thread struct thread *thread_self __attribute__((tls_model("initial-exec"), visibility("hidden")));

struct thread *thread_enter_slow(void);
/* thread_enter() for what has to be done also while nothing has been recorded yet, TRACER_IDLE. */
struct thread *thread_enter_idle(void);

/* Opens a hook: NULL when the event is not to be recorded (nested, not tracing, no memory). Depth is stored before the
 * state is read: who turns the tracer off and then waits for a memory barrier on all threads (lifecycle.c) knows that
 * a thread with depth 0 will not write to its ring any more. */
static inline struct thread *thread_enter(void)
{
	struct thread *t = thread_self;
	uint32_t depth = t ? atomic_load_explicit(&t->depth, memory_order_relaxed) : DEPTH_OWN;

	if (likely(depth == DEPTH_OUTSIDE)) {
		atomic_store_explicit(&t->depth, DEPTH_REAL, memory_order_relaxed);
		atomic_signal_fence(memory_order_seq_cst);
		if (likely(tracer_is_on()))
			return t;
		atomic_store_explicit(&t->depth, DEPTH_OUTSIDE, memory_order_relaxed);
	} else if (depth == DEPTH_REAL && tracer_is_on()) {
		return NULL; /* part of the outer event */
	}
	return thread_enter_slow();
}

static inline void thread_depth(struct thread *t, uint32_t depth)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&t->depth, depth, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void thread_leave(struct thread *t) { thread_depth(t, DEPTH_OUTSIDE); }

/* Once, from the constructor. */
void thread_start(void);
/* Forgets all threads but the caller, whose struct is made new at its next event. In the child of a fork. */
void thread_after_fork(void);
/* Calls `f` for each thread that was ever attached and has a ring. With the registry's lock held. */
void thread_each(void (*f)(struct thread *t, void *arg), void *arg);
/* The first one that was ever attached or its struct's next owner; the others by .next. Without the lock: in a forked
 * copy, where nothing changes any more, and the lock may be somebody's who is not there. */
struct thread *thread_list(void);
/* The calling thread's struct, attached when it was not; NULL while tracing is off. For lifecycle.c. */
struct thread *thread_attached(void);
/* Number of threads so far. */
uint32_t thread_count(void);
