/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread_name: what Python calls a thread
 *
 * What:  THREAD_NAME definitions with threading.Thread.name.
 * How:   threading.Thread runs in _bootstrap(self), the outermost frame of its thread. Whatever else is known to
 *        threading (the main thread, threads of C code that asked for their Thread) is in threading._active, by ident.
 * When:  at a thread's first frames; every NAME_EVERY_NS while it is near its outer frames, for names may change; and
 *        when it ends, which is told by what is on top of the stack then.
 * Who:   who.c.
 */
#pragma once
#include "preload/record/intern.h"
#include "preload/py/parts.h"

/* Of one thread. Zero bytes are its first state. */
struct py_name {
	bool is_started, is_foreign; /* threading made this thread; something else did */
	uint32_t n_looks;
	uint64_t looked_ns, sign; /* when its name was looked at; what it was */
};

/* A code object of threading.py is defined. Sets WHO_THREADING when threads run. */
void py_name_code(const char *code, const struct piece *name);

/* Looks if it is time to. With the GIL. */
void py_name_look(struct thread *t, struct py_name *n, const struct py_thread *p, const char *tstate);

/* The interpreter is gone. */
void py_name_forget(void);

/* What tells a name (a str or an int) from others, whatever its address. */
uint64_t py_name_sign(const char *name);
bool py_ends_with(const struct piece *text, const char *end);
