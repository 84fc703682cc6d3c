/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_parts: what the files of the walk tell each other
 *
 * One walk, by one thread, in a copy that ends afterwards: so its state is one struct, nothing is given back, and a
 * fault may jump out of anything. heap.c drives; heap_seen.c remembers which objects were met; heap_types.c and
 * heap_fields.c know types; heap_object.c says which object is next; heap_counts.c reads its count; heap_record.c and
 * heap_containers.c write it, with the edges of heap_edges.c and heap_frames.c; heap_texts.c and heap_lines.c name
 * things; heap_roots.c writes roots.
 */
#pragma once
#include "formats/bytes.h"
#include "formats/snapshot.h"
#include "preload/py/heap/heap.h"
#include "preload/py/parts.h"
#include "preload/snapshot/out.h"

/* How the edges of a type's objects are found. */
enum heap_kind {
	KIND_OTHER,    /* its fields, its instance's attributes, and what tp_traverse says beyond them */
	KIND_LEAF,     /* has none */
	KIND_HELD,     /* what it holds is reported by the one object that has it */
	KIND_CACHE,    /* functools.lru_cache's, which reports what its elements hold */
	KIND_DATETIME, /* has a time zone, or not the memory for one */
	KIND_TIME,
	KIND_LIST,
	KIND_TUPLE,
	KIND_DICT,
	KIND_SET,
	KIND_DEQUE,
	KIND_TYPE,
	KIND_CODE,
	KIND_FRAME,
	KIND_GENERATOR, /* coroutines and asynchronous generators too */
};

/* A member of a C struct that holds a reference, and its name: a string's number; of classes of dicts also an object
 * that reads so, or NULL. */
struct heap_field {
	uint32_t offset, name;
	const char *called;
};

struct heap_type {
	const char *address;
	uint64_t flags; /* tp_flags */
	uint32_t number;
	uint8_t kind;
	bool exact;                           /* of the kind itself, not of a class derived from it */
	bool is_class;                        /* made at run time: its objects hold references to it */
	bool may_scan;                        /* its own memory is looked through for pointers */
	bool is_module, is_function, is_task; /* has a name that people know */
	uint32_t basic, item, before;
	int32_t dict_at, weaklist_at;
	int (*traverse)(const void *object, int (*visit)(const void *, void *), void *arg);
	int (*is_gc)(const void *object);
	uint32_t n_fields;
	struct heap_field *fields;
	uint32_t n_names; /* of the attributes in its shared keys, numbers of strings; filled as they are met */
	uint32_t *names;
	const char *class_key, *dict_key; /* objects that read "__class__", "__dict__" */
};

/* A reference that was found in an object by name. */
struct heap_edge {
	const char *target;
	const char *called; /* as of heap_field */
	uint32_t name;
	uint32_t flags; /* PT_EDGE_ */
};

/* Growing arrays of the walk. */
struct heap_refs {
	const char **at;
	size_t n, cap;
};
struct heap_edges {
	struct heap_edge *at;
	size_t n, cap;
};

struct heap_leaf; /* heap_seen.c */

struct heap {
	struct out *out;
	struct heap_leaf **leaves;    /* by GiB of address */
	struct heap_refs work;        /* met, not written yet */
	struct heap_refs visited;     /* what tp_traverse reported of the object in hand */
	struct heap_edges named;      /* what was found in it */
	const char *object;           /* the one in hand */
	const struct heap_type *type; /* its type, while its record is made */
	uint64_t record_edges;        /* of that record */
	unsigned generation;          /* of the list in hand */
	bool lists_are_complete;      /* every tracked object will come by a list */
	uint64_t n_objects, n_edges, n_unreadable, n_unknown, n_cut;
	/* heap_types.c */
	struct heap_type **types;
	uint32_t n_types, n_type_slots;
	const struct heap_type *last_type;
};
extern struct heap heap __attribute__((visibility("hidden")));

/* ---- heap_seen.c: memory by address ---- */

/* Allocates what the file needs; false without memory. */
bool heap_seen_start(void);
enum heap_mark {
	HEAP_SEEN = 1,
	HEAP_TEXT = 2,
	HEAP_TABLE = 2, /* where no object starts: a table that is one's, whose words are its edges */
};
bool heap_is_marked(const char *object, enum heap_mark mark);
/* Sets the mark. False when it was set before, or there is no memory for it. */
bool heap_mark(const char *object, enum heap_mark mark);
/* Whether the address lies in a loaded object's data, so in no block. */
bool heap_is_static(const char *p);
/* Notes a table whose words are edges of the object in hand: of a list, dict, set or deque, values of an instance. */
static inline void heap_own(const char *table)
{
	if (table)
		heap_mark(table, HEAP_TABLE);
}
/* Whether there is memory of the program at this address that may be a heap block: private, writable, of no file. */
bool heap_may_be_block(const char *p);

