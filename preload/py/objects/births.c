/* SPDX-License-Identifier: Apache-2.0 */
/*
 * births: see births.h
 *
 * A class is a block of at least 800 bytes whose type is a metatype. Its READY flag is set when all of it is there,
 * name and module included, and before anybody can make an instance; so looking at each allocation in between is early
 * enough.
 */
#include "preload/py/objects/births.h"

#include "preload/py/parts.h"
#include "preload/base/tracer.h"

enum { YOUNG_MAX = 32, LOOKS_MAX = 4000, GC_HEAD_BYTES = 16 };

struct py_told py_told;

static struct young {
	const char *block;
	unsigned looks;
} young[YOUNG_MAX];
unsigned py_births_young;
static struct lock lock;

void py_tell(struct py_told told) { py_told = told; }

/* ---- where objects begin ---- */

static uint32_t shift(void) { return py_state.block_type - py_layout.object_type; }

uint32_t py_birth_place_of(uint32_t before_bytes) { return shift() + before_bytes; }
uint32_t py_birth_extra(void) { return shift() ? 3 * (uint32_t)sizeof(void *) : 0; }

unsigned py_birth_places(uint32_t places[PY_BIRTH_PLACES])
{
	static const uint8_t with_heads[] = { PY_BEFORE_STEP, 0, PY_BEFORE_MAX }, without[] = { 0, PY_BEFORE_STEP };
	const uint8_t *order = py_layout.free_threaded ? without : with_heads;
	unsigned n = py_state.before_max == PY_BEFORE_MAX ? 3 : 2;

	for (unsigned i = 0; i < n; i++)
		places[i] = shift() + order[i];
	return py_state.types ? n : 0;
}

/* ---- what is there ---- */

/* Only the part that is written last by who makes an object: the rest may be what was in the memory before. */
static bool count_is_one(const char *object)
{
	const char *type_word = object + py_layout.object_type;

	if (py_layout.free_threaded)
		return PY_AT(uint32_t, type_word, -12) == 1;
	return (PY_AT(uint64_t, type_word, -8) & (py_layout.minor >= 14 ? UINT32_MAX : UINT64_MAX)) == 1;
}

static bool count_is_none(const char *object)
{
	const char *type_word = object + py_layout.object_type;

	if (py_layout.free_threaded)
		return PY_AT(uint32_t, type_word, -12) == 0;
	return !(PY_AT(uint64_t, type_word, -8) & py_state.count_mask);
}

enum py_birth py_birth_at(struct thread *t, const char *object, uint32_t place, uint32_t *type)
{
	const char *type_word = object + py_layout.object_type;

	*type = 0;
	if (!count_is_one(object))
		return count_is_none(object) ? PY_BIRTH_NOT_YET : PY_BIRTH_NEVER;
	if (py_may_be_type(type_word))
		*type = (uint32_t)py_type_number(t, PY_AT(uint64_t, type_word, 0), place - shift());
	return *type ? PY_BIRTH_MADE : PY_BIRTH_NEVER;
}

/* In what has been wiped: a count of 1 with something that can be a type. */
bool py_birth_elsewhere(const char *block, uint32_t place)
{
	for (uint32_t before = shift(); before < place; before += PY_BEFORE_STEP)
		if (count_is_one(block + before) && py_may_be_type(block + before + py_layout.object_type))
			return true;
	return false;
}

/* Whether a count is one of an object that lives: not 0, and not what addresses and texts look like. */
static bool count_is_sane(const char *object)
{
	const char *type_word = object + py_layout.object_type;
	uint64_t count;

	if (py_layout.free_threaded)
		return PY_AT(uint32_t, type_word, -12) || PY_AT(uint64_t, type_word, -8) >> 2;
	count = PY_AT(uint64_t, type_word, -8) & (py_layout.minor >= 14 ? UINT32_MAX : UINT64_MAX);
	return count && count <= UINT32_MAX;
}

static uint32_t living_at(struct thread *t, const char *block, uint32_t place)
{
	const char *object = block + place, *type_word = object + py_layout.object_type;

	if (!py_may_be_type(type_word) || !count_is_sane(object))
		return 0;
	return (uint32_t)py_type_number(t, PY_AT(uint64_t, type_word, 0), place - shift());
}

uint32_t py_birth_in(struct thread *t, const char *block, uint32_t *place)
{
	uint32_t places[PY_BIRTH_PLACES], type = 0;
	unsigned n = py_may_be_code(block) && !py_is_at_edge(block) ? py_birth_places(places) : 0;

	for (unsigned i = 0; i < n && !type; i++) {
		*place = places[i];
		type = living_at(t, block, places[i]);
	}
	return type;
}

/* ---- young classes ---- */

void py_births_maybe_class(const void *block)
{
	if (!py_state.types || !block || !lock_try(&lock))
		return;
	if (py_births_young == YOUNG_MAX) /* the oldest goes: it was none, or it is met when it has an instance */
		__builtin_memmove(young, young + 1, --py_births_young * sizeof *young);
	young[py_births_young++] = (struct young){ block, 0 };
	lock_drop(&lock);
}

static void forget(unsigned i) { young[i] = young[--py_births_young]; }

void py_births_dies(const void *block)
{
	lock_take(&lock);
	for (unsigned i = py_births_young; i-- > 0;)
		if (young[i].block == block)
			forget(i);
	lock_drop(&lock);
}

static bool is_ready(const char *block)
{
	const char *type = block + shift() + (py_layout.free_threaded ? 0 : GC_HEAD_BYTES),
		   *type_word = type + py_layout.object_type;

	return py_may_be_type(type_word) && py_type_tell_class(type);
}

void py_births_look(void)
{
	if (!lock_try(&lock))
		return;
	for (unsigned i = py_births_young; i-- > 0;)
		if (is_ready(young[i].block) || ++young[i].looks > LOOKS_MAX)
			forget(i);
	lock_drop(&lock);
}

void py_births_after_fork(void)
{
	py_births_young = 0;
	lock_drop(&lock);
}
