/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/report/owner_places.h"
#include "formats/block.h"

#include <stdio.h>
#include <string.h>

static uint64_t text_key(const char *text) { return pt_xxh3(text, strlen(text)); }

/* Of several functions inlined into each other: the one that has a frame of its own. */
static uint64_t function_key(const struct place *p)
{
	return map_mix(text_key(p->module ? p->module : p->file) ^ map_mix(text_key(p->function)));
}

static uint64_t function_of(void *self, node_id node)
{
	size_t n;
	const struct place *frames = place_frames(self, node, &n);

	return function_key(&frames[n - 1]) | 1;
}

static uint64_t line_of(void *self, node_id node)
{
	const struct place *p = place_find(self, node);
	uint64_t place = p->at.line > 0 ? text_key(p->file) + (uint64_t)p->at.line : p->address;

	return map_mix(function_key(p) ^ map_mix(place)) | 1;
}

static const char *where(void *self, node_id node, char *buf, size_t cap)
{
	const struct place *p = place_find(self, node);
	char at[512], function[512];

	place_where(p, false, at, sizeof at);
	if (p->origin != ORIGIN_NONE)
		snprintf(buf, cap, "%s in %s", at, place_function(p, false, function, sizeof function));
	else
		snprintf(buf, cap, "%s", at);
	return buf;
}

struct owner_names owner_places(struct place_table *t)
{
	return (struct owner_names){ .self = t, .line = line_of, .function = function_of, .where = where };
}
