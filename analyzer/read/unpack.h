/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack: a block's payload, checked and unzipped; its events
 *
 * Who:   one struct unpacker per thread; the trace is only read, so threads may unpack different blocks at once.
 * Trust: headers are bounded before memory is taken; a payload must match its checksum and unzip to the size announced.
 */
#pragma once
#include "analyzer/read/trace.h"

/* The most events that a block may hold; more is damage. */
enum { UNPACK_MAX_EVENTS = 1 << 20 };

struct unpacker; /* the unzipper, its buffer, the decoder's model */

struct unpacker *unpack_new(void);
void unpack_free(struct unpacker *u);

/* Whether a header that its checksum confirms also makes sense: the first word of a complaint, or NULL. */
const char *unpack_header_fault(const struct pt_block *b);

/* The payload of the block at `offset`. Returns NULL and fills *ret_data, which is good until the next call with this
 * unpacker, or a phrase that says what is wrong with it ("its checksum is wrong"). */
const char *unpack_payload(struct unpacker *u, const struct trace *t, uint64_t offset, const uint8_t **ret_data,
			   size_t *ret_len);

/* Whether the stored payload matches its checksum. Cheaper than unpacking. */
bool unpack_is_sound(const struct trace *t, uint64_t offset);

/* The events of a part into out[0..part->n_events). Returns NULL with *ret_n = all of them, or a phrase as above with
 * *ret_n = the number of leading events that are sound. */
const char *unpack_part(struct unpacker *u, const struct trace *t, const struct part *part, struct pt_event *out,
			size_t *ret_n);
