/* SPDX-License-Identifier: Apache-2.0 */
/*
 * labels: numbers for texts that the program gives: of marks and regions
 *
 * What:  a STRING definition for each text, and its number.
 * How:   the last few thousand texts are known by a hash of theirs. A text that was forgotten, or that two threads
 * bring at once, is defined again with another number: a reader goes by the text. Who:   any thread inside its own hook
 * (DEPTH_OWN).
 */
#pragma once
#include "preload/record/intern.h"

/* What of a text is kept. */
enum { LABEL_BYTES = 1024 };
/* The first number of a label: those below are the figures' (allocator/figures.c). */
enum { LABEL_FIRST = 4096 };

/* The number of a text of at most LABEL_BYTES, defined in the trace. */
uint64_t label_id(struct thread *t, struct piece text);
/* In the child of a fork, whose trace knows none of them. */
void label_after_fork(void);
