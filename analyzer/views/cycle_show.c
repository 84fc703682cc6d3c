/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cycle_show: a row of cycles as text
 *
 * Members that are alike (the same type from the same line) share a letter; an instance and its __dict__ are one. So a
 * tree of a hundred nodes that know their parents is two lines.
 */
#include "analyzer/base/mem.h"
#include "analyzer/views/cycle_rows.h"
#include "analyzer/out/format.h"
#include "analyzer/out/table.h"

#include <stdlib.h>
#include <string.h>

#define LETTERS     20
#define LINKS_SHOWN 4
#define BELOW_SHOWN 3

/* Members that share a letter. */
struct kind {
	string_id type;
	node_id node;
	uint64_t n;
};

/* References from one kind to another by one name. */
struct link {
	uint32_t from, to;
	char name[120];
	uint64_t n;
};

struct picture {
	const struct cycle_row *row;
	const struct cycles *c;
	struct place_table *places;
	const struct output *out;
	bool full;         /* whole paths */
	uint32_t *kind_of; /* by member */
	ARRAY(struct kind) kinds;
	ARRAY(struct link) links;
	struct link closing; /* .n 0: not known */
};

static const struct cycle_member *member(const struct picture *p, uint32_t i)
{
	return &p->c->members.at[p->row->first_member + i];
}

static const struct cycle_edge *edge(const struct picture *p, uint32_t i)
{
	return &p->c->edges.at[p->row->first_edge + i];
}

/* Who has this dict as __dict__: it shares the owner's letter. */
static uint32_t owner_of(const struct picture *p, uint32_t i)
{
	if (!member(p, i)->is_dict)
		return i;
	for (uint32_t e = 0; e < p->row->n_edges; e++) {
		if (edge(p, e)->to == i && !strcmp(strings_text(&p->c->strings, edge(p, e)->name), "__dict__"))
			return edge(p, e)->from;
	}
	return i;
}

static bool same_line(const struct picture *p, node_id a, node_id b)
{
	char left[4200], right[4200];

	return a == b || !strcmp(place_site_where(p->places, a, true, left, sizeof left),
				 place_site_where(p->places, b, true, right, sizeof right));
}

static uint32_t kind_of(struct picture *p, uint32_t i)
{
	const struct cycle_member *m = member(p, i);
	uint32_t k = 0;

	while (k < p->kinds.n && (p->kinds.at[k].type != m->type || !same_line(p, p->kinds.at[k].node, m->node)))
		k++;
	if (k == p->kinds.n)
		*array_push(&p->kinds) = (struct kind){ .type = m->type, .node = m->node };
	p->kinds.at[k].n++;
	return k;
}

static void draw_kinds(struct picture *p)
{
	p->kind_of = mem_zero(p->row->n_members + 1, sizeof *p->kind_of);
	for (uint32_t i = 0; i < p->row->n_members; i++) {
		if (owner_of(p, i) == i)
			p->kind_of[i] = kind_of(p, i);
	}
	for (uint32_t i = 0; i < p->row->n_members; i++) {
		if (owner_of(p, i) != i)
			p->kind_of[i] = p->kind_of[owner_of(p, i)];
	}
}

static struct link link_of(const struct picture *p, const struct cycle_edge *e)
{
	const char *name = strings_text(&p->c->strings, e->name);
	struct link l = { .from = p->kind_of[e->from], .to = p->kind_of[e->to], .n = 1 };

	snprintf(l.name, sizeof l.name, "%s%s%s", e->attribute ? "." : "", name, *name ? " " : "");
	return l;
}

/* Places of one container are one link. */
static bool same_link(const struct link *a, const struct link *b)
{
	return a->from == b->from && a->to == b->to &&
	       (!strcmp(a->name, b->name) || (*a->name == '[' && *b->name == '['));
}

static void draw_links(struct picture *p)
{
	for (uint32_t e = 0; e < p->row->n_edges; e++) {
		struct link l = link_of(p, edge(p, e));
		size_t i = 0;

		if (member(p, edge(p, e)->to)->is_dict && owner_of(p, edge(p, e)->to) == edge(p, e)->from)
			continue;
		while (i < p->links.n && !same_link(&p->links.at[i], &l))
			i++;
		if (i == p->links.n) {
			*array_push(&p->links) = l;
			continue;
		}
		if (strcmp(p->links.at[i].name, l.name))
			snprintf(p->links.at[i].name, sizeof l.name, "[...] ");
		p->links.at[i].n++;
	}
	if (p->row->closing.from != CYCLE_NO_MEMBER && p->row->closing.to != CYCLE_NO_MEMBER &&
	    !(member(p, p->row->closing.to)->is_dict && owner_of(p, p->row->closing.to) == p->row->closing.from))
		p->closing = link_of(p, &p->row->closing);
}

