/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap: one snapshot in memory: the objects of the program, and who refers to whom
 *
 * What:  objects are numbers, 0 to n - 1, in the order of their addresses. Columns hold what is known of each. Edges
 *        are one array: those of object o are first[o] to first[o + 1] - 1. Types, texts, roots, areas and facts lie
 *        beside it.
 * Size:  about 42 bytes an object (with 1.5 edges); algorithms take up to 50 more while they run.
 * Trust: what heap_load() hands out is sound: every number is in its range, names end with a zero.
 * Owner: who loaded it. Read-only afterwards, so any thread may look.
 */
#pragma once
#include "analyzer/read/snapshot.h"

typedef uint32_t object_id;  /* an object's number */
#define HEAP_NONE UINT32_MAX /* no object */

/* Numbers of strings and types in here: 0 is "" and the unknown type. */
typedef uint32_t heap_string;

struct heap_type {
	uint64_t address;
	object_id object; /* the type itself; HEAP_NONE when the snapshot has none there */
	uint32_t flags;   /* PT_TYPE_ */
	uint64_t basic_bytes, item_bytes;
	uint32_t before_bytes; /* between the start of the block and the object */
	heap_string name;
	uint64_t n, bytes; /* objects of it, and their own bytes */
};

struct heap_root {
	uint32_t kind; /* enum pt_root */
	heap_string label, detail;
	uint64_t number;
	uint32_t first, n; /* of root_targets */
};

struct heap_fact {
	heap_string key;
	uint64_t value;
};

/* Memory as the system sees it. Runs: lengths in pages, resident, not resident, ... */
struct heap_area {
	uint64_t start, pages, resident_pages;
	uint32_t flags; /* 1 read, 2 write, 4 execute, 8 shared */
	heap_string file;
	size_t first_run, n_runs; /* of heap.runs */
};

/* What people call an object. */
struct heap_text {
	object_id object;
	heap_string text;
};

/* A word of an object that leads to memory and is no known reference. */
struct heap_raw {
	uint64_t address;
	object_id object; /* that it lies in */
	object_id target; /* the object that starts there; HEAP_NONE: none does */
};

/* Targets of edges have this bit when the reference is not in the target's count. HEAP_NONE has it, too. */
#define HEAP_WEAK (UINT32_C(1) << 31)

/* A native block that was not reached. Whether one is alive there only the events tell. */
struct heap_lost {
	uint64_t address, bytes;
	size_t first, n; /* of lost_edges: addresses of such blocks that it points to */
};

/* Memory outside of objects with words that are addresses of objects. */
struct heap_keeper {
	uint64_t address, bytes;
	uint32_t kind;   /* enum pt_keeper */
	size_t first, n; /* of heap.kept: addresses, of objects of the snapshot or of what it does not have */
};

struct heap_page;

struct heap {
	const struct defs *defs; /* of its trace */
	uint64_t snapshot;       /* its number */
	uint64_t ns;
	uint32_t reason; /* enum pt_snapshot_reason; 0: unknown */
	bool complete;   /* END was there and nothing was damaged */

	/* objects */
	uint32_t n;
	uint64_t *address;
	uint64_t *bytes; /* of the object itself */
	uint32_t *type;
	uint32_t *refcount; /* 0: immortal; UINT32_MAX: that or more */
	uint16_t *flags;    /* PT_OBJECT_ */

	/* edges */
	uint32_t n_edges;
	uint32_t *first;  /* n + 1 */
	uint32_t *target; /* object, perhaps with HEAP_WEAK; HEAP_NONE: no object of the snapshot is there */
	uint32_t *label;  /* heap_string << 2 | PT_EDGE_ flags */

	ARRAY(struct heap_type) types; /* [0] is the unknown one */
	ARRAY(struct heap_root) roots;
	ARRAY(uint32_t) root_targets;  /* as `target` */
	ARRAY(uint32_t) root_labels;   /* as `label` */
	ARRAY(struct heap_text) texts; /* by object */
	ARRAY(struct heap_raw) raws;   /* by object */
	ARRAY(struct heap_fact) facts;
	ARRAY(struct heap_area) areas;
	ARRAY(uint32_t) runs;
	ARRAY(struct heap_lost) lost; /* native blocks that no pointer leads to, as the tracer saw them */
	ARRAY(uint64_t) lost_edges;
	ARRAY(struct heap_keeper) keepers; /* in the order of the file; of one block there may be several */
	ARRAY(uint64_t) kept;

