/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keepers: native memory that has addresses of objects
 *
 * Theory. C code that keeps objects in a table of its own has their addresses there, as words that are exactly that.
 * An object's count says how many references there are, the walk of the heap how many of them objects hold; what native
 * memory has can explain the rest. Where it does not, somebody forgot one.
 *
 * What:  KEEPER records (FORMAT.md 5.5): a native block in use, or a page of a file's data, and the objects whose start
 *        its words are.
 * Not:   words in objects, and in tables that the walk knows as theirs: those are edges. Words in stacks and registers,
 *        which are left over as often as they hold something; in memory that is not taken apart into blocks, where
 *        freed blocks look like others. Addresses within objects, tagged or XORed ones: nothing tells them from
 * numbers. Whom:  objects of the snapshot; and what looks like an object that the walk did not come to (a bytes that
 * only C code has), at the start of a block. Who:   scan.c, while it marks: it has each word in hand then.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "formats/snapshot.h"

struct out;

/* False: no memory, or no objects were walked. */
bool keepers_start(struct out *o);
/* The words from here on lie in this memory. What was put before and not ended (a fault) is forgotten. */
void keepers_begin(enum pt_keeper kind, uintptr_t start, uintptr_t end);
/* A word that is an address in `block`. */
void keepers_word(uintptr_t p, uintptr_t block);
/* Writes what there was. */
void keepers_end(void);
/* How many words were written. */
uint64_t keepers_words(void);
