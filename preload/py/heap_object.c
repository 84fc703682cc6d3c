/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_object: the record of one object
 *
 * An object is written when it is first met, but for those that will come by a list of the collector, which tells
 * their generation. What has no references of its own is written while its holder's are gone through; the rest waits in
 * heap.work. Containers of CPython are written straight from their tables; what else there is goes through a list of
 * edges first (heap_edges.c).
 */
#include "preload/py/heap_parts.h"

#include <stdlib.h>

enum {
	HEAD_BYTES = 1 + 6 * PT_VARINT_MAX, /* of a record, the number of its edges included */
	EDGE_BYTES = 8,                     /* what an edge takes: addresses have 47 bits */
	NAME_BYTES = 5,                     /* and its name */
	RAW_MAX = 16,
	WIDE = 1 << 12, /* edges beyond which pointers are not looked for among them */
	INTERNED_LEAST = 500,
	INTERNED_LOOKED_AT = 64,
	FROZEN_COUNT = 900000000, /* static objects of 3.11 start a little higher */
};

/* ---- what an object says of itself ---- */

/* Two words in front of it: next (0: not tracked), previous and flags. Without a GIL a byte of the head. */
static unsigned gc_bits(const char *object)
{
	uint64_t next, previous;

	if (py_layout.free_threaded)
		return PY_AT(uint8_t, object, 11);
	next = PY_AT(uint64_t, object, -16);
	previous = PY_AT(uint64_t, object, -8);
	return (next ? 1 : 0) | (unsigned)(previous & 1) << 1;
}

static bool is_gc(const char *object, const struct heap_type *t)
{
	return (t->flags & FLAG_GC) && (!t->is_gc || t->is_gc(object));
}

bool heap_is_tracked(const char *object)
{
	const struct heap_type *t = heap_type_of(object);

	return t && is_gc(object, t) && (gc_bits(object) & 1);
}

/* References that are counted, 0 for an object that counts none. */
static uint64_t count_of(const char *object, unsigned *flags)
{
	if (py_layout.free_threaded) {
		uint32_t local = PY_AT(uint32_t, object, 12);
		int64_t shared = PY_AT(int64_t, object, 16) >> 2;

		if (local == UINT32_MAX)
			return *flags |= PT_OBJECT_IMMORTAL, 0;
		if (PY_AT(uint8_t, object, 11) & 64)
			*flags |= PT_OBJECT_DEFERRED;
		return (uint64_t)(local + shared) & UINT32_MAX;
	}
	if (py_layout.minor >= 12 && PY_AT(int32_t, object, 0) < 0)
		return *flags |= PT_OBJECT_IMMORTAL, 0;
	if (py_layout.minor <= 11 && PY_AT(int64_t, object, 0) >= FROZEN_COUNT)
		return *flags |= PT_OBJECT_IMMORTAL, 0;
	return py_layout.minor >= 14 ? PY_AT(uint32_t, object, 0) : PY_AT(uint64_t, object, 0);
}

static uint64_t bytes_of_str(const char *str)
{
	uint32_t state = PY_AT(uint32_t, str, py_layout.str_state) >> py_layout.str_kind;
	uint64_t length = PY_AT(uint64_t, str, py_layout.str_length);

	if (!(state & PY_STR_COMPACT))
		return py_layout.str_compact + 8u;
	return (state & PY_STR_ASCII ? py_layout.str_ascii : py_layout.str_compact) +
	       (length + 1) * (state & PY_STR_KIND_MASK);
}

static uint64_t bytes_of_int(const char *object)
{
	uint64_t size = PY_AT(uint64_t, object, py_layout.var_size);

	size = py_layout.minor >= 12 ? size >> 3 : (uint64_t)llabs((int64_t)size);
	return py_layout.int_digits + 4 * (size ? size : 1);
}

/* Values behind an instance (3.13 on): one byte says how many there is room for, as many more keep their order. */
static uint64_t bytes_behind(const char *object, const struct heap_type *t)
{
	unsigned capacity;

	if (py_layout.minor < 13 || !(t->flags & FLAG_INLINE_VALUES))
		return 0;
	capacity = PY_AT(uint8_t, object, t->basic);
	return 8 + 8 * capacity + ((capacity + 7u) & ~7u);
}

static uint64_t bytes_of(const char *object, const struct heap_type *t)
{
	if (t->flags & FLAG_STR)
		return t->exact ? bytes_of_str(object) : t->basic;
	if (t->flags & FLAG_INT)
		return bytes_of_int(object);
	if (t->item)
		return t->basic + t->item * (uint64_t)llabs(PY_AT(int64_t, object, py_layout.var_size));
	return t->basic + bytes_behind(object, t);
}

