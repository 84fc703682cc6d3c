/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types: see types.h
 *
 * Two tables by address: the small one that hooks look into, and behind it one of four entries a place, for programs of
 * thousands of types. What falls out of both is examined again, which costs a microsecond and gives the same number:
 * numbers are found by the content of the definition. That table grows, under a lock; nothing here waits for the host.
 */
#include "preload/py/objects/types.h"

#include <string.h>

#include "formats/event.h"
#include "preload/base/arena.h"
#include "preload/base/os.h"
#include "preload/py/objects/births.h"
#include "preload/py/peek.h"
#include "preload/base/tracer.h"

/* Offsets from fields that layout.h has: the struct is the same from 3.8 to 3.15, but for what stands in front of it
 * and between the type and a class's own fields. */
enum {
	ITEM_FROM_SIZE = 8,
	TRAVERSE_FROM_FLAGS = 16,
	CLEAR_FROM_FLAGS = 24,
	DICT_FROM_BASE = 8,
	DEL_FROM_BASE = 120,
	FINALIZE_FROM_BASE = 136,
	QUALNAME_FROM_KEYS = -8,
};

enum { NAME_MAX_BYTES = PY_TYPE_NAME_MAX, SANE_BASIC_BYTES = 1 << 24, SANE_ITEM_BYTES = 1 << 20, METATYPES_MAX = 4 };
enum { SETS = 2048, WAYS = 4, FIRST_NUMBERS = 1024, DATA_MOST = 512 << 10 };

struct py_type_entry py_type_entries[PY_TYPE_ENTRIES];
static struct py_type_entry further[SETS][WAYS];

/* By content. */
struct number {
	uint64_t hash; /* 0: empty */
	uint32_t id;
};
static struct {
	struct number *at;
	size_t mask, used;
	uint32_t last;
} numbers;
static struct lock lock;

/* ---- tables by address ---- */

static void entry_put(struct py_type_entry *e, uint64_t key, uint64_t id)
{
	__atomic_store_n(&e->key, PY_TYPE_NO_KEY, __ATOMIC_RELEASE);
	__atomic_store_n(&e->id, id, __ATOMIC_RELEASE);
	__atomic_store_n(&e->key, key, __ATOMIC_RELEASE);
}

static struct py_type_entry *set_of(uint64_t key) { return further[(key >> 4) * UINT64_C(0xd6e8feb86659fd93) >> 53]; }
_Static_assert(SETS == 1 << (64 - 53), "the hash is as wide as the table");

static uint64_t find_further(uint64_t key)
{
	struct py_type_entry *set = set_of(key);

	for (int i = 0; i < WAYS; i++)
		if (__atomic_load_n(&set[i].key, __ATOMIC_ACQUIRE) == key)
			return __atomic_load_n(&set[i].id, __ATOMIC_ACQUIRE);
	return 0;
}

/* With the lock. The oldest of a full set goes. */
static void put_further(uint64_t key, uint64_t id)
{
	struct py_type_entry *set = set_of(key);
	int free = WAYS - 1;

	for (int i = WAYS - 1; i >= 0; i--)
		if (!set[i].key || set[i].key == PY_TYPE_NO_KEY || set[i].key == key)
			free = i;
	for (int i = free; i > 0; i--) /* the newest comes first */
		entry_put(&set[i], set[i - 1].key, set[i - 1].id);
	entry_put(&set[0], key, id);
}

static void wipe(uint64_t key)
{
	struct py_type_entry *e = &py_type_entries[py_type_place(key)], *set = set_of(key);

	if (__atomic_load_n(&e->key, __ATOMIC_RELAXED) == key)
		__atomic_store_n(&e->key, PY_TYPE_NO_KEY, __ATOMIC_RELEASE);
	for (int i = 0; i < WAYS; i++)
		if (__atomic_load_n(&set[i].key, __ATOMIC_RELAXED) == key)
			__atomic_store_n(&set[i].key, PY_TYPE_NO_KEY, __ATOMIC_RELEASE);
}

