/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook: what all hooks have in common: an allocation is recorded after the real call, a release before it
 *
 * A hook looks like this:
 *
 *	struct thread *t = thread_enter();      NULL: not for us, only forward
 *	p = real.malloc(size);                  at depth DEPTH_REAL
 *	if (t)
 *		hook_alloc(t, ..., CPU_FRAME(), ...), thread_leave(t);
 *
 * which is what RECORD_ALLOC writes; RECORD_FREE is for releases, hook_range for mappings.
 *
 * errno is the real function's: nothing in the tracer changes it (os.h).
 */
#pragma once
#include "preload/allocator/real.h"
#include "preload/record/emit.h"
#include "preload/hooks/lives.h"
#include "preload/lifecycle.h"
#include "preload/native/native.h"
#include "preload/base/os.h"
#include "preload/record/pause.h"

#define HOOK __attribute__((visibility("default")))

/* PYTRACE_LOG, OPTIONS_LOG_...; 0: nothing is to be checked. */
extern unsigned hook_checks __attribute__((visibility("hidden")));
void hook_check_python(struct thread *t, uint32_t stack, bool has_gil);
void hook_check_native(struct thread *t, uint32_t python, uint32_t stack, const void *frame);

/* The Python stack of this moment. */
static inline uint32_t hook_python(struct thread *t, bool has_gil)
{
	uint32_t stack = py_stack(t, &t->py, has_gil);

	if (unlikely(hook_checks))
		hook_check_python(t, stack, has_gil);
	return stack;
}

/* The whole stack of the function whose CPU_FRAME() is `frame`: Python and native frames. */
static inline uint32_t hook_stack(struct thread *t, const void *frame, bool has_gil)
{
	uint32_t python = hook_python(t, has_gil), stack;

	if (!native_on)
		return python;
	stack = native_stack(t, python, frame);
	if (unlikely(hook_checks))
		hook_check_native(t, python, stack, frame);
	return stack;
}

/* objects_wanted: a block of the object domain was handed out, or is about to be given back. At DEPTH_OWN; pymem.c. */
void hook_object_born(struct thread *t, const void *block, size_t bytes, uint32_t stack);
void hook_object_dies(struct thread *t, const void *block, uint32_t type);
void hook_object_moves(struct thread *t, const void *block);

/* Records a block that the real function returned. Leaves the thread at DEPTH_OWN. */
static inline void hook_allocated(struct thread *t, enum pt_layer layer, const void *p, size_t size, uint32_t stack)
{
	thread_depth(t, DEPTH_OWN);
	if (!p)
		return;
	emit_memory(t, pt_memory_op(PT_ALLOC, layer), (uintptr_t)p, size, stack);
	if (layer == PT_LAYER_OBJECT && unlikely(objects_are_wanted()))
		hook_object_born(t, p, size, stack);
}

/* The same with the stack of this moment. `frame`: the hook's CPU_FRAME(). */
static inline void hook_alloc(struct thread *t, enum pt_layer layer, const void *p, size_t size, const void *frame,
			      bool has_gil)
{
	thread_depth(t, DEPTH_OWN);
	if (!p)
		return;
	if (tracer_is_paused())
		pause_alloc(t, layer, p, size);
	else
		hook_allocated(t, layer, p, size, hook_stack(t, frame, has_gil));
}

/* Runs `call`, which sets `p` to a block of layer malloc, and records it for the function that this is written in. */
#define RECORD_ALLOC(p, size, call)                                                       \
	do {                                                                              \
		struct thread *t_ = thread_enter();                                       \
		call;                                                                     \
		if (t_) {                                                                 \
			hook_alloc(t_, PT_LAYER_MALLOC, (p), (size), CPU_FRAME(), false); \
			thread_leave(t_);                                                 \
		}                                                                         \
	} while (0)

/* Records a release and leaves the thread at DEPTH_REAL, where the real function is to be called. Releases have their
 * Python stack only: who gave memory back is asked less often than who took it, and this is half of all events. */
static inline void hook_free(struct thread *t, enum pt_layer layer, const void *p, bool has_gil)
{
	thread_depth(t, DEPTH_OWN);
	if (tracer_is_paused())
		pause_free(t, layer, p);
	else
		emit_memory(t, pt_memory_op(PT_FREE, layer), (uintptr_t)p, 0, hook_python(t, has_gil));
	thread_depth(t, DEPTH_REAL);
}

