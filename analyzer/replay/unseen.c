/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/replay/unseen.h"

/* Slices twice as wide. */
static void unseen_halve(struct unseen *u)
{
	for (unsigned i = 0; i < UNSEEN_SLICES; i++)
		for (unsigned layer = 0; layer < PT_LAYERS; layer++)
			u->n[i][layer] = i < UNSEEN_SLICES / 2 ? u->n[2 * i][layer] + u->n[2 * i + 1][layer] : 0;
	u->width *= 2;
}

void unseen_add(struct unseen *u, uint64_t allocations, uint8_t layer)
{
	if (!u->width)
		u->width = 1;
	while (allocations / u->width >= UNSEEN_SLICES)
		unseen_halve(u);
	u->n[allocations / u->width][layer]++;
}

uint64_t unseen_since(const struct unseen *u, uint64_t from, unsigned layers)
{
	uint64_t n = 0;

	for (uint64_t i = u->width ? from / u->width : UNSEEN_SLICES; i < UNSEEN_SLICES; i++)
		for (unsigned layer = 0; layer < PT_LAYERS; layer++)
			n += layers >> layer & 1 ? u->n[i][layer] : 0;
	return n;
}
