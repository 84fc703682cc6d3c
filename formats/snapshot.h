/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot: what lies in SNAPSHOT blocks: every object of the program at one moment, and who refers to whom
 *
 * What:  the records' numbers and flags. FORMAT.md, "Snapshots", is the specification.
 * How:   a snapshot is a stream of records cut into pieces, one block each, never in the middle of a record. The block
 *        header has the snapshot's number in first_slot, the piece's (from 0) in n_slots, its records in n_events.
 *        All numbers are varints; addresses are deltas in units of a byte against the last one named. Numbers of
 *        strings and types are dense from 1 in the order of their records, over the whole snapshot; addresses start
 *        at 0 again in each piece. A type or a string is defined before its first use.
 * Who:   written by a forked copy of the program, read by the analyzer, which trusts nothing of it.
 */
#pragma once
#include "formats/event.h"

enum pt_snapshot_reason {
	PT_SNAPSHOT_EXIT = 1, /* the interpreter is about to take itself down, or the process ends without that */
	PT_SNAPSHOT_SIGNAL,   /* PYTRACE_SNAPSHOT=signal=... */
	PT_SNAPSHOT_TIMER,    /* every=... */
	PT_SNAPSHOT_GROWTH,   /* growth=... */
	PT_SNAPSHOT_GC,       /* a collection starts */
	PT_SNAPSHOT_CALL,     /* libpytrace.snapshot() */
	PT_SNAPSHOT_FATAL,    /* a signal is about to end the process */
};

/*
 * op (one byte), then:
 * STRING   n bytes, the bytes (UTF-8)
 * TYPE     address, flags (PT_TYPE_), basic bytes, item bytes, bytes before the object, string: name
 * OBJECT   flags (PT_OBJECT_), delta address, type, refcount (0 when immortal), bytes, n edges, the edges,
 *          with PT_OBJECT_RAW: n, n deltas against the object's address
 * TEXT     delta address (last: of the last TEXT), n bytes, the bytes: what people call this object: the text of a key,
 *          the name of a module, type, function or code object
 * ROOT     kind (enum pt_root), string: label, string or 0: detail, number, n edges, the edges (named, against address
 * 0) FACT     string: key, value AREA     start, pages, flags (1 read, 2 write, 4 exec, 8 shared), string or 0: file,
 * resident pages, n runs, n lengths in pages: resident, not resident, resident, ... END      n objects, n edges, n
 * objects that could not be read
 * LOST     delta address (last: of the last LOST), bytes, n, n deltas against the address: native blocks that no
 *          pointer leads to but from blocks like it, and those of them that it points to
 * KEEPER   kind (enum pt_keeper), delta address (last: of the last KEEPER), bytes, n, n deltas, each against the one
 *          before it and the first against the address: memory outside of objects with words that are addresses of
 *          objects. Of one piece of memory there may be several
 */
enum pt_record {
	PT_RECORD_STRING = 1,
	PT_RECORD_TYPE,
	PT_RECORD_OBJECT,
	PT_RECORD_TEXT,
	PT_RECORD_ROOT,
	PT_RECORD_FACT,
	PT_RECORD_AREA,
	PT_RECORD_END,
	PT_RECORD_LOST,
	PT_RECORD_KEEPER,
	PT_RECORDS,
};

/*
 * An edge is a reference that the object holds: a delta against the object's own address. What it is called depends on
 * the shape of its object:
 *   PLAIN    it has no name
 *   INDEXED  its place among the edges (of a list, tuple, deque)
 *   PAIRS    edges come in twos, key and value; the value is called by the key (dict)
 *   NAMED    each edge is followed by `string << 2 | flags`; string 0: no name
 */
enum pt_edges { PT_EDGES_PLAIN, PT_EDGES_INDEXED, PT_EDGES_PAIRS, PT_EDGES_NAMED };
enum {
	PT_EDGE_UNCOUNTED = 1,  /* is not in the target's refcount: a weak reference, a borrowed one on the stack */
	PT_EDGE_UNTRAVERSED = 2 /* tp_traverse does not report it: the collector does not know of it */
};

enum {
	PT_OBJECT_SHAPE = 3,           /* enum pt_edges */
	PT_OBJECT_TRACKED = 1 << 2,    /* by the collector */
	PT_OBJECT_FINALIZED = 1 << 3,  /* its finalizer has run */
	PT_OBJECT_IMMORTAL = 1 << 4,   /* its count means nothing */
	PT_OBJECT_DEFERRED = 1 << 5,   /* free-threaded: counted in part elsewhere */
	PT_OBJECT_STATIC = 1 << 6,     /* lies in no block: part of a library's data */
	PT_OBJECT_RAW = 1 << 7,        /* followed by pointers in it that are no references: to its buffers, perhaps */
	PT_OBJECT_GENERATION = 3 << 8, /* 0, 1, 2; 3: permanent (gc.freeze) */
	PT_OBJECT_INTERNED = 1 << 10,
	PT_OBJECT_WEAKLY_REFERENCED = 1 << 11,
	PT_OBJECT_UNREADABLE = 1 << 12, /* reading it failed half way: edges may be missing */
	PT_OBJECT_BOUNDED =
		1 << 13, /* a container that throws out old entries: deque(maxlen=n), lru_cache(maxsize=n) */
};
enum { PT_OBJECT_GENERATION_SHIFT = 8 };

enum pt_root {
	PT_ROOT_OTHER,
	PT_ROOT_FRAME,       /* label: function; detail: file; number: line. Edges: locals, "(stack)" for temporaries */
	PT_ROOT_THREAD,      /* a thread state: exceptions, context; number: kernel thread id */
	PT_ROOT_INTERPRETER, /* sys.modules, builtins, codecs ...; number: interpreter */
	PT_ROOT_TYPE,        /* a static type's dict and what it holds */
	PT_ROOT_GARBAGE,     /* gc.garbage; number: interpreter */
};

/* Where words lie that are addresses of objects. */
enum pt_keeper {
	PT_KEEPER_BLOCK = 1, /* a native block that is in use: address and bytes are those that its allocator has */
	PT_KEEPER_DATA,      /* data of a loaded file: a page, or what of it was looked at */
	PT_KEEPER_EDGES, /* address: of an object. Edges of its record whose words do not lie in the object: they are
			    among those of other records, perhaps */
};
