/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cycles: objects that only hold themselves: what is uncollected, what past collections freed, what none will free
 *
 * What:  a listener of a replay. At each snapshot that matters it loads the heap, joins it with the live blocks, redoes
 *        the collector's reasoning (heap/garbage.h) and takes down the groups; then the heap goes. So the memory is
 * that of one snapshot, however many there are.
 *
 * Past:  a snapshot of reason GC shows what a collection is about to find. When the collection freed as many objects as
 *        that, it was these; otherwise it is seen: by the blocks that die until it ends. A block that its type keeps
 * for reuse does not die; it counts as freed with the rest of its group, if the collection looked at its generation.
 *
 * Now:   one more snapshot, the last one that is of no collection, shows what is uncollected.
 *
 * Rows:  groups of one shape with one fate. Their stacks are those of the blocks; who shows them may fold rows further.
 */
#pragma once
#include "analyzer/base/strings.h"
#include "analyzer/heap/components.h"

enum cycle_state { CYCLE_UNCOLLECTED, CYCLE_COLLECTED, CYCLE_UNCOLLECTABLE, CYCLE_STATES };

#define CYCLE_NO_MEMBER UINT32_MAX

/* A member of a group; or, of what is below groups, all objects of one type and stack. */
struct cycle_member {
	string_id type;
	node_id node; /* that made its block; NODE_UNKNOWN */
	bool tracked; /* the collector counts it */
	bool is_dict; /* it is another member's __dict__ */
	bool finalizer;
	uint64_t address; /* in the example */
	uint64_t n, bytes;
};

struct cycle_edge {
	uint32_t from, to; /* members */
	string_id name;    /* "next", "[0]", "['key']"; "" when it has none */
	bool attribute;
};

struct cycle_row {
	enum cycle_state state;
	unsigned why;                     /* enum group_why, of uncollectable ones */
	uint64_t shape;                   /* of the groups, with their fate */
	uint64_t count;                   /* groups */
	uint64_t group_objects;           /* members of one group; the first n_members of them are kept */
	uint64_t objects;                 /* that the collector counts: of all groups, with what is below them */
	uint64_t all_objects;             /* the same with what it does not track */
	uint64_t bytes;                   /* of all these */
	uint64_t cut_objects, cut_bytes;  /* freed if the closing edges were cut */
	uint32_t first_member, n_members; /* of cycles.members: of one group, by birth */
	uint32_t first_edge, n_edges;     /* of cycles.edges; as many as are kept */
	ARRAY(struct cycle_member) below; /* of all groups */
	struct cycle_edge closing;        /* .from CYCLE_NO_MEMBER: none is known */
	node_id closed;                   /* the stack that added it; NODE_UNKNOWN: not known */
	/* the collection that freed it */
	uint32_t collection;                   /* the first one: from 1, in the order of the trace; 0: none */
	uint32_t last_collection, collections; /* how many of them */
	uint32_t trigger;                      /* enum pt_gc_trigger */
	node_id freed;                         /* NODE_UNKNOWN */
	uint64_t snapshot;
};

/* Objects that one stack made of one type, by state: sums that can be held against gc.collect(). */
struct cycle_line {
	enum cycle_state state;
	node_id node;
	string_id type;
	uint64_t objects; /* that the collector counts */
	uint64_t all_objects, bytes;
};

struct cycle_collection {
	uint32_t generation, trigger; /* enum pt_gc_trigger */
	node_id node;                 /* who called it; NODE_UNKNOWN */
	uint64_t begin_ns, end_ns;
	uint64_t collected, uncollectable; /* as it said itself */
	uint64_t snapshot;                 /* taken at its start; 0: none */
	uint64_t explained;                /* objects of the rows that it freed */
	bool ended;
};

/* What garbage of the last snapshot lies in: for reports on blocks. */
struct cycle_block {
	uint64_t address, bytes;
	node_id node;  /* that made what lies in it; NODE_UNKNOWN */
	node_id maker; /* that made the block: the replay counts it there */
	uint32_t row;  /* of what it is part of, or below */
	uint8_t layer; /* enum pt_layer */
	bool object;   /* false: a buffer of an object */
};

struct cycles {
	struct model model;
	struct trace *trace;
	struct snapshots list;
	uint64_t now; /* number of the snapshot that shows what is uncollected; 0: none */
	bool past;    /* wanted: those of collections, too */
	bool keep;    /* wanted: the heap of `now` stays, for cycles_take_over() */
	struct strings strings;
	struct map by_shape, by_line, by_below; /* private: to rows, to lines, to what is below rows */
	ARRAY(struct cycle_row) rows;           /* uncollected, collected, uncollectable; in each most bytes first */
	ARRAY(struct cycle_member) members;
	ARRAY(struct cycle_edge) edges;
	ARRAY(struct cycle_line) lines; /* by state, most objects first */
	ARRAY(struct cycle_collection) collections;
	ARRAY(struct cycle_block) blocks; /* of `now`, by address */
	uint64_t n_snapshots;             /* looked at */
	uint64_t n_followed;              /* collections that had a snapshot */
	bool now_complete, now_found;
	uint64_t now_ns, now_objects;
	uint32_t now_reason;
	bool gc_enabled; /* at `now`, as far as the trace tells */
	bool thresholds_known;
	uint64_t thresholds[3], frozen;
	uint64_t disabled_ns;     /* when it was switched off for the last time */
	struct cycles_work *work; /* private */
};

/* now: number of a snapshot, 0: chosen as above. past: follow collections that have a snapshot. Set .keep afterwards.
 */
void cycles_init(struct cycles *c, struct trace *t, uint64_t now, bool past);
void cycles_free(struct cycles *c);

/* Hands over the heap of `now`, joined with its blocks, to be freed by the caller. False: there is none. */
bool cycles_take_over(struct cycles *c, struct heap *ret_heap, struct join *ret_join);
/* A look at it, from the event of its snapshot on; borrowed. False: it is not there (yet). */
bool cycles_kept(const struct cycles *c, const struct heap **ret_heap, const struct join **ret_join);
