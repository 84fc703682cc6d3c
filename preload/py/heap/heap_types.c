/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_types: the types of a snapshot
 *
 * A type is looked at when its first object is met: what it says of its objects' memory is copied into a struct of
 * ours, so that an object costs one look into a table. What is no type is known by its own type, which must be one of
 * types.
 */
#include "preload/py/heap/heap_parts.h"

#include <string.h>

#include "preload/py/peek.h"

enum {
	FIRST_SLOTS = 1 << 12,
	PIECE_BYTES = 1 << 18,
	METATYPES_MAX = 4,
	SANE_BASIC_BYTES = 1 << 24,
	SANE_ITEM_BYTES = 1 << 20,
	SHARED_KEYS_MAX = 256,
	SHIFTS = 8, /* words that a build may have more or less in front of what interpreters keep of static types */
	BASES_MAX = 200,
};

/* ---- memory for what stays ---- */

static void *take(size_t bytes)
{
	static char *at;
	static size_t left;
	char *p;

	bytes = (bytes + 15) & ~(size_t)15;
	if (bytes > left) {
		left = bytes > PIECE_BYTES ? bytes : PIECE_BYTES;
		at = out_memory(heap.out, left);
		if (!at)
			left = 0;
	}
	if (!at)
		return NULL;
	p = at;
	at += bytes;
	left -= bytes;
	return p;
}

void *heap_types_memory(size_t bytes) { return take(bytes); }

/* ---- what interpreters keep of static types ---- */

static const char *main_interpreter(void) { return PY_AT(char *, py_symbols.runtime, py_layout.run_main); }

/* Entry of the type in one of the arrays; NULL. A type knows its index there: it stands where others have their
 * subclasses. */
static const char *entry_in(const char *type, uint32_t array, uint32_t bytes, intptr_t shift)
{
	uint64_t index = PY_AT(uint64_t, type, py_layout.type_subclasses) - 1;
	const char *entry = main_interpreter() + array + shift + index * py_layout.static_bytes;

	if (!array || index >= bytes / py_layout.static_bytes)
		return NULL;
	return PY_AT(char *, entry, py_layout.static_type) == type ? entry : NULL;
}

static intptr_t find_shift(void)
{
	for (int i = 0; i <= 2 * SHIFTS; i++) {
		intptr_t shift = 8 * (i & 1 ? -(i + 1) / 2 : i / 2);

		if (entry_in(py_symbols.int_type, py_layout.interp_types, py_layout.interp_types_bytes, shift) &&
		    entry_in(py_symbols.str_type, py_layout.interp_types, py_layout.interp_types_bytes, shift))
			return shift;
	}
	return 1;
}

/* 1: there are no such arrays, or they are elsewhere. */
static intptr_t shift_of_arrays(void)
{
	static intptr_t shift;
	static bool known;

	if (!known)
		shift = py_layout.interp_types ? find_shift() : 1;
	known = true;
	return shift;
}

const char *heap_type_entry(const char *interp, uint32_t array, uint32_t i)
{
	intptr_t shift = shift_of_arrays();

	return shift == 1 ? NULL : interp + array + shift + i * (size_t)py_layout.static_bytes;
}

/* NULL: it is no static type whose parts are kept apart. */
static const char *kept_apart(const char *type)
{
	intptr_t shift = shift_of_arrays();
	const char *entry;

	if (shift == 1 || (PY_AT(uint64_t, type, py_layout.type_flags) & FLAG_HEAP))
		return NULL;
	entry = entry_in(type, py_layout.interp_types, py_layout.interp_types_bytes, shift);
	return entry ? entry : entry_in(type, py_layout.interp_extensions, py_layout.interp_extensions_bytes, shift);
}

const char *heap_type_dict(const char *type)
{
	const char *entry = kept_apart(type);

	return entry ? PY_AT(char *, entry, py_layout.static_dict) : PY_AT(char *, type, py_layout.type_dict);
}

const char *heap_type_subclasses(const char *type)
{
	const char *entry = kept_apart(type), *in_type = PY_AT(char *, type, py_layout.type_subclasses);

	if (entry)
		return PY_AT(char *, entry, py_layout.static_subclasses);
	return (uintptr_t)in_type > UINT16_MAX ? in_type : NULL;
}

const char *heap_type_key(const char *type, const char *name)
{
	struct heap_table t;

	for (int i = 0; type && i < BASES_MAX; i++, type = PY_AT(char *, type, py_layout.type_base)) {
		const char *dict = heap_type_dict(type);

		if (!dict || !heap_table_of_dict(&t, dict))
			continue;
		for (uint64_t e = 0; e < t.n; e++)
			if (heap_table_value(&t, e) && py_text_is(heap_table_key(&t, e), name))
				return heap_table_key(&t, e);
	}
	return NULL;
}

/* ---- looking at a type ---- */

static bool may_be_type(const char *p)
{
	return !((uintptr_t)p & 7) && (uintptr_t)p >= 1 << 16 && !((uintptr_t)p >> 47) &&
	       (heap_is_static(p) || heap_may_be_block(p));
}

/* Some of CPython's own never are, like that of lru_cache's elements up to 3.9. */
static bool is_ready(const char *type)
{
	return (PY_AT(uint64_t, type, py_layout.type_flags) & FLAG_READY) || heap_is_static(type);
}

