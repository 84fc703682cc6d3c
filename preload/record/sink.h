/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink: the trace file of this process
 *
 * What:  making the file, taking space in it, writing blocks, the live part of the front page, stopping, the end.
 * How:   the front page is mapped shared, so it is in the file whatever happens. Space is taken by adding to
 *        x_file_end, so threads write side by side without a lock.
 * Manners: no descriptor is kept: the file is opened for each write (one in some ten thousand events), because programs
 *        list, count and close descriptors. One is kept, at 100 or above, closed on exec and identified before each
 * use, where the file might not be had again: before a change of user or root, and when descriptors become scarce. Who:
 * any thread with depth DEPTH_OWN.
 */
#pragma once
#include "formats/block.h"

#include <stdbool.h>

/* What a new file says of its parent, zero when it has none. */
struct sink_parent {
	uint64_t id, fork_serial;
	char file[PT_PROGRAM_BYTES];
};

/* Makes the file. `program` names it (%n). False when it can't be made: *ret_errno says why. */
bool sink_open(const char *pattern, const char *program, uint64_t max_bytes, const struct sink_parent *parent,
	       int *ret_errno);
/* The path of the file, absolute; "" before sink_open. */
const char *sink_path(void);
uint64_t sink_start_ns(void); /* of the monotonic clock, time 0 of the trace */
uint64_t sink_id(void);
uint32_t sink_owner_pid(void);
/* Whether blocks can still be written: neither stopped nor ended. */
bool sink_is_open(void);

/* Takes `bytes` of the file at a multiple of `align` and writes nothing. 0 when the file may not grow: the tracer is
 * stopped then. */
uint64_t sink_reserve(uint64_t bytes, uint64_t align);
/* Writes `bytes` at `offset`. On failure stops the tracer and returns false. */
bool sink_write(const void *data, uint64_t bytes, uint64_t offset);
/* A shared mapping of [offset, offset + bytes), whose space is taken on the disk first; NULL: stopped. The mapping is
 * not inherited by the child of a fork. */
void *sink_map(uint64_t offset, uint64_t bytes);
/* A part of the file that holds nothing any more. */
struct sink_gap {
	uint64_t offset, bytes;
};

/* Before the process loses the right or the path to open its file. */
void sink_keep_descriptor(void);
/* Notes how far the blocks in the file go. */
void sink_reached(uint64_t now_ns);
void sink_lost(enum pt_lost why, uint64_t count);
/* How far the file goes, its rings included, and the events lost so far; 0 when there is no file. */
uint64_t sink_file_bytes(void);
uint64_t sink_lost_events(void);
/* Turns the tracer off for good and says why in the front page. */
void sink_stop(enum pt_stop why);
/* Says how the program ended. The state becomes ENDED, but for an exec: it may fail, and then PT_ENDED_NOT takes it
 * back. What had stopped before stays STOPPED. */
void sink_ended(enum pt_ended how, int status, uint64_t now_ns);
/* Closes the file, cut at its last block. Small files are written anew without the gaps (sorted by offset) and put in
 * place by a rename, so that at any moment the name leads to a whole trace; in large ones they do not matter. */
void sink_close(const struct sink_gap *gaps, unsigned n);
/* Forgets the file, which is the parent's. */
/* In a forked copy of the process, which is to write into the same file: the descriptor that it has already, -1: none;
 * then the file, and its front page mapped anew. False when it can't be had. */
int sink_copy_keeps(void);
bool sink_copy_opens(int *ret_fd, struct pt_front **ret_front, uint64_t *ret_max_bytes);
void sink_after_fork(void);
