/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intern: an open-addressing table of 64-bit words (tag of the key | id), and the keys by id in chunks.
 *
 * A new frame's definition is in the ring before its id is in the table: whoever finds the id may use it in an event.
 * Growing copies the words into a table twice as large; an insert that meets the old table meanwhile is forgotten, and
 * that key gets a second id some day. Old tables stay mapped, since others may be reading them: all of them together
 * are as large as the present one.
 */
#include "preload/intern.h"
#include "preload/arena.h"
#include "preload/emit.h"
#include "preload/sink.h"

#include <string.h>

enum { FIRST_SLOTS = 1 << 14, CHUNK = 1 << 15, CHUNKS = 1 << 13, MAX_FILL_PERCENT = 60 };

struct key {
	uint32_t parent, code, offset;
};

struct table {
	uint64_t mask;
	_Atomic(uint64_t) slots[];
};

static _Atomic(struct table *) table;
static _Atomic(struct key *) chunks[CHUNKS];
static _Atomic(uint32_t) last_stack, last_code;
static struct lock growing;

static uint64_t hash(const struct key *k)
{
	uint64_t h = ((uint64_t)k->parent << 32 | k->code) * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 32 ^ k->offset) * UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

static struct key *key_of(uint32_t id)
{
	struct key *chunk = atomic_load_explicit(&chunks[id / CHUNK], memory_order_acquire);

	return chunk ? &chunk[id % CHUNK] : NULL;
}

static bool is_key(uint32_t id, const struct key *k)
{
	const struct key *other = key_of(id);

	return other->parent == k->parent && other->code == k->code && other->offset == k->offset;
}

static struct table *new_table(uint64_t n_slots)
{
	struct table *t = arena_map(sizeof *t + n_slots * sizeof t->slots[0]);

	if (t)
		t->mask = n_slots - 1;
	return t;
}

static uint64_t word(uint64_t h, uint32_t id) { return h >> 32 << 32 | id; }

/* The id of `k`, or 0 and the free slot where its search ended. */
static uint32_t find(struct table *t, const struct key *k, uint64_t h, uint64_t *ret_slot)
{
	for (uint64_t i = h & t->mask;; i = (i + 1) & t->mask) {
		uint64_t w = atomic_load_explicit(&t->slots[i], memory_order_acquire);

		if (!w) {
			*ret_slot = i;
			return 0;
		}
		if ((w ^ h) >> 32 == 0 && is_key((uint32_t)w, k))
			return (uint32_t)w;
	}
}

static void copy_table(const struct table *from, struct table *to)
{
	for (uint64_t i = 0; i <= from->mask; i++) {
		uint64_t w = atomic_load(&from->slots[i]), at;

		if (!w)
			continue;
		for (at = hash(key_of((uint32_t)w)) & to->mask; atomic_load(&to->slots[at]); at = (at + 1) & to->mask)
			;
		atomic_store(&to->slots[at], w);
	}
}

/* The table in force, made larger when it is too full. NULL when there is no memory for the first one. */
static struct table *roomy_table(void)
{
	struct table *t = atomic_load_explicit(&table, memory_order_acquire), *larger;

	if (t && atomic_load_explicit(&last_stack, memory_order_relaxed) < (t->mask + 1) * MAX_FILL_PERCENT / 100)
		return t;
	lock_take(&growing);
	if (t == atomic_load(&table)) {
		larger = new_table(t ? (t->mask + 1) * 2 : FIRST_SLOTS);
		if (larger && t)
			copy_table(t, larger);
		if (larger)
			atomic_store_explicit(&table, larger, memory_order_release);
	}
	t = atomic_load(&table);
	lock_drop(&growing);
	/* Without memory the old one serves on, but it must never be full: a search has to end. */
	return t && last_stack < t->mask ? t : NULL;
}

static bool make_chunk(uint32_t id)
{
	struct key *none = NULL, *fresh;

	if (id / CHUNK >= CHUNKS)
		return false;
	if (atomic_load(&chunks[id / CHUNK]))
		return true;
	fresh = arena_map(CHUNK * sizeof *fresh);
	if (fresh && !atomic_compare_exchange_strong(&chunks[id / CHUNK], &none, fresh))
		arena_unmap(fresh, CHUNK * sizeof *fresh);
	return atomic_load(&chunks[id / CHUNK]) != NULL;
}

static void define_frame(struct thread *t, uint32_t id, const struct key *k)
{
	uint32_t words[4] = { [PT_FRAME_PARENT] = k->parent, [PT_FRAME_CODE] = k->code, [PT_FRAME_OFFSET] = k->offset };
	struct piece piece = { words, sizeof words };

	define_bytes(t, PT_OP_FRAME, id, &piece, 1);
}

static uint32_t insert(struct thread *t, struct table *tab, const struct key *k, uint64_t h, uint64_t slot)
{
	uint32_t id = atomic_fetch_add(&last_stack, 1) + 1, other;
	uint64_t empty = 0;

	if (!make_chunk(id)) {
		sink_lost(PT_LOST_MEMORY, 1);
		return 0;
	}
	*key_of(id) = *k;
	define_frame(t, id, k);
	while (!atomic_compare_exchange_strong(&tab->slots[slot], &empty, word(h, id))) {
		other = find(tab, k, h, &slot);
		if (other)
			return other;
		empty = 0;
	}
	return id;
}

uint32_t intern_frame(struct thread *t, uint32_t parent, uint32_t code, uint32_t offset)
{
	struct key k = { parent, code, offset };
	struct table *tab = roomy_table();
	uint64_t h = hash(&k), slot;
	uint32_t id;

	if (!tab) {
		sink_lost(PT_LOST_MEMORY, 1);
		return 0;
	}
	id = find(tab, &k, h, &slot);
	return id ? id : insert(t, tab, &k, h, slot);
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
		arena_unmap(t, sizeof *t + (t->mask + 1) * sizeof t->slots[0]);
	atomic_store(&table, NULL);
	atomic_store(&last_stack, 0);
	atomic_store(&last_code, 0);
	lock_drop(&growing);
}
