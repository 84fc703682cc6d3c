/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy: a forked copy of the program that writes a snapshot, seen from the program
 *
 * What:  making it, asking whether it still works, waiting for it. One at a time.
 * How:   clone(2) by itself: none of fork's handlers run, and no signal is sent when it ends (exit signal 0), so that
 *        wait() and SIGCHLD of the program know nothing of it. Where process 1 is an init that collects whatever ends,
 *        the copy is not even our child: a process in between, which shares our memory for microseconds, makes it.
 *        What the copy has to say comes through a page that both see.
 * Who:   snapshot.c, with a thread's hooks closed (DEPTH_OWN), one thread at a time.
 */
#pragma once
#include "formats/snapshot.h"

struct copy_order {
	uint32_t number;
	enum pt_snapshot_reason reason;
	bool in_hook;         /* not between two instructions: objects may be half made */
	bool in_hurry;        /* the program waits for it */
	uint64_t now_ns;      /* of the SNAPSHOT event, since the start of the trace */
	uint32_t pid;         /* of the program */
	bool heap;            /* the interpreter's objects can be walked; else memory areas only, and... */
	const char *heap_off; /* ...why */
};

/* Whether the memory that it needs is there; taken at the first call. */
bool copy_prepare(void);
/* Makes the copy, which returns from nothing. False: there is none (no process, no memory), or one still works. */
bool copy_start(const struct copy_order *order);
/* The same for py_heap_stop_world(): 0 in the copy, on the caller's stack, which then has to call copy_lives. */
long copy_start_here(const struct copy_order *order);
__attribute__((noreturn)) void copy_lives(void *unused);
/* Whether it still works. When it has ended, its process is collected. */
bool copy_works(void);
/* Waits until it has ended: as long as it gets on; ten seconds more when it does not, then it is killed. */
void copy_wait(void);
/* In the child of a fork: the copy, if there is one, is the parent's. */
void copy_after_fork(void);
