/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector: what happens when a collection starts and ends
 *
 * The interpreter finds our list in its state and calls our function, as it would each callback of the program: at the
 * start and the end of a collection, with the GIL, where Python code may run. The function calls the program's
 * callbacks in turn. GC_BEGIN is recorded when the interpreter has dropped the dict that it made for this, right before
 * it collects; GC_END as soon as it comes back. So what one thread frees between them is what the collection freed.
 */
#include "preload/py/gc/collector_parts.h"

#include <string.h>

#include "preload/record/emit.h"
#include "preload/record/intern.h"
#include "preload/native/native.h"
#include "preload/py/peek.h"

enum { HEAD_ROOM = 32, LIST_BYTES = 128, FUNCTION_BYTES = 128, FUNCTION_VECTORCALL_AT = 32 };
enum { METHOD_FASTCALL = 0x80 };

static void (*collection_begins)(struct thread *t, unsigned generation, enum pt_gc_trigger trigger);
static bool started, module_is_ours, hidden, told;
static const char *off; /* why not */

/* Where our list is instead of the program's. */
static struct {
	char *at;   /* the collector's state; NULL: nowhere */
	void *user; /* the program's list; NULL: it has none (up to 3.10: before it imports gc) */
} watched;

static struct {
	const void *list_type, *function_type;
	void *none;
	void (*inc)(void *object);
	void (*dec)(void *object);
	void *(*call)(void *callable, ...);
	void (*unraisable)(void *object);
} py;

static const struct {
	const char *name;
	void *at;
} wanted[] = {
	{ "PyList_Type", &py.list_type },
	{ "PyCFunction_Type", &py.function_type },
	{ "_Py_NoneStruct", &py.none },
	{ "Py_IncRef", &py.inc },
	{ "Py_DecRef", &py.dec },
	{ "PyObject_CallFunctionObjArgs", &py.call },
	{ "PyErr_WriteUnraisable", &py.unraisable },
};

/* Objects that look like a list of one function. In front of them is room for the collector's head: zero, so that they
 * are not tracked. */
static struct {
	_Alignas(64) char list_head[HEAD_ROOM];
	char list[LIST_BYTES];
	char function_head[HEAD_ROOM];
	char function[FUNCTION_BYTES];
	void *items[1];
	struct {
		const char *name;
		void *call;
		int flags;
		const char *doc;
	} method;
} ours;

/* ---- what steers collections ---- */

static struct gc_settings known;
static uint64_t known_frozen;
static _Atomic(bool) frozen_anew; /* while recording was stopped */

static void tell(struct thread *t, unsigned what, uint64_t value, uint32_t stack)
{
	emit_pair(t, PT_OP_GC_SET, what, (uint32_t)value | (uint64_t)stack << 32);
}

/* What has changed; `all`: all of it. */
static void tell_settings(struct thread *t, const struct gc_state *s, bool all, uint32_t stack)
{
	struct gc_settings now = gc_state_settings(s);

	if (all || now.enabled != known.enabled)
		tell(t, PT_GC_SET_ENABLED, (uint32_t)now.enabled, stack);
	for (unsigned i = 0; i < GC_GENERATIONS; i++)
		if (all || now.threshold[i] != known.threshold[i])
			tell(t, PT_GC_SET_THRESHOLD_0 + i, (uint32_t)now.threshold[i], stack);
	if (all || now.debug != known.debug)
		tell(t, PT_GC_SET_DEBUG, (uint32_t)now.debug, stack);
	known = now;
}

static void tell_frozen(struct thread *t, uint64_t n, bool all, uint32_t stack)
{
	if (all || n != known_frozen)
		tell(t, PT_GC_SET_FROZEN, n > UINT32_MAX ? UINT32_MAX : n, stack);
	known_frozen = n;
}

/* ---- where we are ---- */

/* Whether the calling thread may look at the interpreter's objects. */
static bool has_interpreter(void)
{
	const char *tstate = py_current();

	return tstate && (!py_state.current_is_shared || (py_symbols.gilstate && py_symbols.gilstate() == tstate));
}

/* Whether the calling thread is in the interpreter whose collections are watched. In 3.8 all have one collector. */
static bool is_main(void)
{
	const char *tstate = py_current();

	return tstate && (py_layout.run_gc ||
			  PY_AT(char *, tstate, py_layout.ts_interp) + py_layout.interp_gc == gc_state_address());
}

static void put_list(char *at, void *list) { __atomic_store_n(gc_state_callbacks(at), list, __ATOMIC_RELEASE); }
static bool is_in_place(void) { return watched.at && *gc_state_callbacks(watched.at) == ours.list; }

static void go_back(void)
{
	if (is_in_place())
		put_list(watched.at, watched.user);
	watched.at = NULL;
}

/* ---- a collection ---- */

