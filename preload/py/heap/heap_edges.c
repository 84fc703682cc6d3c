/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_edges: what an object refers to, and what those references are called
 *
 * Two sources. tp_traverse reports references without names, and not all of them. What is known of the object's memory
 * (fields, attributes, the type) has names. Both are brought together as multisets: a named reference that is reported
 * too is one reference; one that is not reported is one that the collector does not know of.
 */
#include "preload/py/heap/heap_parts.h"
#include "preload/py/keys.h"

#include <string.h>

enum {
	KEYS_MAX = 1 << 28,
	SPLIT_KEYS = 2, /* kind of keys, 3.11 on */
	FEW = 16,       /* references that are compared one by one */
	NAMED_ITEMS = 1 << 10,
	CACHED_MAX = 1 << 26,
	BASES_MAX = 200,
};

/* ---- dicts ---- */

static bool table_of_keys(struct heap_table *t, const char *keys)
{
	struct py_keys k;

	*t = (struct heap_table){ .keys = keys };
	if (!keys)
		return false;
	py_keys_read(&k, keys);
	t->n = k.n;
	t->entries = k.entries;
	t->stride = k.stride;
	return k.size <= KEYS_MAX && k.n <= k.size;
}

bool heap_table_of_dict(struct heap_table *t, const char *dict)
{
	const char *values = heap_word(dict, py_layout.dict_values);

	if (!table_of_keys(t, heap_word(dict, py_layout.dict_keys)))
		return false;
	if (!values)
		return true;
	t->split = true;
	t->values = values + (py_layout.minor >= 13 ? 8 : 0);
	t->embedded = py_layout.minor >= 13 && PY_AT(uint8_t, values, 2);
	return true;
}

/* ---- what is known by name ---- */

/* Values in the order of the type's keys; those of 3.13 on say whether they hold. */
static void name_values(const struct heap_type *t, const char *values)
{
	struct heap_table keys;

	if (!table_of_keys(&keys, heap_word(t->address, py_layout.type_keys)))
		return;
	keys.values = values;
	for (uint64_t i = 0; i < keys.n; i++)
		if (heap_table_value(&keys, i) && heap_table_key(&keys, i))
			heap_named_put(heap_table_value(&keys, i),
				       heap_type_attribute(t, (uint32_t)i, heap_table_key(&keys, i)), 0,
				       heap_table_key(&keys, i));
}

/* In front of the object: 3.11 has a pointer to values and one to a dict, 3.12 one that is either, the former less one.
 * Since 3.13 values lie behind the object, and hold also when there is a dict. */
const char *heap_edges_values(const char *object, const struct heap_type *t)
{
	const char *word;

	if (py_layout.minor < 11 || !(t->flags & FLAG_MANAGED_DICT))
		return NULL;
	if (py_layout.minor >= 13)
		return (t->flags & FLAG_INLINE_VALUES) && PY_AT(uint8_t, object, t->basic + 3) ? object + t->basic + 8
											       : NULL;
	if (py_layout.minor == 11)
		return PY_AT(char *, object, -32);
	word = PY_AT(char *, object, -24);
	return (uintptr_t)word & 1 ? word + 1 : NULL;
}

/* Which of heap.named are values that the collector is told of by the instance's dict: once somebody has asked for that
 * dict, it reports them, and the instance reports the dict (3.13 on). They stay the instance's. */
static struct {
	size_t from, to;
} by_dict;

static bool is_dict_of_values(const char *dict, const char *values)
{
	return py_layout.minor >= 13 && dict && values && heap_word(dict, py_layout.dict_values) + 8 == values;
}

static void name_managed(const char *object, const struct heap_type *t)
{
	const char *dict = PY_AT(char *, object, py_layout.free_threaded ? -8 : -24);
	const char *values = heap_edges_values(object, t);

	by_dict.from = heap.named.n;
	if (values)
		name_values(t, values);
	if ((uintptr_t)dict & 1)
		return;
	if (is_dict_of_values(dict, values))
		by_dict.to = heap.named.n;
	heap_named_put(dict, heap_text_string("__dict__"), 0, t->dict_key);
}

