/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec: a ring's slots into the two packed forms of a block, and back
 *
 * What:  EVENTS payloads (columns, with addresses, sizes and stacks predicted) and DEFS payloads (varints).
 * How:   writer and reader run the same predictor over the same events; only what it got wrong is written down.
 *        FORMAT.md, "Events", is the specification; codec.c opens with the theory.
 * Never: allocates, locks or does I/O: the caller gives the work memory (struct pt_codec is about half a MiB).
 * Trust: the decoder bounds every read and every write; hostile bytes give PT_CODEC_BAD, never more.
 */
#pragma once
#include "formats/event.h"

struct pt_codec; /* predictor state and tables: no pointer inside, any content is fine before the first call */
size_t pt_codec_bytes(void);
size_t pt_encoder_bytes(void); /* of one that only encodes */

/* A bound on the bytes that encoding `n_slots` slots can take, for EVENTS and for DEFS. */
size_t pt_encode_bound(size_t n_slots);

struct pt_encoded {
	size_t events_bytes, defs_bytes; /* of each payload */
	uint32_t n_events, n_defs;       /* SIZE64 slots are folded into the event that they belong to */
};

/* Encodes slots[0..n). Both outputs must have pt_encode_bound(n) bytes. Always succeeds on well-formed slots; a
 * definition that runs past the end of the slots is left out. Counts each op in op_counts[256] when not NULL. */
struct pt_encoded pt_encode(struct pt_codec *c, const struct pt_slot *slots, size_t n, uint8_t *events, uint8_t *defs,
			    uint64_t *op_counts);

enum { PT_CODEC_BAD = -1 };

/* Decodes an EVENTS payload of `n` events (from the block header) into out[0..n). `shapes` comes from the file's own
 * schema. Returns 0 or PT_CODEC_BAD; then *ret_good is the number of leading events that are sound. */
int pt_decode_events(struct pt_codec *c, const uint8_t *payload, size_t len, const uint8_t shapes[256],
		     struct pt_event *out, size_t n, size_t *ret_good);

/* Steps through a DEFS payload. Zero the cursor, set `at` and `end`; returns 1 with *def filled, 0 at the end,
 * PT_CODEC_BAD on damage. def->data is valid until the next call. */
struct pt_def_cursor {
	const uint8_t *at, *end;
	uint64_t last_id[256];
	uint32_t last_words[256][4];
	uint8_t words[16];
};
int pt_decode_def(struct pt_def_cursor *c, const uint8_t shapes[256], struct pt_def *def);

/* Turns slots of a ring (as the tracer left them) into events and definitions, without the packing: one at a time,
 * from slots[*at]. Returns 1 with *is_def and *ev or *def filled, 0 at the end or when a record is cut off there,
 * PT_CODEC_BAD for an op without a shape. def->data points into the slots. */
int pt_slots_next(const struct pt_slot *slots, size_t n, size_t *at, const uint8_t shapes[256], bool *is_def,
		  struct pt_event *ev, struct pt_def *def);