/* From the call of our function to the moment when the collection begins. */
static __thread struct {
	bool running; /* GC_BEGIN was recorded, GC_END was not */
	uint8_t generation, trigger;
	uint32_t stack;
	struct gc_state state;
	unsigned extra; /* candidates that will be gone */
} collection __attribute__((tls_model("initial-exec")));

/* C code may call PyGC_Collect(), which is all that can start a full collection when there is no need of one. (What the
 * collectors without generations start by themselves is no full one.) */
static bool is_needed(const struct gc_state *s, unsigned generation, bool info_is_new)
{
	struct gc_settings now = gc_state_settings(s);
	int32_t count = gc_state_count(s, generation) - (info_is_new && generation == 0);

	if (generation < GC_GENERATIONS - 1)
		return true;
	return gc_kind() == GC_GENERATIONAL && now.enabled && count > now.threshold[generation];
}

static void note_start(struct thread *t, const struct gc_info *info, const void *frame)
{
	struct gc_state *s = &collection.state;
	bool by_python = gc_module_is_collecting();

	if (tracer_is_paused() || !watched.at || !gc_state_read(s, watched.at))
		return;
	if (told)
		tell_settings(t, s, false, 0);
	if (told && atomic_exchange(&frozen_anew, false))
		tell_frozen(t, gc_state_frozen(s), false, 0);
	collection.generation = (uint8_t)(info->generation & 15);
	collection.trigger = py_finalizing()                                     ? PT_GC_SHUTDOWN
			     : by_python                                         ? PT_GC_EXPLICIT
			     : is_needed(s, collection.generation, info->is_new) ? PT_GC_THRESHOLD
										 : PT_GC_EXPLICIT;
	collection.extra = info->is_tracked;
	collection.stack = py_stack(t, &t->py, true);
	if (native_on && collection.trigger == PT_GC_EXPLICIT && !by_python)
		collection.stack = native_stack(t, collection.stack, frame);
	collection.running = true;
}

/* The interpreter has given up the dict. */
static void begin(void)
{
	struct thread *t = collection.running ? thread_enter() : NULL;
	uint64_t n;

	if (!t)
		return;
	thread_depth(t, DEPTH_OWN);
	n = gc_state_candidates(&collection.state, collection.generation);
	emit_pair(t, PT_OP_GC_BEGIN, pt_gc_how(collection.generation, collection.trigger, n), collection.stack);
	if (collection_begins)
		collection_begins(t, collection.generation, collection.trigger);
	thread_leave(t);
}

static void note_end(struct thread *t, const struct gc_info *info)
{
	if (collection.running)
		emit_pair(t, PT_OP_GC_END, info->uncollectable, info->collected);
	collection.running = false;
}

/* The interpreter clears the list in its state when it takes itself down: it is to be the program's then. */
static void ended(void)
{
	if (py_finalizing())
		go_back();
}

/* ---- our function ---- */

/* As the interpreter would. How many there were. */
static intptr_t call_program(void *phase, void *info)
{
	const char *list = watched.user;
	intptr_t n = list ? PY_AT(intptr_t, list, py_layout.var_size) : 0;
	void *callback, *ret;

	for (intptr_t i = 0; list && i < PY_AT(intptr_t, list, py_layout.var_size); i++) {
		callback = PY_AT(void **, list, py_layout.list_items)[i];
		py.inc(callback);
		ret = py.call(callback, phase, info, NULL);
		if (ret)
			py.dec(ret);
		else
			py.unraisable(callback);
		py.dec(callback);
	}
	return n;
}

/* Both of CPython's calling conventions that can come here begin like this. */
static void *called(void *self, void **args, size_t n, void *unused)
{
	struct thread *t = thread_enter();
	bool starts = py_text_is(args[0], "start"), is_known = false;
	struct gc_info info;

	(void)self, (void)n, (void)unused;
	if (t) {
		thread_depth(t, DEPTH_OWN);
		is_known = gc_info_read(&info, t, args[1]);
		if (is_known && starts)
			note_start(t, &info, CPU_FRAME());
		else if (is_known)
			note_end(t, &info);
		thread_leave(t);
	}
	/* with callbacks of its own the program would have the dict, too */
	if (call_program(args[0], args[1]) || !t || !is_known || !gc_info_empty(t, args[1]))
		info.is_new = false;
	if (!gc_info_then(args[1], info.is_new, starts ? begin : ended) && starts)
		begin();
	py.inc(py.none);
	return py.none;
}

/* ---- taking our place ---- */

