/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmap: mappings that the program makes through libc (libc's and the loader's own are not seen)
 *
 * munmap, mremap and MAP_FIXED may touch any part of what was mapped before: the events carry ranges and the analyzer
 * keeps the books. A range that is given back has its Python stack only (hook_free). mprotect is not followed: what was
 * mapped without access stays "reserve". A foreign allocator's own mappings hold blocks that are counted one by one:
 * they are of layer heap.
 */
#include "preload/hooks/heap.h"
#include "preload/hooks/hook.h"

#include <stdarg.h>

static enum pt_layer layer_of(int prot, int flags)
{
	if (!(flags & MAP_ANONYMOUS))
		return PT_LAYER_FILE;
	return prot == PROT_NONE ? PT_LAYER_RESERVE : PT_LAYER_MMAP;
}

/* Calls by an allocator: `caller` is in its file. One that is inside the program can't be told from the program. */
static inline bool is_allocators(const void *caller)
{
	return unlikely(lookup_contains(&real_allocator.file, caller)) && !real_allocator.is_libc &&
	       *real_allocator.file.name;
}

static inline __attribute__((always_inline)) void *record_mmap(void *hint, size_t bytes, int prot, int flags, int fd,
							       off_t offset)
{
	struct thread *t;
	void *p;

	if (is_allocators(__builtin_return_address(0)))
		return heap_mmap(hint, bytes, prot, flags, fd, offset);
	t = thread_enter();
	p = real.mmap(hint, bytes, prot, flags, fd, offset);
	if (!t)
		return p;
	if (p != MAP_FAILED)
		hook_range(t, PT_MAP, layer_of(prot, flags), p, bytes, CPU_FRAME());
	thread_leave(t);
	return p;
}

HOOK void *mmap(void *hint, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return record_mmap(hint, bytes, prot, flags, fd, offset);
}

HOOK void *mmap64(void *hint, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return record_mmap(hint, bytes, prot, flags, fd, offset);
}

HOOK int munmap(void *p, size_t bytes)
{
	struct thread *t;
	int ret;

	if (is_allocators(__builtin_return_address(0)))
		return heap_munmap(p, bytes);
	t = thread_enter();
	if (!t)
		return real.munmap(p, bytes);
	hook_range(t, PT_UNMAP, PT_LAYER_MMAP, p, bytes, NULL);
	ret = real.munmap(p, bytes);
	if (ret)
		hook_range(t, PT_UNMAP_FAIL, PT_LAYER_MMAP, p, bytes, NULL);
	thread_leave(t);
	return ret;
}

/* With old_bytes 0 (a second view of a shared mapping) or MREMAP_DONTUNMAP (anonymous memory) the old range stays. */
static bool old_range_goes(size_t old_bytes, int flags) { return old_bytes && !(flags & 4 /* MREMAP_DONTUNMAP */); }

static void *record_mremap(struct thread *t, void *old, size_t old_bytes, size_t bytes, int flags, void *wanted,
			   const void *frame)
{
	bool goes = old_range_goes(old_bytes, flags);
	void *p;

	if (goes)
		hook_range(t, PT_UNMAP, PT_LAYER_MMAP, old, old_bytes, NULL);
	p = real.mremap(old, old_bytes, bytes, flags, wanted);
	if (p != MAP_FAILED)
		hook_range(t, PT_MAP,
			   goes        ? PT_LAYER_MOVED
			   : old_bytes ? PT_LAYER_MMAP
				       : PT_LAYER_FILE,
			   p, bytes, frame);
	else if (goes)
		hook_range(t, PT_UNMAP_FAIL, PT_LAYER_MMAP, old, old_bytes, NULL);
	return p;
}

HOOK void *mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...)
{
	struct thread *t = thread_enter();
	void *wanted = NULL, *p;
	va_list args;

	if (flags & MREMAP_FIXED) {
		va_start(args, flags);
		wanted = va_arg(args, void *);
		va_end(args);
	}
	if (!t)
		return real.mremap(old, old_bytes, bytes, flags, wanted);
	p = record_mremap(t, old, old_bytes, bytes, flags, wanted, CPU_FRAME());
	thread_leave(t);
	return p;
}

/* The program break as a mapping that grows and shrinks at its end. */
static void record_break(struct thread *t, char *from, char *to, const void *frame)
{
	if (to > from)
		hook_range(t, PT_MAP, PT_LAYER_MMAP, from, (size_t)(to - from), frame);
	else if (to < from)
		hook_range(t, PT_UNMAP, PT_LAYER_MMAP, to, (size_t)(from - to), NULL);
}

HOOK void *sbrk(intptr_t increment)
{
	struct thread *t = thread_enter();
	char *now = t ? real.sbrk(0) : NULL, *old;

	if (t && increment < 0)
		record_break(t, now, now + increment, CPU_FRAME());
	old = real.sbrk(increment);
	if (!t)
		return old;
	if (increment > 0 && old != (char *)-1)
		record_break(t, old, old + increment, CPU_FRAME());
	if (increment < 0 && old == (char *)-1)
		hook_range(t, PT_UNMAP_FAIL, PT_LAYER_MMAP, now + increment, (size_t)-increment, NULL);
	thread_leave(t);
	return old;
}

HOOK int brk(void *to)
{
	struct thread *t = thread_enter();
	char *from = t ? real.sbrk(0) : NULL;
	int ret = real.brk(to);

	if (!t)
		return ret;
	if (!ret)
		record_break(t, from, to, CPU_FRAME());
	thread_leave(t);
	return ret;
}