/* Mapping `i` of such memory, by address; false: there are no more. */
bool heap_blocks_range(unsigned i, uintptr_t *ret_start, uintptr_t *ret_end);

/* False without memory: the reference is dropped. */
bool heap_refs_put(struct heap_refs *r, const char *object);
/* Into heap.named; nothing when there is no target. */
void heap_named_put(const char *target, uint32_t name, uint32_t flags, const char *called);
/* Is a grown array, twice as long or more; the old one is given back. NULL without memory. */
void *heap_grown(void *old, size_t n, size_t *cap, size_t each);

/* ---- heap_types.c ---- */

/* Allocates the table; false without memory. */
bool heap_types_start(void);
/* The type of an object, defined in the snapshot; NULL: what lies there is no type. */
const struct heap_type *heap_type_of(const char *object);
/* A static type's dict and __subclasses__, which 3.12 and later keep apart for each interpreter; NULL. */
const char *heap_type_dict(const char *type);
const char *heap_type_subclasses(const char *type);
/* Whether objects of this type were met; `type` may be anything. */
bool heap_type_is_met(const char *type);
/* Entry i of what an interpreter keeps of static types; `array` is interp_types or interp_extensions. NULL. */
const char *heap_type_entry(const char *interp, uint32_t array, uint32_t i);
/* The string number of an attribute of instances: entry i of the type's shared keys. */
uint32_t heap_type_attribute(const struct heap_type *t, uint32_t i, const char *key);
/* Zeroed memory that stays; NULL without any. */
void *heap_types_memory(size_t bytes);
/* An object among the keys of the type's dicts that reads `name`; NULL. */
const char *heap_type_key(const char *type, const char *name);

/* ---- heap_fields.c ---- */

/* Names the members of the type's objects that hold references: t->fields. */
void heap_fields_find(struct heap_type *t);
/* What kind of objects these are. */
void heap_fields_kind(struct heap_type *t);

/* ---- heap_counts.c ---- */

/* Reads what is counted elsewhere than in objects; answers false. Before the first object is written. */
bool heap_counts_step(void);
/* The references to an object that are counted, 0 for one that counts none: *flags. */
uint64_t heap_counts_of(const char *object, unsigned *flags);

/* ---- heap_record.c ---- */

enum {
	HEAP_HEAD_BYTES = 1 + 6 * PT_VARINT_MAX, /* of a record, the number of its edges included */
	HEAP_EDGE_BYTES = 8,                     /* what an edge takes: addresses have 47 bits */
	HEAP_NAME_BYTES = 5,                     /* and its name */
	HEAP_RAW_MAX = 16,
};
/* Begins the record of an object with `n` edges: they are to be put behind it, then n_raw pointers. */
uint8_t *heap_record_begin(const char *object, const struct heap_type *t, unsigned flags, uint64_t n, uint64_t n_raw);
/* The object's own bytes, from its start. */
uint64_t heap_record_bytes(const char *object, const struct heap_type *t);
/* As many edges of `each` bytes as the longest record takes: the rest is lost, and counted. */
uint64_t heap_record_fitting(uint64_t n, unsigned each);
uint8_t *heap_record_raw(uint8_t *p, const char *object, const char *const *raw, unsigned n);
/* The record is finished: what faults from here on is not its object. */
static inline void heap_record_end(uint8_t *end)
{
	out_record(heap.out, end);
	heap.n_objects++;
	heap.n_edges += heap.record_edges;
	heap.type = NULL;
}
/* PT_OBJECT_ flags, but for the shape. */
unsigned heap_record_flags(const char *object, const struct heap_type *t);
/* Where the block of values begins that 3.11 and 3.12 keep apart from the instance, and a dict takes over. */
static inline const char *heap_record_values(const char *values) { return values - PY_AT(uint8_t, values, -1); }
/* Whether the word leads to memory that may be a block. */
bool heap_record_may_own(const char *word);
/* Words of the object that lead to memory and are none of heap.named; how many, HEAP_RAW_MAX at most. */
unsigned heap_record_scan(const char *object, const struct heap_type *t, const char **raw);
/* A record without edges; one of the edges in heap.named, whose targets are met. */
void heap_record_leaf(const char *object, const struct heap_type *t);
void heap_record_named(const char *object, const struct heap_type *t, unsigned flags);
/* Its targets are met when all are put: they are fetched meanwhile, unless there are more than the caches take. */
enum { HEAP_FETCHED_MOST = 1024, HEAP_FETCHED_AHEAD = 8 };
static inline uint8_t *heap_record_put(uint8_t *p, const char *object, const char *target)
{
	if (heap.record_edges <= HEAP_FETCHED_MOST)
		__builtin_prefetch(target);
	return pt_put_delta(p, (uintptr_t)target, (uintptr_t)object);
}

