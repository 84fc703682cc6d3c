/* SPDX-License-Identifier: Apache-2.0 */
/*
 * areas: the program's mappings and which of their pages are resident, for a snapshot
 *
 * What:  an AREA record for each mapping, FACTs of the resident bytes and of what of it is the tracer's own.
 * How:   the list is the program's (/proc/PID/maps), not the copy's, which maps memory of its own and lacks the rings.
 *        Private memory is looked up in the copy's page table, which shows the moment of the fork; pages of files are
 *        not in it (fork leaves them to be found again), so they are looked up in the program's.
 * Who:   the forked copy, its only thread, before it writes objects.
 */
#pragma once
#include <stdint.h>

struct out;

/* Writes the records. `pid` is the program's; what can't be read there is read of the copy itself. */
void areas_write(struct out *o, uint32_t pid);
