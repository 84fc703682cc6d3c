/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures: what the process and its allocator say of themselves: resident memory, and jemalloc's and tcmalloc's own
 * statistics, as RSS and FIGURE events
 *
 * When:  just before an interpreter takes itself down, at a clean end, and with jemalloc as the backend once a second;
 *        resident memory five times a second, as far as the clock is read.
 *        Never in the middle of an allocation: an allocator takes its locks to answer. Allocators that the program
 *        brought are asked in the first two cases only, as nobody knows what they do by themselves in between.
 * Who:   lifecycle.c, a thread at DEPTH_OWN.
 */
#pragma once
#include "preload/record/thread.h"

/* All figures. */
void figures_take(struct thread *t);
/* When the clock was read: the few that change quickly, when it is time. */
void figures_tick(struct thread *t);
/* Forgets the names' ids: the child of a fork starts its own trace. */
void figures_after_fork(void);
