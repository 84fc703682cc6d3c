/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/gate/pattern.h"

#include <string.h>

/* Where piece[0..len) begins in the text; NULL. */
static const char *find(const char *text, const char *piece, size_t len)
{
	return len ? memmem(text, strlen(text), piece, len) : text;
}

/* The last piece of a pattern that ends with `$`: at the very end of the text. */
static bool ends_with(const char *text, const char *piece, size_t len)
{
	size_t n = strlen(text);

	return n >= len && !memcmp(text + n - len, piece, len);
}

bool pattern_matches(const char *pattern, const char *text)
{
	bool tied = *pattern == '^';

	if (tied)
		pattern++;
	if (!*pattern)
		return false;
	for (;;) {
		size_t len = strcspn(pattern, "*");
		bool last = !pattern[len], to_end = last && len && pattern[len - 1] == '$';
		const char *at;

		if (to_end && !tied)
			return ends_with(text, pattern, len - 1);
		at = tied && strncmp(text, pattern, len - to_end) ? NULL : tied ? text : find(text, pattern, len);
		if (!at || last)
			return at && (!to_end || !text[len - 1]);
		text = at + len;
		pattern += len + 1;
		tied = false;
	}
}
