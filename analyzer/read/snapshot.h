/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot: the snapshots that a trace holds, and the records in their pieces
 *
 * What:  a list of them, from the headers of SNAPSHOT blocks; a cursor over the records of one piece. What the records
 *        mean together is heap/'s business (heap.h).
 * Trust: none. A piece that is damaged or missing ends its snapshot there: numbers of strings and types count on over
 *        all pieces, so that what comes after it can't be told apart. A record is bounded by its piece.
 * Who:   heap/load.c, dump.
 */
#pragma once
#include "formats/bytes.h"
#include "formats/snapshot.h"
#include "analyzer/read/unpack.h"

/* One snapshot, as its pieces' headers tell. */
struct snapshot {
	uint64_t number;       /* from 1 */
	uint64_t ns;           /* its moment, since the start of the trace */
	uint64_t n_records;    /* in the pieces that count */
	uint64_t stored_bytes; /* that they take in the file */
	uint64_t *pieces;      /* offsets of the blocks of pieces 0, 1, ... without a gap */
	size_t n_pieces;
	bool complete;     /* its last piece ends with END */
	uint64_t objects;  /* as END says; 0 when there is none */
	uint64_t edges;    /* " */
	uint64_t n_missed; /* objects that the tracer could not read, as END says */
	uint32_t reason;   /* enum pt_snapshot_reason; 0: not known (a fact "reason" of it, or its event, tells) */
};

struct snapshots {
	ARRAY(struct snapshot) at; /* by number */
};

/* Lists the snapshots of an opened trace. Unpacks one piece of each. The trace is only read. */
void snapshots_list(struct snapshots *s, const struct trace *t);
/* The one with this number; the last one that is complete (else the last) for 0; NULL when there is none. */
const struct snapshot *snapshots_find(const struct snapshots *s, uint64_t number);
void snapshots_free(struct snapshots *s);

/* "exit", "signal" ...: what an enum pt_snapshot_reason is called; "unknown" for others. */
const char *snapshot_reason_text(uint32_t reason);

/* An edge as it stands in its record. */
struct snapshot_edge {
	uint64_t address;
	uint64_t name; /* string << 2 | flags; 0 in records whose edges have no names */
};

/* One record. Which fields are filled is FORMAT.md's 5.5; texts lie in the piece. */
struct snapshot_record {
	enum pt_record kind;
	uint64_t address;                   /* TYPE, OBJECT, TEXT, LOST, KEEPER; AREA: start */
	uint64_t flags;                     /* TYPE, OBJECT, AREA; ROOT, KEEPER: kind */
	uint64_t type, refcount, bytes;     /* OBJECT; LOST, KEEPER: bytes; AREA: bytes is the number of pages */
	uint64_t basic, item, before;       /* TYPE */
	uint64_t string;                    /* TYPE: name; ROOT: label; FACT: key; AREA: file */
	uint64_t detail;                    /* ROOT */
	uint64_t number;                    /* ROOT; FACT: value; AREA: resident pages */
	uint64_t objects, edges, missed;    /* END */
	const uint8_t *text;                /* STRING, TEXT */
	size_t text_bytes;                  /* " */
	uint64_t n_edges;                   /* OBJECT, ROOT, LOST, KEEPER; AREA: runs */
	uint64_t n_raws;                    /* OBJECT */
	struct pt_reader at_edges, at_raws; /* where they start: snapshot_edge(), snapshot_raw(); AREA: runs */
};

/* Where reading of a piece is. Zero the addresses when it starts. */
struct snapshot_cursor {
	struct pt_reader r;
	uint64_t object, text, lost, keeper; /* the last address of each kind */
};

/* The next record. 1, 0 at the end of the piece, -1 when what stands there is no record (nothing after it can be
 * read). All edges, raw pointers and runs were stepped over once: reading them again stays within the piece. */
int snapshot_next(struct snapshot_cursor *c, struct snapshot_record *ret);

/* The next edge of an OBJECT (base: its address; shape: its PT_OBJECT_SHAPE), LOST (its address, PT_EDGES_PLAIN) or
 * ROOT (0, PT_EDGES_NAMED). */
static inline struct snapshot_edge snapshot_edge(struct pt_reader *r, uint64_t base, enum pt_edges shape)
{
	struct snapshot_edge e = { .address = pt_get_delta(r, base) };

	if (shape == PT_EDGES_NAMED)
		e.name = pt_get_varint(r);
	return e;
}
