/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code: numbers for code objects, their definitions, their deaths
 *
 * How:   one hash table for the process, address -> number. Look-ups take no lock: an entry's address never
 *        changes, its number is written last. Inserts and growth take a lock; outgrown tables stay mapped, for
 *        there may be readers in them (all of them together are smaller than the one in use).
 * Lives: an address is used again soon after its code object died. The hooks tell of each block that dies
 *        (py_block_dies); and because a block may die unseen (hooks replaced for a moment, an event lost), a number
 *        holds only for the same name, line table and first line. A thread looks up only what its own frames keep
 *        alive, so an entry cannot die under a reader.
 */
#include "preload/py/parts.h"

#include <stdatomic.h>
#include <string.h>

#include "formats/linetable.h"
#include "preload/base/arena.h"
#include "preload/record/intern.h"
#include "preload/py/objects/births.h"
#include "preload/py/peek.h"
#include "preload/py/stack/who.h"
#include "preload/base/tracer.h"

struct entry {
	_Atomic(const char *) code; /* NULL: free, and the end of a probe */
	_Atomic(uint32_t) id;       /* 0: dead */
	uint32_t first_line;
	const void *name, *table;
};

struct table {
	size_t mask;
	struct entry entries[];
};

enum { TABLE_FIRST = 1024, FILE_MAX = 4000, NAME_MAX_BYTES = 2000 };

static _Atomic(struct table *) codes;
static size_t n_used; /* entries that are not free */
static struct lock lock;

