/* SPDX-License-Identifier: Apache-2.0 */
/* heap: with the Python stack only, as nothing that takes a lock may be asked while an allocator holds its own. */
#include "preload/hooks/heap.h"
#include "preload/hooks/hook.h"

static void record(struct thread *t, enum pt_memory_kind kind, const void *p, size_t bytes)
{
	hook_range(t, kind, PT_LAYER_HEAP, p, bytes, NULL);
}

void *heap_mmap(void *hint, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	bool nested;
	struct thread *t = hook_enter_inner(&nested);
	void *p = real.mmap(hint, bytes, prot, flags, fd, offset);

	if (!t)
		return p;
	if (p != MAP_FAILED)
		record(t, PT_MAP, p, bytes);
	hook_leave_inner(t, nested);
	return p;
}

int heap_munmap(void *p, size_t bytes)
{
	bool nested;
	struct thread *t = hook_enter_inner(&nested);
	int ret;

	if (t)
		record(t, PT_UNMAP, p, bytes);
	ret = real.munmap(p, bytes);
	if (t && ret)
		record(t, PT_UNMAP_FAIL, p, bytes);
	if (t)
		hook_leave_inner(t, nested);
	return ret;
}

#ifdef PT_HAVE_JEMALLOC
/* What allocator/jemalloc/names.in lets jemalloc call. */
void *jemalloc_mmap(void *hint, size_t bytes, int prot, int flags, int fd, off_t offset);
int jemalloc_munmap(void *p, size_t bytes);

void *jemalloc_mmap(void *hint, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return heap_mmap(hint, bytes, prot, flags, fd, offset);
}

int jemalloc_munmap(void *p, size_t bytes) { return heap_munmap(p, bytes); }
#endif
