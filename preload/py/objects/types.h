/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types: which type the object in a block is of, read from memory when the block is freed
 *
 * What:  numbers for types, each defined in the trace (TYPE) before its first use; equal definitions have one number.
 * Rule:  an object begins 0, 16 or 32 bytes behind the start of its block, as its type says (the collector's head,
 *        and what stands before instances with a dict of their own). So a word that could be a type pointer is
 *        believed only when it is a known type, that type's objects begin where this one would, and the count of
 *        references there is one of a dead object. Whatever else lies in the block has no type.
 * Cost:  a look into a small table, one per place that is tried; a type that is not there is examined as a debugger
 *        would, once.
 * Lives: a type object may die and another one be made at its address. Types are large blocks of the OBJ domain, so
 * each such block that is handed out wipes what was known of the addresses where a type in it would lie. Who:   hooks
 * of the OBJ domain through py.h; free-threaded builds come here from many threads at once.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pt_type;
struct thread;

/* One known type. A reader sees the same key before and after the number, or the entry is being replaced. */
struct py_type_entry {
	uint64_t key; /* the type's address, and how far its objects are from the start of their block */
	uint64_t id;  /* 0: empty; with PY_TYPE_FREE_LIST and PY_TYPE_FINALIZER */
};
/* This version keeps dead objects of exactly this type. */
#define PY_TYPE_FREE_LIST (UINT64_C(1) << 32)
/* A class with __del__, which may give a dead object another life. */
#define PY_TYPE_FINALIZER (UINT64_C(1) << 33)
/* The key of an entry that was wiped or is being written: no word of a block makes it, as words that are 0 would 0. */
#define PY_TYPE_NO_KEY (UINT64_C(1) << 63)
enum { PY_TYPE_ENTRIES = 512, PY_TYPE_ENTRY_BITS = 9 };
extern struct py_type_entry py_type_entries[PY_TYPE_ENTRIES] __attribute__((visibility("hidden")));

enum {
	PY_BEFORE_STEP = 16, /* objects begin at multiples of it */
	PY_BEFORE_MAX = 32,
	PY_TYPE_LEAST_BYTES = 800, /* of a type made at run time */
	PY_PAGE_BYTES = 4096,
	PY_LEAST_ADDRESS = 1 << 16,
	PY_EDGE_BYTES = 64, /* so near to the end of a page nothing is read unasked that may lie behind the block */
};

#define PY_ADDRESS_END (UINT64_C(1) << 47)

/* The number of a type that the small table does not have; 0: there is none in the block. */
uint32_t py_block_type_slow(struct thread *t, const char *block);
/* The number of what may be a type whose objects begin `before` bytes behind the start of their block, with
 * PY_TYPE_FREE_LIST and PY_TYPE_FINALIZER; 0: it is none. */
uint64_t py_type_number(struct thread *t, uint64_t type, uint32_t before);
/* Whether this is a class that is ready; if so, who asked for it is told of it (py_told.type), without a number: what
 * its definition will say may not be all there yet. Its word for its own type is not 0. */
bool py_type_tell_class(const char *type);
/* Forgets what was known of types that would lie in this block. */
void py_types_wipe(const char *block);
/* All: the hooks were away for a while. */
void py_types_wipe_all(void);
/* In the child of a fork: numbers start anew. */
void py_types_forget(void);

/* For snapshots: a type's name as its definition has it, bytes written (`to` holds PY_TYPE_NAME_MAX), 0 when it can't
 * be read; and the fixed part of its definition. `type` is one. */
enum { PY_TYPE_NAME_MAX = 2000 };
size_t py_type_name(const char *type, char *to);
struct pt_type py_type_describe(const char *type, const char *name, size_t bytes);

static inline uint64_t py_type_key(uint64_t type, uint64_t before) { return type ^ before << 56; }
static inline uint32_t py_type_place(uint64_t key)
{
	return (uint32_t)((key >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - PY_TYPE_ENTRY_BITS));
}

static inline uint64_t py_type_known(uint64_t key)
{
	struct py_type_entry *e = &py_type_entries[py_type_place(key)];
	uint64_t seen = __atomic_load_n(&e->key, __ATOMIC_ACQUIRE), id = __atomic_load_n(&e->id, __ATOMIC_ACQUIRE);

	if (seen != key || __atomic_load_n(&e->key, __ATOMIC_RELAXED) != key)
		return 0;
	return id;
}
