/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook: what all hooks have in common: an allocation is recorded after the real call, a release before it
 *
 * A hook looks like this:
 *
 *	struct thread *t = thread_enter();      NULL: not for us, only forward
 *	p = real.malloc(size);                  at depth DEPTH_REAL
 *	if (t)
 *		hook_alloc(t, ...), thread_leave(t);
 *
 * errno is the real function's: nothing in the tracer changes it (os.h).
 */
#pragma once
#include "preload/emit.h"
#include "preload/lifecycle.h"
#include "preload/os.h"
#include "preload/real.h"

#define HOOK __attribute__((visibility("default")))

void hook_check_stack(struct thread *t, uint32_t stack, bool has_gil);

static inline uint32_t hook_stack(struct thread *t, bool has_gil)
{
	uint32_t stack = py_stack(t, &t->py, has_gil);

	if (unlikely(lifecycle_checks))
		hook_check_stack(t, stack, has_gil);
	return stack;
}

/* Records a block that the real function returned. Leaves the thread at DEPTH_OWN. */
static inline void hook_alloc(struct thread *t, enum pt_layer layer, const void *p, size_t size, bool has_gil)
{
	thread_depth(t, DEPTH_OWN);
	if (p)
		emit_memory(t, pt_memory_op(PT_ALLOC, layer), (uintptr_t)p, size, hook_stack(t, has_gil));
}

/* Records a release and leaves the thread at DEPTH_REAL, where the real function is to be called. Returns the stack. */
static inline uint32_t hook_free(struct thread *t, enum pt_memory_kind kind, enum pt_layer layer, const void *p,
				 bool has_gil)
{
	uint32_t stack;

	thread_depth(t, DEPTH_OWN);
	stack = hook_stack(t, has_gil);
	emit_memory(t, pt_memory_op(kind, layer), (uintptr_t)p, 0, stack);
	thread_depth(t, DEPTH_REAL);
	return stack;
}

/* The second half of a realloc that began with MOVE_BEGIN. */
static inline void hook_moved(struct thread *t, enum pt_layer layer, const void *old, const void *p, size_t size,
			      uint32_t stack)
{
	thread_depth(t, DEPTH_OWN);
	if (p)
		emit_memory(t, pt_memory_op(PT_MOVE_END, layer), (uintptr_t)p, size, stack);
	else
		emit_memory(t, pt_memory_op(PT_MOVE_FAIL, layer), (uintptr_t)old, 0, stack);
}
