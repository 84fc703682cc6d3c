/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hardware: watchpoints of the processor, by perf_event_open
 *
 * An event of type breakpoint with `sigtrap`: the thread that writes gets SIGTRAP at once, the instruction pointer
 * behind the instruction that wrote. Nobody but the kernel has to allow it (perf_event_paranoid 2 or less, no seccomp
 * filter). Events belong to a thread: a set of them is opened for each thread that there is when watching begins,
 * disabled and on a dummy; threads that those start inherit them (inherit_thread: children of a fork do not). So arming
 * a place is one system call for each set (PERF_EVENT_IOC_MODIFY_ATTRIBUTES, which reaches what was inherited), and
 * with watching from the constructor on there is one set. exec drops the events. Descriptors: kept, at FD_LEAST or
 * above. The program may close them, or have something of its own under their numbers: so each is asked for its id
 * before it is used; when it is gone all are opened anew.
 */
#include "preload/base/arena.h"
#include "preload/cpu/cpu.h"
#include "preload/base/os.h"
#include "preload/watch/means.h"
#include "preload/watch/slots.h"

#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES_MAX = 4, FD_LEAST = 900, FD_LEAST_FEW = 100, SETS_FIRST = 16, ROUND_BITS = 24 };
enum { CODE_PERF = 6 /* TRAP_PERF */, FLAG_ASYNC = 1 /* TRAP_PERF_FLAG_ASYNC */ };

/* perf_event_attr as of Linux 5.13, whatever headers there are: 128 bytes. */
struct attributes {
	uint32_t type, size;
	uint64_t config, sample_period, sample_type, read_format, flags;
	uint32_t wakeup_events, bp_type;
	uint64_t bp_addr, bp_len, branch_sample_type, sample_regs_user;
	uint32_t sample_stack_user;
	int32_t clockid;
	uint64_t sample_regs_intr;
	uint32_t aux_watermark;
	uint16_t sample_max_stack, unused;
	uint32_t aux_sample_size, unused_2;
	uint64_t sig_data;
};
_Static_assert(sizeof(struct attributes) == 128, "PERF_ATTR_SIZE_VER7");
#define FLAG(bit)           (UINT64_C(1) << (bit))
#define FLAG_DISABLED       FLAG(0)
#define FLAG_INHERIT        FLAG(1)
#define FLAG_EXCLUDE_KERNEL FLAG(5)
#define FLAG_EXCLUDE_HV     FLAG(6)
#define FLAG_INHERIT_THREAD FLAG(35)
#define FLAG_REMOVE_ON_EXEC FLAG(36)
#define FLAG_SIGTRAP        FLAG(37)
#define MODIFY_ATTRIBUTES   _IOW('$', 11, struct perf_event_attr *)

/* What the kernel puts behind si_addr. */
struct perf_info {
	uint64_t data;
	uint32_t type, flags;
};

/* The events of a thread, one a place, and of all threads that it starts. */
struct set {
	uint32_t tid;
	int fd[PLACES_MAX];
	uint64_t id[PLACES_MAX];
};

static struct {
	struct set *sets, first[SETS_FIRST];
	unsigned n_sets, capacity, n_places;
	uint32_t cookie; /* tells our events from those of the program */
	bool armed[PLACES_MAX];
} hw;

/* Something to lie on for watchpoints that are off. */
static uint64_t dummy;

/* ---- events ---- */

static struct attributes attributes_of(unsigned place, uint64_t address, unsigned bytes, uint32_t round, bool on)
{
	return (struct attributes){
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(struct attributes),
		.sample_period = 1,
		.flags = FLAG_INHERIT | FLAG_INHERIT_THREAD | FLAG_REMOVE_ON_EXEC | FLAG_SIGTRAP | FLAG_EXCLUDE_KERNEL |
			 FLAG_EXCLUDE_HV | (on ? 0 : FLAG_DISABLED),
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = address,
		.bp_len = bytes,
		.sig_data = (uint64_t)hw.cookie << 32 | (round & ((1U << ROUND_BITS) - 1)) << 8 | place,
	};
}