void py_types_wipe(const char *block)
{
	uintptr_t start = (uintptr_t)block + py_state.block_type - py_layout.object_type;

	for (unsigned at = 0; at <= PY_BEFORE_MAX; at += PY_BEFORE_STEP)
		for (unsigned before = 0; before <= PY_BEFORE_MAX; before += PY_BEFORE_STEP)
			wipe(py_type_key(start + at, before));
}

void py_types_wipe_all(void)
{
	for (unsigned i = 0; i < PY_TYPE_ENTRIES; i++)
		__atomic_store_n(&py_type_entries[i].key, PY_TYPE_NO_KEY, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < SETS * WAYS; i++)
		if (further[i / WAYS][i % WAYS].key)
			__atomic_store_n(&further[i / WAYS][i % WAYS].key, PY_TYPE_NO_KEY, __ATOMIC_RELEASE);
}

/* ---- is it a type? ---- */

static bool readable(const char *p) { return py_readable((const char *)((uintptr_t)p & ~(uintptr_t)7)); }

static bool may_be_pointer(uint64_t word) { return !(word & 7) && word >= 1 << 16 && word < UINT64_C(1) << 47; }

/*
 * Whether it lies between two static types of the interpreter, and so in its data, which is there as long as it is. (Of
 * types that lie further apart than its data are long one was copied into another file by the linker.)
 */
static bool is_in_data(const char *p)
{
	const char *const types[] = { py_symbols.type_type, py_symbols.str_type, py_symbols.bytes_type,
				      py_symbols.code_type };
	const char *low = types[0], *high = types[0];

	for (unsigned i = 1; i < sizeof types / sizeof *types; i++) {
		low = types[i] < low ? types[i] : low;
		high = types[i] > high ? types[i] : high;
	}
	return p >= low && p <= high && high - low < DATA_MOST;
}

/* Whether the kernel finds eight bytes there now: what was there once may be gone. */
static bool is_there(const char *p)
{
	return is_in_data(p) || os_call(SYS_rt_sigprocmask, ~0, (uintptr_t)p & ~(uintptr_t)7, NULL, 8) != -EFAULT;
}

/* Something as long as the fields that all types have can be read here. The kernel is asked each time, as a word of a
 * block may be left of long ago, and lead to pages that were there once: py_readable() would still believe in them. */
static bool type_is_readable(const char *type)
{
	const char *last = type + py_layout.type_base + FINALIZE_FROM_BASE;

	return is_there(type) && ((uintptr_t)type / PY_PAGE_BYTES == (uintptr_t)last / PY_PAGE_BYTES || is_there(last));
}

static bool numbers_are_sane(const char *type)
{
	uint64_t flags = PY_AT(uint64_t, type, py_layout.type_flags);
	int64_t basic = PY_AT(int64_t, type, py_layout.type_size),
		item = PY_AT(int64_t, type, py_layout.type_size + ITEM_FROM_SIZE);

	return (flags & FLAG_READY) && basic >= py_layout.object_type + 8 && basic < SANE_BASIC_BYTES && item >= 0 &&
	       item < SANE_ITEM_BYTES;
}

/* Its own type is `type`, or made of one that is. */
static bool is_type(const char *type)
{
	const char *meta = type;

	for (int i = 0; i < METATYPES_MAX; i++) {
		if (!may_be_pointer((uintptr_t)meta) || !type_is_readable(meta) || !numbers_are_sane(meta))
			return false;
		if (i && !(PY_AT(uint64_t, meta, py_layout.type_flags) & FLAG_TYPE))
			return false;
		meta = PY_AT(char *, meta, py_layout.object_type);
		if (meta == py_symbols.type_type)
			return true;
	}
	return false;
}

static uint32_t before_of(uint64_t flags)
{
	bool managed = (py_layout.minor >= 11 && (flags & FLAG_MANAGED_DICT)) ||
		       (py_layout.minor >= 12 && (flags & FLAG_MANAGED_WEAKREF));

	return (flags & FLAG_GC && !py_layout.free_threaded ? PY_BEFORE_STEP : 0) + (managed ? PY_BEFORE_STEP : 0);
}

/* ---- its name ---- */

