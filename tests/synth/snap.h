/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snap: snapshots for synthetic traces
 *
 * What:  a test says what objects there are; snap writes the records of FORMAT.md 5.5, cut into SNAPSHOT blocks. An
 *        object's edges and raw pointers are named after it, before the next record.
 *
 *     struct snap *p = snap_new(s, 1, s->ns);
 *     uint32_t list = snap_type(p, 0x100, PT_TYPE_GC | PT_TYPE_TRAVERSE, 40, 0, 16, "list");
 *     snap_object(p, PT_EDGES_INDEXED | PT_OBJECT_TRACKED, 0x5000, list, 1, 56);
 *     snap_edge(p, 0x5000);
 *     snap_root(p, PT_ROOT_FRAME, "main", "app.py", 3);
 *     snap_named(p, 0x6000, "x", 0);
 *     snap_end(p);
 *
 * The event: synth_pair(s, 1, PT_OP_SNAPSHOT, number, PT_SNAPSHOT_EXIT), where the moment was.
 */
#pragma once
#include "formats/snapshot.h"
#include "tests/synth/synth.h"

struct snap_edge {
	uint64_t address;
	uint32_t name; /* string << 2 | flags */
};

struct snap {
	struct synth *s;
	uint64_t number, ns, piece;
	size_t piece_bytes;   /* a piece is cut when it has this many; 1 MiB */
	ARRAY(uint8_t) bytes; /* of the piece, records as they are */
	uint32_t n_records;   /* in it */
	uint64_t last_object, last_text, last_keeper;
	uint8_t pending;  /* enum pt_record of an OBJECT or ROOT that still takes edges; 0: none */
	uint64_t head[6]; /* its numbers */
	ARRAY(struct snap_edge) edges;
	ARRAY(uint64_t) raws;
	ARRAY(char *) strings; /* [number - 1] */
	uint32_t n_types;
	uint64_t n_objects, n_edges;
};

struct snap *snap_new(struct synth *s, uint64_t number, uint64_t ns);
/* Number of the string; equal ones are one among the last 64. */
uint32_t snap_string(struct snap *p, const char *text);
/* Flags are PT_TYPE_. */
uint32_t snap_type(struct snap *p, uint64_t address, uint32_t flags, uint64_t basic, uint64_t item, uint64_t before,
		   const char *name);
/* Flags are PT_OBJECT_, with the shape of its edges; PT_OBJECT_RAW comes by itself. */
void snap_object(struct snap *p, uint32_t flags, uint64_t address, uint32_t type, uint64_t refcount, uint64_t bytes);
void snap_edge(struct snap *p, uint64_t target);
/* name: NULL for none. Flags are PT_EDGE_. */
void snap_named(struct snap *p, uint64_t target, const char *name, unsigned flags);
void snap_raw(struct snap *p, uint64_t address);
void snap_text(struct snap *p, uint64_t address, const char *text);
void snap_root(struct snap *p, enum pt_root kind, const char *label, const char *detail, uint64_t number);
void snap_fact(struct snap *p, const char *key, uint64_t value);
void snap_area(struct snap *p, uint64_t start, uint64_t pages, unsigned flags, const char *file, uint64_t resident,
	       const uint32_t *runs, size_t n_runs);
/* Words of this memory that are addresses: see PT_RECORD_KEEPER. */
void snap_keeper(struct snap *p, enum pt_keeper kind, uint64_t address, uint64_t bytes, const uint64_t *words,
		 size_t n);
/* Any bytes as a record. */
void snap_bytes(struct snap *p, const void *bytes, size_t n);
/* Cuts a piece here. */
void snap_cut(struct snap *p);
/* END, the last piece, and all is given back. */
void snap_end(struct snap *p);
/* The last piece without END: the writer was killed. */
void snap_stop(struct snap *p);
