/* SPDX-License-Identifier: Apache-2.0 */
/*
 * components: strongly connected groups of objects
 *
 * What:  groups in which everybody reaches everybody, and objects that refer to themselves. Of garbage objects: cycles
 *        that only they hold. Groups of the same shape (types, lines that made them, names of the edges) are one row.
 * How:   Tarjan's algorithm without recursion, in Pearce's form: one number an object.
 */
#pragma once
#include "analyzer/heap/garbage.h"
#include "analyzer/heap/join.h"

/* An edge within a group. */
struct group_edge {
	object_id from, to;
	uint32_t edge; /* in heap.target; HEAP_NONE: a raw pointer */
};

/* Why the collector does not free a group: any of these. */
enum group_why {
	GROUP_LEGACY = 1,      /* a member's type has tp_del */
	GROUP_IN_GARBAGE = 2,  /* gc.garbage holds a member */
	GROUP_FROZEN = 4,      /* a member is in the permanent generation */
	GROUP_UNTRAVERSED = 8, /* the cycle leads over a reference that tp_traverse does not report */
	GROUP_UNTRACKED = 16,  /* over an object that the collector does not track */
};

struct group {
	uint32_t first, n; /* of groups.members */
	uint8_t state;     /* GARBAGE_COLLECTABLE, GARBAGE_UNCOLLECTABLE; GARBAGE_HELD: a group of living objects */
	uint8_t why;       /* enum group_why */
	uint64_t bytes;    /* of the members */
	uint64_t below, below_bytes; /* objects in no group that would be freed with it, by their counts */
	struct group_edge closing; /* the edge whose cut frees the most, named, the last added; from: HEAP_NONE: none */
	uint64_t cut_objects, cut_bytes; /* that would be freed if it were cut, and nothing else held the group */
	uint64_t shape;                  /* equal for groups of one shape */
};

/* Groups of one shape. */
struct group_row {
	uint64_t shape;
	uint32_t count;
	uint32_t example;        /* index of the group with the lowest address */
	uint8_t state, why;      /* why: of any of them */
	uint64_t objects, bytes; /* of all, with what is below them */
	uint64_t cut_bytes;
};

struct heap_part;

struct groups {
	ARRAY(struct group) at;       /* by lowest address of a member */
	ARRAY(object_id) members;     /* of one group: by birth, or by address where that is unknown */
	ARRAY(struct group_row) rows; /* most bytes first */
	uint32_t *next_same; /* by group: the next of the same shape; UINT32_MAX: the last one. Starts at row.example */
	struct heap_part *part; /* private: group_edges() */
	uint32_t *group_of;     /* private: by vertex of the part; UINT32_MAX: of none */
};

/* The groups among garbage. join: NULL when there is none (all births and sites unknown, bytes of the objects). */
void groups_of_garbage(struct groups *g, const struct heap *h, const struct garbage *garbage, const struct join *join);
/* The groups among living objects; nothing about cuts is computed. */
void groups_of_living(struct groups *g, const struct heap *h, const struct garbage *garbage, const struct join *join);
void groups_free(struct groups *g);

struct group_edges {
	ARRAY(struct group_edge) at;
};
/* The edges within a group, in the order of its members. The caller gives an empty list and array_free()s it. */
void group_edges(const struct groups *g, const struct group *group, struct group_edges *ret);
/* The group that an object is in; UINT32_MAX: in none. */
uint32_t group_of(const struct groups *g, object_id o);

/* ---- for heap/ and tests: any graph ---- */

/* Edges of vertex v: to[first[v]] ... to[first[v + 1] - 1]. What is not below n is no edge. */
struct graph {
	uint32_t n;
	const uint32_t *first, *to;
};
/* Fills component[v] with numbers from 0; a component has a greater number than those it reaches. Returns how many. */
uint32_t components_find(const struct graph *g, uint32_t *component);
