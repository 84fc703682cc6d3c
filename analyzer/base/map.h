/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map: 64-bit keys to 32-bit values, by open addressing
 *
 * Values must not be MAP_NONE. Insert only: nothing that the analyzer indexes goes away. Zero-initialise.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_NONE UINT32_MAX

struct map_entry {
	uint64_t key;
	uint32_t value;
};

struct map {
	struct map_entry *at;
	size_t n, cap; /* cap: 0 or a power of two */
};

uint32_t map_find(const struct map *m, uint64_t key); /* MAP_NONE when it isn't there */
/* The place of the key's value; *value is MAP_NONE when the key is new. Valid until the next call. */
uint32_t *map_at(struct map *m, uint64_t key);
void map_free(struct map *m);

/* Spreads a key over 64 bits: for those who combine several fields into one key. */
static inline uint64_t map_mix(uint64_t k)
{
	k = (k ^ k >> 32) * UINT64_C(0x9fb21c651e98df25);
	return k ^ k >> 28;
}
