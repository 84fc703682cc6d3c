/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector: the collections of the program, as gc.callbacks would be told of them
 *
 * What:  GC_BEGIN and GC_END around each collection, GC_SET for what steers them, each with who asked for it.
 * How:   the interpreter calls what is in a list of callbacks. It gets a list of ours to call, with one function that
 *        records the event and then calls those of the program, whose own list stays what Python code sees as
 *        gc.callbacks. The functions of the gc module are called through ours, which know who calls them.
 *        README.md, "Collections", says what that leaves unchanged and how.
 * Trust: nothing is put anywhere before the collector's state was seen to be where the layout says. Otherwise
 *        collections are not recorded, and the META definition python.gc_off says why.
 */
#pragma once
#include <stdbool.h>

#include "formats/event.h"

struct thread;

/* In the constructor, or when an interpreter was loaded, before it is initialised. `begins` (may be NULL) is called
 * after each GC_BEGIN, by the thread that is about to collect: with the GIL, all objects whole, at DEPTH_OWN. */
void collector_start(void (*begins)(struct thread *t, unsigned generation, enum pt_gc_trigger trigger));

/* When the clock was read, at DEPTH_OWN: takes its place in the interpreter as soon as that can be. `announced`:
 * PY_INIT is in the trace, so what is in force can be told. */
void collector_tick(struct thread *t, bool announced);

/* The interpreter begins to take itself down. */
void collector_fini(void);

/* In the child of a fork: the new trace has to be told what is in force. */
void collector_after_fork(void);
