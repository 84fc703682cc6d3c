/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_containers: records of lists, tuples, dicts, sets and deques, straight from their tables
 *
 * A container may be most of the program's memory, so nothing is copied: a record is as long as it must be, and its
 * edges are gone through again when it is written.
 */
#include "preload/py/heap/heap_parts.h"

enum {
	INTERNED_LEAST = 500,
	INTERNED_LOOKED_AT = 64,
};

/* ---- lists and tuples ---- */

/* How many items of many fit into one record, by their real size. */
static uint64_t fitting_items(const char *object, const char *const *items, uint64_t n)
{
	uint64_t room = out_longest(heap.out) - HEAP_HEAD_BYTES - HEAP_EDGE_BYTES * HEAP_RAW_MAX, i;

	if (n <= room / HEAP_EDGE_BYTES)
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

static void write_items(const char *object, const struct heap_type *t, const char *const *items, uint64_t n,
			const char *buffer)
{
	/* without a GIL its size stands before the items */
	const char *raw[] = { buffer && py_layout.free_threaded ? buffer - 8 : buffer };
	unsigned n_raw = buffer && heap_record_may_own(buffer);
	uint64_t written;
	uint8_t *p;

	written = fitting_items(object, items, n);
	p = heap_record_begin(object, t, heap_record_flags(object, t) | PT_EDGES_INDEXED, written, n_raw);
	for (uint64_t i = 0; i < written; i++)
		p = heap_record_put(p, object, items[i]);
	heap_record_end(heap_record_raw(p, object, raw, n_raw));
	if (n_raw)
		heap_own(*raw);
	for (uint64_t i = 0; i < n; i++) {
		if (n > HEAP_FETCHED_MOST && n - i > HEAP_FETCHED_AHEAD)
			__builtin_prefetch(items[i + HEAP_FETCHED_AHEAD]);
		heap_meet(items[i]);
	}
}

void heap_containers_list(const char *object, const struct heap_type *t)
{
	const char *const *items = PY_AT(const char *const *, object, py_layout.list_items);

	write_items(object, t, items, PY_AT(uint64_t, object, py_layout.var_size), (const char *)items);
}

void heap_containers_tuple(const char *object, const struct heap_type *t)
{
	write_items(object, t, (const char *const *)(object + py_layout.tuple_items),
		    PY_AT(uint64_t, object, py_layout.var_size), NULL);
}

/* ---- dicts ---- */

/* The table belongs to this dict; the one of all empty dicts, and those of classes, do not. */
static unsigned raw_of_dict(const char *dict, const struct heap_table *table, const char **raw)
{
	const char *values = heap_word(dict, py_layout.dict_values);
	unsigned n = 0;

	if (!table->split && heap_record_may_own(table->keys))
		heap_own(raw[n++] = table->keys);
	if (values && !table->embedded && heap_record_may_own(values))
		heap_own(raw[n++] =
				 py_layout.minor == 11 || py_layout.minor == 12 ? heap_record_values(values) : values);
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
	uint64_t n = heap_record_fitting(used_entries(table) + heap.named.n, 2 * HEAP_EDGE_BYTES), left = n;
	uint8_t *p = heap_record_begin(object, t, heap_record_flags(object, t) | PT_EDGES_PAIRS, 2 * n, n_raw);

	for (uint64_t i = 0; i < heap.named.n && left; i++, left--) {
		p = heap_record_put(p, object, heap.named.at[i].called);
		p = heap_record_put(p, object, heap.named.at[i].target);
	}
	for (uint64_t i = 0; i < table->n && left; i++)
		if (heap_table_value(table, i) && heap_table_key(table, i)) {
			p = heap_record_put(p, object, heap_table_key(table, i));
			p = heap_record_put(p, object, heap_table_value(table, i));
			left--;
		}
	heap_record_end(heap_record_raw(p, object, raw, n_raw));
	meet_entries(table);
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
	p = heap_record_begin(object, t, heap_record_flags(object, t) | PT_EDGES_NAMED, heap.named.n, n_raw);
	for (uint64_t i = 0; i < heap.named.n; i++) {
		p = heap_record_put(p, object, heap.named.at[i].target);
		p = pt_put_varint(p, (uint64_t)heap.named.at[i].name << 2);
	}
	heap_record_end(heap_record_raw(p, object, raw, n_raw));
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
	heap_record_named(object, t, heap_record_flags(object, t));
}

void heap_containers_dict(const char *object, const struct heap_type *t)
{
	struct heap_table table;

	if (!heap_table_of_dict(&table, object)) {
		heap.named.n = 0;
		heap_record_named(object, t, heap_record_flags(object, t) | PT_OBJECT_UNREADABLE);
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
void heap_containers_set(const char *object, const struct heap_type *t)
{
	const char *table = heap_word(object, py_layout.set_table), *raw[] = { table };
	uint64_t n_slots = PY_AT(uint64_t, object, py_layout.set_mask) + 1, n = 0;
	unsigned n_raw = (uintptr_t)table - (uintptr_t)object >= t->basic && heap_record_may_own(table);
	uint8_t *p;

	for (uint64_t i = 0; i < n_slots; i++)
		n += PY_AT(char *, table, 16 * i) && PY_AT(int64_t, table, 16 * i + 8) != -1;
	n = heap_record_fitting(n, HEAP_EDGE_BYTES);
	p = heap_record_begin(object, t, heap_record_flags(object, t) | PT_EDGES_PLAIN, n, n_raw);
	for (uint64_t i = 0, left = n; i < n_slots && left; i++)
		if (PY_AT(char *, table, 16 * i) && PY_AT(int64_t, table, 16 * i + 8) != -1) {
			p = heap_record_put(p, object, heap_word(table, 16 * i));
			left--;
		}
	heap_record_end(heap_record_raw(p, object, raw, n_raw));
	if (n_raw)
		heap_own(table);
	for (uint64_t i = 0; i < n_slots; i++)
		if (PY_AT(char *, table, 16 * i) && PY_AT(int64_t, table, 16 * i + 8) != -1)
			heap_meet(heap_word(table, 16 * i));
}

/* Its blocks: a link to the one before, items, a link to the next one. */
static void own_blocks(const char *deque)
{
	enum { ITEMS = 64 };
	const char *block = heap_word(deque, heap_head() + 8), *last = heap_word(deque, heap_head() + 16);
	uint64_t most = PY_AT(uint64_t, deque, py_layout.var_size) / ITEMS + 2;

	for (; heap_record_may_own(block) && most; block = heap_word(block, 8 + 8 * ITEMS), most--) {
		heap_own(block);
		if (block == last)
			break;
	}
}

/* Items as tp_traverse gives them; what else it holds comes behind them. */
void heap_containers_deque(const char *object, const struct heap_type *t)
{
	const char *raw[HEAP_RAW_MAX];
	unsigned n_raw;
	uint64_t n;

	heap_edges_find(object, t);
	n_raw = heap_record_scan(object, t, raw);
	for (size_t i = 0; i < heap.named.n; i++)
		heap_refs_put(&heap.visited, heap.named.at[i].target);
	n = heap_record_fitting(heap.visited.n, HEAP_EDGE_BYTES);
	{
		uint8_t *p = heap_record_begin(object, t, heap_record_flags(object, t) | PT_EDGES_INDEXED, n, n_raw);

		for (uint64_t i = 0; i < n; i++)
			p = heap_record_put(p, object, heap.visited.at[i]);
		heap_record_end(heap_record_raw(p, object, raw, n_raw));
	}
	own_blocks(object);
	for (uint64_t i = 0; i < n; i++)
		heap_meet(heap.visited.at[i]);
}
