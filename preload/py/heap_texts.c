/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_texts: what things are called
 *
 * Names of edges are strings of the snapshot. Most are the same few str objects and constants again and again, so
 * their numbers are kept in a small table by address. Keys of dicts are too many for that: they have TEXT records of
 * their own, cut short, and are named by their address.
 */
#include "preload/py/heap_parts.h"
#include "preload/py/peek.h"

#include <string.h>

enum {
	KEPT_BITS = 12,
	NAME_BYTES = 256,
	TEXT_BYTES = 48,
	TUPLE_ITEMS = 4,
	DEEP = 2,
};

/* ---- strings ---- */

static struct kept {
	const char *address;
	uint32_t number;
} kept[1 << KEPT_BITS];

static struct kept *place_of(const char *address)
{
	return &kept[(uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15) >> (64 - KEPT_BITS)];
}

/* A string constant's address does not change; see heap_parts.h. */
uint32_t heap_text_string(const char *text)
{
	struct kept *k = place_of(text);

	if (k->address == text)
		return k->number;
	*k = (struct kept){ text, out_string(heap.out, text, strlen(text)) };
	return k->number;
}

static bool is_str(const char *object)
{
	const char *type = heap_word(object, py_layout.object_type);

	return type == py_symbols.str_type ||
	       (!((uintptr_t)type & 7) && (PY_AT(uint64_t, type, py_layout.type_flags) & FLAG_STR));
}

/* A class made of str has its text apart from the object. */
static struct piece text_of(const char *str, char *buf, size_t cap)
{
	if (heap_word(str, py_layout.object_type) != py_symbols.str_type)
		return (struct piece){ "?", 1 };
	return py_text(str, buf, cap);
}

uint32_t heap_text_of_str(const char *str)
{
	struct kept *k = place_of(str);
	char buf[NAME_BYTES];
	struct piece text;

	if (!str || !is_str(str))
		return 0;
	if (k->address == str)
		return k->number;
	text = text_of(str, buf, sizeof buf);
	*k = (struct kept){ str, out_string(heap.out, text.data, text.bytes) };
	return k->number;
}

/* ---- TEXT records ---- */

static void put(const char *object, const char *text, size_t bytes)
{
	uint8_t *p = out_room(heap.out, 1 + 2 * PT_VARINT_MAX + bytes);

	*p++ = PT_RECORD_TEXT;
	p = out_address(heap.out, PT_RECORD_TEXT, p, (uintptr_t)object);
	p = pt_put_varint(p, bytes);
	memcpy(p, text, bytes);
	out_record(heap.out, p + bytes);
}

struct line {
	char text[TEXT_BYTES];
	size_t n;
};

static void add(struct line *l, const char *text, size_t bytes)
{
	if (bytes > sizeof l->text - l->n)
		bytes = sizeof l->text - l->n;
	memcpy(l->text + l->n, text, bytes);
	l->n += bytes;
}

static void add_int(struct line *l, const char *object)
{
	uint64_t size = PY_AT(uint64_t, object, py_layout.var_size), value;
	bool negative = py_layout.minor >= 12 ? (size & 3) == 2 : (int64_t)size < 0;
	char digits[20];
	size_t n = 0;

	size = py_layout.minor >= 12 ? size >> 3 : negative ? -size : size;
	if (size > 2) {
		add(l, "int", 3);
		return;
	}
	value = size ? PY_AT(uint32_t, object, py_layout.int_digits) : 0;
	value |= size > 1 ? (uint64_t)PY_AT(uint32_t, object, py_layout.int_digits + 4) << 30 : 0;
	for (; !n || value; value /= 10)
		digits[sizeof digits - ++n] = (char)('0' + value % 10);
	if (negative)
		add(l, "-", 1);
	add(l, digits + sizeof digits - n, n);
}

static bool add_key(struct line *l, const char *key, bool quoted, int depth);

static bool add_tuple(struct line *l, const char *tuple, int depth)
{
	uint64_t n = PY_AT(uint64_t, tuple, py_layout.var_size);

	if (n > TUPLE_ITEMS || depth >= DEEP)
		return false;
	add(l, "(", 1);
	for (uint64_t i = 0; i < n; i++) {
		if (i)
			add(l, ", ", 2);
		if (!add_key(l, heap_word(tuple, py_layout.tuple_items + 8 * (unsigned)i), true, depth + 1))
			return false;
	}
	add(l, n == 1 ? ",)" : ")", n == 1 ? 2 : 1);
	return true;
}

/* Whether it is one of the things that can be told in a few characters. */
static bool add_key(struct line *l, const char *key, bool quoted, int depth)
{
	const struct heap_type *t = key ? heap_type_of(key) : NULL;
	struct piece text;
	char buf[TEXT_BYTES];

	if (!t || !t->exact)
		return false;
	if (t->address == py_symbols.str_type) {
		text = text_of(key, buf, sizeof buf);
		add(l, "'", quoted);
		add(l, text.data, text.bytes);
		add(l, "'", quoted);
		return true;
	}
	if (t->address == py_symbols.int_type)
		return add_int(l, key), true;
	return t->kind == KIND_TUPLE && add_tuple(l, key, depth);
}

/* Most are str: those are written as they lie. */
void heap_text_key(const char *key)
{
	struct line l = { .n = 0 };
	struct piece text;

	if (!heap_mark(key, HEAP_TEXT))
		return;
	if (heap_word(key, py_layout.object_type) == py_symbols.str_type) {
		text = py_text(key, l.text, sizeof l.text);
		put(key, text.data, text.bytes);
	} else if (add_key(&l, key, false, 0)) {
		put(key, l.text, l.n);
	}
}

static void put_str(const char *object, const char *str)
{
	char buf[NAME_BYTES];
	struct piece text;

	if (!str || !is_str(str))
		return;
	text = text_of(str, buf, sizeof buf);
	put(object, text.data, text.bytes);
}

void heap_text_named(const char *object, const struct heap_type *t)
{
	char name[PY_TYPE_NAME_MAX];
	size_t bytes;

	if (t->kind == KIND_TYPE) {
		bytes = py_type_name(object, name);
		if (bytes)
			put(object, name, bytes);
	} else if (t->is_module) {
		put_str(object, heap_word(object, py_layout.module_name));
	} else if (t->is_function) {
		put_str(object, heap_word(object, py_layout.func_qualname));
	} else if (t->kind == KIND_CODE) {
		put_str(object, heap_word(object, py_layout.code_name));
	} else if (t->kind == KIND_GENERATOR) {
		put_str(object, heap_word(object, py_layout.gen_qualname));
	} else if (t->kind == KIND_FRAME && py_layout.minor <= 10) {
		put_str(object, heap_word(heap_word(object, py_layout.frame_code), py_layout.code_name));
	}
}
