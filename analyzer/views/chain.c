/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link is written as soon as it is met; when the next edge shows that it was only the inside of something (a dict of
 * attributes, a closure's tuple and cell, a generator's frame), it is taken back and what people write stands there.
 */
#include "analyzer/views/chain.h"
#include "analyzer/base/mem.h"
#include "analyzer/out/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KEY_DEPTH     3    /* tuples in tuples */
#define KEY_MAX       80   /* characters of a text that are shown */
#define PIECE_MAX     1024 /* of a link's name */
#define NAME_MAX_WIDE 44   /* columns for names */

/* What the last link is the inside of. */
enum inside { INSIDE_NOTHING, INSIDE_DICT, INSIDE_CLOSURE, INSIDE_CELL, INSIDE_FRAME };

struct text {
	char *at;
	size_t n, cap;
};

struct builder {
	struct chain *c;
	struct view *v;
	const struct heap *h;
	struct text expression, pattern;
	enum inside inside;
	object_id function; /* INSIDE_CLOSURE, INSIDE_CELL */
	uint64_t cell;
	uint32_t n_cells;
};

static void text_cut(struct text *t, size_t n)
{
	t->n = n;
	if (t->at)
		t->at[n] = 0;
}

static void text_add(struct text *t, const char *s)
{
	size_t len = strlen(s);

	if (t->n + len + 1 > t->cap) {
		t->cap = 2 * (t->n + len + 1);
		t->at = mem_resize(t->at, t->cap, 1);
	}
	memcpy(t->at + t->n, s, len + 1);
	t->n += len;
}

/* ---- keys ---- */

/* As Python's repr(): quotes, backslashes and what can't be printed are escaped. */
static size_t put_quoted(char *buf, size_t cap, const char *s)
{
	const char quote = strchr(s, '\'') && !strchr(s, '"') ? '"' : '\'';
	size_t n = 0, shown = 0;

	if (cap < 16)
		return 0;
	buf[n++] = quote;
	for (; *s && n + 12 < cap && shown < KEY_MAX; s++, shown++) {
		unsigned char c = (unsigned char)*s;

		if (c == (unsigned char)quote || c == '\\')
			n += (size_t)snprintf(buf + n, cap - n, "\\%c", c);
		else if (c == '\n' || c == '\t' || c == '\r')
			n += (size_t)snprintf(buf + n, cap - n, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
		else if (c < 0x20 || c == 0x7f)
			n += (size_t)snprintf(buf + n, cap - n, "\\x%02x", c);
		else
			buf[n++] = (char)c;
	}
	while (*s && ((unsigned char)*s & 0xc0) == 0x80 && n + 8 < cap) /* never half a character */
		buf[n++] = *s++;
	if (*s)
		n += (size_t)snprintf(buf + n, cap - n, "...");
	buf[n++] = quote;
	buf[n] = 0;
	return n;
}

static bool is_one_of(const char *name, const char *const list[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(name, list[i]))
			return true;
	}
	return false;
}

static size_t put_key(const struct heap *h, object_id key, char *buf, size_t cap, int depth);

static size_t put_tuple(const struct heap *h, object_id key, char *buf, size_t cap, int depth)
{
	size_t used = (size_t)snprintf(buf, cap, "(");

	for (uint32_t e = h->first[key]; e < h->first[key + 1] && used + 64 < cap; e++) {
		if (e > h->first[key])
			used += (size_t)snprintf(buf + used, cap - used, ", ");
		used += put_key(h, heap_target(h->target[e]), buf + used, cap - used, depth + 1);
	}
	if (used + 4 < cap)
		used += (size_t)snprintf(buf + used, cap - used, "%s",
					 h->first[key + 1] == h->first[key] + 1 ? ",)" : ")");
	return used;
}

static size_t put_key(const struct heap *h, object_id key, char *buf, size_t cap, int depth)
{
	static const char *const bare[] = { "int", "bool", "float", "NoneType", "bytes", "complex", "tuple" };
	const char *type = key == HEAP_NONE ? "?" : heap_type_name(h, key), *text;
	int n;

	text = key == HEAP_NONE ? NULL : heap_name(h, key);
	if (key != HEAP_NONE && !text && !strcmp(type, "tuple") && depth < KEY_DEPTH)
		return put_tuple(h, key, buf, cap, depth);
	if (text && !strcmp(type, "str"))
		return put_quoted(buf, cap, text);
	if (text && is_one_of(type, bare, sizeof bare / sizeof *bare))
		n = snprintf(buf, cap, "%.*s", KEY_MAX, text);
	else if (text)
		n = snprintf(buf, cap, "<%.*s %.*s>", KEY_MAX, type, KEY_MAX, text);
	else
		n = snprintf(buf, cap, "<%.*s>", KEY_MAX, type);
	return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

/* The object as a key of a dict is written: 'u17', 42, ('a', 7), <app.Key>. Written into buf, which is returned. */
static char *key_text(const struct heap *h, object_id key, char *buf, size_t cap)
{
	*buf = 0;
	put_key(h, key, buf, cap, 0);
	return buf;
}

/* ---- edges ---- */

/* Objects with variables: what stands behind them is no attribute. */
static bool has_locals(const char *type)
{
	static const char *const types[] = { "generator", "coroutine", "async_generator", "frame" };

	return is_one_of(type, types, sizeof types / sizeof *types);
}

static bool is_own_part(const char *label)
{
	static const char *const starts[] = { "gi_", "cr_", "ag_", "f_", "__" };

	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
		if (!strncmp(label, starts[i], strlen(starts[i])))
			return true;
	}
	return false;
}