/* A dict at a negative offset lies behind the items (up to 3.11 of all classes of tuples and such). */
static const char *dict_behind(const char *object, const struct heap_type *t)
{
	int64_t size = t->dict_at < 0 && t->item ? PY_AT(int64_t, object, py_layout.var_size) : 0;
	uint64_t bytes = (t->basic + t->item * (uint64_t)(size < 0 ? -size : size) + 7) & ~UINT64_C(7);

	return PY_AT(char *, object, (int64_t)bytes + t->dict_at);
}

static void name_instance(const char *object, const struct heap_type *t)
{
	for (uint32_t i = 0; i < t->n_fields; i++)
		heap_named_put(heap_word(object, t->fields[i].offset), t->fields[i].name, 0, t->fields[i].called);
	if (py_layout.minor >= 11 && (t->flags & FLAG_MANAGED_DICT))
		name_managed(object, t);
	else if (t->dict_at < 0 && t->dict_at > -64 && !(py_layout.minor >= 12 && (t->flags & FLAG_INT)))
		heap_named_put(dict_behind(object, t), heap_text_string("__dict__"), 0, t->dict_key);
	if (t->is_class)
		heap_named_put(t->address, heap_text_string("__class__"), 0, t->class_key);
}

/* "[0]", "[1]" ...: items of something that has attributes too. */
static uint32_t name_of_item(uint64_t i)
{
	static uint32_t names[NAMED_ITEMS];
	char text[8] = "[", digits[6];
	unsigned n = 0, at = 1;

	if (i >= NAMED_ITEMS)
		return 0;
	if (names[i])
		return names[i];
	for (uint64_t left = i; n == 0 || left; left /= 10)
		digits[n++] = (char)('0' + left % 10);
	while (n)
		text[at++] = digits[--n];
	text[at] = ']';
	return names[i] = out_string(heap.out, text, at + 1);
}

static void name_items(const char *object, const struct heap_type *t)
{
	const char *const *items = t->kind == KIND_LIST ? PY_AT(const char *const *, object, py_layout.list_items)
							: (const char *const *)(object + py_layout.tuple_items);
	uint64_t n = PY_AT(uint64_t, object, py_layout.var_size);

	for (uint64_t i = 0; i < n; i++)
		heap_named_put(items[i], name_of_item(i), 0, NULL);
}

/* Of a cache with a limit: elements, each with links, a hash, key and result, in a ring through the cache itself. */
static void name_cache(const char *cache)
{
	unsigned head = heap_head();
	const char *element = heap_word(cache, head + 8);

	for (unsigned i = 0; element && element != cache && i < CACHED_MAX;
	     i++, element = heap_word(element, head + 8)) {
		const char *key = heap_word(element, head + 24), *type = heap_word(element, py_layout.object_type);

		heap_named_put(key, heap_text_string("cache key"), 0, NULL);
		heap_named_put(heap_word(element, head + 32), i < NAMED_ITEMS ? heap_text_entry("cache", key) : 0, 0,
			       NULL);
		if (py_layout.minor >= 10)
			heap_named_put(type, 0, 0, NULL);
	}
}

/* A hash, a byte that tells whether there is a time zone, ten bytes of date and time or six of time, one more; the time
 * zone. They are not known to the collector. */
static void name_zone(const char *object, unsigned bytes)
{
	unsigned has_zone = heap_head() + 8, zone = (has_zone + 1 + bytes + 1 + 7) & ~7u;

	if (PY_AT(uint8_t, object, has_zone))
		heap_named_put(heap_word(object, zone), heap_text_string("tzinfo"), 0, NULL);
}

/* ---- types ---- */

