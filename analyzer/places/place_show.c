/* SPDX-License-Identifier: Apache-2.0 */
/* place_show: frames and stacks as text and as JSON */
#include "analyzer/places/place.h"
#include "analyzer/out/format.h"

#include <inttypes.h>
#include <string.h>

#define STACK_HEAD 6 /* frames of a short stack that are never folded away: the innermost ... */
#define STACK_TAIL 2 /* ... and the outermost */

/* ---- one frame ---- */

char *place_where(const struct place *p, bool full, char *buf, size_t cap)
{
	const char *file = full ? p->file : p->short_file;

	if (p->origin == ORIGIN_NONE)
		snprintf(buf, cap, "%s", p->function);
	else if (p->module && (!*p->file || p->at.line <= 0) && p->address == PLACE_MANY)
		snprintf(buf, cap, "%s", full && *p->module_path ? p->module_path : p->module);
	else if (p->module && (!*p->file || p->at.line <= 0))
		snprintf(buf, cap, "%s+0x%" PRIx64, full && *p->module_path ? p->module_path : p->module, p->address);
	else if (p->at.line <= 0)
		snprintf(buf, cap, "%s", file);
	else if (p->at.column < 0)
		snprintf(buf, cap, "%s:%d", file, p->at.line);
	else
		snprintf(buf, cap, "%s:%d:%d", file, p->at.line, p->at.column + 1);
	return buf;
}

/* Where the parameters of a C++ function begin: the parenthesis that belongs to the last one. NULL: it has none. */
static const char *parameters(const char *function)
{
	const char *end = strrchr(function, ')');
	int depth = 0;

	for (const char *c = end; c && c > function; c--) {
		depth += (*c == ')') - (*c == '(');
		if (depth)
			continue;
		/* "operator()" and "(anonymous namespace)::f" are names */
		if (!strncmp(end + 1, "::", 2) || (c - function >= 8 && !strncmp(c - 8, "operator", 8)))
			return NULL;
		return c;
	}
	return NULL;
}

char *place_site_where(struct place_table *t, node_id node, bool full, char *buf, size_t cap)
{
	struct place p;

	*buf = 0;
	if (node == NODE_UNKNOWN)
		return buf;
	p = *place_find(t, place_site(t, node));
	p.at.column = -1;
	return place_where(&p, full, buf, cap);
}

char *place_function(const struct place *p, bool full, char *buf, size_t cap)
{
	const char *end = p->module && !full ? parameters(p->function) : NULL;

	snprintf(buf, cap, "%.*s", end ? (int)(end - p->function) : (int)strlen(p->function), p->function);
	return buf;
}

char *place_below_text(struct place_table *t, node_id node, bool full, char *buf, size_t cap)
{
	node_id below = place_below(t, node);
	const struct place *p = place_find(t, below);
	char function[400];

	if (below == NODE_EMPTY)
		return NULL;
	snprintf(buf, cap, "%s in %s", place_function(p, full, function, sizeof function), p->module);
	return buf;
}

char *place_function_below(struct place_table *t, node_id node, bool full, char *buf, size_t cap)
{
	const struct place *site = place_find(t, place_site(t, node));
	node_id below = place_below(t, node);
	char function[2048], text[2048];

	place_function(site, full, function, sizeof function);
	if (below == NODE_EMPTY)
		snprintf(buf, cap, "%s", function);
	else if (full)
		snprintf(buf, cap, "%s (%s)", function, place_below_text(t, node, full, text, sizeof text));
	else
		snprintf(buf, cap, "%s (in %s)", function, place_find(t, below)->module);
	return buf;
}

char *place_path(const struct place_table *t, const struct place *p, char *buf, size_t cap)
{
	if (*p->file == '/' || !*t->cwd)
		snprintf(buf, cap, "%s%s", *p->file == '/' ? t->sysroot : "", p->file);
	else
		snprintf(buf, cap, "%s%s/%s", t->sysroot, t->cwd, p->file);
	return buf;
}

/* ---- JSON ---- */

static json_t *number_or_null(int32_t n, int32_t least) { return n < least ? json_null() : json_integer(n); }

json_t *place_json(const struct place *p)
{
	bool native = p->module || p->origin == ORIGIN_NONE;
	json_t *site = json_object();
	char address[24];

	json_put(site, "file", native && !*p->file ? json_null() : json_text(p->file));
	json_put(site, "line", number_or_null(p->at.line, 1));
	json_put(site, "column", number_or_null(p->at.column, 0));
	json_put(site, "end_line", number_or_null(p->at.end_line, 1));
	json_put(site, "end_column", number_or_null(p->at.end_column, 0));
	json_put(site, "function", json_text(p->function));
	json_put(site, "language", json_text(native ? "native" : "python"));
	if (!p->module)
		return site;
	snprintf(address, sizeof address, "0x%" PRIx64, p->address);
	json_put(site, "module", *p->module_path ? json_text(p->module_path) : json_null());
	json_put(site, "address", p->address == PLACE_MANY ? json_null() : json_text(address));
	json_put(site, "inlined", json_boolean(p->inlined));
	return site;
}

