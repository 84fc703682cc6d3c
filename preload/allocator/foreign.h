/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreign: a program that brings an allocator of its own (jemalloc, tcmalloc, mimalloc, one linked into it)
 *
 * Behind us in the linker's order, such an allocator is called by our hooks like libc's. Two things do not come to us
 * by themselves: all of its functions when it stands before us (LD_PRELOAD=libjemalloc.so.2:libpytrace.so, or an
 * executable that it is linked into), and C++'s operators when it has its own, which do not call malloc.
 *
 * How:   what is bound to one of these functions already (a slot in the offset table of a loaded file) is bound to our
 *        hook instead, and the allocator's own symbol is made to name the hook, so that files loaded later, and dlsym,
 *        find it. Nothing else changes: no code is written to, and the allocator's calls within itself stay its own.
 * Nor do the calls that an executable makes to an allocator inside itself come to us. Who:   lifecycle.c, from the
 * constructor, when the process is to be traced. A program with libc's malloc costs one compare.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* A function to stand before, where the allocator has one of that name. */
struct foreign_hook {
	const char *name;
	void *hook;
	void **real; /* gets the allocator's own */
};

/* Names further functions; before foreign_start. */
void foreign_add(const struct foreign_hook *hooks, size_t n);
/* Redirects them, and all that libpytrace.so has under the allocator's names, to the hooks. */
void foreign_start(void);
/* Whose malloc serves the program: "libc", "libjemalloc.so.2", "program" (it is linked into the executable). */
const char *foreign_name(void);
/* How its calls come to us: "behind" (our hooks call it), "redirected", or "inside": redirected but for the
 * executable's own calls, which are not seen. */
const char *foreign_order(void);
