/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spans: ranges of addresses, each with a number; which one holds an address?
 *
 * They may overlap: the one that starts last wins. Push all, then spans_sort() once, then ask.
 */
#pragma once
#include "analyzer/base/array.h"

#include <stdint.h>
#include <stdlib.h>

struct span {
	uint64_t low, high; /* first address, first one behind */
	uint64_t top;       /* the highest `high` of all up to here */
	uint32_t value;
};

struct spans {
	ARRAY(struct span);
};

enum { SPANS_MAX_STEPS = 256, SPANS_NONE = -1 };

static inline void spans_push(struct spans *s, uint64_t low, uint64_t high, uint32_t value)
{
	if (low < high)
		*array_push(s) = (struct span){ low, high, 0, value };
}

static inline int spans_before(const void *left, const void *right)
{
	const struct span *a = left, *b = right;

	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	if (a->high != b->high)
		return a->high > b->high ? -1 : 1;
	return (a->value > b->value) - (a->value < b->value);
}

static inline void spans_sort(struct spans *s)
{
	uint64_t top = 0;

	if (s->n)
		qsort(s->at, s->n, sizeof *s->at, spans_before);
	for (size_t i = 0; i < s->n; i++) {
		top = s->at[i].high > top ? s->at[i].high : top;
		s->at[i].top = top;
	}
}

/* The first index in [0, n] from which on spans start behind the address. */
static inline size_t spans_behind(const struct spans *s, uint64_t address)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->at[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The value of the span that holds the address; SPANS_NONE. */
static inline int64_t spans_find(const struct spans *s, uint64_t address)
{
	size_t i = spans_behind(s, address);

	for (int steps = 0; i-- > 0 && s->at[i].top > address && steps < SPANS_MAX_STEPS; steps++)
		if (address < s->at[i].high)
			return s->at[i].value;
	return SPANS_NONE;
}
