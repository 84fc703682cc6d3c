/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap: every object of the program as records of a snapshot (formats/snapshot.h)
 *
 * What:  objects with their types, counts, sizes, the references they hold and what those are called; where references
 *        from outside the heap come from: frames, thread states, interpreters, static types.
 * How:   in a forked copy of the program, whose heap stands still. The collector's lists first, then what their objects
 *        refer to: as tp_traverse says, and beyond that what is known of CPython's own types. Memory is read as it
 *        lies; nothing of Python is called but tp_traverse and tp_is_gc, and, without a GIL,
 * PyUnstable_GC_VisitObjects. Trust: offsets are seen to hold before the first snapshot (py_heap_ready). An object that
 * can't be read after all costs itself: whoever handles SIGSEGV and SIGBUS in the copy jumps to py_heap_fault while it
 * is armed. Who:   preload/snapshot.
 */
#pragma once
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct out;

/* Whether the heap of this interpreter can be walked. Looks at it once, at the first call with an initialised
 * interpreter: so at a moment when its objects are whole, by a thread that has the GIL. */
bool py_heap_ready(void);
/* Why not, one clause for people (static storage); NULL: it can, or was not looked at yet. */
const char *py_heap_off(void);

/*
 * In the copy, once: all records of objects and roots. Takes what memory it needs from out_memory.
 */
void py_heap_walk(struct out *o);
/* Whether objects were walked. The following hold then, and are false otherwise. */
bool py_heap_is_walked(void);
/* Whether an object of the snapshot starts at `p`. */
bool py_heap_is_object(uintptr_t p);
/* Whether these bytes, a block, are an object of the snapshot or a table whose references it reports as its own. */
bool py_heap_is_owned(uintptr_t start, uintptr_t end);
/* Whether what lies at `p`, in memory that can be read, has a type that objects of the snapshot have. */
bool py_heap_is_like_object(uintptr_t p);
/* Whether `p` lies in the data of a loaded file, zeroed data included. */
bool py_heap_is_data(uintptr_t p);
/* The END of the snapshot: how much of that there was. */
void py_heap_write_end(struct out *o);

/*
 * Free-threaded builds (py_info()->free_threaded) have no lists, and other threads run: the world is stopped for the
 * fork. Calls make_copy(arg) while all threads stand still; that returns 0 in the copy, anything else in the program,
 * which goes on. In the copy in_copy(arg) is called then, and must not return: it is what calls py_heap_walk. False:
 * make_copy was not called. With a thread state that is attached, at a moment when no object is half
 * made: one when the collector itself might run.
 */
bool py_heap_stop_world(long (*make_copy)(void *arg), void (*in_copy)(void *arg), void *arg);

/* While armed, a fault of the walking thread is to end in siglongjmp(py_heap_fault, 1), with the signal unblocked. */
extern sigjmp_buf py_heap_fault __attribute__((visibility("hidden")));
extern volatile sig_atomic_t py_heap_fault_armed __attribute__((visibility("hidden")));
