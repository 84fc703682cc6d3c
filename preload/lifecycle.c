/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle: start, fork, exec, end.
 *
 * The end is marked by a function given to on_exit from the constructor, before the program could register any: it runs
 * after all of them, and is told the exit status.
 */
#include "preload/lifecycle.h"
#include "preload/allocator/backend.h"
#include "preload/allocator/figures.h"
#include "preload/allocator/foreign.h"
#include "preload/allocator/real.h"
#include "preload/base/arena.h"
#include "preload/calls.h"
#include "preload/process/comm.h"
#include "preload/record/emit.h"
#include "preload/process/environment.h"
#include "preload/process/facts.h"
#include "preload/hooks/check.h"
#include "preload/hooks/foreign.h"
#include "preload/hooks/lives.h"
#include "preload/hooks/pymem.h"
#include "preload/record/intern.h"
#include "preload/record/labels.h"
#include "preload/native/native.h"
#include "preload/options.h"
#include "preload/base/os.h"
#include "preload/record/pause.h"
#include "preload/process/program.h"
#include "preload/py/gc/collector.h"
#include "preload/record/sink.h"
#include "preload/snapshot/signals.h"
#include "preload/snapshot/snapshot.h"
#include "preload/watch/pages.h"
#include "preload/watch/watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static struct options options;
static struct program program;
static bool started;     /* the constructor decided to trace */
static bool has_barrier; /* os_barrier works */
static bool init_seen;   /* PY_INIT is in the trace */
static struct lock adopting;
static _Atomic(uint64_t) last_fork;

uint8_t lifecycle_fini_seen;
static bool fini_seen;

/* ---- the interpreter's life ---- */

static void toggle(struct thread *t) { calls_record(t, tracer_is_paused(), PT_PAUSE_SIGNAL); }

static void tick(struct thread *t)
{
	comm_tick(t);
	figures_tick(t);
	snapshot_tick(t);
	if (snapshot_wants_hook())
		lifecycle_fini_seen = LIFECYCLE_LOOK;
	if (!init_seen && py_initialized()) {
		init_seen = true;
		facts_define_python(t);
		emit_pair(t, PT_OP_PY_INIT, py_info()->hexversion, 0);
	}
	if (init_seen)
		signals_toggle_on();
	collector_tick(t, init_seen);
	lives_tick(t);
	watch_tick(t);
}

/* Several threads may see it at once where no GIL keeps them apart: one tells. */
static void fini_begins(struct thread *t, bool whole)
{
	if (!snapshot_before_fini(t, whole) || __atomic_exchange_n(&fini_seen, true, __ATOMIC_ACQ_REL))
		return;
	lifecycle_fini_seen = true;
	figures_take(t);
	watch_end(t);
	emit_pair(t, PT_OP_PY_FINI, 0, 0);
	init_seen = false; /* Py_Initialize may come again */
	collector_fini();
}

void lifecycle_fini_changed(struct thread *t, enum lifecycle_place place)
{
	bool finalizing = py_finalizing();

	thread_depth(t, DEPTH_OWN);
	if (finalizing && !fini_seen) {
		fini_begins(t, place != LIFECYCLE_ANYWHERE);
	} else if (finalizing != fini_seen || lifecycle_fini_seen != LIFECYCLE_LOOK) {
		lifecycle_fini_seen = fini_seen = finalizing;
	} else if (place != LIFECYCLE_ANYWHERE && snapshot_in_hook(t, place == LIFECYCLE_RELEASES)) {
		lifecycle_fini_seen = fini_seen;
	}
	thread_depth(t, DEPTH_REAL);
}

void lifecycle_look_closely(void)
{
	struct thread *t = thread_enter_idle();

	if (!t)
		return;
	lifecycle_fini_changed(t, LIFECYCLE_HAS_GIL);
	thread_leave(t);
}

/* Before it is initialised, so nothing of its is missed. The facts follow with PY_INIT. */
void lifecycle_look_at(void *handle)
{
	if (!py_info()->implementation && py_start(handle)) {
		py_install(&pymem_hooks);
		lives_start(options.lives != 0);
		collector_start(snapshot_collection_begins);
		module_start(&calls);
	}
}

/* ---- start ---- */

/* strerror may allocate. */
static const char *describe_error(int error)
{
	switch (error) {
	case EACCES:
	case EPERM: return "no permission";
	case ENOENT:
	case ENOTDIR: return "no such directory";
	case ENOSPC:
	case EDQUOT: return "no space left";
	case EROFS: return "read-only file system";
	case EMFILE:
	case ENFILE: return "too many open files";
	case ENAMETOOLONG: return "name too long";
	case EEXIST:
	case EISDIR: return "there is something else of that name";
	default: return "I/O error";
	}
}

