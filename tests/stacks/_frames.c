/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of every allocation function from frames of variable size, whose callers only the frame pointer leads to. */
#define _GNU_SOURCE
#include <alloca.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BYTES 70000

/* Room of variable size, so that the frame is found by its frame pointer. */
#define FRAME(name, call)                                              \
	__attribute__((noinline)) static void *by_##name(size_t n)     \
	{                                                              \
		char *room = memset(alloca(n), 1, n);                  \
		void *p = call;                                        \
		__asm__ volatile("" : : "r"(room), "r"(p) : "memory"); \
		return p;                                              \
	}

static void *by_address(size_t bytes)
{
	void *p;

	return posix_memalign(&p, 64, bytes) ? NULL : p;
}

FRAME(malloc, malloc(BYTES))
FRAME(calloc, calloc(1, BYTES))
FRAME(realloc, realloc(NULL, BYTES))
FRAME(realloc_more, realloc(malloc(10), BYTES))
FRAME(reallocarray, reallocarray(NULL, 1, BYTES))
FRAME(posix_memalign, by_address(BYTES))
FRAME(aligned_alloc, aligned_alloc(64, 70016))
FRAME(memalign, memalign(64, BYTES))
FRAME(mmap, mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
FRAME(mremap, mremap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096, BYTES, MREMAP_MAYMOVE))

void *frames_kept[10];

void frames_outer(int n)
{
	size_t room = 100 + (size_t)n;

	frames_kept[0] = by_malloc(room);
	frames_kept[1] = by_calloc(room);
	frames_kept[2] = by_realloc(room);
	frames_kept[3] = by_realloc_more(room);
	frames_kept[4] = by_reallocarray(room);
	frames_kept[5] = by_posix_memalign(room);
	frames_kept[6] = by_aligned_alloc(room);
	frames_kept[7] = by_memalign(room);
	frames_kept[8] = by_mmap(room);
	frames_kept[9] = by_mremap(room);
}