static bool has_weakrefs(const char *object, const struct heap_type *t)
{
	if (py_layout.minor >= 12 && (t->flags & FLAG_MANAGED_WEAKREF))
		return PY_AT(uint64_t, object, py_layout.free_threaded ? -16 : -32);
	return t->weaklist_at > 0 && (unsigned)t->weaklist_at + 8 <= t->basic &&
	       PY_AT(uint64_t, object, t->weaklist_at);
}

static unsigned flags_of(const char *object, const struct heap_type *t)
{
	unsigned flags = 0, gc = is_gc(object, t) ? gc_bits(object) : 0;

	if (gc & 1)
		flags |= PT_OBJECT_TRACKED | heap.generation << PT_OBJECT_GENERATION_SHIFT;
	if (gc & 2)
		flags |= PT_OBJECT_FINALIZED;
	if (heap_is_static(object))
		flags |= PT_OBJECT_STATIC;
	if ((t->flags & FLAG_STR) && (PY_AT(uint32_t, object, py_layout.str_state) & ((1u << py_layout.str_kind) - 1)))
		flags |= PT_OBJECT_INTERNED;
	if (has_weakrefs(object, t))
		flags |= PT_OBJECT_WEAKLY_REFERENCED;
	return flags;
}

/* ---- the record ---- */

/* Begins it, for `n` edges. What is put behind them: finish(). */
static uint8_t *begin(const char *object, const struct heap_type *t, unsigned flags, uint64_t n, uint64_t n_raw)
{
	uint64_t count = count_of(object, &flags);
	uint64_t room = HEAD_BYTES + EDGE_BYTES * n_raw + n * (EDGE_BYTES + NAME_BYTES);
	uint8_t *p = out_room(heap.out, room < out_longest(heap.out) ? room : out_longest(heap.out));

	*p++ = PT_RECORD_OBJECT;
	p = pt_put_varint(p, flags | (n_raw ? PT_OBJECT_RAW : 0));
	p = out_address(heap.out, PT_RECORD_OBJECT, p, (uintptr_t)object);
	p = pt_put_varint(p, t->number);
	p = pt_put_varint(p, count);
	p = pt_put_varint(p, bytes_of(object, t));
	heap.n_objects++;
	heap.n_edges += n;
	return pt_put_varint(p, n);
}

/* As many edges as the longest record takes: the rest is lost, and counted. */
static uint64_t fitting(uint64_t n, unsigned each)
{
	uint64_t most = (out_longest(heap.out) - HEAD_BYTES - EDGE_BYTES * RAW_MAX) / each;

	if (n <= most)
		return n;
	heap.n_cut += n - most;
	return most;
}

/* The same for many items: how many really fit. */
static uint64_t fitting_items(const char *object, const char *const *items, uint64_t n)
{
	uint64_t room = out_longest(heap.out) - HEAD_BYTES - EDGE_BYTES * RAW_MAX, i;

	if (n <= room / EDGE_BYTES)
		return n;
	for (i = 0; i < n; i++) {
		uint64_t delta = pt_zigzag((int64_t)((uintptr_t)items[i] - (uintptr_t)object));
		unsigned bytes = delta ? (70u - (unsigned)__builtin_clzll(delta)) / 7 : 1;

		if (bytes > room)
			break;
		room -= bytes;
	}
	heap.n_cut += n - i;
	return i;
}

static uint8_t *put(uint8_t *p, const char *object, const char *target)
{
	return pt_put_delta(p, (uintptr_t)target, (uintptr_t)object);
}

static uint8_t *put_raw(uint8_t *p, const char *object, const char *const *raw, unsigned n)
{
	if (n)
		p = pt_put_varint(p, n);
	for (unsigned i = 0; i < n; i++)
		p = put(p, object, raw[i]);
	return p;
}

static bool is_pointer_to_block(const char *word)
{
	return !((uintptr_t)word & 7) && (uintptr_t)word >= 1 << 16 && heap_may_be_block(word);
}

/* ---- leaves ---- */

