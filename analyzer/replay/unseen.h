/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unseen: releases of blocks that were not known because recording had been stopped, over the allocations recorded
 *
 * Why: what grows in the trace while as many others go may be a bounded cache, of which only the new half is seen.
 */
#pragma once
#include "formats/event.h"

#include <stdint.h>

enum { UNSEEN_SLICES = 64 };
struct unseen {
	uint64_t width;                       /* of a slice: allocations; 0: recording was never stopped */
	uint64_t n[UNSEEN_SLICES][PT_LAYERS]; /* while recording, and before the interpreter's end */
};
/* One more, after so many allocations. */
void unseen_add(struct unseen *u, uint64_t allocations, uint8_t layer);
/* Those of a set of layers, in slices that end after the recorded allocation `from`. */
uint64_t unseen_since(const struct unseen *u, uint64_t from, unsigned layers);