static bool is_type(const char *type)
{
	const char *meta = type;

	for (int i = 0; i < METATYPES_MAX; i++) {
		if (!may_be_type(meta) || !is_ready(meta) ||
		    PY_AT(uint64_t, meta, py_layout.type_size) > SANE_BASIC_BYTES ||
		    PY_AT(uint64_t, meta, py_layout.type_item_size) > SANE_ITEM_BYTES)
			return false;
		if (i && !(PY_AT(uint64_t, meta, py_layout.type_flags) & FLAG_TYPE))
			return false;
		if (PY_AT(char *, meta, py_layout.object_type) == meta)
			return true;
		meta = PY_AT(char *, meta, py_layout.object_type);
	}
	return false;
}

static void write_type(struct heap_type *t, const struct pt_type *head, const char *name, size_t bytes)
{
	uint32_t string = out_string(heap.out, name, bytes);
	uint8_t *p = out_room(heap.out, 1 + 6 * PT_VARINT_MAX);

	*p++ = PT_RECORD_TYPE;
	p = pt_put_varint(p, (uintptr_t)t->address);
	p = pt_put_varint(p, head->flags);
	p = pt_put_varint(p, head->basic_bytes);
	p = pt_put_varint(p, head->item_bytes);
	p = pt_put_varint(p, head->before_bytes);
	out_record(heap.out, pt_put_varint(p, string));
}

static struct heap_type *look_at(const char *type)
{
	struct heap_type *t;
	char name[PY_TYPE_NAME_MAX];
	struct pt_type head;
	size_t bytes;

	if (!is_type(type) || !(t = take(sizeof *t)))
		return NULL;
	bytes = py_type_name(type, name);
	head = py_type_describe(type, name, bytes);
	*t = (struct heap_type){
		.address = type,
		.flags = PY_AT(uint64_t, type, py_layout.type_flags),
		.number = heap.n_types + 1,
		.basic = head.basic_bytes,
		.item = head.item_bytes,
		.before = head.before_bytes,
		.dict_at = (int32_t)PY_AT(int64_t, type, py_layout.type_dict_at),
		.weaklist_at = (int32_t)PY_AT(int64_t, type, py_layout.type_weaklist_at),
	};
	memcpy(&t->traverse, type + py_layout.type_traverse, sizeof t->traverse);
	memcpy(&t->is_gc, type + py_layout.type_is_gc, sizeof t->is_gc);
	t->is_class = t->flags & FLAG_HEAP;
	heap_fields_kind(t);
	heap_fields_find(t);
	if (t->kind == KIND_DICT) {
		t->class_key = heap_type_key(type, "__class__");
		t->dict_key = heap_type_key(type, "__dict__");
	}
	write_type(t, &head, bytes ? name : "?", bytes ? bytes : 1);
	return t;
}

/* ---- the table ---- */

static uint32_t place_of(const char *type)
{
	return (uint32_t)(((uintptr_t)type >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (heap.n_type_slots - 1);
}

static struct heap_type **slot_of(const char *type)
{
	uint32_t i = place_of(type);

	while (heap.types[i] && heap.types[i]->address != type)
		i = (i + 1) & (heap.n_type_slots - 1);
	return &heap.types[i];
}

static bool make_room(void)
{
	struct heap_type **old = heap.types;
	uint32_t n = heap.n_type_slots;

	if (heap.n_types < n / 2)
		return true;
	heap.types = out_memory(heap.out, 2 * (size_t)n * sizeof *old);
	if (!heap.types) {
		heap.types = old;
		return false;
	}
	heap.n_type_slots = 2 * n;
	for (uint32_t i = 0; i < n; i++)
		if (old[i])
			*slot_of(old[i]->address) = old[i];
	return true;
}

bool heap_types_start(void)
{
	heap.types = out_memory(heap.out, FIRST_SLOTS * sizeof *heap.types);
	heap.n_type_slots = FIRST_SLOTS;
	return heap.types;
}

const struct heap_type *heap_type_of(const char *object)
{
	const char *type = heap_word(object, py_layout.object_type);
	struct heap_type **slot, *t;

	if (heap.last_type && heap.last_type->address == type)
		return heap.last_type;
	slot = slot_of(type);
	if (!*slot) {
		if (!make_room() || !(t = look_at(type)))
			return NULL;
		*slot_of(type) = t; /* others may have been looked at meanwhile */
		heap.n_types++;
		heap_meet(type);
		return t;
	}
	return heap.last_type = *slot;
}

bool heap_type_is_met(const char *type) { return heap.types && type && *slot_of(type); }

uint32_t heap_type_attribute(const struct heap_type *t, uint32_t i, const char *key)
{
	struct heap_type *mine = (struct heap_type *)(uintptr_t)t;

	if (i >= SHARED_KEYS_MAX)
		return heap_text_of_str(key);
	if (!t->names) {
		mine->names = take(SHARED_KEYS_MAX * sizeof *t->names);
		if (!t->names)
			return heap_text_of_str(key);
	}
	if (!t->names[i])
		mine->names[i] = heap_text_of_str(key);
	return t->names[i];
}
