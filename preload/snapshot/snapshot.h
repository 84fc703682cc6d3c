/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot: when the heap of the program is shown, by a forked copy of it
 *
 * What:  PYTRACE_SNAPSHOT: at the end, at a signal, every so often, after growth, before a collection.
 * How:   whoever wants a snapshot asks; it is taken at the next moment when the interpreter's objects are whole. The
 *        program stops for the fork only: the copy does the rest (copy.h, inside.h). Moments, the best first:
 *          the main thread's loop between two instructions (a pending call); calls of C that Python made (_exit, exec);
 *          anywhere, while nobody holds the GIL;
 *          the release of an object, when the main thread has not come by for a second: then the FACT in_hook is 1.
 * Who:   lifecycle.c and hooks ask. Depth DEPTH_OWN unless it is said.
 */
#pragma once
#include "formats/snapshot.h"
#include "preload/options.h"

struct thread;

/* Once, from the constructor, before tracing begins; any depth. */
void snapshot_start(const struct options_snapshot *when);
/* In the child of a fork: what the parent had asked for, and its copy, are not ours. Any depth. */
void snapshot_after_fork(void);
/* When the clock was read. */
void snapshot_tick(struct thread *t);
/* Whether somebody has waited long enough for a better moment to take snapshot_in_hook(). */
bool snapshot_wants_hook(void);
/* In a hook of a thread with the GIL. `releases`: an object is about to be given back, so that everything else is
 * whole; it does elsewhere after a while. Whether nobody waits for a hook any more. */
bool snapshot_in_hook(struct thread *t, bool releases);

/* A collection is about to begin: the calling thread has the GIL, all objects are whole. */
void snapshot_collection_begins(struct thread *t, unsigned generation, enum pt_gc_trigger trigger);

/*
 * The program asks for one, in the calling thread, which was called by Python code. `label`: of a mark just before it,
 * 0: none. *ret_number: of the one that was taken. NO: not asked for by PYTRACE_SNAPSHOT, or not to be had now. BUSY:
 * another one is being written; to be asked again, not with the GIL held all the time.
 */
enum snapshot_call { SNAPSHOT_CALL_NO, SNAPSHOT_CALL_TAKEN, SNAPSHOT_CALL_BUSY };
enum snapshot_call snapshot_call(struct thread *t, uint64_t label, uint32_t *ret_number);
/* Whether a copy is at work; the number of snapshots begun so far. */
bool snapshot_is_being_written(void);
uint32_t snapshot_count(void);

/* The interpreter is seen taking itself down. False: by another thread than the one that does it, or (free-threaded) at
 * a moment when the world may stand already: somebody is to come here again before anybody believes it. `whole`: in a
 * hook that needs a thread state. */
bool snapshot_before_fini(struct thread *t, bool whole);
/* The process ends, or becomes another program, in this thread, now, and not by way of Py_FinalizeEx. `gently`: the
 * caller was called by Python code or runs at its end; otherwise something is wrong. */
void snapshot_before_end(struct thread *t, enum pt_snapshot_reason reason, bool gently);
/* Until the copy has written everything, or will never. Any depth. */
void snapshot_wait(void);

/* ---- for signals.c ---- */

/* Asks for one; any depth, also in a signal handler. */
void snapshot_want(enum pt_snapshot_reason reason);
bool snapshot_is_wanted(enum pt_snapshot_reason reason);
/* Takes the one that was asked for, here and now. */
void snapshot_take(struct thread *t, enum pt_snapshot_reason reason, bool in_hook);