/* The same of a block of the object domain, with the GIL: what it held is still there to be read. */
static inline void hook_free_object(struct thread *t, const void *p)
{
	uint32_t type;

	thread_depth(t, DEPTH_OWN);
	if (tracer_is_paused()) {
		if (unlikely(objects_are_wanted()))
			hook_object_dies(t, p, 0);
		pause_free(t, PT_LAYER_OBJECT, p);
	} else {
		type = py_block_type(t, p);
		if (unlikely(objects_are_wanted()))
			hook_object_dies(t, p, type);
		emit_memory(t, pt_memory_op(PT_FREE, PT_LAYER_OBJECT), (uintptr_t)p, type, hook_python(t, true));
	}
	thread_depth(t, DEPTH_REAL);
}

/* Records the release of `p`, of layer malloc, then runs `call`, which does it. */
#define RECORD_FREE(p, call)                                        \
	do {                                                        \
		struct thread *t_ = thread_enter();                 \
		if (t_)                                             \
			hook_free(t_, PT_LAYER_MALLOC, (p), false); \
		call;                                               \
		if (t_)                                             \
			thread_leave(t_);                           \
	} while (0)

/* The first half of a realloc, before the real call, for which the thread is left at DEPTH_REAL. Returns the stack, or
 * what pause_move() does. */
static inline uint32_t hook_move(struct thread *t, enum pt_layer layer, const void *p, const void *frame, bool has_gil)
{
	uint32_t stack;

	thread_depth(t, DEPTH_OWN);
	if (layer == PT_LAYER_OBJECT && unlikely(objects_are_wanted()))
		hook_object_moves(t, p);
	if (tracer_is_paused()) {
		stack = pause_move(t, layer, p);
	} else {
		stack = hook_stack(t, frame, has_gil);
		emit_memory(t, pt_memory_op(PT_MOVE_BEGIN, layer), (uintptr_t)p, 0, stack);
	}
	thread_depth(t, DEPTH_REAL);
	return stack;
}

/* The second half. */
static inline void hook_moved(struct thread *t, enum pt_layer layer, const void *old, const void *p, size_t size,
			      uint32_t stack)
{
	thread_depth(t, DEPTH_OWN);
	if (unlikely(stack == PAUSE_UNKNOWN_BLOCK))
		pause_moved(p ? p : old);
	else if (p)
		emit_memory(t, pt_memory_op(PT_MOVE_END, layer), (uintptr_t)p, size, stack);
	else
		emit_memory(t, pt_memory_op(PT_MOVE_FAIL, layer), (uintptr_t)old, 0,
			    stack == PT_STACK_KEPT ? 0 : stack);
}

/* Records a range, as the kernel sees it: whole pages. `frame`: NULL for the Python stack only. Leaves the thread at
 * DEPTH_REAL. */
static inline void hook_range(struct thread *t, enum pt_memory_kind kind, enum pt_layer layer, const void *p,
			      size_t bytes, const void *frame)
{
	uint32_t stack;

	thread_depth(t, DEPTH_OWN);
	if (tracer_is_paused()) {
		pause_range(t, kind, layer, p, os_whole_pages(bytes));
	} else {
		stack = frame ? hook_stack(t, frame, false) : hook_python(t, false);
		emit_memory(t, pt_memory_op(kind, layer), (uintptr_t)p, os_whole_pages(bytes), stack);
	}
	thread_depth(t, DEPTH_REAL);
}

/*
 * For what an allocator takes from the system in the middle of an allocation (depth REAL), or by itself: recorded in
 * both cases, as it belongs to a layer that is not counted. Between the two nothing may be called that an allocator
 * could be in the middle of.
 */
static inline struct thread *hook_enter_inner(bool *ret_nested)
{
	struct thread *t = thread_self;

	*ret_nested = t && tracer_is_on() && atomic_load_explicit(&t->depth, memory_order_relaxed) == DEPTH_REAL;
	if (!*ret_nested)
		t = thread_enter_idle();
	if (t)
		t->inner = true;
	return t;
}

static inline void hook_leave_inner(struct thread *t, bool nested)
{
	t->inner = false;
	thread_depth(t, nested ? DEPTH_REAL : DEPTH_OUTSIDE);
}
