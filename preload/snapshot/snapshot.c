/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot: requests, moments, and the last snapshot of a process. */
#include "preload/snapshot/snapshot.h"
#include "preload/record/emit.h"
#include "preload/base/os.h"
#include "preload/record/pause.h"
#include "preload/py/heap/heap.h"
#include "preload/py/moment.h"
#include "preload/record/sink.h"
#include "preload/snapshot/copy.h"
#include "preload/snapshot/signals.h"
#include "preload/record/thread.h"

#include <stdlib.h>
#include <string.h>

#define MILLISECONDS      UINT64_C(1000000)
#define PATIENCE_NS       (1000 * MILLISECONDS) /* of those who wait for the main thread */
#define PATIENCE_FATAL_NS (200 * MILLISECONDS)
#define LOOK_NS           (50 * MILLISECONDS) /* between two looks at what is not urgent */
#define GROWTH_LEAST      (UINT64_C(1) << 20)
/* The program stands still for one in so many nanoseconds at most for snapshots before collections that it did not ask
 * for: young ones, others. */
enum { PAUSE_SHARE_YOUNG = 20, PAUSE_SHARE = 5 };

static struct {
	struct options_snapshot when;
	bool on;     /* anything is asked for */
	bool ready;  /* the heap was looked at, at a moment when it was whole */
	bool active; /* the interpreter runs, as far as we know */
	bool last;   /* the last one of this process was taken, or can't be */
	uint32_t number;
	uint64_t begin_ns, due_ns; /* when it became active; the next of every= */
	uint64_t rss;              /* at the last snapshot */
	uint64_t looked_ns, pause_ns;
	uint64_t asked_ns;        /* when the main thread was asked to come by; 0: it was not */
	_Atomic(uint32_t) wanted; /* bits by enum pt_snapshot_reason */
	uintptr_t life;           /* another one in each process, so that a call that the parent asked for is known */
	struct lock taking;
} snap;

void snapshot_start(const struct options_snapshot *when)
{
	snap.when = *when;
	snap.on = when->when || when->every_ns || when->growth || when->signal;
	if (!snap.on)
		return;
	py_moment_start(NULL);
	signals_start(when);
}

void snapshot_after_fork(void)
{
	copy_after_fork();
	snap.number = 0;
	snap.asked_ns = snap.looked_ns = snap.pause_ns = snap.due_ns = 0;
	snap.last = snap.active = false;
	snap.life++;
	atomic_store(&snap.wanted, 0);
	lock_drop(&snap.taking);
}

/* ---- requests ---- */

void snapshot_want(enum pt_snapshot_reason reason) { atomic_fetch_or(&snap.wanted, 1U << reason); }
bool snapshot_is_wanted(enum pt_snapshot_reason reason) { return atomic_load(&snap.wanted) & 1U << reason; }

static uint64_t resident_bytes(void)
{
	char text[128];
	const char *space;

	os_read_text("/proc/self/statm", text, sizeof text);
	space = strchr(text, ' ');
	return space ? strtoull(space, NULL, 10) * OS_PAGE : 0;
}

/* ---- taking one ---- */

static long make_copy(void *order) { return copy_start_here(order); }

/* Free-threaded, at a moment when the world can be stopped: the fork happens while it stands. */
static bool start_copy(const struct copy_order *order, bool stop_world)
{
	if (!stop_world)
		return copy_start(order);
	return py_heap_stop_world(make_copy, copy_lives, (void *)order) && copy_works();
}

static bool heap_can_be_walked(void) { return snap.ready && py_heap_ready(); }

static const char *why_not(void)
{
	if (!snap.ready)
		return "the interpreter ended before it was looked at";
	return py_heap_off();
}

/* The event comes just before the copy is made: what other threads do in between is seen in one of them only. */
static bool take(struct thread *t, enum pt_snapshot_reason reason, bool in_hook, bool may_stop_world)
{
	bool in_hurry = reason == PT_SNAPSHOT_EXIT || reason == PT_SNAPSHOT_FATAL;
	bool stop_world = may_stop_world && py_info()->free_threaded && py_gil() == PY_GIL_MINE;
	struct copy_order order = { .reason = reason, .in_hook = in_hook, .in_hurry = in_hurry, .pid = os_pid() };
	uint64_t before_ns;
	bool ok;

	if (py_info()->free_threaded && !stop_world)
		order.in_hook = true;
	order.heap = heap_can_be_walked();
	order.heap_off = order.heap ? NULL : why_not();
	order.number = ++snap.number;
	snap.rss = resident_bytes();
	emit_pair(t, PT_OP_RSS, 0, snap.rss);
	emit_pair(t, PT_OP_SNAPSHOT, order.number, reason);
	order.now_ns = t->last_ns;
	before_ns = os_mono_ns();
	ok = start_copy(&order, stop_world && order.heap);
	snap.pause_ns += os_mono_ns() - before_ns;
	return ok;
}

