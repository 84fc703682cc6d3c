/* SPDX-License-Identifier: Apache-2.0 */
/* strings: each text once, by number. Number 0 is the empty text. Texts live as long as the table. */
#pragma once
#include "analyzer/base/arena.h"
#include "analyzer/base/array.h"
#include "analyzer/base/map.h"

typedef uint32_t string_id;

struct strings_row {
	const char *text;
	uint32_t len, next; /* next: another text of the same hash */
};

struct strings {
	struct arena arena;
	struct map by_hash;
	ARRAY(struct strings_row) rows;
};

/* The number of a text of len bytes (zeros inside are kept). */
string_id strings_add(struct strings *s, const void *text, size_t len);
/* Zero-terminated, borrowed. "" for a number that was never given. */
const char *strings_text(const struct strings *s, string_id id);
size_t strings_len(const struct strings *s, string_id id);
void strings_free(struct strings *s);