/* A zero ends it; how long it is, 0: it can't be read. */
static size_t length_of_name(const char *name)
{
	size_t n = 0;

	if (!readable(name))
		return 0;
	for (; n < NAME_MAX_BYTES; n++) {
		if (!((uintptr_t)(name + n) & 7) && !py_readable(name + n))
			return 0;
		if (!name[n])
			return n;
		if ((unsigned char)name[n] < ' ')
			return 0;
	}
	return 0;
}

static size_t static_name(const char *type, char *to)
{
	const char *name = PY_AT(char *, type, py_layout.type_name);
	size_t n = length_of_name(name);

	memcpy(to, name, n);
	return n;
}

static size_t add_text(const char *str, char *to, size_t cap)
{
	struct piece text = py_text(str, to, cap);

	if (text.data != to)
		memcpy(to, text.data, text.bytes);
	return text.bytes;
}

/* Module and qualified name, as tracebacks have them. */
static size_t heap_name(const char *type, char *to)
{
	const char *name = PY_AT(char *, type, py_layout.type_keys + QUALNAME_FROM_KEYS);
	const char *module = py_dict_text(PY_AT(char *, type, py_layout.type_base + DICT_FROM_BASE), "__module__");
	size_t n = 0;

	if (!py_is(name, py_symbols.str_type))
		return 0;
	if (py_is(module, py_symbols.str_type) && !py_text_is(module, "builtins")) {
		n = add_text(module, to, NAME_MAX_BYTES / 2);
		to[n++] = '.';
	}
	return n + add_text(name, to + n, NAME_MAX_BYTES - n);
}

size_t py_type_name(const char *type, char *to)
{
	if (!(PY_AT(uint64_t, type, py_layout.type_flags) & FLAG_HEAP))
		return static_name(type, to);
	return py_readable(type + py_layout.type_keys) ? heap_name(type, to) : 0;
}

/* ---- definitions ---- */

/* Types whose dead objects, of exactly this type, are kept for reuse; by the versions that do (Objects/, Modules/). */
static const struct {
	const char *name;
	uint8_t first, last; /* minor versions */
} free_lists[] = {
	{ "tuple", 8, 99 },
	{ "list", 8, 99 },
	{ "dict", 8, 99 },
	{ "float", 8, 99 },
	{ "slice", 8, 99 },
	{ "async_generator_asend", 8, 99 },
	{ "async_generator_wrapped_value", 8, 99 },
	{ "Context", 8, 8 },
	{ "_contextvars.Context", 9, 99 },
	{ "_asyncio.FutureIter", 8, 99 },
	{ "frame", 8, 10 },
	{ "method", 8, 8 },
	{ "method", 14, 99 },
	{ "builtin_function_or_method", 8, 8 },
	{ "builtin_function_or_method", 14, 99 },
	{ "builtin_method", 14, 99 },
	{ "int", 14, 99 },
	{ "list_iterator", 14, 99 },
	{ "tuple_iterator", 14, 99 },
	{ "range", 14, 99 },
	{ "range_iterator", 14, 99 },
	{ "complex", 15, 99 },
};

static bool has_free_list(const char *name, size_t bytes)
{
	for (size_t i = 0; i < sizeof free_lists / sizeof *free_lists; i++)
		if (strlen(free_lists[i].name) == bytes && !memcmp(free_lists[i].name, name, bytes) &&
		    py_layout.minor >= free_lists[i].first && py_layout.minor <= free_lists[i].last)
			return true;
	return false;
}

/* Types made from a spec, in C, have their module in tp_name, classes the bare name. */
static bool is_class(const char *type, uint64_t flags)
{
	const char *name = PY_AT(char *, type, py_layout.type_name);
	size_t n = flags & FLAG_HEAP ? length_of_name(name) : 0;

	return n && !memchr(name, '.', n);
}

