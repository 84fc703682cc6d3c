/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/read/unpack.h"
#include "formats/codec.h"

#include <string.h>
#include <zstd.h>

struct unpacker {
	ZSTD_DCtx *zstd;
	struct pt_codec *codec;
	uint8_t *buf;
	size_t cap;
};

struct unpacker *unpack_new(void)
{
	struct unpacker *u = mem_zero(1, sizeof *u);

	u->zstd = ZSTD_createDCtx();
	u->codec = mem_alloc(pt_codec_bytes());
	return u;
}

void unpack_free(struct unpacker *u)
{
	if (!u)
		return;
	ZSTD_freeDCtx(u->zstd);
	free(u->codec);
	free(u->buf);
	free(u);
}

const char *unpack_header_fault(const struct pt_block *b)
{
	if (b->stored_bytes > TRACE_MAX_RAW_BYTES || b->raw_bytes > TRACE_MAX_RAW_BYTES)
		return "is larger than any block may be";
	if (b->flags & ~PT_BLOCK_ZSTD)
		return "has a flag that this version does not know";
	if (!(b->flags & PT_BLOCK_ZSTD) && b->raw_bytes != b->stored_bytes)
		return "has a wrong size";
	if (b->kind == PT_BLOCK_EVENTS && (b->n_events > b->raw_bytes || b->n_events > UNPACK_MAX_EVENTS))
		return "has a wrong number of events";
	return NULL;
}

bool unpack_is_sound(const struct trace *t, uint64_t offset)
{
	struct pt_block b;

	memcpy(&b, t->map + offset, sizeof b);
	return pt_xxh3(t->map + offset + sizeof b, b.stored_bytes) == b.payload_xxh3;
}

static const char *unzip(struct unpacker *u, const uint8_t *data, const struct pt_block *b)
{
	size_t got;

	if (u->cap < b->raw_bytes) {
		free(u->buf);
		u->cap = b->raw_bytes;
		u->buf = mem_alloc(u->cap);
	}
	got = ZSTD_decompressDCtx(u->zstd, u->buf, b->raw_bytes, data, b->stored_bytes);
	return ZSTD_isError(got) || got != b->raw_bytes ? "does not unzip" : NULL;
}

const char *unpack_payload(struct unpacker *u, const struct trace *t, uint64_t offset, const uint8_t **ret_data,
			   size_t *ret_len)
{
	const uint8_t *data = t->map + offset + sizeof(struct pt_block);
	struct pt_block b;
	const char *fault;

	memcpy(&b, t->map + offset, sizeof b);
	if ((fault = unpack_header_fault(&b)))
		return fault;
	if (pt_xxh3(data, b.stored_bytes) != b.payload_xxh3)
		return "has a wrong checksum";
	if (b.flags & PT_BLOCK_ZSTD) {
		if ((fault = unzip(u, data, &b)))
			return fault;
		data = u->buf;
	}
	*ret_data = data;
	*ret_len = b.raw_bytes;
	return NULL;
}

const char *unpack_part(struct unpacker *u, const struct trace *t, const struct part *part, struct pt_event *out,
			size_t *ret_n)
{
	const uint8_t *data;
	const char *fault;
	size_t len;

	*ret_n = 0;
	if (part->ring) {
		*ret_n = part->n_events;
		if (part->n_events)
			memcpy(out, part->ring, part->n_events * sizeof *out);
		return NULL;
	}
	if ((fault = unpack_payload(u, t, part->offset, &data, &len)))
		return fault;
	if (pt_decode_events(u->codec, data, len, t->defs.shapes, out, part->n_events, ret_n))
		return "holds events that make no sense";
	return NULL;
}
