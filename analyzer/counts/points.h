/* SPDX-License-Identifier: Apache-2.0 */
/*
 * points: the reference counts of objects that nobody watched, as far as snapshots show them
 *
 * What:  a listener of a replay. At each SNAPSHOT event the objects that are asked for: their counts, and how many of
 *        these references the snapshot knows. The same object in several snapshots is one row: it lies in the same
 *        block. Later, who gave the block back.
 * Memory: one heap at a time; 80 bytes an object, 24 a point; POINTS_OBJECTS objects at most, the others are counted.
 */
#pragma once
#include "analyzer/heap/heap.h"
#include "analyzer/replay/replay.h"

enum { POINTS_OBJECTS = 20000 };

struct point {
	uint64_t snapshot, ns; /* its number; when */
	uint32_t count;        /* of references; UINT32_MAX: that or more */
	uint32_t known;        /* of them, in the snapshot */
	uint32_t next;         /* index + 1 of the object's next point; 0: none */
	bool immortal;
};

struct points_object {
	uint64_t address;
	string_id type; /* of points.names */
	uint64_t block; /* its address; 0: it lies in none that is known */
	uint64_t number, born_ns;
	node_id node;     /* that made the block; NODE_UNKNOWN */
	uint64_t died_ns; /* when the block was given back; UINT64_MAX: it was not */
	node_id freed_by;
	uint32_t first, last; /* index + 1 of its points */
	uint32_t n;
};

/* Which objects. Functions may be NULL: all fit. */
struct points_wanted {
	uint64_t address; /* 0: any */
	bool (*type)(void *self, const char *name);
	bool (*site)(void *self, node_id node); /* NODE_UNKNOWN: no block is known */
	void *self;
};

struct points {
	struct model model;
	struct trace *trace;
	struct points_wanted wanted;
	struct strings names;
	ARRAY(struct points_object) at; /* in the order in which snapshots have them */
	ARRAY(struct point) points;
	uint64_t n_snapshots; /* that were looked at */
	uint64_t n_left_out;  /* objects beyond POINTS_OBJECTS, in the snapshot that has most of them */

	/* private */
	struct snapshots list;
	struct map by_block; /* address of a block, or of an object in none */
};

void points_init(struct points *p, struct trace *t, const struct points_wanted *wanted);
void points_free(struct points *p);
