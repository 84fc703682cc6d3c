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
#include <stdint.h>

struct out;

/* Reads the list. Before the copy maps anything. */
void areas_begin(void);
/* Writes the records. `pid` is the program's. */
void areas_write(struct out *o, uint32_t pid);