/* One at a time. `wait`: the one that is being written is waited for. */
static bool try_to_take(struct thread *t, enum pt_snapshot_reason reason, bool in_hook, bool may_stop_world, bool wait)
{
	bool works;

	if (!lock_try(&snap.taking))
		return false;
	works = copy_works();
	if (works && wait) {
		copy_wait();
		works = false;
	}
	if (!works && copy_prepare())
		take(t, reason, in_hook, may_stop_world);
	if (!works) /* only now: who waits for it may end the process */
		atomic_fetch_and(&snap.wanted, ~(1U << reason));
	lock_drop(&snap.taking);
	return !works;
}

static bool is_last(enum pt_snapshot_reason reason)
{
	return reason == PT_SNAPSHOT_EXIT || reason == PT_SNAPSHOT_FATAL;
}

void snapshot_take(struct thread *t, enum pt_snapshot_reason reason, bool in_hook)
{
	if (is_last(reason) && (pause_nothing_recorded() || __atomic_exchange_n(&snap.last, true, __ATOMIC_ACQ_REL))) {
		atomic_fetch_and(&snap.wanted, ~(1U << reason));
		return;
	}
	try_to_take(t, reason, in_hook, !in_hook, is_last(reason));
}

static void take_wanted(struct thread *t, bool in_hook)
{
	if (snap.last || !snap.active)
		atomic_store(&snap.wanted, 0);
	for (int reason = PT_SNAPSHOT_FATAL; reason > 0; reason--)
		if (snapshot_is_wanted((enum pt_snapshot_reason)reason))
			snapshot_take(t, (enum pt_snapshot_reason)reason, in_hook);
}

/* ---- the main thread's loop ---- */

/* With the GIL, at a moment when the heap is whole. */
static void look_at_heap(void)
{
	if (snap.ready)
		return;
	py_gil(); /* which learns here how to tell that nobody has it */
	py_heap_ready();
	snap.ready = true;
}

/* Runs in the main thread, with the GIL, between two instructions. */
static int come_by(void *life)
{
	struct thread *t;
	bool fatal;

	if ((uintptr_t)life != snap.life || !(t = thread_enter_idle()))
		return 0;
	thread_depth(t, DEPTH_OWN);
	snap.asked_ns = 0;
	look_at_heap();
	fatal = snapshot_is_wanted(PT_SNAPSHOT_FATAL);
	take_wanted(t, false);
	thread_leave(t);
	if (fatal)
		signals_die();
	return 0;
}

static void ask(uint64_t now)
{
	if (!snap.asked_ns && py_ask_main(come_by, (void *)snap.life))
		snap.asked_ns = now;
}

/* For how long the main thread has not come by although it was asked. */
static uint64_t waiting_ns(void)
{
	return snap.asked_ns ? os_mono_ns() - sink_start_ns() - snap.asked_ns : PATIENCE_NS;
}

static uint64_t patience_ns(void) { return snapshot_is_wanted(PT_SNAPSHOT_FATAL) ? PATIENCE_FATAL_NS : PATIENCE_NS; }

bool snapshot_wants_hook(void) { return snap.on && atomic_load(&snap.wanted) && waiting_ns() >= patience_ns(); }

bool snapshot_in_hook(struct thread *t, bool releases)
{
	if (!atomic_load(&snap.wanted))
		return true;
	if ((!releases && waiting_ns() < 2 * patience_ns()) || py_gil() != PY_GIL_MINE || py_collecting())
		return false;
	take_wanted(t, true);
	return true;
}

/* ---- when the clock was read ---- */

static void become_active(uint64_t now)
{
	snap.active = true;
	snap.last = false;
	snap.begin_ns = now;
	snap.due_ns = now + snap.when.every_ns;
	snap.rss = snap.when.growth ? resident_bytes() : 0;
	signals_on();
	if (!snap.ready)
		ask(now);
}

