/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_record: the record of one object: its head, what it says of itself, named edges, raw pointers
 *
 * Containers of CPython are written straight from their tables (heap_containers.c); what else there is goes through a
 * list of edges first (heap_edges.c), and is written here.
 */
#include "preload/py/heap/heap_parts.h"

#include <stdlib.h>

enum {
	PERMANENT = 3,  /* the generation that is never collected */
	WIDE = 1 << 12, /* edges beyond which pointers are not looked for among them */
};

/* ---- what an object says of itself ---- */

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

/* From 3.11 on the types of frames and generators have an item size, but their objects no count: another field is where
 * that would be. */
static bool counts_items(const struct heap_type *t)
{
	return t->item && (py_layout.minor < 11 || (t->kind != KIND_FRAME && t->kind != KIND_GENERATOR));
}

uint64_t heap_record_bytes(const char *object, const struct heap_type *t)
{
	if (t->flags & FLAG_STR)
		return t->exact ? bytes_of_str(object) : t->basic;
	if (t->flags & FLAG_INT)
		return bytes_of_int(object);
	if (counts_items(t))
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

/* Containers with a limit, which is negative when there is none: words behind the head. A deque has its number of
 * items, the first and the last block, where they begin and end, and a state before it; a cache what heap_fields.c says
 * of it. */
static bool is_bounded(const char *object, const struct heap_type *t)
{
	enum { MAXLEN = 6, MAXSIZE = 10, MOST = 1 << 30 };
	int64_t limit = t->kind == KIND_DEQUE   ? PY_AT(int64_t, object, heap_head() + 8 * MAXLEN)
			: t->kind == KIND_CACHE ? PY_AT(int64_t, object, heap_head() + 8 * MAXSIZE)
						: -1;

	return limit >= 0 && limit < MOST;
}

/* Without a GIL there are none, but a bit for what is set apart. */
static unsigned generation(unsigned gc)
{
	return py_layout.free_threaded && gc & HEAP_GC_FROZEN ? PERMANENT : heap.generation;
}

unsigned heap_record_flags(const char *object, const struct heap_type *t)
{
	unsigned flags = 0, gc = heap_is_gc(object, t) ? heap_gc_bits(object) : 0;

	if (gc & HEAP_GC_TRACKED)
		flags |= PT_OBJECT_TRACKED | generation(gc) << PT_OBJECT_GENERATION_SHIFT;
	if (gc & HEAP_GC_FINALIZED)
		flags |= PT_OBJECT_FINALIZED;
	if (heap_is_static(object))
		flags |= PT_OBJECT_STATIC;
	if ((t->flags & FLAG_STR) && (PY_AT(uint32_t, object, py_layout.str_state) & ((1u << py_layout.str_kind) - 1)))
		flags |= PT_OBJECT_INTERNED;
	if (has_weakrefs(object, t))
		flags |= PT_OBJECT_WEAKLY_REFERENCED;
	if (is_bounded(object, t))
		flags |= PT_OBJECT_BOUNDED;
	return flags;
}

/* ---- the record ---- */

/* Begins it, for `n` edges. What is put behind them: finish(). */
uint8_t *heap_record_begin(const char *object, const struct heap_type *t, unsigned flags, uint64_t n, uint64_t n_raw)
{
	uint64_t count = heap_counts_of(object, &flags);
	uint64_t room = HEAP_HEAD_BYTES + HEAP_EDGE_BYTES * n_raw + n * (HEAP_EDGE_BYTES + HEAP_NAME_BYTES);
	uint8_t *p = out_room(heap.out, room < out_longest(heap.out) ? room : out_longest(heap.out));

	*p++ = PT_RECORD_OBJECT;
	p = pt_put_varint(p, flags | (n_raw ? PT_OBJECT_RAW : 0));
	p = out_address(heap.out, PT_RECORD_OBJECT, p, (uintptr_t)object);
	p = pt_put_varint(p, t->number);
	p = pt_put_varint(p, count);
	p = pt_put_varint(p, heap_record_bytes(object, t));
	heap.record_edges = n;
	return pt_put_varint(p, n);
}

/* As many edges as the longest record takes: the rest is lost, and counted. */
uint64_t heap_record_fitting(uint64_t n, unsigned each)
{
	uint64_t most = (out_longest(heap.out) - HEAP_HEAD_BYTES - HEAP_EDGE_BYTES * HEAP_RAW_MAX) / each;

	if (n <= most)
		return n;
	heap.n_cut += n - most;
	return most;
}

uint8_t *heap_record_raw(uint8_t *p, const char *object, const char *const *raw, unsigned n)
{
	if (n)
		p = pt_put_varint(p, n);
	for (unsigned i = 0; i < n; i++)
		p = heap_record_put(p, object, raw[i]);
	return p;
}

bool heap_record_may_own(const char *word)
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
		if (heap_record_may_own(heap_word(str, at[i])) && (!n || raw[0] != heap_word(str, at[i])))
			raw[n++] = heap_word(str, at[i]);
	return n;
}

void heap_record_leaf(const char *object, const struct heap_type *t)
{
	const char *raw[2];
	unsigned n = t->flags & FLAG_STR ? raw_of_str(object, raw) : 0;
	uint8_t *p = heap_record_begin(object, t, heap_record_flags(object, t), 0, n);

	heap_record_end(heap_record_raw(p, object, raw, n));
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
unsigned heap_record_scan(const char *object, const struct heap_type *t, const char **raw)
{
	const char *values = py_layout.minor <= 12 ? heap_edges_values(object, t) : NULL;
	uint64_t own = heap_record_bytes(object, t);
	unsigned n = 0;

	if (values && heap_record_may_own(values))
		heap_own(raw[n++] = heap_record_values(values));
	if (t->kind == KIND_LIST && heap_record_may_own(heap_word(object, py_layout.list_items)))
		heap_own(raw[n++] = heap_word(object, py_layout.list_items) - (py_layout.free_threaded ? 8 : 0));
	if (!t->may_scan || heap.named.n > WIDE)
		return n;
	for (unsigned at = heap_head(); at + 8 <= t->basic && n < HEAP_RAW_MAX; at += 8) {
		const char *word = heap_word(object, at);

		if (at != (unsigned)t->weaklist_at && heap_record_may_own(word) &&
		    (uintptr_t)word - (uintptr_t)object >= own && !is_named(word))
			raw[n++] = word;
	}
	return n;
}

void heap_record_named(const char *object, const struct heap_type *t, unsigned flags)
{
	const char *raw[HEAP_RAW_MAX];
	unsigned n_raw = heap_record_scan(object, t, raw);
	uint64_t n = heap_record_fitting(heap.named.n, HEAP_EDGE_BYTES + HEAP_NAME_BYTES);
	uint8_t *p = heap_record_begin(object, t, flags | PT_EDGES_NAMED, n, n_raw);

	for (uint64_t i = 0; i < n; i++) {
		p = heap_record_put(p, object, heap.named.at[i].target);
		p = pt_put_varint(p, (uint64_t)heap.named.at[i].name << 2 | heap.named.at[i].flags);
	}
	heap_record_end(heap_record_raw(p, object, raw, n_raw));
	for (uint64_t i = 0; i < n; i++)
		heap_meet(heap.named.at[i].target);
}
