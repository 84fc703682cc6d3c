/* SPDX-License-Identifier: Apache-2.0 */
/*
 * areas: the program's mappings and which of their pages are resident, for a snapshot
 *
 * What:  an AREA record for each mapping, FACTs of what is the tracer's own memory.
 * How:   the list is the copy's, which shows the moment of the fork, read before the copy maps memory of its own;
 * rings, which a fork leaves out, are in the program's. Private memory is looked up in the copy's page table; pages of
 *        files are not in it (fork leaves them to be found again), so they are looked up in the program's.
 * Who:   the forked copy, its only thread, before it writes objects.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out;

struct area {
	uint64_t start, end, inode;
	unsigned flags;
	const char *file; /* as the list has it: "", "[heap]", a path */
};
enum { AREA_READ = 1, AREA_WRITE = 2, AREA_EXECUTE = 4, AREA_SHARED = 8 }; /* as in AREA records */

/* Reads the list. Before the copy maps anything. */
void areas_begin(void);
/* Writes the records. `pid` is the program's. */
void areas_write(struct out *o, uint32_t pid);
/* The mappings once more, rings left out. After areas_write(). */
void areas_each(void (*each)(void *self, const struct area *a), void *self);
/* Whether the list is whole. */
bool areas_are_all(void);
/* What of them is the tracer's own: its file's, and what it mapped for itself. */
void areas_each_own(void (*each)(void *self, uintptr_t start, size_t bytes), void *self);
