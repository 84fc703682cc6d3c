/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/commands/place.h"
#include "analyzer/base/mem.h"
#include "analyzer/out/format.h"

#include <stdlib.h>
#include <string.h>

#define BLAME_DISTANCE 10 /* frames between a block and the user's line that still is to blame for it */
#define STACK_HEAD     6  /* frames of a short stack that are never folded away: the innermost ... */
#define STACK_TAIL     2  /* ... and the outermost */

void place_table_init(struct place_table *t, const struct trace *trace)
{
	*t = (struct place_table){ .trace = trace, .cwd = defs_meta(&trace->defs, "cwd", NULL) };
	t->cwd = t->cwd ? t->cwd : "";
	t->cwd_len = strlen(t->cwd);
	t->places = mem_zero(trace->defs.stacks.nodes.n + 2, sizeof *t->places);
}

void place_table_free(struct place_table *t)
{
	free(t->places);
	*t = (struct place_table){ 0 };
}

/* What follows "/python3.11/" when that stands in the standard library's path. NULL when it does not. */
static const char *after_stdlib(const char *file)
{
	const char *at = strstr(file, "/python");
	const char *rest;

	if (!at)
		return NULL;
	rest = at + strlen("/python");
	rest += strspn(rest, "0123456789.t");
	return at[7] != '/' && *rest == '/' ? rest + 1 : NULL;
}

static const char *after_packages(const char *file)
{
	static const char *const folders[] = { "/site-packages/", "/dist-packages/" };

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		const char *at = strstr(file, folders[i]);

		if (at)
			return at + strlen(folders[i]);
	}
	return NULL;
}

static void classify(const struct place_table *t, struct place *p)
{
	const char *rest;

	p->short_file = p->file;
	p->origin = ORIGIN_USER;
	if (!strncmp(p->file, "<frozen ", 8)) {
		p->origin = strncmp(p->file, "<frozen importlib", 17) ? ORIGIN_STDLIB : ORIGIN_IMPORT;
	} else if ((rest = after_packages(p->file))) {
		p->origin = ORIGIN_PACKAGE;
		p->short_file = rest;
	} else if ((rest = after_stdlib(p->file))) {
		p->origin = strncmp(rest, "importlib/_bootstrap", 20) ? ORIGIN_STDLIB : ORIGIN_IMPORT;
		p->short_file = rest;
	} else if (t->cwd_len > 1 && !strncmp(p->file, t->cwd, t->cwd_len) && p->file[t->cwd_len] == '/') {
		p->short_file = p->file + t->cwd_len + 1;
	}
}

const struct place *place_find(struct place_table *t, node_id node)
{
	struct place *p = &t->places[node];
	struct site site;

	if (p->origin != ORIGIN_UNSEEN)
		return p;
	if (node <= NODE_UNKNOWN) {
		*p = (struct place){ "",
				     "",
				     node == NODE_EMPTY ? "<no python frame>" : "<unknown frame>",
				     { 0, 0, -1, -1 },
				     ORIGIN_NONE };
		return p;
	}
	site = lines_site(&t->trace->defs, node);
	*p = (struct place){ .file = site.file, .function = site.function, .at = site.at };
	classify(t, p);
	return p;
}

node_id place_blame(struct place_table *t, node_id node)
{
	const struct defs *d = &t->trace->defs;
	node_id package = NODE_EMPTY, at = node;

	for (int i = 0; i < BLAME_DISTANCE && at > NODE_UNKNOWN; i++, at = d->stacks.nodes.at[at].parent) {
		enum origin origin = place_find(t, at)->origin;

		if (origin == ORIGIN_USER)
			return at;
		if (origin == ORIGIN_IMPORT)
			break;
		if (origin == ORIGIN_PACKAGE && package == NODE_EMPTY)
			package = at;
	}
	return package == NODE_EMPTY ? node : package;
}

node_id place_importer(struct place_table *t, node_id node)
{
	node_id at = node;

	while (at > NODE_UNKNOWN && place_find(t, at)->origin == ORIGIN_IMPORT)
		at = t->trace->defs.stacks.nodes.at[at].parent;
	return at > NODE_UNKNOWN ? at : node;
}

