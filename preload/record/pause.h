/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause: nothing new is recorded, and what was recorded stays true
 *
 * What:  PYTRACE_START, libpytrace.start() and stop(). While recording is stopped allocations are not recorded and no
 *        stack is taken. Releases of blocks that were recorded before still are (without a stack), and their moves, so
 *        that after a pause what is alive in the trace is what is alive of it. Other releases are passed over.
 * How:   tracer_paused is 0 while everything is recorded. At stop() it becomes the number of the pause, and each block
 *        that is handed out from then on is noted with it in a map, one byte for 16 bytes of address. A block that is
 *        given back and is not noted is one of before. As long as nothing was ever recorded (PYTRACE_START=0) there is
 *        no map, and nothing to find out.
 * Order: the words are read where causality makes them true without any lock: after the real call of an allocation, and
 *        before that of a release. Who gives back a block that was handed out in a pause got it from a thread that saw
 *        the pause, so it sees it, too. Numbers of pauses make late notes harmless: they are of another pause. After
 * 255 of them the map is wiped, while no thread is in the tracer's code. The event PAUSE comes after the word has
 * changed, RESUME before: in between, and a moment longer for a thread that was in a hook, are events that reader takes
 * as they are. Who:   hooks (hook.h) at DEPTH_OWN; calls.c and the signal's handler start and stop.
 */
#pragma once
#include "preload/record/thread.h"

/* Values of tracer_paused besides 1 to 255, the numbers of pauses with a map. */
enum {
	PAUSE_EMPTY = 256, /* nothing was ever recorded */
	PAUSE_BLIND,       /* there is no map: each release is recorded */
};

/* From the constructor, before anything is recorded: PYTRACE_START=0. */
void pause_from_start(void);
/* In a file that has just been made, when recording is stopped: says so. */
void pause_tell(struct thread *t, enum pt_pause why);
/* Stops recording, or starts it again. Whether that changed anything. In a signal handler, too. */
bool pause_set(struct thread *t, bool paused, enum pt_pause why);
void pause_after_fork(void);

static inline bool pause_nothing_recorded(void) { return atomic_load(&tracer_paused) == PAUSE_EMPTY; }

/* ---- for hooks, while tracer_is_paused() ---- */

/* A block was handed out. Arenas, which are no memory of their own, are recorded even so. */
void pause_alloc(struct thread *t, enum pt_layer layer, const void *p, size_t size);
/* A block is about to be given back. */
void pause_free(struct thread *t, enum pt_layer layer, const void *p);
/* Whether this block may have been recorded. */
bool pause_knows(const void *p);
/* The first moment of a realloc: the stack for hook_moved(), PT_STACK_KEPT or PAUSE_UNKNOWN_BLOCK. */
#define PAUSE_UNKNOWN_BLOCK UINT32_MAX
uint32_t pause_move(struct thread *t, enum pt_layer layer, const void *p);
/* The second moment, of a block that was not known at the first: the block that there is now. */
void pause_moved(const void *p);
/* A mapping was made, or is about to go, or did not go. */
void pause_range(struct thread *t, enum pt_memory_kind kind, enum pt_layer layer, const void *p, size_t bytes);