static size_t place_of(const char *code)
{
	return (size_t)(((uintptr_t)code >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* The entry of `code`, or the free one where it would go. */
static struct entry *find(struct table *t, const char *code)
{
	for (size_t i = place_of(code);; i++) {
		struct entry *e = &t->entries[i & t->mask];
		const char *here = atomic_load_explicit(&e->code, memory_order_acquire);

		if (here == code || !here)
			return e;
	}
}

static void describe(struct entry *e, const char *code)
{
	e->first_line = PY_AT(uint32_t, code, py_layout.code_first_line);
	e->name = PY_AT(void *, code, py_layout.code_name);
	e->table = PY_AT(void *, code, py_layout.code_table);
}

static uint32_t known(const char *code)
{
	struct table *t = atomic_load_explicit(&codes, memory_order_acquire);
	struct entry *e = t ? find(t, code) : NULL;
	uint32_t id = e ? atomic_load_explicit(&e->id, memory_order_acquire) : 0;

	if (!id || e->first_line != PY_AT(uint32_t, code, py_layout.code_first_line) ||
	    e->name != PY_AT(void *, code, py_layout.code_name) ||
	    e->table != PY_AT(void *, code, py_layout.code_table))
		return 0;
	return id;
}

static void put(struct table *t, const char *code, uint32_t id)
{
	struct entry *e = find(t, code);

	if (!atomic_load_explicit(&e->code, memory_order_relaxed))
		n_used++;
	describe(e, code);
	atomic_store_explicit(&e->id, id, memory_order_release);
	atomic_store_explicit(&e->code, code, memory_order_release);
}

/* Deaths take no lock, so one may have come between the copy and the publication of the new table. */
static void bury(struct table *old, struct table *new)
{
	for (size_t i = 0; i <= new->mask; i++) {
		struct entry *to = &new->entries[i];

		if (to->code && !atomic_load(&find(old, to->code)->id))
			atomic_store(&to->id, 0);
	}
}

/* A table with room for one more, live entries moved over; NULL when there is no memory. With the lock. */
static struct table *with_room(void)
{
	struct table *old = atomic_load_explicit(&codes, memory_order_relaxed), *new;
	size_t size = old ? old->mask + 1 : TABLE_FIRST / 2, live = 0;

	if (old && n_used * 2 < size)
		return old;
	for (size_t i = 0; old && i < size; i++)
		live += atomic_load_explicit(&old->entries[i].id, memory_order_relaxed) != 0;
	if (live * 4 >= size || !old)
		size *= 2;
	new = arena_map(sizeof *new + size * sizeof new->entries[0]);
	if (!new)
		return NULL;
	new->mask = size - 1;
	n_used = 0;
	for (size_t i = 0; old && i <= old->mask; i++) {
		struct entry *e = &old->entries[i], *to;

		if (!e->id)
			continue;
		to = find(new, e->code);
		*to = *e;
		n_used++;
	}
	atomic_store(&codes, new);
	if (old)
		bury(old, new);
	return new;
}

static enum pt_linetable table_kind(void)
{
	return py_layout.minor <= 9 ? PT_LINETABLE_LNOTAB : py_layout.minor == 10 ? PT_LINETABLE_310 : PT_LINETABLE_311;
}

static void define(struct thread *t, const char *code, uint32_t id)
{
	char file_buf[FILE_MAX], name_buf[NAME_MAX_BYTES];
	struct piece file = py_text(PY_AT(char *, code, py_layout.code_file), file_buf, sizeof file_buf);
	struct piece name = py_text(PY_AT(char *, code, py_layout.code_name), name_buf, sizeof name_buf);
	const char *table = PY_AT(char *, code, py_layout.code_table);
	bool has_table = table && PY_AT(void *, table, py_layout.object_type) == py_symbols.bytes_type;
	size_t bytes = has_table ? PY_AT(size_t, table, py_layout.var_size) : 0, part;
	struct pt_code head = {
		.first_line = PY_AT(uint32_t, code, py_layout.code_first_line),
		.table_bytes = (uint32_t)bytes,
		.file_bytes = (uint16_t)file.bytes,
		.name_bytes = (uint16_t)name.bytes,
		.linetable = has_table ? (uint8_t)table_kind() : PT_LINETABLE_NONE,
	};

	part = DEFINE_MAX - sizeof head - file.bytes - name.bytes;
	if (part > bytes)
		part = bytes;
	define_bytes(t, PT_OP_CODE, id,
		     (struct piece[]){ { &head, sizeof head }, file, name, { table + py_layout.bytes_data, part } }, 4);
	for (size_t at = part; at < bytes; at += part) {
		part = bytes - at < DEFINE_MAX ? bytes - at : DEFINE_MAX;
		define_bytes(t, PT_OP_CODE_TAIL, id, &(struct piece){ table + py_layout.bytes_data + at, part }, 1);
	}
	py_who_code(code, &file, &name);
	if (py_told.code)
		py_told.code(id, &file,
			     &(struct pt_linetable_in){ .table = (const uint8_t *)table + py_layout.bytes_data,
							.bytes = head.table_bytes,
							.first_line = head.first_line,
							.kind = head.linetable });
}

uint32_t py_code_id(struct thread *t, const char *code)
{
	uint32_t id = known(code), other;
	struct table *table;

	if (id)
		return id;
	id = intern_new_code();
	if (!id)
		return 0;
	define(t, code, id); /* before others can find the number: what they write then refers to something defined */
	lock_take(&lock);
	other = known(code); /* another thread may have been as quick: one number for all, the first */
	table = other ? NULL : with_room();
	if (table)
		put(table, code, id);
	lock_drop(&lock);
	return other ? other : id;
}

/* Called outside of the tracer's own hooks, where a signal handler may come in between: no lock. A table that grows at
 * this moment has published its successor (then the loop goes round), or will look for the dead (bury). */
void py_code_dies(const void *block)
{
	const char *code = (const char *)block + py_state.block_type - py_layout.object_type;
	struct table *t = atomic_load(&codes), *seen = NULL;
	bool died = false;

	while (t && t != seen) {
		struct entry *e = find(t, code);

		if (atomic_load_explicit(&e->id, memory_order_relaxed)) {
			atomic_store(&e->id, 0);
			died = true;
		}
		seen = t;
		t = atomic_load(&codes);
	}
	if (died)
		__atomic_add_fetch(&py_state.deaths, 1, __ATOMIC_RELEASE);
}

void py_code_forget(void)
{
	atomic_store_explicit(&codes, NULL, memory_order_relaxed);
	n_used = 0;
	lock_drop(&lock);
}
