/* SPDX-License-Identifier: Apache-2.0 */
/*
 * real: the functions behind the hooks, found by dlsym(RTLD_NEXT) so that another preloaded allocator is honoured
 *
 * Until they are found (dlsym itself may allocate) memory comes from a small buffer, whose blocks are recognised later.
 * Who: every hook, any thread, also before constructors.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct real {
#define REAL(name, result, parameters)       result(*name) parameters;
#define REAL_MAYBE(name, result, parameters) result(*name) parameters;
#include "preload/real.def"
};
extern struct real real __attribute__((visibility("hidden")));

/* Looks all names up. False while another call of it is under way. */
bool real_start(void);

enum { REAL_BUFFER = 64 << 10 };
extern char real_buffer[REAL_BUFFER] __attribute__((visibility("hidden")));
/* Whether a block came from the buffer: then it is neither freed nor recorded. */
static inline bool real_is_early(const void *p) { return (uintptr_t)p - (uintptr_t)real_buffer < REAL_BUFFER; }
/* Its size as asked for. */
size_t real_early_size(const void *p);
