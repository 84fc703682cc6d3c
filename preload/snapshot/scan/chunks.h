/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunks: the blocks of glibc's malloc, found in its own structures
 *
 * What:  every chunk of the main arena ([heap]), of the arenas of threads (heaps at multiples of 64 MiB) and those that
 *        have a mapping of their own, noted in blocks.h; those that are free noted as such, the ones in the bins of
 *        threads (tcache) and in fastbins too, which look as if they were in use.
 * How:   chunks lie side by side, each tells its size: a walk that does not end exactly at the end of its heap was none
 *        through chunks, and that heap is not taken for one (so its memory is a root as a whole). Layouts of glibc 2.27
 * to 2.43. Trust: none: every number is checked against its heap; a fault while reading ends that heap (scan.c). Who:
 * scan.c, in the copy.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct area;

struct chunks_found {
	uint32_t heaps;   /* walked to the end */
	uint32_t unknown; /* that look like one, and could not be walked, or were locked */
};
extern struct chunks_found chunks_found;

/* Takes the heaps that lie in an area without a file. */
void chunks_heaps(const struct area *a);
/* The bytes of the block with a mapping of its own that starts at this page, noted; 0: there is none. */
uint64_t chunks_own_mapping(uintptr_t page, uintptr_t end_of_area);
/* Looks for the main arena in data of the C library's, when its heap is known. */
void chunks_find_main_arena(uintptr_t start, uintptr_t end);
/* Where it was found, 0: nowhere. It is no root: it points to free chunks. */
extern uintptr_t chunks_main_arena;
uintptr_t chunks_main_arena_end(void);
/* When all heaps and the main arena are known: what is free in tcaches and fastbins. */
void chunks_kill_free(void);
