/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_info: the dict that the interpreter makes to tell callbacks of a collection
 *
 * What:  reading it without a call of Python, and making away with it so that nothing is left of its having been made.
 * How:   it is made of a dict, its table of keys, and a few texts and numbers, just before our function is called. Each
 *        comes off a free list or is allocated; the thread's own ring tells which. If allocated, it is given back
 *        to the allocator; the dict itself by way of a type that differs from dict in its tp_dealloc only, which
 *        also tells us the moment when the interpreter has done with it: then the collection begins.
 * Not:   in debug builds, whose assertions watch such things: a dict may be left on a free list there.
 */
#include "preload/py/gc/collector_parts.h"

#include <string.h>

#include "preload/py/peek.h"
#include "preload/record/thread.h"

enum { WINDOW = 512, NEAR = 64, PAIRS_MAX = 8, GC_HEAD_BYTES = 16, TYPE_BYTES = 416, TYPE_DEALLOC_AT = 32 };

static struct {
	void (*dict_clear)(void *dict);
	int (*dict_next)(void *dict, intptr_t *at, void **key, void **value);
	void (*untrack)(void *object);
	void (*gc_free)(void *object);
	void (*object_free)(void *block);
	void (*mem_free)(void *block);
	void (*inc)(void *object);
	void (*dec)(void *object);
	void *dict_type;
} py;

static const struct {
	const char *name;
	void *at;
} wanted[] = {
	{ "PyDict_Clear", &py.dict_clear },
	{ "PyDict_Next", &py.dict_next },
	{ "PyObject_GC_UnTrack", &py.untrack },
	{ "PyObject_GC_Del", &py.gc_free },
	{ "PyObject_Free", &py.object_free },
	{ "PyMem_Free", &py.mem_free },
	{ "Py_IncRef", &py.inc },
	{ "Py_DecRef", &py.dec },
	{ "PyDict_Type", &py.dict_type },
};

/* How often the interpreter counts the dict while it calls us. Up to 3.11 it is one of the arguments that are built. */
static bool is_interpreters_own(const char *dict) { return gc_count(dict) == (py_layout.minor <= 11 ? 2 : 1); }

static _Alignas(64) char dead_type[TYPE_BYTES + 96];

/* ---- what was allocated for it ---- */

static const struct pt_slot *find_made(const struct pt_slot *from, const struct pt_slot *to, uint64_t block)
{
	for (const struct pt_slot *s = to; s-- > from;)
		if (pt_slot_a(s) == block && (pt_slot_op(s) == pt_memory_op(PT_ALLOC, PT_LAYER_OBJECT) ||
					      pt_slot_op(s) == pt_memory_op(PT_ALLOC, PT_LAYER_MEM)))
			return s;
	return NULL;
}

/* Under the hooks of debugging, blocks begin before what the program gets. */
static uint64_t block_of(const char *p) { return (uintptr_t)p - (py_state.block_type - py_layout.object_type); }
static size_t dict_head(void) { return py_layout.free_threaded ? 0 : GC_HEAD_BYTES; }

/* The text of the first key is allocated always, right after the dict. NULL: the ring does not go back that far. */
static const struct pt_slot *first_text(const struct thread *t, const char *dict)
{
	const struct pt_slot *end = t->slots + t->head;
	const char *key = py_dict_key(dict, "generation");

	return key ? find_made(t->head > WINDOW ? end - WINDOW : t->slots, end, block_of(key)) : NULL;
}

/* The head of the definition that a slot is part of; NULL: it is an event. */
static const struct pt_slot *definition_of(const struct thread *t, const struct pt_slot *slot)
{
	for (unsigned i = 1; i <= WINDOW && slot - i >= t->slots; i++) {
		const struct pt_slot *head = slot - i;
		enum pt_shape shape = pt_op_shape(pt_slot_op(head));

		if ((shape == PT_SHAPE_WORDS && i == 1) ||
		    (shape == PT_SHAPE_BYTES && pt_slot_b(head) > (i - 1) * sizeof *head &&
		     pt_slot_b(head) <= DEFINE_MAX))
			return head;
	}
	return NULL;
}

/* Whether the last block that was made or freed before the text is the dict. */
static bool was_made(const struct thread *t, const struct pt_slot *text, const char *dict)
{
	uint64_t block = block_of(dict - dict_head());
	const struct pt_slot *s = text;

	for (unsigned i = 0; i < NEAR && s-- > t->slots; i++) {
		const struct pt_slot *head;

		if (!pt_op_is_memory(pt_slot_op(s)))
			continue;
		if (pt_slot_a(s) == block && pt_op_kind(pt_slot_op(s)) == PT_ALLOC)
			return true;
		head = definition_of(t, s);
		if (!head)
			return false;
		s = head;
	}
	return false;
}