/* ---- heap_containers.c ---- */

void heap_containers_list(const char *object, const struct heap_type *t);
void heap_containers_tuple(const char *object, const struct heap_type *t);
void heap_containers_dict(const char *object, const struct heap_type *t);
void heap_containers_set(const char *object, const struct heap_type *t);
void heap_containers_deque(const char *object, const struct heap_type *t);

/* ---- heap_object.c ---- */

/* An object that something refers to: written now or later, when it was not met before. NULL is allowed. */
void heap_meet(const char *object);
/* An object of a list of the collector: written now. */
void heap_meet_tracked(const char *object);
/* Writes what is left to write. */
void heap_drain(void);
/* The object in hand could not be read: writes what is known of it. */
void heap_give_up(void);

/* ---- heap_edges.c ---- */

/* All references of an object, into heap.named: what is known by name, then what else tp_traverse reports. Not the
 * items of a list, tuple or deque, nor the entries of a dict: those are taken out of what is reported, items of a deque
 * are left in heap.visited. */
void heap_edges_find(const char *object, const struct heap_type *t);

/* Attributes of an instance that are in no dict (3.11 on), in the order of the type's keys; NULL. */
const char *heap_edges_values(const char *object, const struct heap_type *t);

/* A dict's table. Entry i: key at `entries` + i * stride, value behind it or apart. */
struct heap_table {
	const char *entries, *values, *keys;
	uint64_t n;
	uint32_t stride;
	bool split;    /* the keys belong to a type */
	bool embedded; /* the values are those of an instance, which holds them */
};
bool heap_table_of_dict(struct heap_table *t, const char *dict);
static inline const char *heap_table_key(const struct heap_table *t, uint64_t i)
{
	return PY_AT(char *, t->entries, i * t->stride);
}
static inline const char *heap_table_value(const struct heap_table *t, uint64_t i)
{
	return t->values ? PY_AT(char *, t->values, i * 8) : PY_AT(char *, t->entries, i * t->stride + 8);
}

/* ---- heap_frames.c ---- */

void heap_frames_code(const char *code);
void heap_frames_object(const char *frame);
void heap_frames_generator(const char *generator);
/* What C functions of a thread refer to without counting it (free-threaded, 3.14 on), into heap.named. */
void heap_frames_borrowed(const char *tstate);
/* FRAME roots of a thread. */
void heap_frames_of_thread(const char *tstate);

/* ---- heap_lines.c ---- */

/* The line of an instruction; the function's first one where the table has none. */
unsigned heap_line_of(const char *code, uint32_t offset);

/* ---- heap_texts.c ---- */

/* A string of the snapshot, of a text that lies where it lies for good. */
uint32_t heap_text_string(const char *text);
/* The same, of a str object; remembered by its address. */
uint32_t heap_text_of_str(const char *str);
/* "what[key]". */
uint32_t heap_text_entry(const char *what, const char *key);
/* A TEXT record for what is a key of a dict, if it is one that people can read. */
void heap_text_key(const char *key);
/* A TEXT record for a module, function, code object, type: by the name that it bears. */
void heap_text_named(const char *object, const struct heap_type *t);

/* ---- heap_roots.c ---- */

/* What one interpreter holds, but for static types; one thread state and its frames. */
void heap_roots_of_interpreter(const char *interp);
void heap_roots_of_thread(const char *tstate);
/* Static types that were met. */
void heap_roots_of_types(void);
/* One root, of the edges in heap.named. */
void heap_roots_put(enum pt_root kind, uint32_t label, uint32_t detail, uint64_t number);

static inline const char *heap_word(const char *p, unsigned offset) { return PY_AT(char *, p, offset); }
/* The collector's state of an interpreter. */
const char *heap_collector(const char *interp);
/* Bytes of an object's head. */
static inline unsigned heap_head(void) { return py_layout.object_type + 8u; }
/* What the collector notes of an object; the latter two in free-threaded builds. */
enum { HEAP_GC_TRACKED = 1, HEAP_GC_FINALIZED = 2, HEAP_GC_FROZEN = 8, HEAP_GC_DEFERRED = 64, HEAP_GC_BITS_AT = 11 };
/* Those bits. Two words in front of the object: next (0: not tracked), previous and flags. Without a
 * GIL a byte of the head. */
static inline unsigned heap_gc_bits(const char *object)
{
	uint64_t next, previous;

	if (py_layout.free_threaded)
		return PY_AT(uint8_t, object, HEAP_GC_BITS_AT);
	next = PY_AT(uint64_t, object, -16);
	previous = PY_AT(uint64_t, object, -8);
	return (next ? 1 : 0) | (unsigned)(previous & 1) << 1;
}

static inline bool heap_is_gc(const char *object, const struct heap_type *t)
{
	return (t->flags & FLAG_GC) && (!t->is_gc || t->is_gc(object));
}