static void say_no_output(int error)
{
	char line[512];

	snprintf(line, sizeof line, "cannot make the trace file %.400s: %s; not tracing", sink_path(),
		 describe_error(error));
	options_say(line);
}

/* Makes the file and attaches the calling thread, with all that a reader must know first. */
static bool open_trace(const struct sink_parent *parent, enum pt_pause why)
{
	struct thread *t;
	int error;

	if (!sink_open(options.output, program.name, options.max_size, parent, &error)) {
		say_no_output(error);
		return false;
	}
	if (!pause_nothing_recorded())
		arena_nurse();
	has_barrier = os_barrier_register();
	atomic_store(&tracer.state, pause_nothing_recorded() ? TRACER_IDLE : TRACER_ON);
	t = thread_attached();
	if (!t)
		return false;
	thread_depth(t, DEPTH_OWN);
	comm_start();
	facts_define(t, &program);
	facts_define_python(t);
	pause_tell(t, why);
	thread_leave(t);
	return true;
}

static bool is_to_be_traced(bool has_python)
{
	if (options.programs[0])
		return program_fits(&program, options.programs);
	return has_python || program_fits(&program, program_interpreters);
}

static void fork_prepare(void);
static void fork_in_child(void);
static bool adopt_child(void);
static void exit_handler(int status, void *unused)
{
	(void)unused;
	lifecycle_end(PT_ENDED_EXIT, status & 255);
}
static void end_by_signal(int number) { lifecycle_end(PT_ENDED_SIGNAL, number); }
static void quick_exit_handler(void) { lifecycle_end(PT_ENDED_EXIT, 0); }

static bool decide(int argc, char **argv)
{
	char error[256];
	bool has_python = py_start(NULL), options_are_good;

	program_look(&program, argc, argv);
	options_are_good = options_read(&options, environ, error, sizeof error);
	if (!is_to_be_traced(has_python))
		return false;
	if (options_are_good && options.start.signal && options.start.signal == options.snapshot.signal) {
		snprintf(error, sizeof error,
			 "PYTRACE_START and PYTRACE_SNAPSHOT ask for the same signal; not tracing");
		options_are_good = false;
	}
	if (!options_are_good)
		options_say(error);
	if (options.help)
		options_print_help();
	if (!(options.follow & OPTIONS_FOLLOW_EXEC))
		environment_leave();
	return options_are_good && options.mode != OPTIONS_MODE_OFF;
}

static void start_backend(void)
{
	char line[128];
	const char *why;
	struct thread *t;

	if (options.backend != OPTIONS_BACKEND_JEMALLOC)
		return;
	if (!backend_switch(&why)) {
		snprintf(line, sizeof line, "PYTRACE_BACKEND=jemalloc: %s%s goes on serving", why,
			 real_allocator.is_libc ? "; libc" : ", which");
		options_say(line);
		return;
	}
	t = thread_enter_idle();
	if (!t)
		return;
	thread_depth(t, DEPTH_OWN);
	facts_define_allocator(t);
	facts_define_python(t);
	thread_leave(t);
}

static bool begin(int argc, char **argv)
{
	static const struct sink_parent no_parent;

	if (!decide(argc, argv))
		return false;
	os_advise(&tracer, sizeof tracer, 18 /* MADV_WIPEONFORK */);
	upward = (struct upward){
		.adopt = adopt_child, .tick = tick, .dies = comm_look, .ends = end_by_signal, .toggle = toggle
	};
	signals_toggle_start((int)options.start.signal);
	if (!options.start.on)
		pause_from_start();
	snapshot_start(&options.snapshot);
	thread_start();
	if (options.native) {
		native_start(environ);
		py_want_entries();
	}
	hook_check_start((unsigned)options.log);
	if (!open_trace(&no_parent, PT_PAUSE_OPTION))
		return false;
	foreign_add(cxx_hooks, cxx_hooks_n);
	foreign_add(mallocx_hooks, mallocx_hooks_n);
	foreign_start();
	start_backend();
	pthread_atfork(fork_prepare, NULL, fork_in_child);
	on_exit(exit_handler, NULL);
	at_quick_exit(quick_exit_handler);
	py_install(&pymem_hooks);
	lives_start(options.lives != 0);
	collector_start(snapshot_collection_begins);
	watch_start(options.watch);
	started = true;
	return true;
}

