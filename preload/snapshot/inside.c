/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside: in the order of what could go wrong first.
 *
 * The first thing is to turn the tracer off: its state was wiped by the fork, as in any child.
 */
#include "preload/snapshot/inside.h"
#include "preload/allocator/backend.h"
#include "preload/allocator/real.h"
#include "preload/base/os.h"
#include "preload/py/heap/heap.h"
#include "preload/record/sink.h"
#include "preload/snapshot/areas.h"
#include "preload/snapshot/out.h"
#include "preload/snapshot/scan/scan.h"
#include "preload/base/tracer.h"
#include "preload/watch/pages.h"

#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>

enum {
	LIFE_SECONDS = 120, /* and one more for each 64 MiB that the program has */
	BYTES_A_SECOND = 64 << 20,
	KERNEL_SIGNALS = 64,
	SIGNALS_BYTES = 8,
};

/* ---- memory for others ---- */

/*
 * What walks the heap calls functions of the program's extensions, which may take memory, and whoever held the
 * allocator's lock is not here to give it back. So they get memory that is never given back.
 */
enum { BUMP_PIECE = 1 << 20, BUMP_HEAD = 16 };
static char *bump;
static size_t bump_left;

static void *take(size_t align, size_t size)
{
	size_t bytes;
	char *p;

	align = align < BUMP_HEAD ? BUMP_HEAD : align;
	if (__builtin_add_overflow(size, 2 * align, &bytes))
		return NULL;
	bytes = (bytes + BUMP_HEAD - 1) & ~(size_t)(BUMP_HEAD - 1);
	if (bytes > bump_left) {
		bump_left = bytes > BUMP_PIECE ? os_whole_pages(bytes) : BUMP_PIECE;
		bump = os_map(bump_left, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (!bump) {
			bump_left = 0;
			return NULL;
		}
	}
	p = (char *)(((uintptr_t)bump + BUMP_HEAD + align - 1) & ~(uintptr_t)(align - 1));
	bump += bytes;
	bump_left -= bytes;
	memcpy(p - BUMP_HEAD, &size, sizeof size);
	return p;
}

static void *bump_malloc(size_t size) { return take(0, size); }
static void *bump_calloc(size_t n, size_t size)
{
	return __builtin_mul_overflow(n, size, &size) ? NULL : take(0, size); /* fresh pages are zero */
}
static void bump_free(void *p) { (void)p; }
static int bump_posix_memalign(void **out, size_t align, size_t size)
{
	*out = take(align, size);
	return *out ? 0 : ENOMEM;
}
static void *bump_memalign(size_t align, size_t size) { return take(align, size); }

/* Of what was there before the size is not known without asking its allocator: so many bytes as can be read are
 * copied, which is all that is wanted. */
static void *bump_realloc(void *p, size_t size)
{
	char *q = take(0, size);
	size_t old;

	if (!p || !q)
		return q;
	memcpy(&old, (char *)p - BUMP_HEAD, sizeof old);
	memcpy(q, p, old < size ? old : size);
	return q;
}

static void redirect_allocator(void)
{
	real.malloc = bump_malloc;
	real.calloc = bump_calloc;
	real.realloc = bump_realloc;
	real.free = bump_free;
	real.posix_memalign = bump_posix_memalign;
	real.aligned_alloc = bump_memalign;
	real.memalign = bump_memalign;
}

/* ---- signals ---- */

struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static struct copy_shared *shared;

static __attribute__((noreturn)) void end(uint32_t how)
{
	atomic_store(&shared->done, how);
	os_call(SYS_futex, &shared->done, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	for (;;)
		os_call(SYS_exit_group, how == COPY_DONE ? 0 : 1);
}

/* A fault while an object is read: that object is passed over. Anywhere else: the end. */
static void fault(int number)
{
	(void)number;
	if (py_heap_fault_armed)
		siglongjmp(py_heap_fault, 1);
	end(COPY_FAILED);
}

static void set_handler(int number, void (*handler)(int), unsigned long flags)
{
	struct kernel_sigaction action = { .handler = handler, .flags = flags };

#ifdef __x86_64__
	action.flags |= 0x04000000; /* SA_RESTORER, without which the kernel delivers nothing; nobody returns to it */
	action.restorer = (void (*)(void))end;
#endif
	os_call(SYS_rt_sigaction, number, &action, NULL, SIGNALS_BYTES);
}

/* All were blocked before the fork. */
static void settle_signals(void *fault_stack)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	stack_t alternative = { .ss_sp = fault_stack, .ss_size = INSIDE_FAULT_STACK };
	uint64_t open = UINT64_C(1) << (SIGALRM - 1) | UINT64_C(1) << (SIGABRT - 1);

	for (int i = 1; i <= KERNEL_SIGNALS; i++)
		set_handler(i, SIG_DFL, 0);
	os_call(SYS_sigaltstack, &alternative, NULL);
	for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) {
		set_handler(faults[i], fault, SA_ONSTACK | SA_NODEFER);
		open |= UINT64_C(1) << (faults[i] - 1);
	}
	os_call(SYS_rt_sigprocmask, SIG_UNBLOCK, &open, NULL, SIGNALS_BYTES);
}

