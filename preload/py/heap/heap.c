/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap: see heap.h
 *
 * The lists of the collector are walked with next pointers only; that those are what they are taken for is seen in the
 * program, once, by the way back (prev) of the first nodes. In the copy nothing is asked of the kernel: what faults
 * after all is skipped.
 */
#include "preload/py/heap/heap_parts.h"

#include <string.h>

#include "preload/base/arena.h"
#include "preload/py/objects/segments.h"
#include "preload/base/os.h"
#include "preload/record/thread.h"

enum {
	GENERATIONS = 3,
	GENERATION_BYTES = 24, /* head (next, prev), threshold, count */
	THRESHOLD_AT = 16,
	COUNT_AT = 20,
	GC_HEAD = 16,
	NODES_LOOKED_AT = 1000,
	THRESHOLD_MAX = 1 << 30,
	FAULTS_MAX = 10000,
	INTERPRETERS_MAX = 1 << 12,
	/* the incremental collector of 3.14.0 to 3.14.4, told by the size of its state */
	GC_SIZE_AT = 648,
	GC_SIZE_INCREMENTAL = 240,
	INCREMENTAL_YOUNG = 24,
};

struct heap heap;
sigjmp_buf py_heap_fault;
volatile sig_atomic_t py_heap_fault_armed;

/* ---- the collector's lists ---- */

static bool is_incremental(void)
{
	return py_layout.minor == 14 && !py_layout.free_threaded &&
	       PY_AT(uint64_t, py_symbols.runtime, GC_SIZE_AT) == GC_SIZE_INCREMENTAL;
}

/* The head of list i: three generations, and the permanent one. */
static const char *list_head(const char *gc, unsigned i)
{
	if (i == GENERATIONS)
		return gc + py_layout.gc_permanent;
	if (is_incremental())
		return gc + INCREMENTAL_YOUNG + i * GENERATION_BYTES;
	return heap_word(gc, py_layout.gc_pointer) + i * GENERATION_BYTES;
}

static const char *next_of(const char *node) { return (const char *)(PY_AT(uintptr_t, node, 0) & ~(uintptr_t)3); }

static const char *previous_of(const char *node) { return (const char *)(PY_AT(uintptr_t, node, 8) & ~(uintptr_t)3); }

/* ---- whether it can be walked ---- */

static struct {
	bool asked, ready;
	const char *why;
} state;

/* The heads of Debian's 3.13 lie at odd places. */
static bool readable(const char *p)
{
	const char *start = (const char *)((uintptr_t)p & ~(uintptr_t)7);

	return py_readable(start) && py_readable(start + GC_HEAD);
}

static const char *check_list(const char *head)
{
	const char *node, *before = head;

	if (!readable(head))
		return "the collector's lists are not there";
	node = next_of(head);
	for (int i = 0; node != head && i < NODES_LOOKED_AT; i++) {
		const char *type;

		if (!readable(node) || previous_of(node) != before)
			return "the collector's lists are not linked as expected";
		type = heap_word(node + GC_HEAD, py_layout.object_type);
		if (!py_readable(type) || !py_readable(type + py_layout.type_flags) ||
		    !(PY_AT(uint64_t, type, py_layout.type_flags) & FLAG_GC))
			return "the collector's lists have what can't be collected";
		before = node;
		node = next_of(node);
	}
	return NULL;
}

static bool is_list(const char *p)
{
	const char *type = p && py_readable(p + py_layout.object_type) ? heap_word(p, py_layout.object_type) : NULL;

	return !p || (type && py_readable(type + py_layout.type_flags) &&
		      (PY_AT(uint64_t, type, py_layout.type_flags) & FLAG_LIST));
}

static const char *check_generations(const char *gc)
{
	const char *first, *why = NULL;

	if (py_layout.free_threaded)
		return py_symbols.gc_visit_objects ? NULL : "the interpreter hides how its objects are visited";
	first = list_head(gc, 0);
	if (first < gc || first > gc + py_layout.gc_permanent)
		return "the collector's generations are elsewhere";
	for (unsigned i = 0; i <= GENERATIONS && !why; i++) {
		if (PY_AT(uint32_t, list_head(gc, i), THRESHOLD_AT) > THRESHOLD_MAX)
			return "the collector's thresholds make no sense";
		why = check_list(list_head(gc, i));
	}
	return why;
}

