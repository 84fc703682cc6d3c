/* SPDX-License-Identifier: Apache-2.0 */
/*
 * real: the functions behind the hooks
 *
 * What:  blocks are those of the allocator that would serve the program without us: the first file in the linker's
 * order that defines malloc, be it libc, a preloaded allocator or the program itself. Everything else is what comes
 *        behind us in that order.
 * How:   by lookup.h, never by dlsym, at the first call of any hook. While one thread searches, others get memory from
 *        a small buffer, whose blocks are recognised later.
 * Who:   every hook, any thread, also before constructors, also from inside an allocator that starts.
 */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "preload/allocator/lookup.h"

struct real {
#define REAL(name, result, parameters)       result(*name) parameters;
#define REAL_MAYBE(name, result, parameters) result(*name) parameters;
#include "preload/allocator/real.def"
};
extern struct real real __attribute__((visibility("hidden")));

/* Whose malloc it is. */
struct real_allocator {
	struct lookup_file file;
	bool is_libc;
	bool first; /* before us in the linker's order: calls do not come to our hooks by themselves (foreign.h) */
};
extern struct real_allocator real_allocator __attribute__((visibility("hidden")));
extern struct lookup_file real_us __attribute__((visibility("hidden"))); /* libpytrace.so */

/* Looks all names up. False while another call of it is under way. */
bool real_start(void);

enum { REAL_BUFFER = 64 << 10 };
extern char real_buffer[REAL_BUFFER] __attribute__((visibility("hidden")));
/* Whether a block came from the buffer: then it is neither freed nor recorded. */
static inline bool real_is_early(const void *p) { return (uintptr_t)p - (uintptr_t)real_buffer < REAL_BUFFER; }
/* Its size as asked for. */
size_t real_early_size(const void *p);
