/* SPDX-License-Identifier: Apache-2.0 */
/*
 * free_lists: see free_lists.h
 *
 * tp_dealloc of these types puts an object onto a free list when it is of exactly that type, else it calls tp_free. So
 * before the interpreter's own function is called, an object of exactly that type is given another one: a copy of the
 * type, byte for byte, with that function as its tp_dealloc (the trashcan compares). The object is dead: nothing refers
 * to it, the collector's list is left first, and these types have neither weak references nor finalizers; so nobody can
 * see the copy, but for C functions that watch a dict (PyDict_Watch), which may even bring it back to life: such a dict
 * goes the usual way. A free-threaded object that waits for its turn in the trashcan is called with the copy's
 * function.
 */
#include "preload/py/objects/free_lists.h"

#include <string.h>

#include "preload/py/parts.h"

enum {
	TYPE_BYTES = 432,
	DEALLOC_FROM_SIZE = 16,
	ITEMS_FROM_TYPE = 8,
	WATCHERS_FROM_TYPE = 16,
	FIRST_WITH_WATCHERS = 12
};

static bool tuple_may(const char *tuple) { return PY_AT(int64_t, tuple, py_layout.object_type + ITEMS_FROM_TYPE) != 0; }
static bool dict_may(const char *dict)
{
	return py_layout.minor < FIRST_WITH_WATCHERS ||
	       !PY_AT(uint8_t, dict, py_layout.object_type + WATCHERS_FROM_TYPE);
}
static bool any_may(const char *object)
{
	(void)object;
	return true;
}

static void list_dies(char *op), dict_dies(char *op), tuple_dies(char *op);

static struct kept {
	const char *name, *symbol;
	void (*dies)(char *op);
	bool (*may)(const char *op); /* whether this one can be done so; the empty tuple is one for all, and static */
	char *type;
	void (*dealloc)(char *op);
	bool is_copied;
	_Alignas(64) char copy[TYPE_BYTES];
} kept[] = {
	{ .name = "list", .symbol = "PyList_Type", .dies = list_dies, .may = any_may },
	{ .name = "dict", .symbol = "PyDict_Type", .dies = dict_dies, .may = dict_may },
	{ .name = "tuple", .symbol = "PyTuple_Type", .dies = tuple_dies, .may = tuple_may },
};
enum { KEPT = sizeof kept / sizeof *kept };

static char *dealloc_of(char *type) { return type + py_layout.type_size + DEALLOC_FROM_SIZE; }

/* Threads that do it at once write the same. */
static bool make_copy(struct kept *k)
{
	if (!(PY_AT(uint64_t, k->type, py_layout.type_flags) & FLAG_READY))
		return false;
	memcpy(k->copy, k->type, sizeof k->copy);
	memcpy(dealloc_of(k->copy), &k->dealloc, sizeof k->dealloc);
	__atomic_store_n(&k->is_copied, true, __ATOMIC_RELEASE);
	return true;
}

static inline __attribute__((always_inline)) void die(struct kept *k, char *op)
{
	if (PY_AT(char *, op, py_layout.object_type) == k->type && k->may(op) &&
	    (__atomic_load_n(&k->is_copied, __ATOMIC_ACQUIRE) || make_copy(k)))
		*(char **)(op + py_layout.object_type) = k->copy;
	k->dealloc(op);
}

static void list_dies(char *op) { die(&kept[0], op); }
static void dict_dies(char *op) { die(&kept[1], op); }
static void tuple_dies(char *op) { die(&kept[2], op); }

static void take(struct kept *k)
{
	void (*now)(char *op);

	k->type = py_symbol(k->symbol);
	if (!k->type)
		return;
	memcpy(&now, dealloc_of(k->type), sizeof now);
	if (!now || now == k->dies)
		return;
	k->dealloc = now;
	k->is_copied = false;
	memcpy(dealloc_of(k->type), &k->dies, sizeof k->dies);
}

void py_free_lists_off(bool (*wanted)(const char *type))
{
	if (!py_layout.minor || !py_state.types)
		return;
	for (unsigned i = 0; i < KEPT; i++)
		if (wanted(kept[i].name))
			take(&kept[i]);
}
