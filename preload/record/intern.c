/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intern: an open-addressing table, key and id side by side, so that a look-up in a table larger than the caches waits
 * for memory once.
 *
 * An entry is two words: (parent, code), then (offset, id). Whoever finds the first one empty takes the entry by
 * exchanging it, and fills in the second. In between another thread sees a key without an id and goes on: at worst that
 * key gets a second id. A new frame's definition is in the ring before its id is in the table: whoever finds the id may
 * use it in an event. Growing copies the entries into a table twice as large; an insert that meets the old table
 * meanwhile is forgotten, and that key gets a second id some day. Old tables stay mapped, since others may be reading
 * them, but without memory.
 */
#include "preload/record/intern.h"
#include "preload/base/arena.h"
#include "preload/record/emit.h"
#include "preload/base/os.h"
#include "preload/record/sink.h"

#include <string.h>

enum { FIRST_ENTRIES = 1 << 13, SMALL_ENTRIES = 1 << 15, MAX_FILL_PERCENT = 60 };

struct entry {
	_Atomic(uint64_t) above; /* parent << 32 | code; 0: empty (codes start at 1) */
	_Atomic(uint64_t) id;    /* offset << 32 | id; 0: being filled in */
};

struct table {
	uint64_t mask;
	struct entry entries[];
};

bool intern_is_exact;
void (*intern_told)(uint8_t op, uint32_t id, const uint32_t words[4]);

static _Atomic(struct table *) table;
static _Atomic(uint32_t) last_stack, last_code;
static struct lock growing, one_by_one;

static uint64_t hash(uint64_t above, uint32_t offset)
{
	uint64_t h = above * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 32 ^ offset) * UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

static size_t table_bytes(uint64_t n_entries) { return sizeof(struct table) + n_entries * sizeof(struct entry); }

/* The id of the key, or 0 and the empty entry where its search ended. */
static uint32_t find(struct table *t, uint64_t above, uint32_t offset, struct entry **ret_empty)
{
	for (uint64_t i = hash(above, offset) & t->mask;; i = (i + 1) & t->mask) {
		struct entry *e = &t->entries[i];
		uint64_t key = atomic_load_explicit(&e->above, memory_order_acquire), id;

		if (!key) {
			*ret_empty = e;
			return 0;
		}
		if (key != above)
			continue;
		id = atomic_load_explicit(&e->id, memory_order_acquire);
		if (id >> 32 == offset && id)
			return (uint32_t)id;
	}
}

static void copy_entry(struct table *to, uint64_t above, uint64_t id)
{
	uint64_t i = hash(above, (uint32_t)(id >> 32)) & to->mask;

	while (atomic_load_explicit(&to->entries[i].above, memory_order_relaxed))
		i = (i + 1) & to->mask;
	atomic_store_explicit(&to->entries[i].above, above, memory_order_relaxed);
	atomic_store_explicit(&to->entries[i].id, id, memory_order_relaxed);
}

/* Small tables are soon outgrown, and each step touches new pages. */
static uint64_t grown_entries(const struct table *from)
{
	return !from ? FIRST_ENTRIES : (from->mask + 1) * (from->mask < SMALL_ENTRIES ? 4 : 2);
}

static struct table *grown_table(const struct table *from)
{
	uint64_t n = grown_entries(from);
	struct table *to = arena_map_large(table_bytes(n));

	if (!to)
		return NULL;
	to->mask = n - 1;
	for (uint64_t i = 0; from && i <= from->mask; i++) {
		uint64_t id = atomic_load(&from->entries[i].id);

		if (id)
			copy_entry(to, atomic_load(&from->entries[i].above), id);
	}
	return to;
}

/* Gives back the memory of a table that is not in force any more. Whoever still reads it finds it empty, but for its
 * first page, where the mask is. */
static void forget_entries(struct table *t)
{
	size_t bytes = t ? table_bytes(t->mask + 1) : 0;

	if (bytes > OS_PAGE)
		os_advise((char *)t + OS_PAGE, bytes - OS_PAGE, MADV_DONTNEED);
}

/* The table in force, made larger when it is too full. NULL when there is no memory. */
static struct table *roomy_table(void)
{
	struct table *t = atomic_load_explicit(&table, memory_order_acquire), *larger;

	if (t && atomic_load_explicit(&last_stack, memory_order_relaxed) < (t->mask + 1) * MAX_FILL_PERCENT / 100)
		return t;
	lock_take(&growing);
	if (t == atomic_load(&table)) {
		larger = grown_table(t);
		if (larger) {
			atomic_store_explicit(&table, larger, memory_order_release);
			forget_entries(t);
		}
	}
	t = atomic_load(&table);
	lock_drop(&growing);
	/* Without memory the old one serves on, but it must never be full: a search has to end. */
	return t && last_stack < t->mask ? t : NULL;
}

static void define_words(struct thread *t, uint8_t op, uint32_t id, const uint32_t words[4])
{
	struct piece piece = { words, 4 * sizeof *words };

	define_bytes(t, op, id, &piece, 1);
}

/* Puts a new id where the search ended, or where it ends now that others have been there. */
static uint32_t publish(struct table *tab, struct entry *e, uint64_t above, uint32_t offset, uint32_t id)
{
	uint64_t empty = 0;
	uint32_t other;

	while (!atomic_compare_exchange_strong(&e->above, &empty, above)) {
		other = find(tab, above, offset, &e);
		if (other)
			return other;
		empty = 0;
	}
	atomic_store_explicit(&e->id, (uint64_t)offset << 32 | id, memory_order_release);
	return id;
}

