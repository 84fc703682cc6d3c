/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes: bounded little-endian and varint cursors
 *
 * Writers trust their caller for space (pt_encode_bound). Readers trust nothing: past the end they return 0 and leave
 * `bad` set, so a decoder checks once after a record instead of after each number.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PT_VARINT_MAX 10 /* bytes of a 64-bit varint */

struct pt_reader {
	const uint8_t *at, *end;
	bool bad;
};

static inline uint64_t pt_zigzag(int64_t v) { return (uint64_t)v << 1 ^ (uint64_t)(v >> 63); }
static inline int64_t pt_unzigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

static inline uint8_t *pt_put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

static inline uint8_t *pt_put_delta(uint8_t *p, uint64_t v, uint64_t last)
{
	return pt_put_varint(p, pt_zigzag((int64_t)(v - last)));
}

static inline uint64_t pt_get_varint(struct pt_reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; r->at < r->end && shift < 64; shift += 7) {
		uint8_t byte = *r->at++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	r->bad = true;
	return 0;
}

static inline uint64_t pt_get_delta(struct pt_reader *r, uint64_t last)
{
	return last + (uint64_t)pt_unzigzag(pt_get_varint(r));
}

static inline uint8_t pt_get_u8(struct pt_reader *r)
{
	if (r->at >= r->end) {
		r->bad = true;
		return 0;
	}
	return *r->at++;
}

/* Multi-byte numbers lie in files as they lie in memory: every machine that we run on is little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "traces are little-endian");

static inline uint8_t *pt_put_u32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof v);
	return p + sizeof v;
}

static inline uint32_t pt_get_u32(struct pt_reader *r)
{
	uint32_t v;

	if (r->end - r->at < (ptrdiff_t)sizeof v) {
		r->bad = true;
		return 0;
	}
	memcpy(&v, r->at, sizeof v);
	r->at += sizeof v;
	return v;
}