static const char *check(void)
{
	const char *interp, *gc;

	if (py_trust == PY_TRUST_NONE)
		return py_info()->stacks_off ? py_info()->stacks_off : "no Python was found";
	interp = PY_AT(char *, py_symbols.runtime, py_layout.run_main);
	if (!interp || !py_readable(interp))
		return "there is no main interpreter";
	gc = heap_collector(interp);
	if (!readable(gc + py_layout.gc_callbacks))
		return "the collector's state is not there";
	if (!is_list(heap_word(gc, py_layout.gc_garbage)) || !is_list(heap_word(gc, py_layout.gc_callbacks)))
		return "the collector's state is not as expected";
	return check_generations(gc);
}

bool py_heap_ready(void)
{
	if (state.asked || !py_initialized())
		return state.ready;
	state.why = check();
	state.ready = !state.why;
	state.asked = true;
	return state.ready;
}

const char *py_heap_off(void) { return state.why; }

/* ---- without a GIL ---- */

static struct {
	long (*make_copy)(void *arg);
	void *arg;
	bool called, in_copy;
	int enabled; /* switched off while objects are visited */
	const char **objects;
	size_t n, cap;
} world;

/* The copy only takes addresses: what the visit looks at must stay as it is until it ends. */
static void world_put(const char *object)
{
	if (world.n == world.cap) {
		size_t cap = world.cap ? 2 * world.cap : 1 << 16;
		const char **more = arena_map(cap * sizeof *more);

		if (!more) {
			heap.n_unreadable++;
			return;
		}
		if (world.n)
			memcpy(more, world.objects, world.n * sizeof *more);
		if (world.objects)
			arena_unmap(world.objects, world.cap * sizeof *more);
		world.objects = more;
		world.cap = cap;
	}
	world.objects[world.n++] = object;
}

static int world_visit(void *object, void *arg)
{
	(void)arg;
	if (!world.called) {
		world.called = true;
		world.in_copy = world.make_copy(world.arg) == 0;
	}
	if (!world.in_copy)
		return 0;
	world_put(object);
	return 1;
}

/* The world stands still while objects are visited, of which there are none when gc.freeze() has set all apart. So one
 * that lives as long as the interpreter is visible for a moment: what is set apart is left out, and no more. */
static void visit_thawed(const char *interp)
{
	char *object = PY_AT(char *, interp, py_layout.interp_sysdict);
	uint8_t *bits = (uint8_t *)object + HEAP_GC_BITS_AT;

	if (!object || !(heap_gc_bits(object) & HEAP_GC_TRACKED) || !(heap_gc_bits(object) & HEAP_GC_FROZEN))
		return;
	__atomic_fetch_and(bits, (uint8_t)~HEAP_GC_FROZEN, __ATOMIC_SEQ_CST);
	py_symbols.gc_visit_objects(world_visit, NULL);
	__atomic_fetch_or(bits, (uint8_t)HEAP_GC_FROZEN, __ATOMIC_SEQ_CST);
}

bool py_heap_stop_world(long (*make_copy)(void *arg), void (*in_copy)(void *arg), void *arg)
{
	const char *tstate = py_current();

	if (!py_symbols.gc_visit_objects || !tstate)
		return false;
	world.make_copy = make_copy;
	world.arg = arg;
	world.called = world.in_copy = false;
	world.enabled = PY_AT(int, heap_collector(heap_word(tstate, py_layout.ts_interp)), py_layout.gc_enabled);
	py_symbols.gc_visit_objects(world_visit, NULL);
	if (!world.called)
		visit_thawed(heap_word(tstate, py_layout.ts_interp));
	if (world.in_copy)
		in_copy(arg);
	return world.called;
}

/* ---- the walk ---- */

/* Does `step` until it says that nothing is left. A fault in it costs the object in hand. */
static void run(bool (*step)(void))
{
	static volatile unsigned faults; /* the stack is as it was at sigsetjmp */

	if (sigsetjmp(py_heap_fault, 0)) {
		py_heap_fault_armed = 1;
		if (++faults > FAULTS_MAX) {
			py_heap_fault_armed = 0;
			return;
		}
		heap_give_up();
	}
	py_heap_fault_armed = 1;
	while (step())
		if (!out_is_good(heap.out))
			break;
	py_heap_fault_armed = 0;
}

