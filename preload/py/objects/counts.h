/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counts: where the count of references of an object lies, and what it says
 *
 * What:  the words of an object's head that change with its count, by version; their sum; whether it means anything.
 * How:   up to 3.11 eight bytes, from 3.12 the lower four of them (3.14: the upper four are flags); free-threaded
 * builds have a part of the owning thread and one that all others share. Who:   preload/watch. Any moment, also in a
 * signal handler: nothing is called, nothing but the head is read. With the GIL, or where the object can't go: what is
 * read must be an object, or a block of memory for one.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { PY_COUNT_PARTS_MAX = 2 };

/* A part of the count: bytes from the start of the object, and how many to watch. */
struct py_count_part {
	uint8_t offset, bytes;
};
/* How many parts there are, with *ret_parts the array of them (static storage); 0: no interpreter that is known. */
unsigned py_count_parts(const struct py_count_part **ret_parts);

enum py_count_kind {
	PY_COUNT_PLAIN,
	PY_COUNT_MERGED,   /* free-threaded: no thread owns a part any more */
	PY_COUNT_IMMORTAL, /* not counted, or (free-threaded, deferred) not where one could see it */
};
struct py_count {
	int64_t value; /* immortal: 0 */
	enum py_count_kind kind;
};
struct py_count py_count_read(const char *object);

/*
 * Free-threaded builds: threads write at the same time, so what lies there at a trap is the sum of all. What one of
 * them has changed follows from what it wrote: the shared part by an atomic instruction, the owner's by the owner
 * alone. `state`: of the object at its last change, as py_count_words() fills it.
 */
struct py_count_words {
	uint32_t local;
	int64_t shared;
};
struct cpu_exchange;
struct py_count_words py_count_words(const char *object);
/* The change of the count by a write to part `part`; `exchange`: the instruction, NULL: not known. False: only the sum
 * tells. */
bool py_count_change(const char *object, unsigned part, const struct cpu_exchange *exchange,
		     struct py_count_words *last, int64_t *ret_delta);

/* The word that says the object's type, as it is; and where it lies, from the start of the object. */
const char *py_object_type_word(const char *object);
uint32_t py_object_type_offset(void);

/* Whether what is inside of an object may be handed to a system call as a buffer: bytes that are being made, what
 * ctypes makes. Its type must be known to be one. */
bool py_object_is_buffer(const char *object);
