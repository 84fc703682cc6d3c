/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot: when the heap of the program is shown, by a forked copy of it
 *
 * What:  PYTRACE_SNAPSHOT: at the end, at a signal, every so often, after growth, before a collection.
 * How:   whoever wants a snapshot asks; it is taken at the next moment when the interpreter's objects are whole
 *        (snapshot.c). The program stops for the fork only: the copy does the rest (copy.c).
 * Who:   hooks and lifecycle.c ask; nothing above py/ is known here.
 */
#pragma once
#include "formats/snapshot.h"

struct thread;
struct options;

/* Once, from the constructor, while the tracer turns on; and again in a child of fork that is traced. */
void snapshot_start(const struct options *o);
/* In the child of a fork, before it is known whether it is traced: what the parent had asked for is not for us. */
void snapshot_after_fork(void);
/* When the clock was read. Depth DEPTH_OWN. */
void snapshot_tick(struct thread *t);
/* A collection is about to begin: the calling thread has the GIL, all objects are whole. Depth DEPTH_OWN. */
void snapshot_collection_begins(struct thread *t, unsigned generation, enum pt_gc_trigger trigger);
