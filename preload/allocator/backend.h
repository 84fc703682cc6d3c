/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend: PYTRACE_BACKEND: the allocator that serves the program in libc's place
 *
 * What:  jemalloc, linked into libpytrace.so (jemalloc/names.in). Loading libjemalloc.so.2 at run time is no way: its
 *        thread-local storage has no room in a process that has started.
 * How:   until the constructor knows what is wanted libc serves, and the blocks that it hands out are noted. They stay
 *        libc's: free and realloc look there first, by one compare, for addresses outside of their range.
 * Who:   real.c starts the notes, lifecycle.c ends them.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* From here on blocks of libc are noted. `real` holds libc's functions. */
void backend_watch(void);
/* Ends the notes: libc goes on serving. */
void backend_stay(void);
/* Puts jemalloc in libc's place. False when that can't be: libc goes on serving, *ret_why says why in one clause. */
bool backend_switch(const char **ret_why);
/* Whether it serves. */
bool backend_is_on(void);

/* jemalloc's mallctl; NULL when it was not built in. It takes locks: not to be called in the middle of an allocation.
 */
int (*backend_mallctl(void))(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes);