/* "a", "b", ... and beyond the letters "t7". */
static char *letter(uint32_t kind, char *buf, size_t cap)
{
	if (kind < LETTERS)
		snprintf(buf, cap, "%c", (char)('a' + kind));
	else
		snprintf(buf, cap, "t%u", kind);
	return buf;
}

static char *kind_text(const struct picture *p, const struct kind *k, char *buf, size_t cap)
{
	const char *type = strings_text(&p->c->strings, k->type);

	if (k->n > 1)
		snprintf(buf, cap, "%s x %s", format_count(k->n).text, type);
	else
		snprintf(buf, cap, "%s", type);
	return buf;
}

static void links_cell(struct table *table, const struct picture *p, uint32_t kind)
{
	char text[600] = "", to[16];
	size_t used = 0, shown = 0;

	for (size_t i = 0; i < p->links.n; i++) {
		const struct link *l = &p->links.at[i];

		if (l->from != kind)
			continue;
		if (shown++ >= LINKS_SHOWN) {
			snprintf(text + used, sizeof text - used, ", ...");
			break;
		}
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%.100s-> %s", used ? ", " : "", l->name,
					 letter(l->to, to, sizeof to));
	}
	table_cell(table, "%s", text);
}

static void print_kinds(const struct picture *p, unsigned indent)
{
	static const struct table_column columns[] = {
		{ .title = "" },
		{ .title = "member", .elastic = true, .style = STYLE_STRONG },
		{ .title = "holds", .elastic = true },
		{ .title = "made at", .elastic = true, .style = STYLE_FAINT },
	};
	struct table table;
	char text[600], where[4200];

	table_init(&table, columns, sizeof columns / sizeof *columns);
	for (uint32_t k = 0; k < p->kinds.n && k < LETTERS; k++) {
		table_cell(&table, "%s", letter(k, text, sizeof text));
		table_cell(&table, "%s", kind_text(p, &p->kinds.at[k], text, sizeof text));
		links_cell(&table, p, k);
		table_cell(&table, "%s",
			   place_site_where(p->places, p->kinds.at[k].node, p->full, where, sizeof where));
	}
	table_print(&table, p->out, indent);
	table_free(&table);
	if (p->row->n_members < p->row->group_objects)
		fprintf(p->out->file, "%*s(of %s members, these are %u)\n", (int)indent, "",
			format_count(p->row->group_objects).text, p->row->n_members);
	if (p->kinds.n > LETTERS)
		fprintf(p->out->file, "%*sand %s\n", (int)indent, "",
			format_plural(p->kinds.n - LETTERS, "more kind of member", "more kinds of members").text);
}

static void print_closing(const struct picture *p, const struct cycle_shown *s, unsigned indent)
{
	char from[16], to[16], where[4200], text[5000];
	const char *at;

	if (!p->closing.n)
		return;
	place_site_where(p->places, p->row->closed, p->full, where, sizeof where);
	at = *where ? ", put there at " : "";
	snprintf(text, sizeof text, "Closed by %s%s%s-> %s%s%s. Without it %s of %s would go at once.",
		 letter(p->closing.from, from, sizeof from), *p->closing.name ? "" : " ", p->closing.name,
		 letter(p->closing.to, to, sizeof to), at, where,
		 format_plural(s->cut_objects, "object", "objects").text, format_bytes(s->cut_bytes).text);
	format_wrapped(p->out->file, text, 0, indent, p->out->width);
}

static void print_below(const struct picture *p, const struct cycle_shown *s, unsigned indent)
{
	char where[4200], safe[400];

	for (size_t i = 0; i < s->below.n && i < BELOW_SHOWN; i++) {
		const struct cycle_below *b = &s->below.at[i];

		fprintf(p->out->file, "%*s%s %s %s (%s)", (int)indent, "", i ? "   and" : "With it",
			format_count(b->n).text,
			b->type ? format_printable(safe, sizeof safe, strings_text(&p->c->strings, b->type)) : "others",
			format_bytes(b->bytes).text);
		place_site_where(p->places, b->node, p->full, where, sizeof where);
		if (*where)
			fprintf(p->out->file, " made at %s", where);
		fputc('\n', p->out->file);
	}
	if (s->below.n > BELOW_SHOWN)
		fprintf(p->out->file, "%*s   and %s\n", (int)indent, "",
			format_plural(s->below.n - BELOW_SHOWN, "more kind", "more kinds").text);
}

void cycle_print(const struct cycle_shown *s, const struct cycles *c, struct place_table *places,
		 const struct output *out, bool full, unsigned indent)
{
	struct picture p = { .row = s->row, .c = c, .places = places, .out = out, .full = full };

	draw_kinds(&p);
	draw_links(&p);
	print_kinds(&p, indent);
	print_closing(&p, s, indent);
	print_below(&p, s, indent);
	free(p.kind_of);
	array_free(&p.kinds);
	array_free(&p.links);
}
