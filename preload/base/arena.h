/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena: the tracer's own memory, straight from the kernel
 *
 * What:  zero-filled memory that is never given back (bump pieces), and whole mappings that may be.
 * Why:   the allocator of the host is what we trace; its memory is not ours to use.
 * Who:   any thread, any time, also in a signal handler: lock-free.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When recording begins, in a process of its own: memory that is taken from here on comes from one huge page until that
 * is used up. False: the kernel has none at hand, or is told to give none; all is as it was. */
bool arena_nurse(void);
/* Bytes of a huge page, when one was had by then; else 0. */
size_t arena_huge(void);

/* Zeroed memory aligned to 64 bytes, for the life of the process; NULL when the kernel has none. */
void *arena_alloc(size_t bytes);
/* Zeroed pages; NULL on failure. Given back with arena_unmap. */
void *arena_map(size_t bytes);
/* The same for memory that is read here and there: in huge pages, where the kernel has some. */
void *arena_map_large(size_t bytes);
void arena_unmap(void *p, size_t bytes);

/* Calls `each` for every mapping that is there now: what a report on the program's memory must not hold against the
 * program. Some may be missing when there are very many. */
void arena_each(void (*each)(void *self, uintptr_t start, size_t bytes), void *self);
