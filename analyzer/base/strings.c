/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/base/strings.h"

#include <string.h>

static uint64_t hash(const uint8_t *s, size_t len)
{
	uint64_t h = len, word;

	for (; len >= sizeof word; s += sizeof word, len -= sizeof word) {
		memcpy(&word, s, sizeof word);
		h = map_mix(h ^ word);
	}
	word = 0;
	if (len)
		memcpy(&word, s, len);
	return map_mix(h ^ word);
}

static string_id add_row(struct strings *s, const void *text, size_t len)
{
	*array_push(&s->rows) = (struct strings_row){ arena_text(&s->arena, text, len), (uint32_t)len, MAP_NONE };
	return (string_id)(s->rows.n - 1);
}

string_id strings_add(struct strings *s, const void *text, size_t len)
{
	uint32_t *first, id;

	if (!s->rows.n)
		add_row(s, "", 0);
	if (!len)
		return 0;
	first = map_at(&s->by_hash, hash(text, len));
	for (id = *first; id != MAP_NONE; id = s->rows.at[id].next)
		if (s->rows.at[id].len == len && !memcmp(s->rows.at[id].text, text, len))
			return id;
	id = add_row(s, text, len);
	s->rows.at[id].next = *first;
	*first = id;
	return id;
}

const char *strings_text(const struct strings *s, string_id id) { return id < s->rows.n ? s->rows.at[id].text : ""; }

size_t strings_len(const struct strings *s, string_id id) { return id < s->rows.n ? s->rows.at[id].len : 0; }

void strings_free(struct strings *s)
{
	arena_free(&s->arena);
	map_free(&s->by_hash);
	array_free(&s->rows);
}
