/* SPDX-License-Identifier: Apache-2.0 */
/* copy: the program's side. */
#include "preload/snapshot/copy.h"
#include "preload/cpu/cpu.h"
#include "preload/base/os.h"
#include "preload/snapshot/inside.h"

#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum {
	STACK_BYTES = 64 << 20, /* of the copy: nothing is taken of it until it is touched */
	SMALL_STACK = 16 << 10, /* of the process in between */
	STANDS_STILL_NS = 10,   /* seconds */
	LOOK_NS = 20000000,
	SIGNALS_BYTES = 8,
};

static struct inside inside;
static char *stack;       /* of the copy, then that of the process in between, then for its faults */
static uint32_t pid;      /* of the copy; 0: none works */
static bool is_our_child; /* to be collected by us */

/* ---- memory ---- */

bool copy_prepare(void)
{
	if (!inside.shared) {
		inside.shared = os_map(OS_PAGE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		/* not for the child of a fork, but the copy wants it: see copy_start */
	}
	if (!stack)
		stack = os_map(STACK_BYTES + SMALL_STACK + INSIDE_FAULT_STACK,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stack) {
		inside.fault_stack = stack + STACK_BYTES + SMALL_STACK;
		inside.own = stack;
		inside.own_bytes = STACK_BYTES + SMALL_STACK + INSIDE_FAULT_STACK;
	}
	return stack && inside.shared;
}

void copy_after_fork(void)
{
	if (inside.shared)
		os_unmap(inside.shared, OS_PAGE);
	inside.shared = NULL;
	pid = 0;
}

/* ---- whose child ---- */

/* Programs that, as process 1, collect every process that loses its parent. */
static bool init_collects(void)
{
	static const char *const inits[] = { "systemd",     "init",      "tini",    "dumb-init",
					     "docker-init", "catatonit", "runit",   "s6-svscan",
					     "openrc-init", "launchd",   "busybox", "podman-init" };
	char comm[32];

	os_read_text("/proc/1/comm", comm, sizeof comm);
	comm[strcspn(comm, "\n")] = 0;
	for (unsigned i = 0; i < sizeof inits / sizeof *inits; i++)
		if (!strcmp(comm, inits[i]))
			return true;
	return false;
}

/* Whether a copy without a parent goes to process 1. A program that collects such processes itself would be told. */
static bool may_be_orphan(void)
{
	static int known; /* 1 yes, 2 no */
	int collects = 0;

	if (!known)
		known = os_pid() != 1 && init_collects() ? 1 : 2;
	return known == 1 && !os_call(SYS_prctl, PR_GET_CHILD_SUBREAPER, &collects, 0, 0, 0) && !collects;
}

/* ---- making it ---- */

/* `here`: on the stack of the caller, to whom it returns 0. */
static long make_copy(bool here)
{
	if (here)
		return os_call(SYS_clone, 0, NULL, NULL, NULL, NULL);
	return cpu_clone(0, stack + STACK_BYTES, inside_main, &inside);
}

/* What the process in between is to do. */
struct between {
	bool here;
	long ret;
	sigjmp_buf caller;
};

/* In that process, which shares our memory while its parent stands. A copy that is to go on where its grandparent
 * stands finds that stack as it is. */
static int make_orphan(void *arg)
{
	struct between *b = arg;
	long ret = make_copy(b->here);

	if (!ret)
		siglongjmp(b->caller, 1);
	b->ret = ret;
	return 0;
}

static long start_orphan(bool here)
{
	struct between b = { .here = here, .ret = -EAGAIN };
	long between;

	if (sigsetjmp(b.caller, 0))
		return 0;
	between = cpu_clone(CLONE_VM | CLONE_VFORK, stack + STACK_BYTES + SMALL_STACK, make_orphan, &b);
	if (between < 0)
		return between;
	while (os_call(SYS_wait4, between, NULL, __WALL, NULL) == -EINTR)
		;
	return b.ret;
}

static void block_signals(uint64_t *ret_before)
{
	uint64_t all = ~UINT64_C(0);

	os_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, ret_before, SIGNALS_BYTES);
}

static void restore_signals(const uint64_t *before)
{
	os_call(SYS_rt_sigprocmask, SIG_SETMASK, before, NULL, SIGNALS_BYTES);
}

/* The copy is left with all signals blocked. */
static long start(const struct copy_order *order, bool here)
{
	uint64_t signals;
	long ret;

	if (copy_works() || !copy_prepare())
		return -EAGAIN;
	inside.order = *order;
	cpu_registers(inside.registers);
	atomic_store(&inside.shared->done, COPY_WORKS);
	atomic_store(&inside.shared->progress, 0);
	is_our_child = !may_be_orphan();
	block_signals(&signals);
	inside.before_ns = os_mono_ns();
	ret = is_our_child ? make_copy(here) : start_orphan(here);
	if (!ret)
		return 0;
	restore_signals(&signals);
	pid = ret > 0 ? (uint32_t)ret : 0;
	return ret;
}

bool copy_start(const struct copy_order *order) { return start(order, false) > 0; }
long copy_start_here(const struct copy_order *order) { return start(order, true); }

void copy_lives(void *unused)
{
	(void)unused;
	inside_main(&inside);
	__builtin_unreachable();
}

/* ---- until its end ---- */

static bool process_is_gone(void)
{
	if (is_our_child) {
		long ret = os_call(SYS_wait4, pid, NULL, WNOHANG | __WALL, NULL);

		return ret != 0; /* collected, or somebody else did */
	}
	return atomic_load(&inside.shared->done) != COPY_WORKS || os_call(SYS_kill, pid, 0) == -ESRCH;
}

bool copy_works(void)
{
	if (!pid)
		return false;
	if (!process_is_gone())
		return true;
	pid = 0;
	return false;
}

/* Until it says that it is done, or some milliseconds have passed. */
static void wait_some(void)
{
	struct timespec ts = { .tv_nsec = LOOK_NS };

	os_call(SYS_futex, &inside.shared->done, FUTEX_WAIT, COPY_WORKS, &ts, NULL, 0);
}

/* It has said that it is done: its process is gone as soon as its memory is. */
static void collect(void)
{
	if (is_our_child)
		while (os_call(SYS_wait4, pid, NULL, __WALL, NULL) == -EINTR)
			;
}

void copy_wait(void)
{
	uint64_t progress = 0, since = os_mono_ns(), now;

	while (copy_works()) {
		if (atomic_load(&inside.shared->done) != COPY_WORKS) {
			collect();
			continue;
		}
		wait_some();
		now = os_mono_ns();
		if (atomic_load(&inside.shared->progress) != progress) {
			progress = atomic_load(&inside.shared->progress);
			since = now;
		} else if (now - since > STANDS_STILL_NS * UINT64_C(1000000000)) {
			os_call(SYS_kill, pid, SIGKILL);
			collect();
			pid = 0;
		}
	}
}
