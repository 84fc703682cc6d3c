/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pools: the blocks of Python's object allocator (pymalloc), found in its own structures
 *
 * What:  arenas are noted while they are there; in the forked copy their pools are gone through: each block, and
 *        whether it is free.
 * How:   a pool of 4 KiB (16 KiB from 3.10 on) begins with a header that says how large its blocks are, how many were
 *        cut off, and where the free ones start. The numbers must agree (so many free and so many in use are so many
 *        cut off), else the pool is not told of. A pool without a block in use is told of without blocks.
 * Who:   hooks/pymem.c notes, with the GIL; the forked copy asks.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An arena was made, is about to be given back. Any thread. What is no arena (chunks of frames come from there, too) is
 * told apart by its size. */
void py_pools_arena(const void *p, size_t bytes);
void py_pools_no_arena(const void *p);
/* In the child of a fork. */
void py_pools_after_fork(void);

/* Goes through the next arena; false: there is none. `pool`: a pool's pages; then `block` for each block in it. A fault
 * while one is read costs the rest of the arena: ask again. */
bool py_pools_next(void (*pool)(void *self, uintptr_t start, uintptr_t end),
		   void (*block)(void *self, uintptr_t start, uintptr_t end, bool is_free), void *self);