static void make_objects(void)
{
	size_t head = (size_t)py_layout.object_type + sizeof(void *);
	void *(*call)(void *, void **, size_t, void *) = called;
	void *p;

	memcpy(&p, &call, sizeof p);
	ours.method.name = "callbacks";
	ours.method.call = p;
	ours.method.flags = METHOD_FASTCALL;
	memcpy(ours.list + py_layout.object_type, &py.list_type, sizeof(void *));
	memcpy(ours.function + py_layout.object_type, &py.function_type, sizeof(void *));
	*(intptr_t *)(ours.list + py_layout.var_size) = 1;
	*(void **)(ours.list + py_layout.list_items) = ours.items;
	*(intptr_t *)(ours.list + py_layout.list_items + sizeof(void *)) = 1; /* allocated */
	*(void **)(ours.function + head) = &ours.method;
	*(void **)(ours.function + head + FUNCTION_VECTORCALL_AT) = p;
	ours.items[0] = ours.function;
}

static const char *prepare(void)
{
	static bool done;

	for (size_t i = 0; !done && i < sizeof wanted / sizeof *wanted; i++) {
		void *p = py_symbol(wanted[i].name);

		if (!p)
			return "the interpreter hides symbols that collections need";
		memcpy(wanted[i].at, &p, sizeof p);
	}
	if (!done && !gc_info_start())
		return "the interpreter hides symbols that collections need";
	if (!done)
		make_objects();
	done = true;
	gc_make_immortal(ours.list);
	gc_make_immortal(ours.function);
	return NULL;
}

/* With the GIL. Not while callbacks are being called: the interpreter counts along the list. */
static void take_place(bool must)
{
	char *at = gc_state_address();
	struct gc_state s;

	if (!at || !gc_state_read(&s, at)) {
		off = must ? "the state of the collector is not where it is in known versions" : NULL;
		return;
	}
	if (gc_state_is_collecting(at) || (!*gc_state_callbacks(at) && (py_layout.minor > 10 || !module_is_ours)))
		return;
	off = prepare();
	if (off)
		return;
	watched.user = *gc_state_callbacks(at);
	watched.at = at;
	put_list(at, ours.list);
}

void collector_hide(void)
{
	if (!is_in_place() || !is_main() || hidden)
		return;
	hidden = true;
	put_list(watched.at, watched.user);
}

void collector_show(void)
{
	if (!hidden)
		return;
	watched.user = *gc_state_callbacks(watched.at);
	put_list(watched.at, ours.list);
	hidden = false;
}

/* Opens the thread for telling of a setting that Python code has changed. NULL: there is nothing to tell. */
static struct thread *enter_to_tell(struct gc_state *s)
{
	struct thread *t = is_in_place() && told && is_main() ? thread_enter_idle() : NULL;

	if (!t)
		return NULL;
	thread_depth(t, DEPTH_OWN);
	if (gc_state_read(s, watched.at))
		return t;
	thread_leave(t);
	return NULL;
}

void collector_settings_called(void)
{
	struct gc_state s;
	struct thread *t = enter_to_tell(&s);

	if (!t)
		return;
	tell_settings(t, &s, false, py_stack(t, &t->py, true));
	thread_leave(t);
}

void collector_frozen(uint64_t n)
{
	struct gc_state s;
	struct thread *t = enter_to_tell(&s);

	if (!t)
		return;
	tell_frozen(t, n, false, py_stack(t, &t->py, true));
	thread_leave(t);
}

void collector_frozen_later(void) { atomic_store(&frozen_anew, true); }

static void say_why_not(struct thread *t)
{
	struct piece pieces[] = { { "python.gc_off=", 14 }, { off, strlen(off) } };

	define_bytes(t, PT_OP_META, 0, pieces, 2);
	started = false;
}

static void tell_first(struct thread *t)
{
	struct gc_state s;

	if (told || !gc_state_read(&s, watched.at))
		return;
	told = true;
	tell_settings(t, &s, true, 0);
	tell_frozen(t, gc_state_frozen(&s), true, 0);
}

/* Up to 3.10 the interpreter has no callbacks while it makes its types, and could not call any. */
void collector_tick(struct thread *t, bool announced)
{
	if (!started || hidden || (told && is_in_place()) || py_finalizing() || !has_interpreter())
		return;
	if (!is_in_place()) {
		watched.at = NULL;
		told = false;
		if (py_trust == PY_TRUST_NONE)
			off = announced ? "the version of the interpreter is not known" : NULL;
		else if (announced || py_layout.minor > 10)
			take_place(announced);
	}
	if (off)
		say_why_not(t);
	else if (watched.at && announced)
		tell_first(t);
}

void collector_fini(void)
{
	if (is_in_place() && !PY_AT(int, watched.at, py_layout.gc_enabled))
		go_back();
}

void collector_start(void (*begins)(struct thread *t, unsigned generation, enum pt_gc_trigger trigger))
{
	if (started || !py_info()->implementation)
		return;
	collection_begins = begins;
	module_is_ours = gc_module_start();
	started = true;
}

void collector_after_fork(void)
{
	told = false;
	collection.running = false;
}