__attribute__((constructor(101))) static void construct(int argc, char **argv, char **envp)
{
	int saved = errno;

	(void)envp;
	real_start();
	environment_make_absolute();
	if (!begin(argc, argv))
		atomic_store(&tracer.state, TRACER_OFF);
	module_start(&calls); /* also in a program that is not traced: its import is to work */
	if (!backend_is_on())
		backend_stay();
	errno = saved;
}

/* ---- fork and exec ---- */

/* Registered first, so this runs last before the fork, and the child's part first after it. */
static void fork_prepare(void)
{
	struct thread *t = thread_enter_idle();

	if (!t)
		return;
	thread_depth(t, DEPTH_OWN);
	t->fork_serial = atomic_fetch_add(&last_fork, 1) + 1;
	emit_pair(t, PT_OP_FORK, t->fork_serial, 0);
	thread_leave(t);
}

/* For kernels that do not wipe the page. The first event does the rest; but our handlers may be gone before it. */
static void fork_in_child(void)
{
	if (tracer_is_alive())
		atomic_store(&tracer.state, TRACER_UNKNOWN);
	pages_open();
}

void lifecycle_forked(int child_pid)
{
	struct thread *t = thread_enter_idle();

	if (!t)
		return;
	thread_depth(t, DEPTH_OWN);
	if (t->fork_serial)
		emit_pair(t, PT_OP_FORKED, t->fork_serial, (uint64_t)child_pid);
	t->fork_serial = 0;
	thread_leave(t);
}

static void fill_parent(struct sink_parent *p)
{
	*p = (struct sink_parent){ .id = sink_id(), .fork_serial = thread_self ? thread_self->fork_serial : 0 };
	strncpy(p->file, os_file_name(sink_path()), sizeof p->file - 1);
}

/* Everything that the parent's memory says of its file, rings, threads and ids is not ours. */
static void forget_parent(void)
{
	sink_after_fork();
	ring_after_fork();
	thread_after_fork();
	intern_after_fork();
	label_after_fork();
	figures_after_fork();
	py_after_fork();
	snapshot_after_fork();
	collector_after_fork();
	lives_after_fork();
	watch_after_fork();
	pause_after_fork();
	native_after_fork();
	atomic_store(&order.run, 1);
	atomic_store(&order.now_ns, 0);
	atomic_store(&last_fork, 0);
	init_seen = false;
}

/* The file is open, the hooks are closed. */
static bool resume_watching(void)
{
	struct thread *t = thread_self;

	thread_depth(t, DEPTH_OWN);
	watch_resume(t);
	thread_leave(t);
	return true;
}

static void adopt(void)
{
	struct sink_parent parent;
	bool on = false;

	fill_parent(&parent);
	forget_parent();
	if (options.follow & OPTIONS_FOLLOW_FORK)
		on = open_trace(&parent, PT_PAUSE_FORK) && resume_watching();
	if (!on)
		atomic_store(&tracer.state, TRACER_OFF);
}

static bool adopt_child(void)
{
	int saved = errno;

	if (!started)
		return false;
	lock_take(&adopting);
	if (atomic_load(&tracer.state) == TRACER_UNKNOWN)
		adopt();
	lock_drop(&adopting);
	errno = saved;
	return tracer_is_alive();
}

/* The child of a vfork passes here in its parent's memory; the child of a fork may not have been adopted yet. */
static bool is_ours(void) { return started && tracer_is_alive() && os_pid() == sink_owner_pid(); }

void lifecycle_before_farewell(void)
{
	struct thread *t = thread_enter_idle();

	if (!t)
		return;
	thread_depth(t, DEPTH_OWN);
	sink_keep_descriptor();
	thread_leave(t);
}

/* The copy would be a stranger's child. */
static void snapshot_before_exec(void)
{
	struct thread *t = thread_enter_idle();

	if (!t)
		return;
	thread_depth(t, DEPTH_OWN);
	snapshot_before_end(t, PT_SNAPSHOT_EXIT, true);
	thread_leave(t);
	snapshot_wait();
}

void lifecycle_exec_begin(bool will_succeed)
{
	if (!is_ours())
		return;
	if (will_succeed)
		snapshot_before_exec();
	sink_ended(PT_ENDED_EXEC, 0, os_mono_ns() - sink_start_ns());
}

void lifecycle_exec_failed(void)
{
	if (is_ours())
		sink_ended(PT_ENDED_NOT, 0, os_mono_ns() - sink_start_ns());
}

/* ---- end ---- */

struct ending {
	const struct thread *self;
	bool all_packed;
};

static void name_other(struct thread *t, void *self)
{
	if (t != self)
		comm_look_at(self, t);
}

