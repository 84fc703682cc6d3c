/* SPDX-License-Identifier: Apache-2.0 */
/* mallocx: jemalloc's functions of its own, for programs that call a foreign jemalloc by these names (foreign.h). */
#include "preload/hooks/foreign.h"
#include "preload/hooks/hook.h"

static struct {
	void *(*mallocx)(size_t size, int flags);
	void *(*rallocx)(void *p, size_t size, int flags);
	size_t (*xallocx)(void *p, size_t size, size_t extra, int flags);
	void (*dallocx)(void *p, int flags);
	void (*sdallocx)(void *p, size_t size, int flags);
} own;

static void *hook_mallocx(size_t size, int flags)
{
	void *p;

	RECORD_ALLOC(p, size, p = own.mallocx(size, flags));
	return p;
}

static void *hook_rallocx(void *p, size_t size, int flags)
{
	struct thread *t = thread_enter();
	uint32_t stack;
	void *q;

	if (!t)
		return own.rallocx(p, size, flags);
	stack = hook_move(t, PT_LAYER_MALLOC, p, CPU_FRAME(), false);
	q = own.rallocx(p, size, flags);
	hook_moved(t, PT_LAYER_MALLOC, p, q, size, stack);
	thread_leave(t);
	return q;
}

/* Resizes in place, if that can be. */
static size_t hook_xallocx(void *p, size_t size, size_t extra, int flags)
{
	struct thread *t = thread_enter();
	uint32_t stack;
	size_t got;

	if (!t)
		return own.xallocx(p, size, extra, flags);
	stack = hook_move(t, PT_LAYER_MALLOC, p, CPU_FRAME(), false);
	got = own.xallocx(p, size, extra, flags);
	hook_moved(t, PT_LAYER_MALLOC, p, got >= size ? p : NULL, size, stack);
	thread_leave(t);
	return got;
}

static void hook_dallocx(void *p, int flags) { RECORD_FREE(p, own.dallocx(p, flags)); }

static void hook_sdallocx(void *p, size_t size, int flags) { RECORD_FREE(p, own.sdallocx(p, size, flags)); }

#define ROW(name)                                              \
	{                                                      \
#name, (void *)hook_##name, (void **)&own.name \
	}
const struct foreign_hook mallocx_hooks[] = { ROW(mallocx), ROW(rallocx), ROW(xallocx), ROW(dallocx), ROW(sdallocx) };
const size_t mallocx_hooks_n = sizeof mallocx_hooks / sizeof *mallocx_hooks;
