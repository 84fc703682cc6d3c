/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types: of what type the blocks of a stack were, and are
 *
 * What:  rows per stack, layer and type, with the counters of account.h's rows, of blocks whose type is known; the rest
 *        of an account's row is of no type, or of none that is known. Also objects made in blocks that were there
 *        already (free lists), as far as the trace has them.
 * From:  a block that was freed: the type that its release brought (what lay in it then). A block that was alive at the
 *        trace's last snapshot, freed later or not: the type of the object in it; a buffer that only one object points
 *        to is that type's, "list (buffer)".
 * How:   a listener. A block's type is known when it dies, or at the end. Whether it was alive at a moment of the past
 * is told by its number, so one pass is enough. Memory: 200 bytes a row; with a snapshot 24 more for each of its
 * objects and buffers.
 */
#pragma once
#include "analyzer/models/account.h"

struct cycles;

struct types_row {
	node_id node;
	string_id type; /* of types.names */
	uint8_t layer;
	struct amount at[ACCOUNT_STATES], total, temporary;
	uint64_t reused, retired;       /* objects made in, and left in, blocks that stay with their type */
	uint32_t next;                  /* another row of this node; 0: the last one */
	uint64_t peak_epoch, end_epoch; /* private: which moment at[] is about */
};

/* How blocks of the object layer came to their type. */
struct types_share {
	struct amount blocks;   /* all of them */
	struct amount at_free;  /* known by their release */
	struct amount snapshot; /* known by the snapshot only */
	uint64_t unknown_freed, unknown_alive;
};

struct types {
	struct trace *trace;
	struct model model; /* for account_options.more */
	struct strings names;
	ARRAY(struct types_row) rows; /* [0] is none */
	uint32_t *first_of;           /* by node: its first row; 0: none */
	struct types_share share;
	uint64_t snapshot;        /* the number of the one that was used; 0: none */
	uint64_t reused, retired; /* all of them */

	/* Called for each block of a known type, when it dies (died_ns) or at the end (UINT64_MAX). May be NULL. */
	void (*typed)(void *self, string_id type, uint64_t bytes, uint64_t born_ns, uint64_t died_ns);
	void *typed_self;

	const struct cycles *from; /* private; who has the heap; NULL: nobody */

	/* private */
	struct map row_of;
	string_id *name_of;       /* by index in defs.types */
	struct map in_block;      /* address of a block to its type in the snapshot */
	uint64_t snapshot_number; /* blocks numbered beyond were made after it */
	bool after_snapshot;
	uint64_t n_made, peak_number, fini_number;
	uint64_t peak_epoch, end_epoch;
	struct amount now;
	uint64_t peak_bytes;
	bool finalizing;
};

/* The trace is open. `with_snapshot`: its last complete snapshot is loaded, if there is one, before the replay; or,
 * where `from` keeps one (.keep), that is used at its event and not loaded once more. `from` may be NULL; else it must
 * hear of events before, and live as long. */
void types_init(struct types *t, struct trace *trace, bool with_snapshot, const struct cycles *from);
void types_free(struct types *t);

/* The type of most of the bytes that a stack had alive at ACCOUNT_END, of what is known of them; "" when it is of less
 * than half of those, or nothing is known. */
const char *types_main(const struct types *t, node_id node);

/* The text of a row's type. Zero-terminated, borrowed. */
static inline const char *types_name(const struct types *t, string_id type) { return strings_text(&t->names, type); }