/* A thread that is outside the hooks will see OFF when it enters one (thread_enter), so its ring is ours to pack. */
static void pack_other(struct thread *t, void *arg)
{
	struct ending *e = arg;

	if (t == e->self)
		return;
	if (!has_barrier || atomic_load(&t->depth) != DEPTH_OUTSIDE || !ring_pack(t))
		e->all_packed = false;
}

static void write_footer(uint64_t now_ns)
{
	static struct {
		struct pt_block block;
		struct pt_footer footer;
		uint64_t pairs[256][2];
	} f;
	struct ring_totals sums;
	uint64_t bytes, offset;

	ring_totals(&sums);
	f.footer = (struct pt_footer){
		.n_events = sums.n_events,
		.n_defs = sums.n_defs,
		.n_blocks = sums.n_blocks,
		.n_threads = thread_count(),
		.duration_ns = now_ns,
	};
	for (unsigned op = 0; op < 256; op++) {
		if (!sums.op_counts[op])
			continue;
		f.pairs[f.footer.n][0] = op;
		f.pairs[f.footer.n++][1] = sums.op_counts[op];
	}
	bytes = sizeof f.footer + f.footer.n * sizeof f.pairs[0];
	f.block.kind = PT_BLOCK_FOOTER;
	f.block.stored_bytes = f.block.raw_bytes = (uint32_t)bytes;
	f.block.first_ns = f.block.last_ns = now_ns;
	f.block.payload_xxh3 = pt_xxh3(&f.footer, bytes);
	pt_block_seal(&f.block);
	offset = sink_reserve(sizeof f.block + bytes, PT_BLOCK_ALIGN);
	if (offset)
		sink_write(&f, sizeof f.block + bytes, offset);
}

struct gaps {
	struct sink_gap *list;
	unsigned n, cap;
};

static void count_ring(const struct ring *r, void *arg)
{
	(void)r;
	((struct gaps *)arg)->cap++;
}

static void add_gap(const struct ring *r, void *arg)
{
	struct gaps *g = arg;

	if (g->n < g->cap && !r->shared->x_head)
		g->list[g->n++] = (struct sink_gap){ r->offset, ring_bytes(r->n_slots) };
}

/* By offset. qsort may allocate. */
static void sort_gaps(struct gaps *g)
{
	for (unsigned i = 1; i < g->n; i++) {
		struct sink_gap gap = g->list[i];
		unsigned at = i;

		for (; at && g->list[at - 1].offset > gap.offset; at--)
			g->list[at] = g->list[at - 1];
		g->list[at] = gap;
	}
}

/* The rings that hold nothing any more. */
static void find_gaps(struct gaps *g)
{
	ring_each(count_ring, g);
	g->list = arena_alloc(g->cap * sizeof *g->list);
	if (!g->list)
		return;
	ring_each(add_gap, g);
	sort_gaps(g);
}

static void close_trace(enum pt_ended how, int status, uint64_t now_ns, bool all_packed)
{
	struct gaps gaps = { 0 };

	if (all_packed)
		write_footer(now_ns);
	sink_ended(how, status, now_ns);
	find_gaps(&gaps);
	sink_close(gaps.list, gaps.n);
}

/* Called from a signal handler that interrupted a hook of this thread (depth not 0), locks may be held: then the rings
 * keep what they have and only the front page is marked. */
void lifecycle_end(enum pt_ended how, int status)
{
	uint64_t now_ns = os_mono_ns() - sink_start_ns();
	struct thread *t;
	struct ending e = { .all_packed = true };

	if (!started || os_pid() != sink_owner_pid() || atomic_load(&tracer.state) == TRACER_UNKNOWN)
		return;
	t = tracer_is_alive() ? thread_enter_idle() : NULL;
	if (t) {
		thread_depth(t, DEPTH_OWN);
		hook_check_end();
		signals_end();
		facts_define_usage(t);
		snapshot_before_end(t, how == PT_ENDED_EXIT ? PT_SNAPSHOT_EXIT : PT_SNAPSHOT_FATAL,
				    how == PT_ENDED_EXIT);
		if (how == PT_ENDED_EXIT)
			figures_take(t);
		thread_each(name_other, t);
		watch_end(t);
		emit_pair(t, PT_OP_END, t->tid, 0);
		e.all_packed = ring_pack(t);
		e.self = t;
		atomic_store(&tracer.state, TRACER_OFF);
		has_barrier = has_barrier && os_barrier();
		thread_each(pack_other, &e);
		snapshot_wait();
		close_trace(how, status, now_ns, e.all_packed);
		thread_leave(t);
		return;
	}
	atomic_store(&tracer.state, TRACER_OFF);
	snapshot_wait();
	sink_ended(how, status, now_ns);
}