	/* what was read, and what was not */
	uint64_t total_bytes;     /* of all objects */
	uint64_t n_missed;        /* objects that the tracer could not read */
	uint64_t n_unknown_edges; /* edges to no object of the snapshot, weak ones left out */
	uint64_t n_bad;           /* records dropped: an object twice, an address that can be none */
	char trouble[160];        /* why it is not complete: a sentence; "" when it is */

	/* private: heap_find(), strings */
	struct heap_page *pages;
	uint32_t *page_table;
	uint32_t n_pages, page_mask;
	ARRAY(uint64_t) string_at; /* by heap_string: offset in chars */
	ARRAY(char) chars;
};

/* Loads a snapshot of an opened trace. Never fails: see `complete` and `trouble`. n_workers: threads that unpack,
 * 0: as many as there are processors, at most 4. heap_free() in any case. */
void heap_load(struct heap *h, const struct trace *t, const struct snapshot *s, int n_workers);
void heap_free(struct heap *h);

/* Index in h->raws of the first one of an object, or of the next object that has any. */
size_t heap_first_raw(const struct heap *h, object_id o);

/* The object at this address; HEAP_NONE. */
object_id heap_find(const struct heap *h, uint64_t address);
/* Zero-terminated, borrowed. "" for 0. */
const char *heap_text_of(const struct heap *h, heap_string s);
/* What people call the object (name of a module, function, type; text of a str); NULL when the snapshot has none. */
const char *heap_name(const struct heap *h, object_id o);
/* The name of its type; "?" when unknown. */
const char *heap_type_name(const struct heap *h, object_id o);
/* The value of a fact; false when there is none. */
bool heap_fact(const struct heap *h, const char *key, uint64_t *ret_value);
/* The object whose edge e is. O(log n). */
object_id heap_source(const struct heap *h, uint32_t edge);

/* Whether the edge or root edge with this target leads to an object and holds it. */
static inline bool heap_holds(uint32_t target) { return !(target & HEAP_WEAK); }
/* The object that a target names, whether it is held or not; HEAP_NONE. */
static inline object_id heap_target(uint32_t target) { return target == HEAP_NONE ? target : target & ~HEAP_WEAK; }
/* The object that a root holds by one of its edges; HEAP_NONE. What a running function's variables refer to is held,
 * whoever counts the reference: nobody (borrowed), or the object of the frame. What its stack refers to uncounted may
 * be left over, and what is borrowed there is held by what it was borrowed from. */
object_id heap_root_holds(const struct heap *h, const struct heap_root *r, uint32_t edge);
static inline bool heap_is_tracked(const struct heap *h, object_id o) { return h->flags[o] & PT_OBJECT_TRACKED; }
static inline unsigned heap_generation(const struct heap *h, object_id o)
{
	return (h->flags[o] & PT_OBJECT_GENERATION) >> PT_OBJECT_GENERATION_SHIFT;
}
/* Where the block of the object starts. */
static inline uint64_t heap_block(const struct heap *h, object_id o)
{
	return h->address[o] - h->types.at[h->type[o]].before_bytes;
}

/* What an edge is called. */
enum heap_edge_kind {
	HEAP_EDGE_PLAIN,     /* it has no name */
	HEAP_EDGE_ATTRIBUTE, /* text: "session"; of a frame a variable */
	HEAP_EDGE_INNER,     /* text: "__dict__", "(closure 0)": a part that is no attribute of Python's */
	HEAP_EDGE_INDEX,     /* index */
	HEAP_EDGE_KEY,       /* the value of a mapping's key: `key`, and its text when it has one */
	HEAP_EDGE_IS_KEY,    /* the key itself */
};
struct heap_edge_name {
	enum heap_edge_kind kind;
	const char *text; /* "" when there is none; borrowed */
	uint64_t index;
	object_id key; /* HEAP_NONE */
};
/* The name of edge e of object o (first[o] <= e < first[o + 1]). */
struct heap_edge_name heap_edge_name(const struct heap *h, object_id o, uint32_t e);
/* Whether it reads as a name: what stands behind a dot. */
bool heap_is_identifier(const char *s);
/* Writes it as it would be written behind its object: ".session", "['u17']", "[3]", "<__dict__>", "" when PLAIN,
 * " (key 'u17')". Returns the length that it has, as snprintf does. */
int heap_edge_text(const struct heap *h, object_id o, uint32_t e, char *buf, size_t size);