/* What a text that is not in its own block points to. */
static unsigned raw_of_str(const char *str, const char **raw)
{
	uint32_t state = PY_AT(uint32_t, str, py_layout.str_state) >> py_layout.str_kind;
	unsigned at[] = { py_layout.str_compact - 16u, py_layout.str_compact }, n = 0;

	if (state & PY_STR_ASCII)
		return 0;
	for (unsigned i = 0; i < (state & PY_STR_COMPACT ? 1u : 2u); i++)
		if (is_pointer_to_block(heap_word(str, at[i])) && (!n || raw[0] != heap_word(str, at[i])))
			raw[n++] = heap_word(str, at[i]);
	return n;
}

static void write_leaf(const char *object, const struct heap_type *t)
{
	const char *raw[2];
	unsigned n = t->flags & FLAG_STR ? raw_of_str(object, raw) : 0;
	uint8_t *p = begin(object, t, flags_of(object, t), 0, n);

	out_record(heap.out, put_raw(p, object, raw, n));
}

/* ---- lists and tuples ---- */

static void write_items(const char *object, const struct heap_type *t, const char *const *items, uint64_t n,
			const char *buffer)
{
	const char *raw[] = { buffer };
	unsigned n_raw = buffer && is_pointer_to_block(buffer);
	uint64_t written;
	uint8_t *p;

	written = fitting_items(object, items, n);
	p = begin(object, t, flags_of(object, t) | PT_EDGES_INDEXED, written, n_raw);
	for (uint64_t i = 0; i < written; i++)
		p = put(p, object, items[i]);
	out_record(heap.out, put_raw(p, object, raw, n_raw));
	for (uint64_t i = 0; i < n; i++)
		heap_meet(items[i]);
}

static void write_list(const char *object, const struct heap_type *t)
{
	const char *const *items = PY_AT(const char *const *, object, py_layout.list_items);

	write_items(object, t, items, PY_AT(uint64_t, object, py_layout.var_size), (const char *)items);
}

static void write_tuple(const char *object, const struct heap_type *t)
{
	write_items(object, t, (const char *const *)(object + py_layout.tuple_items),
		    PY_AT(uint64_t, object, py_layout.var_size), NULL);
}

/* ---- dicts ---- */

/* The table belongs to this dict; the one of all empty dicts, and those of classes, do not. */
static unsigned raw_of_dict(const char *dict, const struct heap_table *table, const char **raw)
{
	unsigned n = 0;

	if (!table->split && is_pointer_to_block(table->keys))
		raw[n++] = table->keys;
	if (table->values && !table->embedded && is_pointer_to_block(heap_word(dict, py_layout.dict_values)))
		raw[n++] = heap_word(dict, py_layout.dict_values);
	return n;
}

static uint64_t used_entries(const struct heap_table *table)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < table->n; i++)
		n += heap_table_value(table, i) && heap_table_key(table, i);
	return n;
}

static void meet_entries(const struct heap_table *table)
{
	for (uint64_t i = 0; i < table->n; i++) {
		const char *value = heap_table_value(table, i), *key = heap_table_key(table, i);

		if (!value || !key)
			continue;
		heap_meet(key);
		heap_text_key(key);
		heap_meet(value);
	}
}

/* What an instance of a class of dicts holds besides comes first, in heap.named, called by objects that read as the
 * names do, or by address 0. */
static void write_pairs(const char *object, const struct heap_type *t, const struct heap_table *table)
{
	const char *raw[2];
	unsigned n_raw = raw_of_dict(object, table, raw);
	uint64_t n = fitting(used_entries(table) + heap.named.n, 2 * EDGE_BYTES), left = n;
	uint8_t *p = begin(object, t, flags_of(object, t) | PT_EDGES_PAIRS, 2 * n, n_raw);

	for (uint64_t i = 0; i < heap.named.n && left; i++, left--) {
		p = put(p, object, heap.named.at[i].called);
		p = put(p, object, heap.named.at[i].target);
	}
	for (uint64_t i = 0; i < table->n && left; i++)
		if (heap_table_value(table, i) && heap_table_key(table, i)) {
			p = put(p, object, heap_table_key(table, i));
			p = put(p, object, heap_table_value(table, i));
			left--;
		}
	out_record(heap.out, put_raw(p, object, raw, n_raw));
	meet_entries(table);
}

/* ---- what has names ---- */

static bool is_named(const char *word)
{
	for (size_t i = 0; i < heap.named.n; i++)
		if (heap.named.at[i].target == word)
			return true;
	return false;
}

