/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch: every change of the count of a few chosen objects, with its stack
 *
 * What:  WATCH, COUNT and UNWATCH events (FORMAT.md, section 6). The processor or the kernel stops the program at each
 *        change (means.h), the handler writes the event (slots.h); choose.h says who is watched. README.md has the
 *        theory.
 * Cost:  who watches nothing pays nothing: the hooks test one word that they test anyway (objects_wanted). A change
 * that is seen costs some 20 microseconds. Who:   lifecycle.c, hooks/pymem.c, the built-in module.
 */
#pragma once
#include "preload/record/thread.h"

/* Anything is watched, or may be. */
static inline bool watch_is_on(void) { return objects_wanted & OBJECTS_WATCH; }

/* In the constructor, when the interpreter was looked for. `rules`: PYTRACE_WATCH; "": nothing, until watch_object() is
 * called. */
void watch_start(const char *rules);
/* The OBJ domain handed out a block. In its hook, at DEPTH_OWN, after the event, whose stack it was. */
void watch_born(struct thread *t, const void *block, size_t bytes, uint32_t stack);
/* Before the OBJ domain hands out a block: whether the object in it is to be watched, and how far in it would begin.
 * For means that must serve the block themselves (pages.h), which has to be done then: watch_born() believes it. */
bool watch_serves(struct thread *t, size_t bytes, uint32_t stack, size_t *ret_before);
/* A block of the OBJ domain is about to be given back, or moved: closes its watch. At DEPTH_OWN, before the event. */
void watch_dies(struct thread *t, const void *block);
/* Watches an object that exists, from here on. With the GIL (free-threaded: while it can't die), at DEPTH_OWN. False:
 * no place, no means, it is immortal, or watched already. */
bool watch_object(struct thread *t, const void *object);
/* Why nothing, or less than asked for, can be watched: one clause for people, static storage; NULL: all can. */
const char *watch_off(void);
/* When the clock was read. At DEPTH_OWN. */
void watch_tick(struct thread *t);
/* In the child of a fork: first what the parent's memory says is put right; when its file is open, what is still
 * watched is watched there, too. */
void watch_after_fork(void);
void watch_resume(struct thread *t);
/* Recording stops: what is watched now is let go. At DEPTH_OWN. */
void watch_pause(struct thread *t);
/* The interpreter takes itself down, or the trace ends: no change is recorded any more. At DEPTH_OWN. */
void watch_end(struct thread *t);