/* A key that is not in the table: defines it and enters it where its search ended. */
static uint32_t insert(struct thread *t, struct table *tab, struct entry *e, uint64_t above, uint32_t offset,
		       uint8_t op, const uint32_t words[4])
{
	uint32_t id = atomic_fetch_add(&last_stack, 1) + 1;

	define_words(t, op, id, words);
	if (intern_told)
		intern_told(op, id, words);
	return publish(tab, e, above, offset, id);
}

/* One thread at a time, from looking whether there is room to the end: no key gets a second id. */
static uint32_t intern_exactly(struct thread *t, uint64_t above, uint32_t offset, uint8_t op, const uint32_t words[4])
{
	struct table *tab;
	struct entry *e = NULL;
	uint32_t id = 0;

	lock_take(&one_by_one);
	tab = roomy_table();
	if (tab)
		id = find(tab, above, offset, &e);
	if (tab && !id)
		id = insert(t, tab, e, above, offset, op, words);
	lock_drop(&one_by_one);
	return id;
}

/* The id of a key; when it is new, it is defined by `op` and `words`. */
static uint32_t intern(struct thread *t, uint64_t above, uint32_t offset, uint8_t op, const uint32_t words[4])
{
	struct table *tab = roomy_table();
	struct entry *e = NULL;
	uint32_t id;

	if (!tab) {
		sink_lost(PT_LOST_MEMORY, 1);
		return 0;
	}
	id = find(tab, above, offset, &e);
	if (id)
		return id;
	if (intern_is_exact)
		return intern_exactly(t, above, offset, op, words);
	return insert(t, tab, e, above, offset, op, words);
}

/* Keys of one kind never meet those of another: no offset in bytecode is near 2^32 but PT_OFFSET_NONE. Nor is `above`
 * ever 0. */
enum { KEY_NATIVE = 0xfffffffe, KEY_JOIN = 0xfffffffd, KEY_ENTRY = 0xffffffff };

static uint64_t above_of_path(uint64_t path, uint32_t python)
{
	path += python * UINT64_C(0x9e3779b97f4a7c15);
	return path ? path : 1;
}

uint32_t intern_frame(struct thread *t, uint32_t parent, uint32_t code, uint32_t offset)
{
	uint32_t words[4] = { [PT_FRAME_PARENT] = parent, [PT_FRAME_CODE] = code, [PT_FRAME_OFFSET] = offset };
	uint64_t above = (uint64_t)parent << 32 | (code == PT_CODE_ENTRY ? KEY_ENTRY : code);

	return intern(t, above, offset, PT_OP_FRAME, words);
}

void intern_fetch(uint64_t path, uint32_t python)
{
	struct table *tab = atomic_load_explicit(&table, memory_order_acquire);
	uint64_t at = hash(above_of_path(path, python), python ? KEY_JOIN : KEY_NATIVE);

	if (tab)
		__builtin_prefetch(&tab->entries[at & tab->mask]);
}

uint32_t intern_known(uint64_t path, uint32_t python)
{
	struct table *tab = atomic_load_explicit(&table, memory_order_acquire);
	struct entry *empty;

	return tab ? find(tab, above_of_path(path, python), python ? KEY_JOIN : KEY_NATIVE, &empty) : 0;
}

uint32_t intern_native(struct thread *t, uint64_t path, uint32_t parent, struct intern_place place)
{
	uint32_t words[4] = { [PT_NATIVE_PARENT] = parent,
			      [PT_NATIVE_MODULE] = place.module,
			      [PT_NATIVE_OFFSET] = (uint32_t)place.offset,
			      [PT_NATIVE_FLAGS] = place.flags | (uint32_t)(place.offset >> 32) << 16 };

	return intern(t, above_of_path(path, 0), KEY_NATIVE, PT_OP_NATIVE, words);
}

uint32_t intern_join(struct thread *t, uint64_t path, uint32_t python, uint32_t native)
{
	uint32_t words[4] = { [PT_JOIN_PYTHON] = python, [PT_JOIN_NATIVE] = native };

	return intern(t, above_of_path(path, python), KEY_JOIN, PT_OP_JOIN, words);
}

uint32_t intern_new_code(void) { return atomic_fetch_add(&last_code, 1) + 1; }

static void copy_pieces(uint8_t *to, const struct piece *pieces, int n)
{
	for (int i = 0; i < n; i++) {
		if (pieces[i].bytes)
			memcpy(to, pieces[i].data, pieces[i].bytes);
		to += pieces[i].bytes;
	}
}

void define_bytes(struct thread *t, uint8_t op, uint64_t id, const struct piece *pieces, int n_pieces)
{
	size_t bytes = 0, n_slots;

	for (int i = 0; i < n_pieces; i++)
		bytes += pieces[i].bytes;
	n_slots = 1 + (bytes + sizeof(struct pt_slot) - 1) / sizeof(struct pt_slot);
	if (t->head + n_slots + RING_SPARE > t->n_slots && !ring_pack(t))
		return;
	t->slots[t->head] = (struct pt_slot){ (id & PT_ADDRESS_MASK) | (uint64_t)op << 48, (uint32_t)bytes, 0 };
	if (bytes) {
		t->slots[t->head + n_slots - 1] = (struct pt_slot){ 0 }; /* what no byte covers is zero */
		copy_pieces((uint8_t *)&t->slots[t->head + 1], pieces, n_pieces);
	}
	t->head += (uint32_t)n_slots;
	__atomic_store_n(&t->shared->x_head, (uint64_t)t->head, __ATOMIC_RELEASE);
}

void intern_after_fork(void)
{
	struct table *t = atomic_load(&table);

	if (t)
		arena_unmap(t, table_bytes(t->mask + 1));
	atomic_store(&table, NULL);
	atomic_store(&last_stack, 0);
	atomic_store(&last_code, 0);
	lock_drop(&growing);
	lock_drop(&one_by_one);
}
