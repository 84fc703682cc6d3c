/* SPDX-License-Identifier: Apache-2.0 */
/*
 * births: what is made in a block that the OBJ domain handed out
 *
 * What:  at an allocation size and stack are known, and not the type. It is written into the block just before the
 * count of references becomes 1, and after that it can be read. Besides: who asks is told of each type and of each code
 *        object when it gets its number; and classes are looked at while they are made, so that a class is
 *        told of before it has an instance.
 * Who:   preload/watch/choose.c, at DEPTH_OWN, with the GIL (free-threaded: for blocks of the calling thread).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct piece;
struct pt_linetable_in;
struct pt_type;
struct thread;

/* Before the first event: who is told. `code`: when a code object is numbered, `lines` borrowed. `type`: a type; under
 * a lock of types.c, so it must ask nothing of py.h. Any may be NULL. */
struct py_told {
	void (*code)(uint32_t id, const struct piece *file, const struct pt_linetable_in *lines);
	void (*type)(uint32_t id, const struct pt_type *head, const char *name, size_t bytes);
};
void py_tell(struct py_told told);
extern struct py_told py_told __attribute__((visibility("hidden")));

/* Bytes between the start of a block and an object in it that can be: at most three answers, the likeliest first. They
 * include what the hooks of debugging have in front. */
enum { PY_BIRTH_PLACES = 3 };
unsigned py_birth_places(uint32_t places[PY_BIRTH_PLACES]);
/* The place of a type's objects, by the fixed part of its definition; and bytes that a block has besides the object. */
uint32_t py_birth_place_of(uint32_t before_bytes);
uint32_t py_birth_extra(void);

/* What a write to the count of what would be an object, `place` bytes behind the start of its block, means: nothing is
 * made yet; it is, and is of the type of this number; something else is made there. Any depth but in the tracer's own
 * work: may define the type. */
enum py_birth { PY_BIRTH_NOT_YET, PY_BIRTH_MADE, PY_BIRTH_NEVER };
enum py_birth py_birth_at(struct thread *t, const char *object, uint32_t place, uint32_t *type);

/* The number of the type of the object in a block that was handed out before the last one of this thread, *place: where
 * it begins. 0: there is none. */
uint32_t py_birth_in(struct thread *t, const char *block, uint32_t *place);

/* Whether an object was made nearer to the start of a block, whose first bytes were wiped, than at `place`. Any depth.
 */
bool py_birth_elsewhere(const char *block, uint32_t place);

/* A large block was handed out, which may become a class; one is given back; and the look at those that may have become
 * one by now (py_tell says what they are). */
extern unsigned py_births_young __attribute__((visibility("hidden"))); /* how many there are */
void py_births_maybe_class(const void *block);
void py_births_dies(const void *block);
void py_births_look(void);
void py_births_after_fork(void);
