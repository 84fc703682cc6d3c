/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moment: whether this is a moment at which the interpreter's objects are whole, and how to be called at one
 *
 * What:  who holds the GIL, whether a collection or the end is under way, a call from the main thread's loop.
 * Who:   preload/snapshot. Any thread, also in a signal handler where it is said.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Looks for what it needs, in `handle` as py_start(). Outside of any lock. */
void py_moment_start(void *handle);

enum py_gil {
	PY_GIL_MINE,  /* the calling thread has it; free-threaded: it is attached */
	PY_GIL_FREE,  /* nobody has it: no object changes; free-threaded: the calling thread is not attached, others may
			 be */
	PY_GIL_OTHER, /* another thread has it, or it can't be told */
};
/* Who has the main interpreter's GIL. Also in a signal handler. */
enum py_gil py_gil(void);

/* Whether the calling thread is the one that takes the interpreter down. */
bool py_i_finalize(void);
/* Whether a collection is under way. */
bool py_collecting(void);

/* Has the main thread call f(arg), with the GIL, between two instructions, as soon as it runs some. False when it can't
 * be had: no interpreter, no room, the end is near. Any thread, with the GIL or without; takes a lock of the
 * interpreter's for a moment, so not in a signal handler. */
bool py_ask_main(int (*f)(void *), void *arg);