/* ---- manners ---- */

/* The program's descriptors: a connection that it closes must be closed, a pipe must end when it ends. */
static void close_descriptors(int but)
{
	enum { CLOSE_RANGE = 436, MANY = 65536 };
	uint64_t limit;

	if ((but <= 0 || !os_call(CLOSE_RANGE, 0, but - 1, 0)) && !os_call(CLOSE_RANGE, but + 1, ~0U, 0))
		return;
	limit = os_descriptor_limit();
	for (int i = 0; i < MANY && (uint64_t)i < limit; i++)
		if (i != but)
			os_close(i);
}

static void go_first_when_memory_ends(void)
{
	int fd = os_open("/proc/self/oom_score_adj", O_WRONLY, 0);

	if (fd < 0)
		return;
	os_write(fd, "1000", 4);
	os_close(fd);
}

static uint64_t bytes_in_memory(void)
{
	char text[128], *p;
	uint64_t pages = 0;

	os_read_text("/proc/self/statm", text, sizeof text);
	p = strchr(text, ' ');
	for (p = p ? p + 1 : text; *p >= '0' && *p <= '9'; p++)
		pages = pages * 10 + (uint64_t)(*p - '0');
	return pages * OS_PAGE;
}

static void take_second_place(bool in_hurry)
{
	static const struct rlimit no_core;
	struct itimerval life = { .it_value.tv_sec = LIFE_SECONDS + (time_t)(bytes_in_memory() / BYTES_A_SECOND) };
	static const struct sched_param ordinary;

	os_call(SYS_prctl, PR_SET_NAME, "pytrace-copy", 0, 0, 0);
	os_call(SYS_prlimit64, 0, RLIMIT_CORE, &no_core, NULL);
	os_call(SYS_setitimer, ITIMER_REAL, &life, NULL);
	os_call(SYS_sched_setscheduler, 0, SCHED_OTHER, &ordinary);
	if (!in_hurry)
		os_call(SYS_setpriority, PRIO_PROCESS, 0, 5);
	go_first_when_memory_ends();
}

/* ---- the work ---- */

static void write_facts(struct out *o, const struct copy_order *order, uint64_t pause_ns)
{
	out_fact(o, "reason", order->reason);
	out_fact(o, "pause_ns", pause_ns);
	out_fact(o, "in_hook", order->in_hook);
	if (!order->heap && order->heap_off)
		out_fact(o, order->heap_off, 0);
}

static void write_all(struct out *o, const struct inside *in, uint64_t pause_ns)
{
	struct scan_order scan = {
		.pid = in->order.pid,
		.own = (uintptr_t)in->own,
		.own_end = (uintptr_t)in->own + in->own_bytes,
		.is_libc = real_allocator.is_libc && !backend_is_on(),
	};

	memcpy(scan.registers, in->registers, sizeof scan.registers);
	write_facts(o, &in->order, pause_ns);
	areas_write(o, in->order.pid);
	if (in->order.heap)
		py_heap_walk(o);
	scan_write(o, &scan);
	py_heap_write_end(o);
}

int inside_main(void *arg)
{
	uint64_t first_ns = os_mono_ns();
	const struct inside *in = arg;
	struct out_file file;
	struct out *o;

	atomic_store(&tracer.state, TRACER_OFF);
	shared = in->shared;
	redirect_allocator();
	settle_signals(in->fault_stack);
	pages_open();
	close_descriptors(sink_copy_keeps());
	areas_begin();
	take_second_place(in->order.in_hurry);
	if (!sink_copy_opens(&file.fd, &file.front, &file.max_bytes))
		end(COPY_FAILED);
	file.progress = &shared->progress;
	o = out_begin(&file, in->order.number, in->order.now_ns);
	if (!o)
		end(COPY_FAILED);
	write_all(o, in, first_ns - in->before_ns);
	end(out_end(o) ? COPY_DONE : COPY_FAILED);
}
