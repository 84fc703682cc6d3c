/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known: which conditions of the rules hold for a stack and for a type, by their numbers in the trace
 *
 * What:  for each stack whether a frame of it is at a line that a rule names, and whose code its innermost frame is;
 * for each type whether a rule names it; sizes of blocks in which objects of such types may be made. How:   worked out
 * once, when the stack or the type gets its number, and kept in arrays by number. Who:   choose.c; what fills it is
 * called by intern.c and preload/py through pointers. Any thread; no locks.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A stack's word: conditions site: by number (rules.h), and what its innermost Python frame is. */
#define KNOWN_SITES   ((UINT64_C(1) << 60) - 1)
#define KNOWN_USER    (UINT64_C(1) << 63) /* code of the program itself: neither of the standard library nor installed */
#define KNOWN_AT_SITE (UINT64_C(1) << 62) /* it is at such a line itself */

/* From the constructor, when the rules are read: is told of stacks from here on, and of types if rules name some. */
void known_start(bool types);
/* Of a stack; 0 of none. */
uint64_t known_of_stack(uint32_t stack);
/* Conditions type: by number that hold for a type. */
uint64_t known_of_type(uint32_t type);

/* Which of these conditions type: could hold for an object made in a block of this size, as far as such types are known
 * by now; *place: where in it the object would begin. Of several the first. */
uint64_t known_of_size(uint64_t types, size_t bytes, uint32_t *place);

/* In the child of a fork: numbers start anew. */
void known_after_fork(void);