static struct {
	const char *head, *node;   /* of the list in hand */
	const char *interp, *mine; /* the interpreter in hand; that of this thread, or the main one */
	const char *tstate;        /* the thread in hand */
	const struct thread *thread;
	unsigned list;
	size_t next;       /* of world.objects */
	unsigned range;    /* of memory */
	uintptr_t segment; /* in it */
	uint64_t n_frozen, n_foreign;
	int n_interps;
} at;

static bool step_list(void)
{
	const char *node = at.node;

	heap_drain();
	if (node == at.head || !node)
		return false;
	at.node = NULL;
	at.node = next_of(node);
	__builtin_prefetch(at.node); /* while this one is written */
	at.n_frozen += at.list == GENERATIONS;
	heap_meet_tracked(node + GC_HEAD);
	heap_drain();
	return true;
}

static bool step_world(void)
{
	heap_drain();
	if (at.next >= world.n)
		return false;
	heap_meet_tracked(world.objects[at.next++]);
	heap_drain();
	return true;
}

/* What the interpreter does not tell of: objects that gc.freeze() has set apart, those of other interpreters. */
static void meet_unvisited(void *self, const char *object)
{
	unsigned bits = heap_gc_bits(object);

	(void)self;
	if (!(bits & HEAP_GC_TRACKED) || heap_is_marked(object, HEAP_SEEN))
		return;
	at.n_frozen += (bits & HEAP_GC_FROZEN) != 0;
	heap_meet(object);
}

/* One segment, or a step to the next memory that may have some. */
static bool step_segments(void)
{
	static const struct py_segments_visit visit = { .object = meet_unvisited };
	uintptr_t start, end, p;

	heap_drain();
	if (!heap_blocks_range(at.range, &start, &end))
		return false;
	p = py_segments_next(at.segment > start ? at.segment : start);
	at.segment = p + 1; /* where it goes on after a fault */
	if (p < end)
		at.segment = py_segments_visit(p, end, &visit);
	else
		at.range++;
	return true;
}

/* Interpreters with a GIL of their own run on while this one is copied (3.12 on). */
static const char *gil_of(const char *interp)
{
	if (!py_layout.interp_own_gil || PY_AT(int, interp, py_layout.interp_own_gil))
		return interp;
	return PY_AT(char *, py_symbols.runtime, py_layout.run_main);
}

static bool stands_still(const char *interp)
{
	return !py_layout.interp_own_gil || py_layout.free_threaded || gil_of(interp) == gil_of(at.mine);
}

static void each_interpreter(void (*what)(const char *interp))
{
	const char *interp = PY_AT(char *, py_symbols.runtime, py_layout.run_head);

	for (int i = 0; interp && i < INTERPRETERS_MAX; i++, interp = heap_word(interp, py_layout.interp_next))
		if (stands_still(interp))
			what(interp);
}

static void walk_lists(const char *interp)
{
	const char *gc = heap_collector(interp);

	if (at.n_interps++ && py_layout.run_gc)
		return; /* 3.8 has one collector for all */
	for (at.list = 0; at.list <= GENERATIONS; at.list++) {
		heap.generation = at.list;
		at.head = list_head(gc, at.list);
		at.node = next_of(at.head);
		run(step_list);
	}
}

/* One interpreter, or one of its threads: a fault costs what is left of that. */
static bool step_roots(void)
{
	const char *interp = at.interp, *tstate = at.tstate;

	heap_drain();
	if (tstate) {
		at.tstate = NULL;
		at.tstate = heap_word(tstate, py_layout.ts_next);
		heap_roots_of_thread(tstate);
		return true;
	}
	if (!interp)
		return false;
	at.interp = heap_word(interp, py_layout.interp_next);
	if (stands_still(interp)) {
		at.tstate = heap_word(interp, py_layout.interp_threads);
		heap_roots_of_interpreter(interp);
	}
	return true;
}

