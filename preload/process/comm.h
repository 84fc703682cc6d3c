/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comm: what the kernel calls a thread (pthread_setname_np, prctl), for threads that Python has no name for
 *
 * What:  THREAD_NAME definitions. A thread starts with the name of the one that made it, so a name that is the
 * program's is none. When:  now and then while the thread has events, at its end, and for all threads at the end of the
 * trace. Who:   lifecycle.c. Python's own names are longer and win (thread.named, preload/py/stack/who.c).
 */
#pragma once
#include "preload/record/thread.h"

/* By the main thread, before others are named: remembers the program's name. */
void comm_start(void);
/* The calling thread's name, if it is a new one. `t` is its own. */
void comm_look(struct thread *t);
/* The same, if the last look is some time ago. */
void comm_tick(struct thread *t);
/* Another thread's, defined in the ring of `by`, which is the caller's. */
void comm_look_at(struct thread *by, struct thread *of);