/* "(stack)" as ".<stack>". */
static void put_inner(const char *label, char *buf, size_t cap)
{
	size_t len = strlen(label);

	if (len > 2 && *label == '(' && label[len - 1] == ')')
		snprintf(buf, cap, ".<%.*s>", (int)(len - 2), label + 1);
	else
		snprintf(buf, cap, ".<%s>", label);
}

/* How an edge is written behind the object that holds it: ".session", "['u17']", "[3]". Written into buf. */
static char *edge_text(const struct heap *h, object_id from, uint32_t edge, char *buf, size_t cap)
{
	struct heap_edge_name name = heap_edge_name(h, from, edge);
	const char *type = heap_type_name(h, from);
	char key[PIECE_MAX / 2];

	switch (name.kind) {
	case HEAP_EDGE_ATTRIBUTE:
		snprintf(buf, cap, "%s%s", has_locals(type) && !is_own_part(name.text) ? ".<locals>." : ".", name.text);
		break;
	case HEAP_EDGE_INNER: put_inner(name.text, buf, cap); break;
	case HEAP_EDGE_INDEX: snprintf(buf, cap, "[%" PRIu64 "]", name.index); break;
	case HEAP_EDGE_KEY: snprintf(buf, cap, "[%s]", key_text(h, name.key, key, sizeof key)); break;
	case HEAP_EDGE_IS_KEY: snprintf(buf, cap, ".<key %s>", key_text(h, name.key, key, sizeof key)); break;
	default:
		snprintf(buf, cap, "%s",
			 !strcmp(type, "set") || !strcmp(type, "frozenset") ? ".<element>"
			 : !strcmp(type, "_thread._local")                  ? ".<thread>"
									    : ".<reference>");
		break;
	}
	return buf;
}

/* The same without what tells the entries of a container apart. */
static const char *edge_pattern(const struct heap *h, object_id from, uint32_t edge, const char *text)
{
	switch (heap_edge_name(h, from, edge).kind) {
	case HEAP_EDGE_INDEX:
	case HEAP_EDGE_KEY: return "[...]";
	case HEAP_EDGE_IS_KEY: return ".<key>";
	default: return text;
	}
}

/* ---- building ---- */

static void add_link(struct builder *b, object_id object, const char *piece, const char *pattern)
{
	struct chain_link *link = array_push(&b->c->at);

	*link = (struct chain_link){ .object = object, .from = b->expression.n, .pattern_from = b->pattern.n };
	text_add(&b->expression, piece);
	text_add(&b->pattern, pattern);
	link->to = b->expression.n;
}

static void take_back(struct builder *b, size_t links)
{
	while (links-- && b->c->at.n) {
		const struct chain_link *last = &b->c->at.at[--b->c->at.n];

		text_cut(&b->expression, last->from);
		text_cut(&b->pattern, last->pattern_from);
	}
}

/* The target of the edge with this label; HEAP_NONE. */
static object_id part_of(const struct heap *h, object_id o, const char *label)
{
	for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++) {
		if (!strcmp(heap_edge_name(h, o, e).text, label))
			return heap_target(h->target[e]);
	}
	return HEAP_NONE;
}

/* The name of a function's free variable, from its code: all names are in one tuple since 3.11, the free ones last. */
static const char *free_variable(const struct heap *h, object_id function, uint64_t cell, uint32_t n_cells)
{
	object_id code = part_of(h, function, "__code__"), names = HEAP_NONE;
	const char *text;
	uint32_t n, at;

	if (code != HEAP_NONE)
		names = part_of(h, code, "co_freevars");
	if (code != HEAP_NONE && names == HEAP_NONE)
		names = part_of(h, code, "co_localsplusnames");
	if (names == HEAP_NONE)
		return NULL;
	n = h->first[names + 1] - h->first[names];
	if (n < n_cells || cell >= n_cells)
		return NULL;
	at = heap_target(h->target[h->first[names] + n - n_cells + (uint32_t)cell]);
	text = at == HEAP_NONE ? NULL : heap_name(h, at);
	return text && *text ? text : NULL;
}

