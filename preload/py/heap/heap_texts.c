/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_texts: what things are called
 *
 * Names of edges are strings of the snapshot. Most are the same few str objects and constants again and again, so
 * their numbers are kept in a small table by address. Keys of dicts are too many for that: they have TEXT records of
 * their own, cut short, and are named by their address.
 */
#include "preload/py/heap/heap_parts.h"
#include "preload/py/peek.h"

#include <string.h>

enum {
	KEPT_BITS = 12,
	NAME_BYTES = 256,
	TEXT_BYTES = 48,
	TUPLE_ITEMS = 4,
	DEEP = 2,
	NAMES_MAX = 1000,
	CODE_NESTED = 0x10, /* co_flags */
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

static void add_number(struct line *l, uint64_t value)
{
	char digits[20];
	size_t n = 0;

	for (; !n || value; value /= 10)
		digits[sizeof digits - ++n] = (char)('0' + value % 10);
	add(l, digits + sizeof digits - n, n);
}

static void add_int(struct line *l, const char *object)
{
	uint64_t size = PY_AT(uint64_t, object, py_layout.var_size), value;
	bool negative = py_layout.minor >= 12 ? (size & 3) == 2 : (int64_t)size < 0;

	size = py_layout.minor >= 12 ? size >> 3 : negative ? -size : size;
	if (size > 2) {
		add(l, "int", 3);
		return;
	}
	value = size ? PY_AT(uint32_t, object, py_layout.int_digits) : 0;
	value |= size > 1 ? (uint64_t)PY_AT(uint32_t, object, py_layout.int_digits + 4) << 30 : 0;
	if (negative)
		add(l, "-", 1);
	add_number(l, value);
}

/* As repr() has them, where they are short. */
static void add_bytes(struct line *l, const char *object)
{
	const char *data = object + py_layout.bytes_data;
	uint64_t n = PY_AT(uint64_t, object, py_layout.var_size);

	add(l, "b'", 2);
	for (uint64_t i = 0; i < n && l->n < sizeof l->text; i++) {
		static const char digits[] = "0123456789abcdef";
		unsigned c = (unsigned char)data[i];

		if (c >= ' ' && c < 127 && c != '\'' && c != '\\')
			add(l, data + i, 1);
		else
			add(l, (char[]){ '\\', 'x', digits[c >> 4], digits[c & 15] }, 4);
	}
	add(l, "'", 1);
}

/* To six places: exact for what people use as keys. */
static bool add_float(struct line *l, const char *object)
{
	double value = PY_AT(double, object, heap_head());
	uint64_t whole, parts;
	char digits[7] = ".";
	unsigned n = 7;

	if (!(value > -1e12 && value < 1e12))
		return false;
	if (value < 0)
		add(l, "-", 1);
	value = value < 0 ? -value : value;
	whole = (uint64_t)(value * 1e6 + 0.5);
	parts = whole % 1000000;
	add_number(l, whole / 1000000);
	for (unsigned i = 6; i > 0; i--, parts /= 10)
		digits[i] = (char)('0' + parts % 10);
	while (n > 2 && digits[n - 1] == '0')
		n--;
	add(l, digits, n);
	return true;
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

static bool add_rare(struct line *l, const char *key, const struct heap_type *t)
{
	const char *type = heap_word(t->address, py_layout.type_name);
	bool is_true;

	if (!strcmp(type, "NoneType"))
		return add(l, "None", 4), true;
	if (!strcmp(type, "float"))
		return add_float(l, key);
	if (strcmp(type, "bool"))
		return false;
	is_true = PY_AT(uint32_t, key, py_layout.int_digits);
	add(l, is_true ? "True" : "False", is_true ? 4 : 5);
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
	if (t->address == py_symbols.bytes_type)
		return add_bytes(l, key), true;
	return t->kind == KIND_TUPLE ? add_tuple(l, key, depth) : add_rare(l, key, t);
}

uint32_t heap_text_entry(const char *what, const char *key)
{
	struct line l = { .n = 0 };

	add(&l, what, strlen(what));
	add(&l, "[", 1);
	if (!add_key(&l, key, true, 0))
		add(&l, "...", 3);
	add(&l, "]", 1);
	return out_string(heap.out, l.text, l.n);
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

/* Names of what a nested function closes over: its cells have none. */
static void put_closure(const char *code)
{
	const char *names = heap_word(code, py_layout.minor <= 10 ? py_layout.code_free : py_layout.code_locals);
	uint64_t n = names ? PY_AT(uint64_t, names, py_layout.var_size) : 0;

	for (uint64_t i = 0; i < n && i < NAMES_MAX; i++)
		heap_text_key(heap_word(names, py_layout.tuple_items + 8 * (unsigned)i));
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
		if (PY_AT(uint32_t, object, py_layout.code_flags) & CODE_NESTED)
			put_closure(object);
	} else if (t->kind == KIND_GENERATOR) {
		put_str(object, heap_word(object, py_layout.gen_qualname));
	} else if (t->kind == KIND_FRAME && py_layout.minor <= 10) {
		put_str(object, heap_word(heap_word(object, py_layout.frame_code), py_layout.code_name));
	}
}