static bool is_ours(const struct set *s, unsigned place)
{
	uint64_t id = 0;

	return s->fd[place] >= 0 && !os_call(SYS_ioctl, s->fd[place], PERF_EVENT_IOC_ID, &id) && id == s->id[place];
}

static int move_up(int fd)
{
	int high = os_dup_above(fd, FD_LEAST);

	if (high < 0)
		high = os_dup_above(fd, FD_LEAST_FEW);
	if (high < 0)
		return fd;
	os_close(fd);
	return high;
}

/* 0 or -errno. */
static int open_place(struct set *s, unsigned place)
{
	struct attributes a = attributes_of(place, (uintptr_t)&dummy, sizeof dummy, 0, false);
	int fd = (int)os_call(SYS_perf_event_open, &a, s->tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return fd;
	s->fd[place] = move_up(fd);
	return (int)os_call(SYS_ioctl, s->fd[place], PERF_EVENT_IOC_ID, &s->id[place]);
}

static void close_set(struct set *s)
{
	for (unsigned i = 0; i < PLACES_MAX; i++)
		if (is_ours(s, i))
			os_close(s->fd[i]);
}

static void close_all(void)
{
	while (hw.n_sets)
		close_set(&hw.sets[--hw.n_sets]);
	memset(hw.armed, 0, sizeof hw.armed);
}

static struct set *new_set(uint32_t tid)
{
	struct set *more;

	if (!hw.sets) {
		hw.sets = hw.first;
		hw.capacity = SETS_FIRST;
	}
	if (hw.n_sets == hw.capacity) {
		more = arena_map(hw.capacity * 2 * sizeof *more);
		if (!more)
			return NULL;
		memcpy(more, hw.sets, hw.n_sets * sizeof *more);
		hw.sets = more; /* what it was before stays mapped: this is rare */
		hw.capacity *= 2;
	}
	more = &hw.sets[hw.n_sets++];
	*more = (struct set){ .tid = tid, .fd = { -1, -1, -1, -1 } };
	return more;
}

/* The events of a thread: as many places as there are, or, for the first one, as can be had. 0 or -errno. */
static int open_set(uint32_t tid)
{
	struct set *s = new_set(tid);
	unsigned want = hw.n_places ? hw.n_places : PLACES_MAX, i;
	int error = 0;

	if (!s)
		return -ENOMEM;
	for (i = 0; i < want && !error; i++)
		error = open_place(s, i);
	if (!hw.n_places && error == -ENOSPC && i > 1) {
		hw.n_places = i - 1;
		return 0;
	}
	if (!error) {
		hw.n_places = i;
		return 0;
	}
	close_set(s);
	hw.n_sets--;
	/* It has ended meanwhile; or has all places already, for who started it had them. */
	return error == -ESRCH || (error == -ENOSPC && hw.n_sets) ? 0 : error;
}

/* ---- all threads ---- */

static bool has_set(uint32_t tid)
{
	for (unsigned i = 0; i < hw.n_sets; i++)
		if (hw.sets[i].tid == tid)
			return true;
	return false;
}

struct entry {
	uint64_t ino, off;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

/* One look at the list of threads: those that have no events get some. */
static int open_threads_once(void)
{
	_Alignas(8) char buf[2048];
	int dir = os_open("/proc/self/task", O_RDONLY | O_DIRECTORY, 0), error = 0;
	long n;

	if (dir < 0)
		return has_set(os_tid()) ? 0 : open_set(os_tid());
	while (!error && (n = os_call(SYS_getdents64, dir, buf, sizeof buf)) > 0)
		for (long at = 0; at < n && !error; at += ((struct entry *)(buf + at))->bytes) {
			uint32_t tid = (uint32_t)strtoul(((struct entry *)(buf + at))->name, NULL, 10);

			if (tid && !has_set(tid))
				error = open_set(tid);
		}
	os_close(dir);
	return error;
}

/* Until no thread is new: it was started by one that had no events then. The others have inherited theirs. */
static int open_threads(void)
{
	unsigned before;
	int error = 0;

	do {
		before = hw.n_sets;
		error = open_threads_once();
	} while (!error && hw.n_sets > before && hw.n_sets > 1);
	return error;
}

/* ---- what may be missing ---- */

#define PARANOID "kernel.perf_event_paranoid is above 2"
#define DOCKER   "Docker: --cap-add PERFMON, or a seccomp profile that allows it"

static const char *why_not(int error)
{
	char text[16];

	switch (-error) {
	case EPERM:
	case EACCES:
		os_read_text("/proc/sys/kernel/perf_event_paranoid", text, sizeof text);
		if (strtol(text, NULL, 10) > 2)
			return -error == EPERM ? "perf_event_open is refused here (EPERM; " PARANOID ")"
					       : "perf_event_open is refused here (EACCES; " PARANOID ")";
		return -error == EPERM ? "perf_event_open is refused here (EPERM; " DOCKER ")"
				       : "perf_event_open is refused here (EACCES; " DOCKER ")";
	case ENOSYS: return "perf_event_open is refused here (ENOSYS; " DOCKER ")";
	case ENOSPC: return "all hardware watchpoints are taken (by a debugger)";
	case EINVAL:
	case E2BIG: return "hardware watchpoints need Linux 5.13 or later";
	case EMFILE:
	case ENFILE: return "hardware watchpoints need descriptors, and there are none left";
	default: return "there are no hardware watchpoints";
	}
}

static bool start(const char **ret_why)
{
	int error;

	if (!CPU_STOPS_BEHIND) {
		*ret_why = "hardware watchpoints are not used on this processor";
		return false;
	}
	hw.cookie = (uint32_t)os_random() | 1;
	hw.n_places = 0;
	error = open_threads();
	if (!error)
		return true;
	close_all();
	*ret_why = why_not(error);
	return false;
}

/* ---- places ---- */

static unsigned room(void) { return hw.n_places; }

/* Of all sets. False: a descriptor is gone, or the kernel does not want to. */
static bool modify(unsigned place, const struct attributes *a)
{
	bool good = hw.n_sets > 0;

	for (unsigned i = 0; i < hw.n_sets; i++) {
		long error = !is_ours(&hw.sets[i], place)
				     ? -EBADF
				     : os_call(SYS_ioctl, hw.sets[i].fd[place], MODIFY_ATTRIBUTES, a);

		good &= !error || error == -ESRCH;
	}
	return good;
}

/* Those that are armed are armed no more: the slots find out, when they ask. */
static bool open_anew(void)
{
	close_all();
	return !open_threads();
}

static bool arm(unsigned place, const void *address, unsigned bytes, uint32_t round)
{
	struct attributes a = attributes_of(place, (uintptr_t)address, bytes, round, true);

	if (place >= hw.n_places)
		return false;
	hw.armed[place] = modify(place, &a) || (open_anew() && modify(place, &a));
	return hw.armed[place];
}

static bool holds(unsigned place)
{
	bool good = hw.armed[place];

	for (unsigned i = 0; i < hw.n_sets && good; i++)
		good = is_ours(&hw.sets[i], place);
	return good;
}

static bool disarm(unsigned place)
{
	struct attributes a = attributes_of(place, (uintptr_t)&dummy, sizeof dummy, 0, false);
	bool held = hw.armed[place];

	hw.armed[place] = false;
	return modify(place, &a) && held;
}

static bool trap(const siginfo_t *info, void *context)
{
	struct perf_info perf;

	if (info->si_code != CODE_PERF)
		return false;
	memcpy(&perf, (const char *)&info->si_addr + sizeof info->si_addr, sizeof perf);
	if (perf.type != PERF_TYPE_BREAKPOINT || perf.data >> 32 != hw.cookie)
		return false;
	slots_hit((unsigned)perf.data & 0xff, (uint32_t)perf.data >> 8, perf.flags & FLAG_ASYNC, context);
	return true;
}

static void after_fork(void) { close_all(); /* our copies of the parent's descriptors, whose events go on */ }

const struct means means_hardware = {
	.name = "hardware",
	.start = start,
	.room = room,
	.arm = arm,
	.disarm = disarm,
	.holds = holds,
	.trap = trap,
	.after_fork = after_fork,
	.end = close_all,
};
