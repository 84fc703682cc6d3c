/* SPDX-License-Identifier: Apache-2.0 */
/*
 * free_lists: lists, dicts and tuples kept off the interpreter's free lists
 *
 * What:  dead objects of these types are kept for reuse, so objects are made and die without an event. From here on
 * each is given back when it dies, so that every birth is an allocation and every death a free. How:   README.md, "Free
 * lists". Only in programs that watch objects of such types. Not:   floats, and what only some versions keep (ints,
 * methods, slices, iterators …): the interpreter gives them back without asking their types.
 */
#pragma once
#include <stdbool.h>

/* Before the interpreter is initialised (what is on a free list already is used up first). `wanted` is asked for each
 * type by its name. Free of effect without an interpreter; once for each interpreter that is found. */
void py_free_lists_off(bool (*wanted)(const char *type));
