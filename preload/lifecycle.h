/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle: from the constructor to the end of the trace, across fork and exec
 *
 *   constructor ─ options, program ─▶ file, first thread, facts ─▶ ON
 *   fork          FORK event in the parent; the child's state is wiped to UNKNOWN and its first event adopts it: its
 *                 own file, which names the parent's
 *   exec          marked in the front page (and unmarked when it fails): the rings keep what they hold
 *   exit, _exit, abort   the rings are packed, the footer written, the file closed
 * Whatever else ends the process leaves a file with rings, which is as good.
 */
#pragma once
#include "preload/record/thread.h"

/* The end. `how` and `status` go into the front page. Only the process that owns the file ends it. */
void lifecycle_end(enum pt_ended how, int status);
/* After dlopen: whether an interpreter came with it. */
void lifecycle_look_at(void *handle);
/* Before the process gives up rights or its view of the files. */
void lifecycle_before_farewell(void);
/* Around an exec. `will_succeed`: as far as one can see. */
void lifecycle_exec_begin(bool will_succeed);
void lifecycle_exec_failed(void);
/* After fork() in the parent. */
void lifecycle_forked(int child_pid);
/* What the hooks of Python's domains compare with py_finalizing(): whether an interpreter was seen taking itself down;
 * or LIFECYCLE_LOOK, which makes them call as well, because a snapshot waits for the release of an object. */
enum { LIFECYCLE_LOOK = 2 };
extern uint8_t lifecycle_fini_seen __attribute__((visibility("hidden")));
/* What the calling thread does: it may have the GIL or not; it has; and it is about to give an object back. */
enum lifecycle_place { LIFECYCLE_ANYWHERE, LIFECYCLE_HAS_GIL, LIFECYCLE_RELEASES };
/* Depth REAL before and after. */
void lifecycle_fini_changed(struct thread *t, enum lifecycle_place place);
/* From other hooks, which are called now and then while an interpreter ends. */
static inline void lifecycle_look_for_fini(void);
void lifecycle_look_closely(void);

static inline void lifecycle_look_for_fini(void)
{
	if (unlikely(py_finalizing() && !lifecycle_fini_seen))
		lifecycle_look_closely();
}