json_t *place_site_json(struct place_table *t, node_id node)
{
	return node == NODE_UNKNOWN ? json_null() : place_json(place_find(t, place_site(t, node)));
}

json_t *place_any_site_json(struct place_table *t, node_id node)
{
	return node == NODE_EMPTY ? json_null() : place_json(place_find(t, place_site(t, node)));
}

json_t *place_below_json(struct place_table *t, node_id node)
{
	node_id below = place_below(t, node);

	return below == NODE_EMPTY ? json_null() : place_json(place_find(t, below));
}

/* Of the i-th frame of a node; not to be changed. A new reference. */
static json_t *frame_json(struct place_table *t, node_id node, size_t i)
{
	size_t n;
	const struct place *frames = place_frames(t, node, &n);
	json_t **json = &t->rows[node].json[i];

	if (!*json) {
		*json = place_json(&frames[i]);
		*array_push(&t->json) = *json;
	}
	return json_incref(*json);
}

json_t *place_stack_json(struct place_table *t, node_id node)
{
	json_t *stack = json_array();

	for (; node != NODE_EMPTY;
	     node = node == NODE_UNKNOWN ? NODE_EMPTY : defs_frame(&t->trace->defs, node)->parent) {
		size_t n;

		place_frames(t, node, &n);
		for (size_t i = 0; i < n; i++)
			json_add(stack, frame_json(t, node, i));
	}
	return stack;
}

/* ---- text ---- */

static void print_frame(const struct place *p, const struct output *o, unsigned indent, bool full)
{
	char where[4096], safe[4096], function[2048], name[2048];
	bool user = p->origin == ORIGIN_USER;
	size_t room = o->width - indent - 30, used;

	format_printable(safe, sizeof safe, place_where(p, full, where, sizeof where));
	format_printable(name, sizeof name, place_function(p, full, function, sizeof function));
	fprintf(o->file, "%*s%s", (int)indent, "", output_style(o, user ? STYLE_PLAIN : STYLE_FAINT));
	if (full)
		fputs(safe, o->file);
	else
		format_elide(o->file, safe, room);
	if (p->origin != ORIGIN_NONE) {
		used = indent + 2 + (format_width(safe) < room ? format_width(safe) : room);
		fputs("  ", o->file);
		if (full || !p->module || used + 20 > o->width)
			fputs(name, o->file);
		else
			format_elide(o->file, name, o->width - used);
	}
	fprintf(o->file, "%s\n", output_style(o, STYLE_PLAIN));
}

/* Runs over the frames of a stack that are to be printed. */
struct stack_printer {
	const struct output *o;
	unsigned indent;
	bool full;
	size_t at, depth, user_frames, folded;
	const struct place *last; /* the frame before, when it was folded */
};

/* Whether a short stack shows a frame: the user's own, the innermost few, and the two ends of a long one. */
static bool is_shown(struct stack_printer *s, const struct place *p)
{
	if (s->full || p->origin == ORIGIN_INTERNAL) /* which are there only when asked for */
		return true;
	if (p->origin == ORIGIN_USER || p->origin == ORIGIN_MODULE)
		return s->user_frames++ < STACK_HEAD || s->at + STACK_TAIL >= s->depth;
	return s->at == 0;
}

static void print_folded(struct stack_printer *s)
{
	if (s->folded)
		fprintf(s->o->file, "%*s%s... %s%s\n", (int)s->indent, "", output_style(s->o, STYLE_FAINT),
			format_plural(s->folded, "frame folded", "frames folded").text,
			output_style(s->o, STYLE_PLAIN));
	s->folded = 0;
}

/* A library's function that Python called is worth its line. */
static void print_entrance(struct stack_printer *s, const struct place *caller)
{
	if (!s->last || caller->module || s->last->origin != ORIGIN_LIBRARY)
		return;
	s->folded--;
	print_folded(s);
	print_frame(s->last, s->o, s->indent, s->full);
}

static void print_next(struct stack_printer *s, const struct place *p)
{
	bool shown = is_shown(s, p);

	if (shown) {
		print_entrance(s, p);
		print_folded(s);
		print_frame(p, s->o, s->indent, s->full);
	} else {
		s->folded++;
	}
	s->last = shown ? NULL : p;
	s->at++;
}

void place_print_stack(struct place_table *t, node_id node, const struct output *o, unsigned indent, bool full)
{
	const struct defs *d = &t->trace->defs;
	struct stack_printer s = { .o = o, .indent = indent, .full = full };
	size_t n;

	if (node <= NODE_UNKNOWN)
		print_frame(place_find(t, node), o, indent, full);
	for (node_id at = node; at > NODE_UNKNOWN; at = defs_frame(d, at)->parent) {
		place_frames(t, at, &n);
		s.depth += n;
	}
	for (; node > NODE_UNKNOWN; node = defs_frame(d, node)->parent) {
		const struct place *frames = place_frames(t, node, &n);

		for (size_t i = 0; i < n; i++)
			print_next(&s, &frames[i]);
	}
	print_folded(&s);
}