/* Whether the edge says what the last link was the inside of; then both are one link. */
static bool fold(struct builder *b, object_id from, uint32_t edge, object_id to)
{
	struct heap_edge_name name = heap_edge_name(b->h, from, edge);
	char piece[PIECE_MAX];
	const char *variable;

	if (b->inside == INSIDE_DICT && (name.kind == HEAP_EDGE_KEY || name.kind == HEAP_EDGE_ATTRIBUTE) &&
	    heap_is_identifier(name.text)) {
		snprintf(piece, sizeof piece, ".%s", name.text);
		take_back(b, 1);
	} else if (b->inside == INSIDE_CELL && !strcmp(name.text, "cell_contents")) {
		variable = free_variable(b->h, b->function, b->cell, b->n_cells);
		if (variable)
			snprintf(piece, sizeof piece, ".<closure>.%s", variable);
		else
			snprintf(piece, sizeof piece, ".<closure %" PRIu64 ">", b->cell);
		take_back(b, 2);
	} else if (b->inside == INSIDE_FRAME && name.kind == HEAP_EDGE_ATTRIBUTE && !is_own_part(name.text)) {
		snprintf(piece, sizeof piece, ".<locals>.%s", name.text);
		take_back(b, 1);
	} else {
		return false;
	}
	add_link(b, to, piece, piece);
	return true;
}

static enum inside inside_of(struct builder *b, object_id from, const struct heap_edge_name *name, object_id to)
{
	const char *type = heap_type_name(b->h, to);

	if (!strcmp(name->text, "__dict__") && !strcmp(type, "dict"))
		return INSIDE_DICT;
	if (!strcmp(name->text, "__closure__") && !strcmp(type, "tuple")) {
		b->function = from;
		b->n_cells = b->h->first[to + 1] - b->h->first[to];
		return INSIDE_CLOSURE;
	}
	if (b->inside == INSIDE_CLOSURE && name->kind == HEAP_EDGE_INDEX && !strcmp(type, "cell")) {
		b->cell = name->index;
		return INSIDE_CELL;
	}
	return !strcmp(type, "frame") && has_locals(heap_type_name(b->h, from)) ? INSIDE_FRAME : INSIDE_NOTHING;
}

static void add_step(struct builder *b, object_id from, uint32_t edge, object_id to)
{
	struct heap_edge_name name;
	char piece[PIECE_MAX];

	if (edge == HEAP_NONE) {
		add_link(b, to, ".<reference>", ".<reference>");
		b->inside = INSIDE_NOTHING;
		return;
	}
	name = heap_edge_name(b->h, from, edge);
	if (fold(b, from, edge, to)) {
		b->inside = INSIDE_NOTHING;
	} else {
		edge_text(b->h, from, edge, piece, sizeof piece);
		add_link(b, to, piece, edge_pattern(b->h, from, edge, piece));
		b->inside = inside_of(b, from, &name, to);
	}
}

/* ---- starts ---- */

static void root_text(const struct heap *h, const struct path *p, char *buf, size_t cap)
{
	const struct heap_root *root = &h->roots.at[p->root];
	const char *label = heap_text_of(h, root->label);
	const char *edge = heap_text_of(h, h->root_labels.at[p->root_edge] >> 2);
	char inner[PIECE_MAX / 2];

	if (!*edge)
		*inner = 0;
	else if (heap_is_identifier(edge))
		snprintf(inner, sizeof inner, ".%s", edge);
	else if (*edge == '[')
		snprintf(inner, sizeof inner, "%s", edge);
	else
		put_inner(edge, inner, sizeof inner);
	switch (root->kind) {
	case PT_ROOT_FRAME:
		snprintf(buf, cap, "%s%s%s", label, *inner == '.' && inner[1] != '<' ? ".<locals>" : "", inner);
		break;
	case PT_ROOT_THREAD: snprintf(buf, cap, "<thread%s%s>%s", *label ? " " : "", label, inner); break;
	case PT_ROOT_INTERPRETER: snprintf(buf, cap, "<interpreter>%s", inner); break;
	case PT_ROOT_TYPE: snprintf(buf, cap, "%s%s", label, inner); break;
	case PT_ROOT_GARBAGE: snprintf(buf, cap, "gc.garbage"); break;
	default: snprintf(buf, cap, "<%s>%s", *label ? label : "root", inner); break;
	}
}

