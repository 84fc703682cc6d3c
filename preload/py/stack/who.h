/* SPDX-License-Identifier: Apache-2.0 */
/*
 * who: what runs in a thread, beyond its stack: the asyncio task, the greenlet, the thread's name
 *
 * What:  SWITCH events where another task or greenlet runs, each defined before (TASK); THREAD_NAME definitions.
 * How:   asked for whenever the stack has changed, for a task cannot change under a frame that runs on. Until the
 *        program has loaded asyncio, greenlet or threading, asking is one load.
 * Trust: as peek.h. Where something is not as expected there is no name.
 * Who:   stack.c asks, code.c tells of new code objects.
 */
#pragma once
#include "preload/record/intern.h"
#include "preload/py/parts.h"

/* Bits of py_state.who: what the program has loaded. */
enum { WHO_ASYNCIO = 1, WHO_GREENLET = 2, WHO_THREADING = 4 };

/* Frames up to which a thread may be at its beginning or end, the moments at which its name is looked at. */
enum { WHO_SHALLOW = 6 };

/* What runs now? After `p` was brought up to date for `tstate`. `held`: with the GIL; without it only what belongs to
 * the thread itself is read. */
void py_who_look(struct thread *t, struct py_thread *p, const char *tstate, bool held);

/* A code object is defined. */
void py_who_code(const char *code, const struct piece *file, const struct piece *name);

/* Gives back the memory of a thread; forgets the ids of a parent process. */
void py_who_end(struct py_thread *p);
void py_who_after_fork(void);

static inline void py_who(struct thread *t, struct py_thread *p, const char *tstate, bool held)
{
	if (__builtin_expect(py_state.who == 0, 1))
		return;
	if (py_state.who != WHO_THREADING || p->depth <= WHO_SHALLOW || !p->who)
		py_who_look(t, p, tstate, held);
}

/* For who.c: the outermost frame that runs code, with its code object; NULL. */
const char *py_outermost(const struct py_thread *p, const char **ret_code);
/* Which entry of p->cached a frame is, from the outer end; UINT32_MAX: it is in none. */
uint32_t py_index_of(const struct py_thread *p, const char *frame);
/* Whether among the entries from `from` on, up to the innermost, is a coroutine (or generator) that C code runs. */
bool py_entered_coroutine(const struct py_thread *p, uint32_t from);
/* The code object of the innermost one. */
const char *py_innermost_code(const struct py_thread *p);
