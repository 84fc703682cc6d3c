/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_counts: reference counts, and what of them is kept elsewhere in free-threaded builds
 *
 * There a count has two halves, that of the thread which made the object and the others'. Objects that many threads use
 * (functions, types, code objects, modules) are "deferred": frames do not count their references, and lest the count
 * reach 0 it begins higher, by a reference on 3.13, by much since. And from 3.14 on references to types (by their
 * instances), code objects and dicts of modules are counted by each thread for itself, in a table by a number that
 * the object has: what all threads counted belongs to the count (Python/uniqueid.c, Include/internal/pycore_object.h,
 * Objects/object.c of CPython). With both put right the counts say what they say elsewhere.
 */
#include "preload/py/heap/heap_parts.h"

enum {
	FROZEN_COUNT = 900000000, /* static objects of 3.11 start a little higher */
	LOCAL_AT = 12,
	SHARED_AT = 16,
	SHARED_FLAGS = 2, /* bits */
	TABLE_LEAST = 8,
	TABLE_MAX = 1 << 24, /* numbers of one interpreter */
	THREADS_MAX = 1 << 16,
};
#define DEFERRED_MORE (INT64_MAX / 8) /* what a deferred count begins with, from 3.14 on */

struct counted {
	const char *object;
	int64_t n;
};

static struct {
	struct counted *at; /* by address, open addressing */
	uint64_t mask, n;
	bool known;
} elsewhere;

/* ---- what threads count ---- */

static uint64_t slot_of(const char *object)
{
	return ((uint64_t)(uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20;
}

static struct counted *find(const char *object)
{
	uint64_t i = slot_of(object) & elsewhere.mask;

	while (elsewhere.at[i].object && elsewhere.at[i].object != object)
		i = (i + 1) & elsewhere.mask;
	return &elsewhere.at[i];
}

static const char *table_of(const char *interp, uint64_t *ret_n)
{
	const char *field = interp + py_layout.interp_ids + py_layout_interp_shift();
	const char *table = heap_word(field, 0);

	*ret_n = table ? PY_AT(uint64_t, field, 16) : 0;
	return table;
}

static bool put_room(uint64_t n)
{
	uint64_t slots = 16;

	while (slots < 4 * n)
		slots *= 2;
	elsewhere.mask = slots - 1;
	elsewhere.at = heap_types_memory(slots * sizeof *elsewhere.at);
	return elsewhere.at;
}

/* A number that is not given to an object leads to the next such, in the table. */
static void add(const char *object, int64_t n, const char *table, uint64_t length)
{
	struct counted *c;

	if (!n || !object || (uintptr_t)(object - table) < length * 8)
		return;
	c = find(object);
	c->object = object;
	c->n += n;
}

/* Tables begin with so many, and are made twice as long. */
static bool is_length(uint64_t n) { return n >= TABLE_LEAST && n <= TABLE_MAX && !(n & (n - 1)); }

/* False: what lies there is no table of counts. */
static bool take_thread(const char *tstate, const char *table, uint64_t length)
{
	const char *counts = heap_word(tstate, py_layout.ts_counts);
	uint64_t n = PY_AT(uint64_t, tstate, py_layout.ts_counts + 8);

	if (!counts)
		return true;
	if (!is_length(n) || n > length)
		return false;
	for (uint64_t i = 0; i < n; i++)
		add(heap_word(table, 8 * (unsigned)i), PY_AT(int64_t, counts, 8 * i), table, length);
	return true;
}

static bool take_interpreter(const char *interp)
{
	const char *tstate = heap_word(interp, py_layout.interp_threads);
	uint64_t n;
	const char *table = table_of(interp, &n);

	for (int i = 0; table && tstate && i < THREADS_MAX; i++, tstate = heap_word(tstate, py_layout.ts_next))
		if (!take_thread(tstate, table, n))
			return false;
	return true;
}

static bool take_all(void)
{
	const char *first = PY_AT(char *, py_symbols.runtime, py_layout.run_head);
	uint64_t n, all = 0;

	for (const char *interp = first; interp; interp = heap_word(interp, py_layout.interp_next)) {
		table_of(interp, &n);
		if (n && !is_length(n))
			return false;
		all += n;
	}
	if (!put_room(all))
		return false;
	for (const char *interp = first; interp; interp = heap_word(interp, py_layout.interp_next))
		if (!take_interpreter(interp))
			return false;
	return true;
}

bool heap_counts_step(void)
{
	static bool asked;

	if (asked || !py_layout.free_threaded)
		return false;
	asked = true;
	elsewhere.known = !py_layout.ts_counts || take_all();
	return false;
}

/* ---- counts ---- */

static uint64_t threaded(const char *object, unsigned *flags)
{
	uint32_t local = PY_AT(uint32_t, object, LOCAL_AT);
	int64_t n = PY_AT(int64_t, object, SHARED_AT) >> SHARED_FLAGS;

	if (local == UINT32_MAX)
		return *flags |= PT_OBJECT_IMMORTAL, 0;
	if (n > DEFERRED_MORE / 2)
		n -= DEFERRED_MORE;
	n += local;
	if (elsewhere.at)
		n += find(object)->n;
	if (heap_gc_bits(object) & HEAP_GC_DEFERRED) {
		*flags |= elsewhere.known ? 0 : PT_OBJECT_DEFERRED;
		n -= !py_layout.ts_counts;
	}
	return n > 0 ? (uint64_t)n : 0;
}

uint64_t heap_counts_of(const char *object, unsigned *flags)
{
	if (py_layout.free_threaded)
		return threaded(object, flags);
	if (py_layout.minor >= 12 && PY_AT(int32_t, object, 0) < 0)
		return *flags |= PT_OBJECT_IMMORTAL, 0;
	if (py_layout.minor <= 11 && PY_AT(int64_t, object, 0) >= FROZEN_COUNT)
		return *flags |= PT_OBJECT_IMMORTAL, 0;
	return py_layout.minor >= 14 ? PY_AT(uint32_t, object, 0) : PY_AT(uint64_t, object, 0);
}
