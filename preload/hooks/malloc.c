/* SPDX-License-Identifier: Apache-2.0 */
/*
 * malloc: the C library's allocation functions
 *
 * Sizes are those that were asked for. Blocks that libc handed out before the names were found (allocator/real.h) are
 * never recorded. The GIL may or may not be held here: py_stack finds out. A program that is passed through pays one
 * load and one compare a call.
 */
#include "preload/hooks/hook.h"

#include <string.h>

HOOK void *malloc(size_t size)
{
	void *p;

	if (unlikely(tracer_is_off()))
		return real.malloc(size);
	py_watch();
	RECORD_ALLOC(p, size, p = real.malloc(size));
	return p;
}

HOOK void *calloc(size_t n, size_t size)
{
	void *p;

	if (unlikely(tracer_is_off()))
		return real.calloc(n, size);
	py_watch();
	RECORD_ALLOC(p, n * size, p = real.calloc(n, size));
	return p;
}

HOOK int posix_memalign(void **out, size_t align, size_t size)
{
	void *p = NULL;
	int ret;

	RECORD_ALLOC(p, size, ({
			     ret = real.posix_memalign(out, align, size);
			     p = ret ? NULL : *out;
		     }));
	return ret;
}

HOOK void *aligned_alloc(size_t align, size_t size)
{
	void *p;

	RECORD_ALLOC(p, size, p = real.aligned_alloc(align, size));
	return p;
}

HOOK void *memalign(size_t align, size_t size)
{
	void *p;

	RECORD_ALLOC(p, size, p = real.memalign(align, size));
	return p;
}

HOOK void *valloc(size_t size)
{
	void *p;

	RECORD_ALLOC(p, size, p = real.valloc ? real.valloc(size) : real.memalign(OS_PAGE, size));
	return p;
}

HOOK void *pvalloc(size_t size)
{
	size_t whole = os_whole_pages(size);
	void *p;

	RECORD_ALLOC(p, whole, p = real.pvalloc ? real.pvalloc(size) : real.memalign(OS_PAGE, whole));
	return p;
}

/* Blocks of the early buffer cannot be resized in place, and the real function must not see them. */
static void *realloc_early(void *p, size_t size)
{
	void *q = malloc(size);

	if (q)
		memcpy(q, p, real_early_size(p) < size ? real_early_size(p) : size);
	return q;
}

/* realloc(p, 0) frees in glibc and returns NULL: then the old block is gone. */
static void *record_realloc(struct thread *t, void *p, size_t size, const void *frame)
{
	uint32_t stack;
	void *q;

	if (!p) {
		q = real.realloc(p, size);
		hook_alloc(t, PT_LAYER_MALLOC, q, size, frame, false);
		return q;
	}
	stack = hook_move(t, PT_LAYER_MALLOC, p, frame, false);
	q = real.realloc(p, size);
	if (!q && !size && stack != PAUSE_UNKNOWN_BLOCK) {
		thread_depth(t, DEPTH_OWN);
		emit_memory(t, pt_memory_op(PT_FREE, PT_LAYER_MALLOC), (uintptr_t)p, 0,
			    stack == PT_STACK_KEPT ? 0 : stack);
	} else if (q || size) {
		hook_moved(t, PT_LAYER_MALLOC, p, q, size, stack);
	}
	return q;
}

/* What realloc does, for the caller of the function whose frame is given. */
static void *resize(void *p, size_t size, const void *frame)
{
	struct thread *t;
	void *q;

	if (unlikely(real_is_early(p)))
		return realloc_early(p, size);
	if (unlikely(tracer_is_off()))
		return real.realloc(p, size);
	py_watch();
	t = thread_enter();
	if (!t)
		return real.realloc(p, size);
	q = record_realloc(t, p, size, frame);
	thread_leave(t);
	return q;
}

HOOK void *realloc(void *p, size_t size) { return resize(p, size, CPU_FRAME()); }

HOOK void *reallocarray(void *p, size_t n, size_t size)
{
	if (__builtin_mul_overflow(n, size, &size)) {
		errno = ENOMEM;
		return NULL;
	}
	return resize(p, size, CPU_FRAME());
}

HOOK void free(void *p)
{
	if (unlikely(real_is_early(p)))
		return;
	if (unlikely(tracer_is_off() || !p))
		real.free(p);
	else
		RECORD_FREE(p, real.free(p));
}

/* C23. A libc that has them may check the sizes; one that has not can do without. */
HOOK void free_sized(void *p, size_t size)
{
	if (p && !real_is_early(p))
		RECORD_FREE(p, real.free_sized ? real.free_sized(p, size) : real.free(p));
}

HOOK void free_aligned_sized(void *p, size_t align, size_t size)
{
	if (p && !real_is_early(p))
		RECORD_FREE(p, real.free_aligned_sized ? real.free_aligned_sized(p, align, size) : real.free(p));
}

HOOK size_t malloc_usable_size(void *p)
{
	return unlikely(real_is_early(p)) ? real_early_size(p) : real.malloc_usable_size(p);
}
