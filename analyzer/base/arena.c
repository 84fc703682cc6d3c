/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/base/arena.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 256 << 10, ALIGN = 16 };

struct arena_piece {
	struct arena_piece *next;
	size_t unused; /* keeps data aligned */
	char data[];
};

void *arena_take(struct arena *a, size_t bytes)
{
	void *p;

	bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (bytes > a->cap - a->used || !a->pieces) {
		size_t cap = bytes > PIECE_BYTES ? bytes : PIECE_BYTES;
		struct arena_piece *piece = mem_alloc(sizeof *piece + cap);

		piece->next = a->pieces;
		a->pieces = piece;
		a->used = 0;
		a->cap = cap;
	}
	p = a->pieces->data + a->used;
	a->used += bytes;
	return p;
}

char *arena_text(struct arena *a, const void *s, size_t len)
{
	char *copy = arena_take(a, len + 1);

	if (len)
		memcpy(copy, s, len);
	copy[len] = 0;
	return copy;
}

void arena_free(struct arena *a)
{
	while (a->pieces) {
		struct arena_piece *next = a->pieces->next;

		free(a->pieces);
		a->pieces = next;
	}
	*a = (struct arena){ 0 };
}
