/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/places/owner_places.h"
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

const struct place *owner_place(struct place_table *t, struct owner_level at)
{
	size_t n;
	const struct place *frames = place_frames(t, at.node, &n);

	return &frames[at.inner < n ? at.inner : n - 1];
}

static unsigned functions_of(void *self, node_id node, unsigned *ret_best)
{
	size_t n;
	const struct place *frames = place_frames(self, node, &n);

	*ret_best = (unsigned)(place_find(self, node) - frames);
	return (unsigned)n;
}

static uint64_t line_of(void *self, node_id node, unsigned inner)
{
	const struct place *p = owner_place(self, (struct owner_level){ node, inner });
	uint64_t place = p->at.line > 0 ? text_key(p->file) + (uint64_t)p->at.line : p->address;

	return map_mix(function_key(p) ^ map_mix(place)) | 1;
}

/* "ns::ref::~ref", "ns::ref::ref", "ns::ref<T>::operator=": the parts before the parameters that tell. */
static bool serves(void *self, node_id node, unsigned inner)
{
	const struct place *p = owner_place(self, (struct owner_level){ node, inner });
	char name[1000], *last, *before = NULL;
	size_t n;

	if (!p->module || !strstr(p->function, "::"))
		return false;
	place_function(p, false, name, sizeof name);
	if (strstr(name, "::~") || strstr(name, "::operator="))
		return true;
	for (char *at = last = strstr(name, "::"); at; at = strstr(at + 2, "::")) {
		before = last;
		last = at;
	}
	before = last == before ? name : before + 2;
	last += 2;
	n = strcspn(last, "<(");
	return !strncmp(before, last, n) && strchr(":<", before[n]);
}

static const char *where(void *self, node_id node, unsigned inner, char *buf, size_t cap)
{
	const struct place *p = owner_place(self, (struct owner_level){ node, inner });
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
	return (struct owner_names){ .self = t,
				     .functions = functions_of,
				     .line = line_of,
				     .function = function_of,
				     .serves = serves,
				     .where = where };
}
