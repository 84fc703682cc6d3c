/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys: the inside of a dict's keys, as numbers and places
 *
 * It is in no public header before 3.11 (Objects/dict-common.h, dictobject.c), and the same in all releases of a minor
 * version since (pycore_dict.h): sizes and places of one header, an index that is stepped over, and the entries.
 */
#pragma once
#include "preload/py/parts.h"

enum {
	ENTRY_WITH_HASH = 24, /* hash, key, value */
	ENTRY_OF_TEXT = 16,   /* key, value */
};

struct py_keys {
	const char *entries;
	uint64_t size, index_bytes; /* slots; bytes of the index */
	uint64_t n;                 /* entries, empty ones among them */
	uint32_t stride;            /* of an entry */
};

/* Reads the header at `keys`, of which 40 bytes can be read. Nothing of it is checked. */
static inline void py_keys_read(struct py_keys *k, const char *keys)
{
	bool with_hash;

	if (py_layout.minor <= 10) {
		k->size = PY_AT(uint64_t, keys, 8);
		k->index_bytes = k->size * (k->size <= 0xff         ? 1
					    : k->size <= 0xffff     ? 2
					    : k->size <= UINT32_MAX ? 4
								    : 8);
		k->n = PY_AT(uint64_t, keys, 32);
		k->entries = keys + 40 + k->index_bytes + 8;
		k->stride = ENTRY_WITH_HASH;
		return;
	}
	with_hash = !PY_AT(uint8_t, keys, 10);
	k->size = UINT64_C(1) << (PY_AT(uint8_t, keys, 8) & 63);
	k->index_bytes = UINT64_C(1) << (PY_AT(uint8_t, keys, 9) & 63);
	k->n = PY_AT(uint64_t, keys, 24);
	k->entries = keys + 32 + k->index_bytes + (with_hash ? 8 : 0);
	k->stride = with_hash ? ENTRY_WITH_HASH : ENTRY_OF_TEXT;
}