static bool is_listed(const char *interp, const char *tstate)
{
	const char *listed = heap_word(interp, py_layout.interp_threads);

	while (listed && listed != tstate)
		listed = heap_word(listed, py_layout.ts_next);
	return listed;
}

/* An interpreter that takes itself down strikes the states of all other threads off its list at once (3.9 on), and then
 * frees them one by one, which is when its end is seen. Daemon threads still wait in their frames, which hold what they
 * held. */
static bool step_struck_off(void)
{
	const struct thread *t = at.thread;
	const char *tstate;

	heap_drain();
	if (!t)
		return false;
	at.thread = t->next;
	tstate = t->py.epoch == py_state.epoch ? t->py.tstate : NULL;
	if (tstate && t->ring && !t->dying && heap_word(tstate, py_layout.ts_interp) == at.mine &&
	    !is_listed(at.mine, tstate))
		heap_roots_of_thread(tstate);
	return true;
}

static bool step_types(void)
{
	heap_drain();
	heap_roots_of_types();
	return false;
}

static void count_foreign(void)
{
	const char *interp = PY_AT(char *, py_symbols.runtime, py_layout.run_head);

	for (int i = 0; interp && i < INTERPRETERS_MAX; i++, interp = heap_word(interp, py_layout.interp_next))
		at.n_foreign += !stands_still(interp);
}

static void write_facts(void)
{
	static const char *const thresholds[] = { "gc.threshold0", "gc.threshold1", "gc.threshold2" },
				 *const counts[] = { "gc.count0", "gc.count1", "gc.count2" };
	const char *gc = heap_collector(at.mine);

	out_fact(heap.out, "python.hexversion", py_info()->hexversion);
	out_fact(heap.out, "gc.enabled",
		 (uint64_t)(world.in_copy ? world.enabled : PY_AT(int, gc, py_layout.gc_enabled)));
	out_fact(heap.out, "gc.debug", PY_AT(uint32_t, gc, py_layout.gc_debug));
	out_fact(heap.out, "gc.frozen", at.n_frozen);
	for (unsigned i = 0; i < GENERATIONS && !py_layout.free_threaded; i++) {
		out_fact(heap.out, thresholds[i], PY_AT(uint32_t, list_head(gc, i), THRESHOLD_AT));
		out_fact(heap.out, counts[i], PY_AT(uint32_t, list_head(gc, i), COUNT_AT));
	}
	out_fact(heap.out, "objects.unknown", heap.n_unknown);
	out_fact(heap.out, "edges.cut", heap.n_cut);
	out_fact(heap.out, "interpreters.running", at.n_foreign);
	out_fact(heap.out, "walk.cpu_ns", os_clock_ns(CLOCK_PROCESS_CPUTIME_ID));
}

void py_heap_write_end(struct out *o)
{
	uint8_t *p = out_room(o, 1 + 3 * PT_VARINT_MAX);

	*p++ = PT_RECORD_END;
	p = pt_put_varint(p, heap.n_objects);
	p = pt_put_varint(p, heap.n_edges);
	out_record(o, pt_put_varint(p, heap.n_unreadable));
}

static void walk_world(void)
{
	run(step_world);
	if (world.in_copy)
		run(step_segments);
	py_segments_found = (struct py_segments_found){ 0 }; /* they are gone through again */
}

static void walk(void)
{
	const char *tstate = py_state.current ? py_current() : NULL;

	at.mine =
		tstate ? heap_word(tstate, py_layout.ts_interp) : PY_AT(char *, py_symbols.runtime, py_layout.run_main);
	count_foreign();
	run(heap_counts_step);
	heap.lists_are_complete = !py_layout.free_threaded && !at.n_foreign;
	if (py_layout.free_threaded)
		walk_world();
	else
		each_interpreter(walk_lists);
	heap.generation = 0;
	at.interp = PY_AT(char *, py_symbols.runtime, py_layout.run_head);
	run(step_roots);
	at.thread = py_finalizing() ? thread_list() : NULL;
	run(step_struck_off);
	run(step_types);
	write_facts();
}

void py_heap_walk(struct out *o)
{
	heap.out = o;
	if (state.ready && heap_seen_start() && heap_types_start())
		walk();
}
