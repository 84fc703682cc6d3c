/* SPDX-License-Identifier: Apache-2.0 */
/* arena: many small things that live and die together. Zero-initialise; not for several threads at once. */
#pragma once
#include <stddef.h>

struct arena {
	struct arena_piece *pieces;
	size_t used, cap; /* of the newest piece */
};

/* Memory aligned to 16 bytes, not cleared. */
void *arena_take(struct arena *a, size_t bytes);
/* A copy of len bytes with a zero after them. */
char *arena_text(struct arena *a, const void *s, size_t len);
void arena_free(struct arena *a);
