/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread: attaching and detaching.
 *
 * A thread is told of its end by a thread-specific-data destructor, in the last of the rounds that libc makes, because
 * destructors of others still free memory in the rounds before. libc itself frees some after that: so a dying thread
 * keeps its ring, and whoever needs one takes it when the thread is gone.
 */
#include "preload/record/thread.h"
#include "preload/base/arena.h"
#include "preload/record/emit.h"
#include "preload/base/os.h"
#include "preload/record/sink.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

struct tracer tracer;
struct upward upward;
_Atomic(uint8_t) objects_wanted;
_Atomic(uint32_t) tracer_paused;
struct order order = { .run = 1 }; /* a thread starts with run 0, so its first event takes one */

__thread struct thread *thread_self;
enum { LOOK_EACH = 1024 };
static __thread uint32_t passed_by __attribute__((tls_model("initial-exec"))); /* hooks, while idle */
static __thread bool attaching __attribute__((tls_model("initial-exec")));

static struct lock lock;
static struct thread *threads;
static uint32_t n_threads;
static pthread_key_t key;
static bool key_is_there;

void lock_take(struct lock *l)
{
	while (!lock_try(l))
		os_yield();
}

/* The destructor's argument is the struct itself, so that it is called at all. Later events still find the ring: it is
 * reclaimed when the tid is gone (ring.c). */
static void thread_dies(void *arg)
{
	struct thread *t = arg;

	if (t != thread_self || atomic_load(&t->depth))
		return;
	if (++t->rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
		pthread_setspecific(key, t);
		return;
	}
	if (!thread_enter_idle())
		return;
	thread_depth(t, DEPTH_OWN);
	if (upward.dies)
		upward.dies(t);
	emit_pair(t, PT_OP_END, t->tid, 0);
	ring_pack(t);
	py_thread_end(&t->py);
	native_thread_end(&t->native);
	t->dying = true;
	thread_leave(t);
}

void thread_start(void) { key_is_there = !pthread_key_create(&key, thread_dies); }

/* The struct of a thread that has died, or a new one, in the list. */
static struct thread *find_struct(void)
{
	struct thread *t;

	for (t = threads; t; t = t->next)
		if (atomic_load(&t->retired))
			return t;
	t = arena_alloc(sizeof *t);
	if (t) {
		t->next = threads;
		threads = t;
	}
	return t;
}

static void reset(struct thread *t)
{
	struct thread *next = t->next;

	py_thread_end(&t->py);
	native_thread_end(&t->native);
	memset(t, 0, offsetof(struct thread, py));
	t->next = next;
	t->depth = DEPTH_OWN;
	t->tid = os_tid();
	t->number = ++n_threads;
}

static struct thread *make_thread(void)
{
	struct thread *t;

	lock_take(&lock);
	t = find_struct();
	if (t)
		reset(t);
	lock_drop(&lock);
	if (!t)
		sink_lost(PT_LOST_MEMORY, 1);
	return t;
}

static struct thread *attach(void)
{
	struct thread *t = make_thread();

	if (!t || !ring_take(t, t->tid == os_pid() ? RING_MEDIUM : RING_SMALL))
		return NULL;
	thread_self = t;
	emit_pair(t, PT_OP_THREAD, t->tid, 0);
	if (key_is_there)
		pthread_setspecific(key, t);
	return t;
}

struct thread *thread_attached(void)
{
	bool was_attaching = attaching; /* in the child of a fork the hooks are closed already */

	if (!thread_self && tracer_is_alive()) {
		attaching = true;
		attach();
		attaching = was_attaching;
	}
	return thread_self;
}

/* Hooks are closed; now and then one looks at what has to be known when recording starts. */
static __attribute__((noinline, cold)) struct thread *pass_by(void)
{
	struct thread *t = attaching ? NULL : thread_enter_idle();

	if (!t)
		return NULL;
	thread_depth(t, DEPTH_OWN);
	t->clock_ns = os_mono_ns() - sink_start_ns();
	upward.tick(t);
	thread_leave(t);
	return NULL;
}

static __attribute__((noinline)) struct thread *enter_slow(void)
{
	struct thread *t = thread_self;
	uint32_t state = atomic_load(&tracer.state);

	if (attaching || state == TRACER_OFF)
		return NULL;
	if (state == TRACER_UNKNOWN) {
		attaching = true; /* closes the hooks while the child of a fork makes its file */
		if (!upward.adopt || !upward.adopt())
			state = TRACER_OFF;
		attaching = false;
		if (state == TRACER_OFF)
			return NULL;
		t = thread_self;
	}
	if (t && atomic_load(&t->depth)) {
		if (atomic_load(&t->depth) == DEPTH_OWN && !tracer_is_paused())
			sink_lost(PT_LOST_BUSY, 1);
		return NULL;
	}
	t = thread_attached();
	if (t)
		thread_depth(t, DEPTH_REAL);
	return t;
}

struct thread *thread_enter_slow(void)
{
	if (atomic_load_explicit(&tracer.state, memory_order_relaxed) != TRACER_IDLE)
		return enter_slow();
	return likely(++passed_by % LOOK_EACH) ? NULL : pass_by();
}

struct thread *thread_enter_idle(void)
{
	struct thread *t = thread_self;

	if (atomic_load(&tracer.state) != TRACER_IDLE)
		return thread_enter();
	if (attaching || (t && atomic_load(&t->depth)))
		return NULL;
	t = thread_attached();
	if (t)
		thread_depth(t, DEPTH_REAL);
	return t;
}

void thread_each(void (*f)(struct thread *t, void *arg), void *arg)
{
	lock_take(&lock);
	for (struct thread *t = threads; t; t = t->next)
		if (t->ring)
			f(t, arg);
	lock_drop(&lock);
}

struct thread *thread_list(void) { return threads; }

uint32_t thread_count(void) { return n_threads; }

void thread_after_fork(void)
{
	threads = NULL;
	n_threads = 0;
	thread_self = NULL;
	lock_drop(&lock);
}
