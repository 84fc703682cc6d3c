/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ending: where the program ended, which is before the interpreter does
 *
 * What:  finds the last event of the main thread that the main module had a hand in. What comes after is clean-up:
 *        functions given to atexit, the joining of threads, the interpreter's own end. A program that hoards what its
 *        exit handlers give back has hoarded it all the same.
 * How:   the main thread's parts are decoded from the last one backwards, until one with such an event: mostly one.
 *        Where threads outlive the main module and do much, it is their last event.
 * Doubt: none is found, and the end stays that of the interpreter, where somebody else than the main module may work
 *        on: an interpreter inside of another program, a process without Python's own end (killed, _exit).
 * Who:   replay, which tells models.
 */
#pragma once
#include "analyzer/read/trace.h"

struct ending {
	bool found;
	size_t part;  /* index in trace.parts: the program ended after ... */
	size_t event; /* ... this event of it */
};

struct ending ending_find(const struct trace *t);