bool gc_info_read(struct gc_info *info, struct thread *t, const char *dict)
{
	const struct {
		const char *key;
		uint64_t *to;
	} numbers[] = {
		{ "generation", &info->generation },
		{ "collected", &info->collected },
		{ "uncollectable", &info->uncollectable },
	};
	const struct pt_slot *text;

	if (!py_is(dict, py.dict_type))
		return false;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		const char *value = py_dict_text(dict, numbers[i].key);

		if (!value || !py_int(value, numbers[i].to))
			return false;
	}
	text = first_text(t, dict);
	info->is_new = text && !py_info()->debug && was_made(t, text, dict);
	info->is_tracked = !py_layout.free_threaded && PY_AT(uintptr_t, dict - GC_HEAD_BYTES, 0) != 0;
	return true;
}

/* ---- its end ---- */

/* Drops what the table of keys holds. The table itself is kept by one reference more, ours. */
static void drop_pairs(void *pairs[][2], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		py.dec(pairs[i][0]);
		py.dec(pairs[i][1]);
	}
}

static void free_keys(char *keys, const struct pt_slot *made)
{
	if (pt_slot_op(made) == pt_memory_op(PT_ALLOC, PT_LAYER_MEM))
		py.mem_free(keys);
	else
		py.object_free(keys);
}

/* A number that was allocated does not go onto a free list (3.14 has one of ints, all have one of floats). */
static unsigned keep_new(const struct thread *t, const struct pt_slot *text, void *pairs[][2], unsigned n, void **kept)
{
	unsigned n_kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (gc_count(pairs[i][1]) != 1 || !find_made(text + 1, t->slots + t->head, block_of(pairs[i][1])))
			continue;
		py.inc(pairs[i][1]);
		kept[n_kept++] = pairs[i][1];
	}
	return n_kept;
}

bool gc_info_empty(struct thread *t, char *dict)
{
	const struct pt_slot *text = first_text(t, dict), *keys_made;
	struct pt_slot copy;
	char *keys = PY_AT(char *, dict, py_layout.dict_keys);
	void *pairs[PAIRS_MAX][2], *kept[PAIRS_MAX];
	unsigned n = 0, n_kept;
	intptr_t at = 0;

	if (!text || py_info()->debug || !is_interpreters_own(dict))
		return false;
	while (n < PAIRS_MAX && py.dict_next(dict, &at, &pairs[n][0], &pairs[n][1]))
		n++;
	if (n == PAIRS_MAX)
		return false;
	n_kept = keep_new(t, text, pairs, n, kept);
	keys_made = find_made(text + 1, t->slots + t->head, block_of(keys));
	if (keys_made) {
		copy = *keys_made; /* the ring may start anew */
		++*(intptr_t *)keys;
	}
	py.dict_clear(dict);
	if (keys_made) {
		drop_pairs(pairs, n);
		free_keys(keys, &copy);
	}
	while (n_kept)
		py.object_free(kept[--n_kept]);
	return true;
}

static __thread struct {
	void (*after)(void);
	bool is_new;
} given_up __attribute__((tls_model("initial-exec")));

static void set_type(char *object, void *type) { *(void **)(object + py_layout.object_type) = type; }

/* tp_dealloc */
static void info_dies(char *dict)
{
	void (*after)(void) = given_up.after;
	void (*dealloc)(void *);

	memcpy(&dealloc, (char *)py.dict_type + py_layout.object_type + TYPE_DEALLOC_AT + sizeof(void *),
	       sizeof dealloc);
	set_type(dict, py.dict_type);
	if (given_up.is_new) {
		py.untrack(dict);
		py.gc_free(dict);
	} else {
		dealloc(dict);
	}
	after();
}

bool gc_info_then(char *dict, bool is_new, void (*after)(void))
{
	if (!is_interpreters_own(dict))
		return false;
	given_up.after = after;
	given_up.is_new = is_new;
	set_type(dict, dead_type);
	return true;
}

bool gc_info_start(void)
{
	void (*dies)(char *) = info_dies;

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		void *p = py_symbol(wanted[i].name);

		if (!p)
			return false;
		memcpy(wanted[i].at, &p, sizeof p);
	}
	memcpy(dead_type, py.dict_type, TYPE_BYTES);
	memcpy(dead_type + py_layout.object_type + TYPE_DEALLOC_AT + sizeof(void *), &dies, sizeof dies);
	gc_make_immortal(dead_type);
	return true;
}
