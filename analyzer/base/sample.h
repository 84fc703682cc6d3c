/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample: one of so many, without a rhythm
 *
 * Theory. Programs make things in turns: an instance, its dict, its list. Every fifteenth of these is always a list. So
 * a sample is drawn by a number's hash; the same things are drawn each time.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Whether number `i` is of a sample that has one of `each`. */
static inline bool sample_has(uint64_t i, uint64_t each)
{
	uint64_t hash = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return (hash >> 32) % each == 0;
}
