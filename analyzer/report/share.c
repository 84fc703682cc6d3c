/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/report/share.h"

#include <stdio.h>
#include <string.h>

#define LIVES_KEY "python.lives"

static uint64_t known(const struct types_share *s) { return s->at_free.blocks + s->snapshot.blocks; }

/* Types whose objects this version makes again in blocks that it keeps; without RETIRE and REUSE events these lives are
 * not told apart. Calls `each` for each of them. */
static void each_hole(const struct report_trace *t, void (*each)(const char *name, void *arg), void *arg)
{
	const struct defs *d = &t->trace.defs;

	for (size_t i = 1; i < d->types.at.n; i++)
		if (d->types.at.at[i].flags & PT_TYPE_FREE_LIST)
			each(strings_text(&d->strings, d->types.at.at[i].name), arg);
}

static void add_json(const char *name, void *arg) { json_add(arg, json_text(name)); }

json_t *share_json(const struct report_trace *t)
{
	const struct types_share *s = &t->types.share;
	json_t *o = json_object(), *holes = json_array();
	const struct {
		const char *key;
		uint64_t n;
	} numbers[] = {
		{ "blocks", s->blocks.blocks },         { "bytes", s->blocks.bytes },
		{ "known_blocks", known(s) },           { "known_bytes", s->at_free.bytes + s->snapshot.bytes },
		{ "known_at_free", s->at_free.blocks }, { "known_by_snapshot", s->snapshot.blocks },
		{ "unknown_freed", s->unknown_freed },  { "unknown_alive", s->unknown_alive },
		{ "reused", t->types.reused },          { "retired", t->types.retired },
	};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		json_put(o, numbers[i].key, json_bytes(numbers[i].n));
	json_put(o, "lives", json_text(defs_meta(&t->trace.defs, LIVES_KEY, NULL)));
	each_hole(t, add_json, holes);
	json_put(o, "lives_per_block_only", holes);
	return o;
}

char *share_text(const struct report_trace *t, char *buf, size_t cap)
{
	const struct types_share *s = &t->types.share;
	int n;

	if (!s->blocks.blocks)
		return NULL;
	n = snprintf(buf, cap,
		     "known for %s of %s of the object allocator: %s by what lay in them when they were freed",
		     format_percent(known(s), s->blocks.blocks).text,
		     format_plural(s->blocks.blocks, "block", "blocks").text, format_count(s->at_free.blocks).text);
	if (s->snapshot.blocks && n > 0 && (size_t)n < cap)
		n += snprintf(buf + n, cap - (size_t)n, ", %s by the last snapshot",
			      format_count(s->snapshot.blocks).text);
	if (t->types.reused && n > 0 && (size_t)n < cap)
		snprintf(buf + n, cap - (size_t)n, "; %s made in blocks of free lists",
			 format_plural(t->types.reused, "object", "objects").text);
	return buf;
}

struct writer {
	char *at, *end;
	unsigned n;
};

static void add_text(const char *name, void *arg)
{
	struct writer *w = arg;
	size_t room = (size_t)(w->end - w->at);
	char safe[200];
	int n = snprintf(w->at, room, "%s%s", w->n++ ? ", " : "", format_printable(safe, sizeof safe, name));

	w->at += n > 0 && (size_t)n < room ? (size_t)n : 0;
}

char *share_holes_text(const struct report_trace *t, char *buf, size_t cap)
{
	const char *lives = defs_meta(&t->trace.defs, LIVES_KEY, NULL), *of = "made again in blocks that are kept: ";
	struct writer w = { buf, buf + cap, 0 };

	*buf = 0;
	if (lives && !strcmp(lives, "recorded"))
		return buf;
	w.at += snprintf(buf, cap, "%s", of);
	each_hole(t, add_text, &w);
	if (!w.n)
		*buf = 0;
	else if (lives)
		snprintf(w.at, (size_t)(w.end - w.at), " (%s)", lives);
	return buf;
}