/* Words of the object that lead to memory and are none of its references. */
static unsigned raw_of_object(const char *object, const struct heap_type *t, const char **raw)
{
	unsigned n = 0;
	uint64_t own = bytes_of(object, t);

	if (!t->may_scan || heap.named.n > WIDE)
		return 0;
	for (unsigned at = heap_head(); at + 8 <= t->basic && n < RAW_MAX; at += 8) {
		const char *word = heap_word(object, at);

		if (at != (unsigned)t->weaklist_at && is_pointer_to_block(word) &&
		    (uintptr_t)word - (uintptr_t)object >= own && !is_named(word))
			raw[n++] = word;
	}
	return n;
}

static void write_named(const char *object, const struct heap_type *t, unsigned flags)
{
	const char *raw[RAW_MAX];
	unsigned n_raw = raw_of_object(object, t, raw);
	uint64_t n = fitting(heap.named.n, EDGE_BYTES + NAME_BYTES);
	uint8_t *p = begin(object, t, flags | PT_EDGES_NAMED, n, n_raw);

	for (uint64_t i = 0; i < n; i++) {
		p = put(p, object, heap.named.at[i].target);
		p = pt_put_varint(p, (uint64_t)heap.named.at[i].name << 2 | heap.named.at[i].flags);
	}
	out_record(heap.out, put_raw(p, object, raw, n_raw));
	for (uint64_t i = 0; i < n; i++)
		heap_meet(heap.named.at[i].target);
}

/* The attributes of an instance, in a dict that shares its keys with others: they are named as attributes are. The keys
 * themselves belong to the type. */
static void write_attributes(const char *object, const struct heap_type *t, const struct heap_table *table)
{
	const char *raw[2];
	unsigned n_raw = raw_of_dict(object, table, raw);
	uint8_t *p;

	heap.named.n = 0;
	for (uint64_t i = 0; i < table->n && !table->embedded; i++)
		heap_named_put(heap_table_value(table, i), heap_text_of_str(heap_table_key(table, i)), 0, NULL);
	p = begin(object, t, flags_of(object, t) | PT_EDGES_NAMED, heap.named.n, n_raw);
	for (uint64_t i = 0; i < heap.named.n; i++) {
		p = put(p, object, heap.named.at[i].target);
		p = pt_put_varint(p, (uint64_t)heap.named.at[i].name << 2);
	}
	out_record(heap.out, put_raw(p, object, raw, n_raw));
	for (uint64_t i = 0; i < heap.named.n; i++)
		heap_meet(heap.named.at[i].target);
}

/* The dict of interned strings, which 3.14 and later show to the collector: each is key and value, and neither is
 * counted. */
static bool is_interned(const struct heap_table *table)
{
	unsigned seen = 0;

	for (uint64_t i = 0; i < table->n && seen < INTERNED_LOOKED_AT; i++) {
		const char *key = heap_table_key(table, i), *value = heap_table_value(table, i);

		if (!key || !value)
			continue;
		if (key != value || heap_word(key, py_layout.object_type) != py_symbols.str_type ||
		    !(PY_AT(uint32_t, key, py_layout.str_state) & ((1u << py_layout.str_kind) - 1)))
			return false;
		seen++;
	}
	return seen == INTERNED_LOOKED_AT;
}

static void write_interned(const char *object, const struct heap_type *t, const struct heap_table *table)
{
	heap.named.n = 0;
	for (uint64_t i = 0; i < table->n; i++)
		heap_named_put(heap_table_key(table, i), 0, PT_EDGE_UNCOUNTED, NULL);
	write_named(object, t, flags_of(object, t));
}

static void write_dict(const char *object, const struct heap_type *t)
{
	struct heap_table table;

	if (!heap_table_of_dict(&table, object)) {
		heap.named.n = 0;
		write_named(object, t, flags_of(object, t) | PT_OBJECT_UNREADABLE);
		return;
	}
	if (t->exact && table.split) {
		write_attributes(object, t, &table);
		return;
	}
	if (t->exact && table.n > INTERNED_LEAST && is_interned(&table)) {
		write_interned(object, t, &table);
		return;
	}
	heap.named.n = 0;
	if (!t->exact)
		heap_edges_find(object, t);
	write_pairs(object, t, &table);
	for (uint64_t i = 0; i < heap.named.n; i++)
		heap_meet(heap.named.at[i].target);
}

/* ---- sets and deques ---- */

