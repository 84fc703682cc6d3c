/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/places/target.h"

#include <stdlib.h>
#include <string.h>

void target_parse_site(struct target *t, const char *text)
{
	const char *colon = strrchr(text, ':');
	char *end;

	t->file = text;
	t->file_len = strlen(text);
	if (!colon || !colon[1])
		return;
	t->line = strtol(colon + 1, &end, 10);
	if (*end)
		t->line = 0;
	else
		t->file_len = (size_t)(colon - text);
}

void target_parse(struct target *t, const char *text)
{
	const char *at = strrchr(text, '@');

	*t = (struct target){ .type = text, .type_len = strlen(text) };
	if (!strncmp(text, "0x", 2)) {
		t->address = strtoull(text, NULL, 16);
	} else if (at) {
		t->type_len = (size_t)(at - text);
		target_parse_site(t, at + 1);
	}
}

bool target_is_type(const struct target *t, const char *name)
{
	size_t len = strlen(name);

	if (!t->type_len || (t->type_len == 1 && *t->type == '*'))
		return true;
	if (len < t->type_len || memcmp(name + len - t->type_len, t->type, t->type_len))
		return false;
	return len == t->type_len || name[len - t->type_len - 1] == '.';
}

bool target_is_site(const struct target *t, struct place_table *places, node_id site)
{
	const struct place *p;
	size_t len;

	if (!t->file)
		return true;
	if (site == NODE_UNKNOWN)
		return false;
	p = place_find(places, site);
	len = strlen(p->file);
	if (t->line && p->at.line != t->line)
		return false;
	if (len < t->file_len || memcmp(p->file + len - t->file_len, t->file, t->file_len))
		return false;
	return len == t->file_len || *t->file == '/' || p->file[len - t->file_len - 1] == '/';
}
