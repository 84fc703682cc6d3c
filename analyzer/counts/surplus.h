/* SPDX-License-Identifier: Apache-2.0 */
/*
 * surplus: objects whose count is above the references that exist, over the snapshots of a trace
 *
 * Theory. A count is a number of references; a snapshot has those that objects, frames, threads and interpreters hold.
 * What is left over is held by C code: by a structure that the collector is not told of, or by nobody any more: a
 * reference that was taken and never given back. One snapshot can't tell these apart; surplus that grows with the work
 * can.
 *
 * What:  a listener of a replay. Of some snapshots, evenly spread, with the last one: the surplus of all objects,
 *        grouped by type and by the stack that made their blocks. Of the last one also which blocks the walk of the
 * heap did not come to, by stack: objects that the collector does not know and nobody refers to are among them. Exact:
 * of objects with a type that the collector knows. A str, int or bytes may be held by C code in many places that nobody
 * is told of, so that its surplus alone means nothing: `exact` is false there. Pointers in objects that are no known
 * references (PT_OBJECT_RAW) count as references here: in doubt somebody holds it. Immortal and deferred objects have
 * no surplus. Memory: one heap at a time, beside the one that models/cycles.h keeps, which is not loaded again; 200
 * bytes a group.
 */
#pragma once
#include "analyzer/counts/kept.h"
#include "analyzer/models/cycles.h"
#include "analyzer/models/unreached.h"

#define SURPLUS_SNAPSHOTS 8 /* at most */

struct surplus_point {
	uint64_t objects;    /* of the group, with surplus */
	uint64_t references; /* the sum of their surplus */
};

struct surplus_group {
	string_id type; /* of surplus.strings */
	node_id node;   /* that made the blocks; NODE_UNKNOWN: they lie in none that is known */
	bool exact;
	bool types;   /* the one with most is a type: many extensions lose the reference that each object has to its own
		       */
	bool healthy; /* at the last snapshot: no more than healthy.def explains */
	uint64_t address;                           /* of the object with most, in the last snapshot */
	uint64_t most;                              /* its surplus; 0: none is left */
	string_id name;                             /* what people call it; 0 */
	uint64_t born_ns, bytes;                    /* of it */
	struct surplus_point at[SURPLUS_SNAPSHOTS]; /* by snapshot */
};

/* Blocks of the object layer that one stack made, alive at the last snapshot. */
struct surplus_blocks {
	uint32_t blocks; /* all */
	/* neither objects of the snapshot, nor buffers of one; where the tracer searched all memory
	 * (models/unreached.h): those to which no pointer leads */
	uint32_t unknown;
	uint32_t held; /* not among the unknown ones: words of native memory are their addresses */
	/* of the unknown ones: of a size that free lists have, where dead tuples, lists, dicts and floats wait; none
	 * where all memory was searched: pointers lead to what waits */
	uint32_t reusable;
	uint32_t waiting; /* of such a size, too, and not lost: something leads to them that is no object: a free list?
			   */
};

/* A lost block that hangs on a lost object: only that leads to it, over others perhaps. */
struct surplus_led {
	node_id node, leader; /* the stacks that made it, and the object */
	uint8_t layer;
};

struct surplus {
	struct model model;
	struct trace *trace;
	const struct cycles *cycles; /* has the heap of its `now` */
	struct unreached *unreached; /* is shown each snapshot that is looked at; NULL: nobody is. Set after init */
	struct strings strings;
	ARRAY(struct surplus_group) groups; /* most references at the last snapshot first */
	unsigned n;                         /* snapshots looked at */
	uint64_t numbers[SURPLUS_SNAPSHOTS], ns[SURPLUS_SNAPSHOTS], events[SURPLUS_SNAPSHOTS]; /* events before it */
	struct surplus_blocks *blocks; /* by node, at the last one; NULL: there was none */
	ARRAY(struct surplus_led) led; /* at the last one */
	struct kept kept;              /* at the last one */

	/* private */
	unsigned n_wanted, minor;
	uint64_t wanted[SURPLUS_SNAPSHOTS];
	uint64_t last_number;
	struct rebirths rebirths;
	struct map by_key;
};

/* `cycles` must hear of an event before this model does, with .keep set; it stays the caller's. */
void surplus_init(struct surplus *s, struct trace *t, const struct cycles *cycles);
void surplus_free(struct surplus *s);

/* How the surplus of a group goes from snapshot to snapshot. */
enum surplus_trend {
	SURPLUS_FEW,   /* too few snapshots to tell */
	SURPLUS_STAYS, /* it does not grow, or by little, or not steadily */
	SURPLUS_GROWS, /* from each snapshot to the next, after the first one, and without slowing down */
};
/* `at`: by snapshot, as of surplus_group. *ret_grown: references that came after the first snapshot; may be NULL. */
enum surplus_trend surplus_trend(const struct surplus *s, const struct surplus_point *at, uint64_t *ret_grown);

/* By object: as garbage_surplus() of heap/, less the raw pointers that lead to it and the words of native memory that
 * hold it (kept.h); never below 0. The caller frees. */
int32_t *surplus_of(const struct heap *h, const struct join *j);

/* Why objects of this type and name have surplus in healthy programs: a row of healthy.def. */
struct surplus_reason {
	const char *type, *name; /* name "": any */
	unsigned first, last;    /* versions: CPython 3.first to 3.last */
	uint64_t most, objects;  /* surplus of one, and how many of them one stack makes */
	const char *why;
};
/* NULL: there is no known reason. `minor`: of CPython 3. `name` may be "". */
const struct surplus_reason *surplus_reason(const char *type, const char *name, unsigned minor);
