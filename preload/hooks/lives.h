/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lives: objects that are made and die without an allocation (PYTRACE_LIVES, CPython 3.13 and later)
 *
 * What:  REUSE when an object is made in a block that its type had kept in a free list, RETIRE when one dies whose
 * block may be kept, or one whose class has __del__, which may resurrect it. What is made in a block that was just
 * allocated, and what dies with its block, has no event of its own. How:   CPython tells a function of each object made
 * and destroyed (PyRefTracer). There is one place for such a function: tracemalloc takes it, and the program may; then
 * META python.lives says so. Check: PYTRACE_LOG=check compares the type that an object had when it was destroyed with
 * what is read when its block is freed. Who:   lifecycle.c; the hooks of the OBJ domain. In free-threaded builds many
 * threads at once.
 */
#pragma once
#include "preload/record/thread.h"

/* When an interpreter was found, before it is initialised. */
void lives_start(bool wanted);
/* When the clock was read, at DEPTH_OWN: whether the place is still ours. */
void lives_tick(struct thread *t);
/* In the child of a fork: its trace has to be told. */
void lives_after_fork(void);

/* While objects_wanted has OBJECTS_LIVES: the OBJ domain has handed out a block. */
static inline void lives_allocated(struct thread *t, const void *block) { t->last_block = block; }
/* It is about to get one back, in which something of this type was found. At DEPTH_OWN, before the event. */
void lives_free(struct thread *t, const void *block, uint32_t type);