static void name_type_parts(const char *type)
{
	const struct {
		const char *name;
		const char *target;
	} parts[] = {
		{ "__dict__", heap_type_dict(type) },
		{ "__mro__", heap_word(type, py_layout.type_mro) },
		{ "__bases__", heap_word(type, py_layout.type_bases) },
		{ "tp_cache", heap_word(type, py_layout.type_cache) },
		{ "__subclasses__", heap_type_subclasses(type) },
	};

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		heap_named_put(parts[i].target, heap_text_string(parts[i].name), 0, NULL);
}

static void name_class_parts(const char *type)
{
	const struct {
		const char *name;
		uint16_t field;
	} parts[] = {
		{ "__name__", py_layout.heap_type_name },
		{ "__qualname__", py_layout.heap_type_qualname },
		{ "__slots__", py_layout.heap_type_slots },
		{ "module", py_layout.heap_type_module },
	};
	struct heap_table keys;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i].field)
			heap_named_put(heap_word(type, parts[i].field), heap_text_string(parts[i].name), 0, NULL);
	if (!table_of_keys(&keys, heap_word(type, py_layout.type_keys)))
		return;
	heap_own(keys.keys);
	for (uint64_t i = 0; i < keys.n; i++)
		heap_named_put(heap_table_key(&keys, i), heap_text_string("attribute name"), 0, NULL);
}

/* Static types do not hold their base. */
static void name_type(const char *type)
{
	bool is_class = PY_AT(uint64_t, type, py_layout.type_flags) & FLAG_HEAP;

	name_type_parts(type);
	heap_named_put(heap_word(type, py_layout.type_base), heap_text_string("__base__"),
		       is_class ? 0 : PT_EDGE_UNCOUNTED, NULL);
	if (is_class)
		name_class_parts(type);
}

/* ---- what is reported ---- */

static int visit(const void *target, void *arg)
{
	(void)arg;
	if (target)
		heap_refs_put(&heap.visited, target);
	return 0;
}

static void ask(const char *object, const struct heap_type *t)
{
	heap.visited.n = 0;
	if ((t->flags & FLAG_GC) && t->traverse && (!t->is_gc || t->is_gc(object)))
		t->traverse(object, visit, NULL);
}

/* heap.visited as a multiset: how often each is there. For a few nothing is built. */
struct count {
	const char *target;
	size_t n;
};
static struct {
	struct count *at;
	size_t cap, mask;
} counts;

