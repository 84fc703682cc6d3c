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
 * them, but without memory, which they lose piece by piece while it is copied: entries lie in the order of their
 * hashes, in any size of table, so that the new one is filled from its start to its end, and both together are never
 * larger than it will be.
 */
#include "preload/record/intern.h"
#include "preload/base/arena.h"
#include "preload/record/emit.h"
#include "preload/base/os.h"
#include "preload/record/sink.h"

#include <string.h>

/* Where memory is what counts, searches may be longer. */
enum { FIRST_ENTRIES = 1 << 13, SMALL_ENTRIES = 1 << 15, LARGE_ENTRIES = 1 << 20 };
enum { MAX_FILL_PERCENT = 60, MAX_FILL_PERCENT_LARGE = 75 };

struct entry {
	_Atomic(uint64_t) above; /* parent << 32 | code; 0: empty (codes start at 1) */
	_Atomic(uint64_t) id;    /* offset << 32 | id; 0: being filled in */
};

struct table {
	_Alignas(64) uint64_t n;
	uint64_t limit; /* ids there may be until it is to grow */
	_Alignas(64) struct entry entries[];
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

static inline uint64_t place_of(const struct table *t, uint64_t hash)
{
	return (uint64_t)((unsigned __int128)hash * t->n >> 64);
}
static inline uint64_t next_place(const struct table *t, uint64_t i) { return i + 1 < t->n ? i + 1 : 0; }

static size_t table_bytes(uint64_t n_entries) { return sizeof(struct table) + n_entries * sizeof(struct entry); }

/* The id of the key, or 0 and the empty entry where its search ended. */
static uint32_t find(struct table *t, uint64_t above, uint32_t offset, struct entry **ret_empty)
{
	for (uint64_t i = place_of(t, hash(above, offset));; i = next_place(t, i)) {
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
	uint64_t i = place_of(to, hash(above, (uint32_t)(id >> 32)));

	while (atomic_load_explicit(&to->entries[i].above, memory_order_relaxed))
		i = next_place(to, i);
	atomic_store_explicit(&to->entries[i].above, above, memory_order_relaxed);
	atomic_store_explicit(&to->entries[i].id, id, memory_order_relaxed);
}

/* Small tables are soon outgrown, and each step touches new pages, until they are as large as a huge page, which is one
 * fault: where there are such, the first is one. Of a large one every page is touched. */
static uint64_t grown_entries(const struct table *from)
{
	if (!from)
		return arena_huge() ? (arena_huge() - sizeof(struct table)) / sizeof(struct entry) : FIRST_ENTRIES;
	return from->n <= SMALL_ENTRIES ? from->n * 4 : from->n < LARGE_ENTRIES ? from->n * 2 : from->n / 2 * 3;
}

/* Gives back the memory of entries of a table that is not in force any more, but for the first page, where its size is.
 * Whoever still reads them finds them empty. */
static void forget_entries(struct table *t, uint64_t from, uint64_t to)
{
	uintptr_t start = os_whole_pages((uintptr_t)&t->entries[from] + (from ? 0 : OS_PAGE));
	uintptr_t end = (uintptr_t)&t->entries[to] & ~(uintptr_t)(OS_PAGE - 1);

	if (end > start)
		os_advise((void *)start, end - start, MADV_DONTNEED);
}

static void move_entries(struct table *to, struct table *from)
{
	enum { AT_ONCE = 1 << 18 }; /* 4 MiB: whole huge pages */

	for (uint64_t i = 0; i < from->n; i++) {
		uint64_t id = atomic_load(&from->entries[i].id);

		if (id)
			copy_entry(to, atomic_load(&from->entries[i].above), id);
		if ((i + 1) % AT_ONCE == 0)
			forget_entries(from, i + 1 - AT_ONCE, i + 1);
	}
	forget_entries(from, 0, from->n);
}

static struct table *grown_table(struct table *from)
{
	uint64_t n = grown_entries(from);
	struct table *to = arena_map_large(table_bytes(n));

	if (!to)
		return NULL;
	to->n = n;
	to->limit = n * (n < LARGE_ENTRIES ? MAX_FILL_PERCENT : MAX_FILL_PERCENT_LARGE) / 100;
	if (from)
		move_entries(to, from);
	return to;
}

static inline bool has_room(const struct table *t)
{
	return atomic_load_explicit(&last_stack, memory_order_relaxed) < t->limit;
}

/* The table in force, made larger when it is too full. NULL when there is no memory. */
static struct table *roomy_table(void)
{
	struct table *t = atomic_load_explicit(&table, memory_order_acquire), *larger;

	if (likely(t && has_room(t)))
		return t;
	lock_take(&growing);
	if (t == atomic_load(&table)) {
		larger = grown_table(t);
		if (larger)
			atomic_store_explicit(&table, larger, memory_order_release);
	}
	t = atomic_load(&table);
	lock_drop(&growing);
	/* Without memory the old one serves on, but it must never be full: a search has to end. */
	return t && last_stack < t->n - 1 ? t : NULL;
}

/* As define_bytes(), of sixteen bytes: the commonest, and at the start of a program nearly all there is. */
static void define_words(struct thread *t, uint8_t op, uint32_t id, const uint32_t words[4])
{
	struct pt_slot *slot;

	if (t->head + 2 + RING_SPARE > t->n_slots && !ring_pack(t))
		return;
	slot = &t->slots[t->head];
	slot[0] = (struct pt_slot){ id | (uint64_t)op << 48, sizeof *slot, 0 };
	memcpy(&slot[1], words, sizeof *slot);
	t->head += 2;
	__atomic_store_n(&t->shared->x_head, (uint64_t)t->head, __ATOMIC_RELEASE);
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
	uint64_t h = hash(above_of_path(path, python), python ? KEY_JOIN : KEY_NATIVE);

	if (tab)
		__builtin_prefetch(&tab->entries[place_of(tab, h)]);
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
		arena_unmap(t, table_bytes(t->n));
	atomic_store(&table, NULL);
	atomic_store(&last_stack, 0);
	atomic_store(&last_code, 0);
	lock_drop(&growing);
	lock_drop(&one_by_one);
}