static void look_for_time(uint64_t now)
{
	if (!snap.when.every_ns || now < snap.due_ns)
		return;
	while (snap.due_ns <= now)
		snap.due_ns += snap.when.every_ns;
	if (!tracer_is_paused())
		snapshot_want(PT_SNAPSHOT_TIMER);
}

static void look_for_growth(void)
{
	uint64_t rss = snap.when.growth && !tracer_is_paused() ? resident_bytes() : 0;

	if (rss > snap.rss + GROWTH_LEAST && rss - snap.rss > snap.rss / 100 * snap.when.growth)
		snapshot_want(PT_SNAPSHOT_GROWTH);
}

void snapshot_tick(struct thread *t)
{
	uint64_t now;

	(void)t;
	if (!snap.on)
		return;
	now = os_mono_ns() - sink_start_ns();
	if (!snap.active) {
		if (!py_initialized() || py_finalizing())
			return;
		become_active(now);
	}
	if (now - snap.looked_ns > LOOK_NS) {
		snap.looked_ns = now;
		copy_works();
		look_for_time(now);
		look_for_growth();
	}
	if (atomic_load(&snap.wanted))
		ask(now);
}

/* ---- collections ---- */

void snapshot_collection_begins(struct thread *t, unsigned generation, enum pt_gc_trigger trigger)
{
	uint64_t now = os_mono_ns() - sink_start_ns();
	unsigned share = generation ? PAUSE_SHARE : PAUSE_SHARE_YOUNG;

	if (!(snap.when.when & OPTIONS_SNAPSHOT_GC) || !snap.active || trigger == PT_GC_SHUTDOWN)
		return;
	if (trigger == PT_GC_EXPLICIT)
		try_to_take(t, PT_SNAPSHOT_GC, false, true, true);
	else if (snap.pause_ns * share <= now - snap.begin_ns)
		try_to_take(t, PT_SNAPSHOT_GC, false, true, false);
}

/* ---- calls ---- */

static bool may_be_called(void)
{
	return snap.on && py_initialized() && !py_finalizing() && !py_collecting() && py_gil() == PY_GIL_MINE;
}

enum snapshot_call snapshot_call(struct thread *t, uint64_t label, uint32_t *ret_number)
{
	enum snapshot_call answer = SNAPSHOT_CALL_BUSY;

	if (!may_be_called())
		return SNAPSHOT_CALL_NO;
	if (!snap.active)
		become_active(os_mono_ns() - sink_start_ns());
	if (!lock_try(&snap.taking))
		return SNAPSHOT_CALL_BUSY;
	look_at_heap();
	if (snap.last) {
		answer = SNAPSHOT_CALL_NO;
	} else if (!copy_works()) {
		answer = SNAPSHOT_CALL_NO;
		if (copy_prepare()) {
			if (label)
				emit_pair(t, PT_OP_MARK, label, 0);
			answer = take(t, PT_SNAPSHOT_CALL, false, true) ? SNAPSHOT_CALL_TAKEN : SNAPSHOT_CALL_NO;
			*ret_number = snap.number;
		}
	}
	lock_drop(&snap.taking);
	return answer;
}

bool snapshot_is_being_written(void) { return snap.on && copy_works(); }

uint32_t snapshot_count(void) { return snap.number; }

/* ---- the end ---- */

/* Of a program in which nothing was ever recorded nobody wants to know what was left. */
static bool wants_exit(void)
{
	return snap.on && snap.when.when & OPTIONS_SNAPSHOT_EXIT && snap.active && !pause_nothing_recorded();
}

bool snapshot_before_fini(struct thread *t, bool whole)
{
	bool free_threaded = py_info()->free_threaded;

	if (wants_exit() && heap_can_be_walked() && (!py_i_finalize() || (free_threaded && !whole)))
		return false;
	if (wants_exit() && !py_collecting() && !__atomic_exchange_n(&snap.last, true, __ATOMIC_ACQ_REL) &&
	    try_to_take(t, PT_SNAPSHOT_EXIT, false, free_threaded, true))
		copy_wait(); /* taking down writes to nearly every page: each would be there twice, and copied by a
				fault */
	atomic_store(&snap.wanted, 0);
	signals_off();
	snap.active = false;
	return true;
}

void snapshot_before_end(struct thread *t, enum pt_snapshot_reason reason, bool gently)
{
	if (wants_exit() && py_initialized() && !py_finalizing() && py_gil() != PY_GIL_OTHER && !py_collecting())
		snapshot_take(t, reason, !gently);
}

void snapshot_wait(void)
{
	if (snap.on)
		copy_wait();
}