static struct count *count_of(const char *target)
{
	size_t i = ((uintptr_t)target >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20 & counts.mask;

	while (counts.at[i].target && counts.at[i].target != target)
		i = (i + 1) & counts.mask;
	return &counts.at[i];
}

static bool count_all(void)
{
	size_t slots = 64;

	while (slots < 2 * heap.visited.n)
		slots *= 2;
	while (slots > counts.cap) {
		struct count *more = heap_grown(counts.at, 0, &counts.cap, sizeof *more);

		if (!more)
			return false;
		counts.at = more;
	}
	counts.mask = slots - 1;
	memset(counts.at, 0, slots * sizeof *counts.at);
	for (size_t i = 0; i < heap.visited.n; i++) {
		struct count *c = count_of(heap.visited.at[i]);

		c->target = heap.visited.at[i];
		c->n++;
	}
	return true;
}

/* Takes one reference to the target out of what was reported; whether there was one. */
static bool take(const char *target, bool counted)
{
	if (counted) {
		struct count *c = count_of(target);

		return c->n && c->n--;
	}
	for (size_t i = 0; i < heap.visited.n; i++)
		if (heap.visited.at[i] == target)
			return heap.visited.at[i] = NULL, true;
	return false;
}

/* What was taken goes; the order stays. */
static void drop_taken(bool counted)
{
	size_t n = 0;

	for (size_t i = 0; i < heap.visited.n; i++) {
		const char *target = heap.visited.at[i];

		if (counted ? take(target, true) : target != NULL)
			heap.visited.at[n++] = target;
	}
	heap.visited.n = n;
}

static void take_entries(const char *dict, bool counted)
{
	struct heap_table t;

	if (!heap_table_of_dict(&t, dict))
		return;
	for (uint64_t i = 0; i < t.n; i++)
		if (heap_table_value(&t, i) && heap_table_key(&t, i)) {
			take(heap_table_value(&t, i), counted);
			if (t.stride == ENTRY_WITH_HASH)
				take(heap_table_key(&t, i), counted);
		}
}

static void match(const char *object, const struct heap_type *t)
{
	bool counted = heap.visited.n > FEW && count_all();

	for (size_t i = 0; i < heap.named.n; i++)
		if (!take(heap.named.at[i].target, counted) && !(i >= by_dict.from && i < by_dict.to))
			heap.named.at[i].flags |= PT_EDGE_UNTRAVERSED;
	if (t->kind == KIND_DICT)
		take_entries(object, counted);
	drop_taken(counted);
}

/* ---- where they lie ---- */

static void write_outside(const char *object, const char *const *targets, size_t n)
{
	uint8_t *p = out_room(heap.out, 1 + (4 + n) * PT_VARINT_MAX);
	uintptr_t last = (uintptr_t)object;

	*p++ = PT_RECORD_KEEPER;
	p = pt_put_varint(p, PT_KEEPER_EDGES);
	p = out_address(heap.out, PT_RECORD_KEEPER, p, last);
	p = pt_put_varint(p, 0);
	p = pt_put_varint(p, n);
	for (size_t i = 0; i < n; last = (uintptr_t)targets[i++])
		p = pt_put_delta(p, (uintptr_t)targets[i], last);
	out_record(heap.out, p);
}

/* References of heap.visited that do not lie in the object itself, so in native memory of its own: who looks at that
 * must not count them twice. Nothing is left of heap.visited. */
static void tell_outside(const char *object, const struct heap_type *t)
{
	enum { PIECE = 64 << 10 };
	bool counted = heap.visited.n > FEW && count_all();

	for (uint64_t at = heap_head(), end = heap_record_bytes(object, t); at + 8 <= end; at += 8)
		if (heap_word(object, (unsigned)at))
			take(heap_word(object, (unsigned)at), counted);
	drop_taken(counted);
	for (size_t i = 0; i < heap.visited.n; i += PIECE)
		write_outside(object, heap.visited.at + i, heap.visited.n - i < PIECE ? heap.visited.n - i : PIECE);
	heap.visited.n = 0;
}

/* ---- all of it ---- */

static void name_kind(const char *object, const struct heap_type *t)
{
	switch (t->kind) {
	case KIND_LIST:
	case KIND_TUPLE: name_items(object, t); break;
	case KIND_TYPE: name_type(object); break;
	case KIND_CACHE: name_cache(object); break;
	case KIND_DATETIME: name_zone(object, 10); break;
	case KIND_TIME: name_zone(object, 6); break;
	case KIND_CODE: heap_frames_code(object); break;
	case KIND_FRAME: heap_frames_object(object); break;
	case KIND_GENERATOR: heap_frames_generator(object); break;
	default: break;
	}
}

/* The struct of a task in C is another in each version; what it runs can be told by what it is. */
static uint32_t name_by_target(const char *target)
{
	const struct heap_type *t = heap_type_of(target);

	return t && t->kind == KIND_GENERATOR ? heap_text_string("coro") : 0;
}

void heap_edges_find(const char *object, const struct heap_type *t)
{
	heap.named.n = 0;
	by_dict.from = by_dict.to = 0;
	name_kind(object, t);
	name_instance(object, t);
	ask(object, t);
	match(object, t);
	if (t->kind == KIND_DEQUE)
		return;
	for (size_t i = 0; i < heap.visited.n; i++)
		heap_named_put(heap.visited.at[i], t->is_task ? name_by_target(heap.visited.at[i]) : 0, 0, NULL);
	if (heap.visited.n)
		tell_outside(object, t);
}