struct pt_type py_type_describe(const char *type, const char *name, size_t bytes)
{
	uint64_t flags = PY_AT(uint64_t, type, py_layout.type_flags);
	const struct {
		bool holds;
		uint32_t flag;
	} facts[] = {
		{ flags & FLAG_GC, PT_TYPE_GC },
		{ PY_AT(void *, type, py_layout.type_flags + TRAVERSE_FROM_FLAGS), PT_TYPE_TRAVERSE },
		{ PY_AT(void *, type, py_layout.type_flags + CLEAR_FROM_FLAGS), PT_TYPE_CLEAR },
		{ flags & FLAG_HEAP, PT_TYPE_HEAP },
		{ PY_AT(void *, type, py_layout.type_base + FINALIZE_FROM_BASE), PT_TYPE_FINALIZER },
		{ PY_AT(void *, type, py_layout.type_base + DEL_FROM_BASE), PT_TYPE_LEGACY },
		{ !(flags & FLAG_HEAP) && has_free_list(name, bytes), PT_TYPE_FREE_LIST },
		{ is_class(type, flags), PT_TYPE_PYTHON },
	};
	struct pt_type head = {
		.basic_bytes = (uint32_t)PY_AT(uint64_t, type, py_layout.type_size),
		.item_bytes = (uint32_t)PY_AT(uint64_t, type, py_layout.type_size + ITEM_FROM_SIZE),
		.before_bytes = before_of(flags),
	};

	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
		head.flags |= facts[i].holds ? facts[i].flag : 0;
	return head;
}

static uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
	return h;
}

static struct number *number_at(struct number *at, size_t mask, uint64_t hash)
{
	size_t i = (hash ^ hash >> 32) & mask;

	while (at[i].hash && at[i].hash != hash)
		i = (i + 1) & mask;
	return &at[i];
}

/* With the lock. NULL: no memory. */
static struct number *number_of(uint64_t hash)
{
	size_t n = numbers.at ? numbers.mask + 1 : 0, more = n ? n * 2 : FIRST_NUMBERS;
	struct number *at;

	if (numbers.used * 2 < n)
		return number_at(numbers.at, numbers.mask, hash);
	at = arena_map(more * sizeof *at);
	if (!at)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (numbers.at[i].hash)
			*number_at(at, more - 1, numbers.at[i].hash) = numbers.at[i];
	if (numbers.at)
		arena_unmap(numbers.at, n * sizeof *at);
	numbers.at = at;
	numbers.mask = more - 1;
	return number_at(at, more - 1, hash);
}

/* The number of a definition, written into the trace when it is new. With the lock; 0: no memory. */
static uint32_t define(struct thread *t, const struct pt_type *head, const char *name, size_t bytes)
{
	uint64_t hash = hash_bytes(hash_bytes(UINT64_C(0xcbf29ce484222325), head, sizeof *head), name, bytes);
	struct number *n = number_of(hash ? hash : 1);

	if (!n)
		return 0;
	if (!n->hash) {
		*n = (struct number){ hash ? hash : 1, ++numbers.last };
		numbers.used++;
		define_bytes(t, PT_OP_TYPE, n->id, (struct piece[]){ { head, sizeof *head }, { name, bytes } }, 2);
		if (py_told.type)
			py_told.type(n->id, head, name, bytes);
	}
	return n->id;
}

static void remember(uint64_t key, uint64_t id)
{
	lock_take(&lock);
	entry_put(&py_type_entries[py_type_place(key)], key, id);
	lock_drop(&lock);
}

/* Looks at what could be a type; 0: it is none, or its objects do not begin so far from the start of their block. */
static uint64_t examine(struct thread *t, const char *type, uint32_t before)
{
	char name[NAME_MAX_BYTES];
	struct pt_type head;
	size_t bytes;
	uint64_t id;

	if (!is_type(type) || before_of(PY_AT(uint64_t, type, py_layout.type_flags)) != before)
		return 0;
	py_readable_anew(); /* a type that died looks like one for a while, and what it refers to may be gone */
	bytes = py_type_name(type, name);
	if (!bytes)
		return 0;
	head = py_type_describe(type, name, bytes);
	lock_take(&lock);
	id = define(t, &head, name, bytes);
	if (id && head.flags & PT_TYPE_FREE_LIST)
		id |= PY_TYPE_FREE_LIST;
	if (id && head.flags & PT_TYPE_FINALIZER && head.flags & PT_TYPE_PYTHON)
		id |= PY_TYPE_FINALIZER;
	if (id)
		put_further(py_type_key((uintptr_t)type, before), id);
	lock_drop(&lock);
	return id;
}