static void add_start(struct builder *b, const struct path *p)
{
	object_id first = p->steps.at[0].object;
	uint32_t module = map_find(&b->v->module_of, first);
	char piece[PIECE_MAX];

	if (module != MAP_NONE) { /* a frame's globals: the module's names */
		snprintf(piece, sizeof piece, "%s", heap_name(b->h, module));
		add_link(b, module, piece, piece);
		add_link(b, first, ".__dict__", ".__dict__");
		b->inside = INSIDE_DICT;
		return;
	}
	if (p->start == PATH_MODULE && heap_name(b->h, first))
		snprintf(piece, sizeof piece, "%s", heap_name(b->h, first));
	else if (p->start == PATH_ROOT)
		root_text(b->h, p, piece, sizeof piece);
	else
		snprintf(piece, sizeof piece, "<%s%s>", heap_type_name(b->h, first),
			 p->start == PATH_C ? " held by C code" : "");
	add_link(b, first, piece, piece);
}

void chain_make(struct chain *c, struct view *v, const struct path *p)
{
	struct builder b = { .c = c, .v = v, .h = &v->heap };

	*c = (struct chain){ .by_c = p->start == PATH_C };
	text_add(&b.expression, "");
	text_add(&b.pattern, "");
	if (p->steps.n)
		add_start(&b, p);
	for (size_t i = 1; i < p->steps.n; i++)
		add_step(&b, p->steps.at[i - 1].object, p->steps.at[i].edge, p->steps.at[i].object);
	c->expression = b.expression.at;
	c->pattern = b.pattern.at;
}

void chain_free(struct chain *c)
{
	free(c->expression);
	free(c->pattern);
	array_free(&c->at);
	*c = (struct chain){ 0 };
}

/* ---- showing ---- */

static char *link_name(const struct chain *c, const struct chain_link *link, char *buf, size_t cap)
{
	snprintf(buf, cap, "%.*s", (int)(link->to - link->from), c->expression + link->from);
	return buf;
}

json_t *chain_json(const struct chain *c, struct view *v)
{
	json_t *list = json_array();
	char name[PIECE_MAX], address[24];

	for (size_t i = 0; i < c->at.n; i++) {
		const struct chain_link *link = &c->at.at[i];
		int64_t entries = view_entries(v, link->object);
		json_t *o = json_object();

		snprintf(address, sizeof address, "0x%" PRIx64, v->heap.address[link->object]);
		json_put(o, "type", json_text(heap_type_name(&v->heap, link->object)));
		json_put(o, "name", json_text(link_name(c, link, name, sizeof name)));
		json_put(o, "site", view_site_json(v, link->object));
		json_put(o, "address", json_text(address));
		json_put(o, "entries", entries < 0 ? json_null() : json_integer(entries));
		json_add(list, o);
	}
	return list;
}

void chain_print(const struct chain *c, struct view *v, const struct output *o, bool full, unsigned indent)
{
	char name[PIECE_MAX], safe[PIECE_MAX], what[600], where[4096];
	size_t wide = 0, wide_what = 0;

	for (size_t i = 0; i < c->at.n; i++) {
		size_t n = format_width(
			format_printable(safe, sizeof safe, link_name(c, &c->at.at[i], name, sizeof name)));
		size_t m = format_width(
			format_printable(safe, sizeof safe, view_describe(v, c->at.at[i].object, what, sizeof what)));

		wide = n > wide ? n : wide;
		wide_what = m > wide_what ? m : wide_what;
	}
	wide = wide < NAME_MAX_WIDE ? wide : NAME_MAX_WIDE;
	wide_what = wide_what < NAME_MAX_WIDE ? wide_what : NAME_MAX_WIDE;
	for (size_t i = 0; i < c->at.n; i++) {
		size_t n;

		format_printable(safe, sizeof safe, link_name(c, &c->at.at[i], name, sizeof name));
		n = format_width(safe);
		fprintf(o->file, "%*s%s", (int)indent, "", output_style(o, STYLE_STRONG));
		format_elide(o->file, safe, wide);
		fprintf(o->file, "%s%*s", output_style(o, STYLE_PLAIN), (int)(2 + wide - (n < wide ? n : wide)), "");
		format_printable(safe, sizeof safe, view_describe(v, c->at.at[i].object, what, sizeof what));
		n = format_width(safe);
		format_elide(o->file, safe, wide_what);
		view_where(v, c->at.at[i].object, full, where, sizeof where);
		if (*where) {
			fprintf(o->file, "%*s%s", (int)(2 + wide_what - (n < wide_what ? n : wide_what)), "",
				output_style(o, STYLE_FAINT));
			format_printable(safe, sizeof safe, where);
			format_elide(o->file, safe,
				     o->width > indent + wide + wide_what + 24
					     ? o->width - indent - wide - wide_what - 4
					     : 20);
			fputs(output_style(o, STYLE_PLAIN), o->file);
		}
		fputc('\n', o->file);
	}
}