char *place_where(const struct place *p, bool full, char *buf, size_t cap)
{
	const char *file = full ? p->file : p->short_file;

	if (p->origin == ORIGIN_NONE)
		snprintf(buf, cap, "%s", p->function);
	else if (p->at.line <= 0)
		snprintf(buf, cap, "%s", file);
	else if (p->at.column < 0)
		snprintf(buf, cap, "%s:%d", file, p->at.line);
	else
		snprintf(buf, cap, "%s:%d:%d", file, p->at.line, p->at.column + 1);
	return buf;
}

char *place_path(const struct place_table *t, const struct place *p, char *buf, size_t cap)
{
	if (*p->file == '/' || !*t->cwd)
		snprintf(buf, cap, "%s", p->file);
	else
		snprintf(buf, cap, "%s/%s", t->cwd, p->file);
	return buf;
}

static json_t *number_or_null(int32_t n, int32_t least) { return n < least ? json_null() : json_integer(n); }

json_t *place_json(const struct place *p)
{
	json_t *site = json_object();

	json_put(site, "file", p->origin == ORIGIN_NONE ? json_null() : json_text(p->file));
	json_put(site, "line", number_or_null(p->at.line, 1));
	json_put(site, "column", number_or_null(p->at.column, 0));
	json_put(site, "end_line", number_or_null(p->at.end_line, 1));
	json_put(site, "end_column", number_or_null(p->at.end_column, 0));
	json_put(site, "function", json_text(p->function));
	json_put(site, "language", json_text(p->origin == ORIGIN_NONE ? "native" : "python"));
	return site;
}

json_t *place_stack_json(struct place_table *t, node_id node)
{
	json_t *stack = json_array();

	for (; node != NODE_EMPTY;
	     node = node == NODE_UNKNOWN ? NODE_EMPTY : t->trace->defs.stacks.nodes.at[node].parent)
		json_add(stack, place_json(place_find(t, node)));
	return stack;
}

static void print_frame(const struct place *p, const struct output *o, unsigned indent, bool full)
{
	char where[4096], safe[4096], function[1024];
	bool user = p->origin == ORIGIN_USER;

	format_printable(safe, sizeof safe, place_where(p, full, where, sizeof where));
	format_printable(function, sizeof function, p->function);
	fprintf(o->file, "%*s%s", (int)indent, "", output_style(o, user ? STYLE_PLAIN : STYLE_FAINT));
	if (full)
		fputs(safe, o->file);
	else
		format_elide(o->file, safe, o->width - indent - 30);
	fprintf(o->file, "  %s%s\n", p->origin == ORIGIN_NONE ? "" : function, output_style(o, STYLE_PLAIN));
}

/* Whether a short stack shows a frame: the user's own, the innermost few, and the two ends of a long one. */
static bool is_shown(const struct place *p, size_t at, size_t depth, size_t *user_frames)
{
	if (p->origin == ORIGIN_USER)
		return (*user_frames)++ < STACK_HEAD || at + STACK_TAIL >= depth;
	return at == 0;
}

static void print_folded(const struct output *o, unsigned indent, size_t n)
{
	if (n)
		fprintf(o->file, "%*s%s... %s%s\n", (int)indent, "", output_style(o, STYLE_FAINT),
			format_plural(n, "frame folded", "frames folded").text, output_style(o, STYLE_PLAIN));
}

void place_print_stack(struct place_table *t, node_id node, const struct output *o, unsigned indent, bool full)
{
	const struct defs *d = &t->trace->defs;
	size_t depth = 0, folded = 0, user_frames = 0, at = 0;

	if (node <= NODE_UNKNOWN)
		print_frame(place_find(t, node), o, indent, full);
	for (node_id n = node; n > NODE_UNKNOWN; n = d->stacks.nodes.at[n].parent)
		depth++;
	for (; node > NODE_UNKNOWN; node = d->stacks.nodes.at[node].parent, at++) {
		const struct place *p = place_find(t, node);

		if (!full && !is_shown(p, at, depth, &user_frames)) {
			folded++;
			continue;
		}
		print_folded(o, indent, folded);
		folded = 0;
		print_frame(p, o, indent, full);
	}
	print_folded(o, indent, folded);
}
