/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals: two handlers, and what the program may know of them
 *
 * A signal comes at any instruction. Where the thread has the GIL a better moment is near: it is asked for, and a timer
 * brings the signal once more in case none comes. A thread that is in the tracer's own code lets that finish likewise.
 * While another thread has the GIL, that thread's next release of an object is waited for. All of it is bounded:
 * PATIENCE_NS after the signal the program does what it would have done at once.
 */
#include "preload/snapshot/signals.h"
#include "preload/allocator/real.h"
#include "preload/base/os.h"
#include "preload/record/pause.h"
#include "preload/py/moment.h"
#include "preload/record/sink.h"
#include "preload/snapshot/snapshot.h"
#include "preload/record/thread.h"

#include <string.h>

#define MILLISECONDS UINT64_C(1000000)
#define PATIENCE_NS  (2000 * MILLISECONDS)
#define BETTER_NS    (100 * MILLISECONDS) /* within which the main thread's loop should have come by */
#define SOON_NS      (1 * MILLISECONDS)

static const int fatal[] = { SIGTERM, SIGHUP, SIGQUIT, SIGINT, SIGXCPU };
enum { FATAL = sizeof fatal / sizeof *fatal };

static struct sigaction theirs[FATAL]; /* SIG_DFL, as the program set it */
static int asked;                      /* number of signal=; 0: none */
static int toggles;                    /* number of PYTRACE_START=signal=; 0: none */
static bool wants_end;                 /* PYTRACE_SNAPSHOT says exit */
static bool ends;                      /* the fatal ones are wanted */
static bool stand;                     /* handlers stand */
static bool on;                        /* and have more to do than what would be done without */
static _Atomic(int) dying;             /* number of the signal that ends the process */
static volatile bool ending;           /* it is about to happen: what comes now adds nothing */
static uint64_t dying_since, asked_since;

static int row_of(int number)
{
	for (int i = 0; i < FATAL; i++)
		if (fatal[i] == number)
			return i;
	return -1;
}

/* A child, by fork or vfork, that has not been adopted is not to be touched. */
static bool is_our_process(void) { return tracer_is_alive() && os_pid() == sink_owner_pid(); }

/* ---- the end ---- */

/* Sent to the process: this thread may block it. */
static void let_it_happen(int number)
{
	struct sigaction nothing = { .sa_handler = SIG_DFL };

	real.sigaction(number, &nothing, NULL);
	os_call(SYS_kill, os_pid(), number);
}

void signals_die(void)
{
	int number = atomic_load(&dying);

	if (!number || ending)
		return;
	ending = true;
	upward.ends(number);
	let_it_happen(number);
}

/* ---- in a handler ---- */

/* The same signal once more, for this thread. The timer dies with the process, or brings one signal too many that
 * finds nothing to do. False: it will not come. */
static bool come_again(int number, uint64_t in_ns)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = number };
	struct itimerspec when = { .it_value.tv_nsec = (long)in_ns };
	static int timer = -1; /* -1, or of before a fork: there is none to delete */

	if (timer >= 0)
		os_call(SYS_timer_delete, timer);
	event._sigev_un._tid = (int)os_tid();
	if (os_call(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer)) {
		timer = -1;
		return false;
	}
	return !os_call(SYS_timer_settime, timer, 0, &when, NULL);
}

static void sleep_some(void)
{
	struct timespec ts = { .tv_nsec = SOON_NS };

	os_call(SYS_nanosleep, &ts, NULL);
}

/* The thread's next event looks at the clock, and sees what is wanted. */
static void hasten(struct thread *t)
{
	if (t)
		*(volatile uint32_t *)&t->look_at = 0;
}

static void take_here(enum pt_snapshot_reason reason, bool in_hook)
{
	struct thread *t = thread_self;
	uint32_t depth = t ? atomic_load(&t->depth) : DEPTH_OUTSIDE;

	if (depth == DEPTH_OUTSIDE)
		t = thread_enter_idle();
	if (!t)
		return;
	thread_depth(t, DEPTH_OWN);
	snapshot_take(t, reason, in_hook);
	thread_depth(t, depth);
}

/* Until another thread has taken it, or lets go of the GIL. */
static void wait_for_others(enum pt_snapshot_reason reason, uint64_t until)
{
	while (snapshot_is_wanted(reason) && os_mono_ns() < until) {
		if (py_gil() == PY_GIL_FREE && !py_collecting())
			take_here(reason, false);
		else
			sleep_some();
	}
}

/* One look at where the thread is. False: the signal will come again. */
static bool is_served(int number, enum pt_snapshot_reason reason, uint64_t since)
{
	uint64_t age = os_mono_ns() - since;
	struct thread *t = thread_self;

	if (t && atomic_load(&t->depth) == DEPTH_OWN)
		return age >= PATIENCE_NS || !come_again(number, SOON_NS);
	switch (py_gil()) {
	case PY_GIL_FREE:
		if (!py_collecting())
			take_here(reason, false);
		return true;
	case PY_GIL_MINE:
		hasten(t);
		if (age < (py_collecting() ? PATIENCE_NS : BETTER_NS) && come_again(number, BETTER_NS))
			return false;
		if (!py_collecting())
			take_here(reason, true);
		return true;
	default: break;
	}
	if (reason == PT_SNAPSHOT_FATAL)
		wait_for_others(reason, since + PATIENCE_NS);
	else
		hasten(t);
	return true;
}