/* Entries of key and hash; one that was taken out has hash -1. */
static void write_set(const char *object, const struct heap_type *t)
{
	const char *table = heap_word(object, py_layout.set_table), *raw[] = { table };
	uint64_t n_slots = PY_AT(uint64_t, object, py_layout.set_mask) + 1, n = 0;
	unsigned n_raw = (uintptr_t)table - (uintptr_t)object >= t->basic && is_pointer_to_block(table);
	uint8_t *p;

	for (uint64_t i = 0; i < n_slots; i++)
		n += PY_AT(char *, table, 16 * i) && PY_AT(int64_t, table, 16 * i + 8) != -1;
	n = fitting(n, EDGE_BYTES);
	p = begin(object, t, flags_of(object, t) | PT_EDGES_PLAIN, n, n_raw);
	for (uint64_t i = 0, left = n; i < n_slots && left; i++)
		if (PY_AT(char *, table, 16 * i) && PY_AT(int64_t, table, 16 * i + 8) != -1) {
			p = put(p, object, heap_word(table, 16 * i));
			left--;
		}
	out_record(heap.out, put_raw(p, object, raw, n_raw));
	for (uint64_t i = 0; i < n_slots; i++)
		if (PY_AT(char *, table, 16 * i) && PY_AT(int64_t, table, 16 * i + 8) != -1)
			heap_meet(heap_word(table, 16 * i));
}

/* Items as tp_traverse gives them; what else it holds comes behind them. */
static void write_deque(const char *object, const struct heap_type *t)
{
	const char *raw[RAW_MAX];
	unsigned n_raw;
	uint64_t n;

	heap_edges_find(object, t);
	n_raw = raw_of_object(object, t, raw);
	for (size_t i = 0; i < heap.named.n; i++)
		heap_refs_put(&heap.visited, heap.named.at[i].target);
	n = fitting(heap.visited.n, EDGE_BYTES);
	{
		uint8_t *p = begin(object, t, flags_of(object, t) | PT_EDGES_INDEXED, n, n_raw);

		for (uint64_t i = 0; i < n; i++)
			p = put(p, object, heap.visited.at[i]);
		out_record(heap.out, put_raw(p, object, raw, n_raw));
	}
	for (uint64_t i = 0; i < n; i++)
		heap_meet(heap.visited.at[i]);
}

/* ---- one object ---- */

static void write_object(const char *object, const struct heap_type *t)
{
	heap.object = object;
	heap.type = t;
	if (t->kind == KIND_LEAF || t->kind == KIND_HELD)
		write_leaf(object, t);
	else if (t->kind == KIND_LIST && t->exact)
		write_list(object, t);
	else if (t->kind == KIND_TUPLE && t->exact)
		write_tuple(object, t);
	else if (t->kind == KIND_DICT)
		write_dict(object, t);
	else if (t->kind == KIND_SET)
		write_set(object, t);
	else if (t->kind == KIND_DEQUE)
		write_deque(object, t);
	else {
		heap_edges_find(object, t);
		write_named(object, t, flags_of(object, t));
		heap_text_named(object, t);
	}
}

void heap_meet(const char *object)
{
	const struct heap_type *t;

	if (!object || heap_is_marked(object, HEAP_SEEN))
		return;
	heap.object = object;
	heap.type = NULL;
	t = heap_type_of(object);
	if (!t) {
		heap.n_unknown += heap_mark(object, HEAP_SEEN);
		return;
	}
	if (heap.lists_are_complete && (t->flags & FLAG_GC) && is_gc(object, t) && (gc_bits(object) & 1))
		return;
	if (!heap_mark(object, HEAP_SEEN))
		return;
	if (t->kind == KIND_LEAF)
		write_leaf(object, t);
	else if (!heap_refs_put(&heap.work, object))
		heap.n_unreadable++;
}

void heap_meet_tracked(const char *object)
{
	const struct heap_type *t;

	heap.object = object;
	heap.type = NULL;
	t = heap_type_of(object);
	if (!heap_mark(object, HEAP_SEEN))
		return;
	if (t)
		write_object(object, t);
	else
		heap.n_unknown++;
}

void heap_drain(void)
{
	while (heap.work.n) {
		const char *object = heap.work.at[--heap.work.n];

		heap.type = NULL;
		heap.object = object;
		write_object(object, heap_type_of(object));
	}
}

void heap_give_up(void)
{
	const struct heap_type *t = heap.type;
	uint8_t *p;

	heap.n_unreadable++;
	heap_mark(heap.object, HEAP_SEEN);
	if (!t)
		return;
	heap.type = NULL;
	p = begin(heap.object, t, PT_OBJECT_UNREADABLE | PT_EDGES_NAMED, 0, 0);
	out_record(heap.out, p);
}