/* ---- blocks ---- */

/*
 * Immortal objects die with the interpreter. Their count has bit 31 set since 3.12; it is a word of which the upper
 * half is 0 up to 3.13, and half a word of which the upper bits are never all set since. What must not pass is the
 * index of a dict's table, of which most bytes are 0xff, and whose first hash may be an address: tp_subclasses is such
 * a dict.
 */
static bool is_immortal(const char *type_word)
{
	uint64_t count = PY_AT(uint64_t, type_word, -8);

	if (py_layout.free_threaded)
		return PY_AT(uint32_t, type_word, -12) == UINT32_MAX;
	if (py_layout.minor <= 13)
		return py_layout.minor >= 12 && count >> 31 == 1;
	return count >> 31 & 1 && (count >> 28 & 15) != 15;
}

/* What waits in a free list has a link where its count was, since 3.14. Free-threaded objects have it elsewhere. */
static bool may_be_link(const char *type_word)
{
	return py_layout.minor >= 14 && !py_layout.free_threaded &&
	       (!PY_AT(uint64_t, type_word, -8) || py_may_be_type(type_word - 8));
}

static uint64_t look_up(struct thread *t, const char *type, uint64_t key, uint32_t before)
{
	uint64_t id = find_further(key);

	if (!id)
		id = examine(t, type, before);
	if (id)
		remember(key, id);
	return id;
}

static uint32_t type_at(struct thread *t, const char *type_word, uint32_t before)
{
	uint64_t type = PY_AT(uint64_t, type_word, 0), key = py_type_key(type, before), id;
	bool dead = py_count_is_over(type_word) || is_immortal(type_word);

	if (!py_may_be_type(type_word) || !(dead || may_be_link(type_word)))
		return 0;
	id = py_type_known(key);
	if (!id)
		id = look_up(t, (const char *)(uintptr_t)type, key, before);
	return dead || id & PY_TYPE_FREE_LIST ? (uint32_t)id : 0;
}

uint32_t py_block_type_slow(struct thread *t, const char *block)
{
	const char *type_word = block + py_state.block_type;
	uint32_t id = type_at(t, type_word, 0);

	for (uint32_t before = PY_BEFORE_STEP; !id && before <= py_state.before_max; before += PY_BEFORE_STEP) {
		if (py_is_at_edge(block) && !is_there(type_word + before))
			return 0;
		id = type_at(t, type_word + before, before);
	}
	return id;
}

uint32_t py_object_before(const char *object)
{
	return before_of(PY_AT(uint64_t, PY_AT(char *, object, py_layout.object_type), py_layout.type_flags));
}

uint64_t py_object_type(struct thread *t, const char *object)
{
	const char *type = PY_AT(char *, object, py_layout.object_type);
	uint32_t before = before_of(PY_AT(uint64_t, type, py_layout.type_flags));
	uint64_t key = py_type_key((uintptr_t)type, before), id = py_type_known(key);

	return id || !py_state.types ? id : look_up(t, type, key, before);
}

uint64_t py_type_number(struct thread *t, uint64_t type, uint32_t before)
{
	uint64_t key = py_type_key(type, before), id = py_type_known(key);

	return id || !py_state.types ? id : look_up(t, (const char *)(uintptr_t)type, key, before);
}

bool py_type_tell_class(const char *type)
{
	char name[NAME_MAX_BYTES];
	struct pt_type head;
	size_t bytes = is_type(type) ? py_type_name(type, name) : 0;

	if (!bytes)
		return false;
	head = py_type_describe(type, name, bytes);
	if (py_told.type)
		py_told.type(0, &head, name, bytes);
	return true;
}

void py_types_forget(void)
{
	py_types_wipe_all();
	if (numbers.at)
		arena_unmap(numbers.at, (numbers.mask + 1) * sizeof *numbers.at);
	numbers.at = NULL;
	numbers.mask = numbers.used = 0;
	numbers.last = 0;
	lock_drop(&lock);
}