static void on_fatal(int number, siginfo_t *info, void *context)
{
	int saved = errno, none = 0;

	(void)info;
	(void)context;
	if (ending && os_pid() == sink_owner_pid())
		return;
	if (!is_our_process() || !on) {
		let_it_happen(number);
		return;
	}
	if (atomic_compare_exchange_strong(&dying, &none, number)) {
		dying_since = os_mono_ns();
		if (!pause_nothing_recorded())
			snapshot_want(PT_SNAPSHOT_FATAL);
	}
	if (pause_nothing_recorded()) /* and nothing to be shown */
		signals_die();
	if (is_served(number, PT_SNAPSHOT_FATAL, dying_since))
		signals_die();
	errno = saved;
}

static void on_asked(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (!is_our_process() || !on)
		return;
	if (info->si_code != SI_TIMER) {
		snapshot_want(PT_SNAPSHOT_SIGNAL);
		asked_since = os_mono_ns();
	}
	if (snapshot_is_wanted(PT_SNAPSHOT_SIGNAL))
		is_served(number, PT_SNAPSHOT_SIGNAL, asked_since);
	errno = saved;
}

/* In a hook, too: an event of ours may come between two of the thread's. */
static void on_toggle(int number, siginfo_t *info, void *context)
{
	struct thread *t = thread_self;
	uint32_t depth = t ? atomic_load(&t->depth) : DEPTH_OUTSIDE;
	int saved = errno;

	(void)info;
	(void)context;
	if (is_our_process() && depth == DEPTH_OWN) {
		come_again(number, SOON_NS);
	} else if (is_our_process()) {
		t = depth == DEPTH_OUTSIDE ? thread_enter_idle() : t;
		if (t) {
			thread_depth(t, DEPTH_OWN);
			upward.toggle(t);
			thread_depth(t, depth);
		}
	}
	errno = saved;
}

/* ---- which handler stands ---- */

static bool is_handler(const struct sigaction *a, void (*f)(int, siginfo_t *, void *))
{
	return a->sa_flags & SA_SIGINFO && a->sa_sigaction == f;
}

static int put(int number, void (*f)(int, siginfo_t *, void *), struct sigaction *ret_old)
{
	struct sigaction ours = { .sa_sigaction = f, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };

	return real.sigaction(number, &ours, ret_old);
}

static bool is_free(int number)
{
	struct sigaction now;

	return !real.sigaction(number, NULL, &now) && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL;
}

void signals_toggle_start(int number) { toggles = number; }

void signals_toggle_on(void)
{
	static bool done;

	if (done || !toggles || !real.sigaction)
		return;
	done = true;
	if (is_free(toggles))
		put(toggles, on_toggle, NULL);
}

void signals_start(const struct options_snapshot *when)
{
	asked = (int)when->signal;
	wants_end = when->when & OPTIONS_SNAPSHOT_EXIT;
}

void signals_on(void)
{
	struct sigaction now;

	if (!real.sigaction)
		return;
	on = stand = true;
	ends = wants_end && os_pid() != 1; /* that one does not die of a signal without a handler */
	if (asked && is_free(asked))
		put(asked, on_asked, NULL);
	for (int i = 0; i < FATAL && ends; i++) {
		if (fatal[i] == asked || fatal[i] == toggles || real.sigaction(fatal[i], NULL, &now) ||
		    now.sa_flags & SA_SIGINFO || now.sa_handler != SIG_DFL)
			continue;
		theirs[i] = now;
		put(fatal[i], on_fatal, NULL);
	}
}

/* The handlers stay, and do what would be done without them: there is still the end of the trace to be waited for. */
void signals_off(void) { on = false; }

void signals_end(void) { ending = true; }

bool signals_concern(int number)
{
	return (toggles && number == toggles) || (stand && (number == asked || (ends && row_of(number) >= 0)));
}

/* What the program is to believe. */
static void tell(int number, struct sigaction *old)
{
	struct sigaction nothing = { .sa_handler = SIG_DFL };

	if (is_handler(old, on_fatal))
		*old = theirs[row_of(number)];
	else if (is_handler(old, on_asked) || is_handler(old, on_toggle))
		*old = nothing;
}

static bool is_default(const struct sigaction *a) { return !(a->sa_flags & SA_SIGINFO) && a->sa_handler == SIG_DFL; }

int signals_action(int number, const struct sigaction *action, struct sigaction *ret_old)
{
	struct sigaction old;
	int row = row_of(number), ret;

	if (action && row >= 0 && number != asked && number != toggles && is_default(action) && on &&
	    is_our_process()) {
		theirs[row] = *action;
		ret = put(number, on_fatal, &old);
	} else {
		ret = real.sigaction(number, action, &old);
	}
	if (ret)
		return ret;
	tell(number, &old);
	if (ret_old)
		*ret_old = old;
	return 0;
}
