/* SPDX-License-Identifier: Apache-2.0 */
/* cycle_rows: folding of rows, and their JSON. Text: cycle_show.c */
#include "analyzer/views/cycle_rows.h"
#include "analyzer/base/mem.h"
#include "analyzer/out/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[CYCLE_STATES] = {
	[CYCLE_UNCOLLECTED] = "uncollected",
	[CYCLE_COLLECTED] = "collected",
	[CYCLE_UNCOLLECTABLE] = "uncollectable",
};

static const char *const trigger_names[] = {
	[PT_GC_THRESHOLD] = "threshold",
	[PT_GC_EXPLICIT] = "explicit",
	[PT_GC_SHUTDOWN] = "shutdown",
};

static const struct {
	unsigned bit;
	const char *name, *text;
} whys[] = {
	{ GROUP_LEGACY, "legacy-finalizer", "a member's type has a finalizer of the old kind (tp_del)" },
	{ GROUP_IN_GARBAGE, "gc.garbage", "gc.garbage holds it" },
	{ GROUP_FROZEN, "frozen", "a member is in the permanent generation (gc.freeze)" },
	{ GROUP_UNTRAVERSED, "untraversed", "a member's type does not tell the collector what it holds (tp_traverse)" },
	{ GROUP_UNTRACKED, "untracked", "a member is not tracked by the collector" },
};

const char *cycle_state_name(enum cycle_state state) { return state_names[state]; }

char *cycle_why(unsigned why, char *buf, size_t cap)
{
	size_t used = 0;

	*buf = 0;
	for (size_t i = 0; i < sizeof whys / sizeof *whys; i++) {
		if (why & whys[i].bit && used < cap)
			used += (size_t)snprintf(buf + used, cap - used, "%s%s", used ? "; " : "", whys[i].text);
	}
	if (!used)
		snprintf(buf, cap, "something in it is held in a way that the snapshot does not show");
	return buf;
}

/* ---- folding ---- */

/* A hash of the line that made something: the site without its column. */
static uint64_t line_key(struct place_table *places, node_id node)
{
	char where[4200];

	place_site_where(places, node, true, where, sizeof where);
	return pt_xxh3(where, strlen(where));
}

/* A dict of attributes may be one that was kept for reuse, whose line says nothing; so its owner's line counts alone.
 */
static uint64_t member_look(const struct cycle_member *m, struct place_table *places)
{
	return map_mix((m->is_dict ? 0 : line_key(places, m->node)) + m->type + 1);
}

/* The same for all orders of the members: their births may differ. */
static uint64_t look_of(const struct cycle_row *row, const struct cycles *c, struct place_table *places)
{
	const struct cycle_member *members = &c->members.at[row->first_member];
	uint64_t key = map_mix((uint64_t)row->state << 32 | row->trigger);

	key = map_mix(key ^ line_key(places, row->freed)) + row->group_objects;
	for (uint32_t i = 0; i < row->n_members; i++)
		key += member_look(&members[i], places);
	for (uint32_t i = 0; i < row->n_edges; i++) {
		const struct cycle_edge *e = &c->edges.at[row->first_edge + i];

		key += map_mix(member_look(&members[e->from], places) * 3 + member_look(&members[e->to], places) +
			       e->name);
	}
	return key;
}

static void add_below(struct cycle_shown *s, const struct cycle_member *m, struct place_table *places)
{
	uint64_t key = line_key(places, m->node);

	for (size_t i = 0; i < s->below.n; i++) {
		struct cycle_below *b = &s->below.at[i];

		if (b->type != m->type || (b->node != m->node && line_key(places, b->node) != key))
			continue;
		b->n += m->n;
		b->bytes += m->bytes;
		return;
	}
	*array_push(&s->below) = (struct cycle_below){ m->type, m->node, m->n, m->bytes };
}

static int below_by_bytes(const void *left, const void *right)
{
	const struct cycle_below *a = left, *b = right;

	return a->bytes != b->bytes ? (a->bytes > b->bytes ? -1 : 1) : (a->n < b->n) - (a->n > b->n);
}

static void add_row(struct cycle_shown *s, const struct cycle_row *row, struct place_table *places)
{
	s->count += row->count;
	s->objects += row->objects;
	s->all_objects += row->all_objects;
	s->bytes += row->bytes;
	s->cut_objects += row->cut_objects;
	s->cut_bytes += row->cut_bytes;
	s->collections = row->collections > s->collections ? row->collections : s->collections;
	for (size_t i = 0; i < row->below.n; i++)
		add_below(s, &row->below.at[i], places);
}

struct order {
	struct cycle_shown shown;
	uint32_t old;
	int whose; /* 0: a line of the user's own made a member; 1: of a package's; 2: none of these */
};

static int whose(const struct cycle_row *row, const struct cycles *c, struct place_table *places)
{
	int best = 2;

	for (uint32_t i = 0; i < row->n_members && best; i++) {
		node_id node = c->members.at[row->first_member + i].node;
		enum origin origin =
			node == NODE_UNKNOWN ? ORIGIN_NONE : place_find(places, place_site(places, node))->origin;

		if (origin == ORIGIN_USER)
			best = 0;
		else if (origin == ORIGIN_PACKAGE)
			best = 1;
	}
	return best;
}

static int by_weight(const void *left, const void *right)
{
	const struct order *a = left, *b = right;

	if (a->shown.row->state != b->shown.row->state)
		return a->shown.row->state < b->shown.row->state ? -1 : 1;
	if (a->whose != b->whose)
		return a->whose < b->whose ? -1 : 1;
	if (a->shown.bytes != b->shown.bytes)
		return a->shown.bytes > b->shown.bytes ? -1 : 1;
	return a->old < b->old ? -1 : 1;
}

/* Rows of the model come sorted; folded ones must be sorted anew. */
static void sort_shown(struct cycle_list *l, const struct cycles *c, struct place_table *places)
{
	struct order *order = mem_alloc((l->at.n + 1) * sizeof *order);
	uint32_t *place = mem_alloc((l->at.n + 1) * sizeof *place);

	for (uint32_t i = 0; i < l->at.n; i++)
		order[i] = (struct order){ l->at.at[i], i, whose(l->at.at[i].row, c, places) };
	qsort(order, l->at.n, sizeof *order, by_weight);
	for (uint32_t i = 0; i < l->at.n; i++) {
		l->at.at[i] = order[i].shown;
		place[order[i].old] = i;
	}
	for (size_t i = 0; i < l->shown_of.n; i++)
		l->shown_of.at[i] = place[l->shown_of.at[i]];
	free(order);
	free(place);
}

void cycle_list_init(struct cycle_list *l, const struct cycles *c, struct place_table *places)
{
	struct map by_look = { 0 };

	*l = (struct cycle_list){ 0 };
	for (size_t i = 0; i < c->rows.n; i++) {
		uint32_t *at = map_at(&by_look, look_of(&c->rows.at[i], c, places));

		if (*at == MAP_NONE) {
			*at = (uint32_t)l->at.n;
			*array_push(&l->at) = (struct cycle_shown){ .row = &c->rows.at[i] };
		}
		add_row(&l->at.at[*at], &c->rows.at[i], places);
		*array_push(&l->shown_of) = *at;
	}
	sort_shown(l, c, places);
	for (size_t i = 0; i < l->at.n; i++) {
		if (l->at.at[i].below.n)
			qsort(l->at.at[i].below.at, l->at.at[i].below.n, sizeof(struct cycle_below), below_by_bytes);
	}
	map_free(&by_look);
}

void cycle_list_free(struct cycle_list *l)
{
	for (size_t i = 0; i < l->at.n; i++)
		array_free(&l->at.at[i].below);
	array_free(&l->at);
	array_free(&l->shown_of);
}

/* ---- JSON ---- */

static json_t *why_json(unsigned why)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof whys / sizeof *whys; i++) {
		if (why & whys[i].bit)
			json_add(list, json_text(whys[i].name));
	}
	return list;
}

json_t *cycle_members_json(const struct cycle_row *row, const struct cycles *c, struct place_table *places)
{
	json_t *list = json_array();
	char address[24];

	for (uint32_t i = 0; i < row->n_members; i++) {
		const struct cycle_member *m = &c->members.at[row->first_member + i];
		json_t *o = json_object();

		snprintf(address, sizeof address, "0x%" PRIx64, m->address);
		json_put(o, "type", json_text(strings_text(&c->strings, m->type)));
		json_put(o, "site", place_site_json(places, m->node));
		json_put(o, "bytes", json_bytes(m->bytes));
		json_put(o, "tracked", json_boolean(m->tracked));
		json_put(o, "finalizer", json_boolean(m->finalizer));
		json_put(o, "address", json_text(address));
		json_add(list, o);
	}
	return list;
}

static json_t *edge_json(const struct cycle_edge *e, const struct cycles *c)
{
	json_t *o = json_object();

	json_put(o, "from", json_integer(e->from));
	json_put(o, "to", json_integer(e->to));
	json_put(o, "name", e->name ? json_text(strings_text(&c->strings, e->name)) : json_null());
	return o;
}

json_t *cycle_edges_json(const struct cycle_row *row, const struct cycles *c)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < row->n_edges; i++)
		json_add(list, edge_json(&c->edges.at[row->first_edge + i], c));
	return list;
}

json_t *cycle_closing_json(const struct cycle_row *row, const struct cycles *c, struct place_table *places)
{
	json_t *o;

	if (row->closing.from == CYCLE_NO_MEMBER)
		return json_null();
	o = edge_json(&row->closing, c);
	json_put(o, "site", place_site_json(places, row->closed));
	return o;
}

static json_t *below_json(const struct cycle_shown *s, const struct cycles *c, struct place_table *places)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->below.n; i++) {
		const struct cycle_below *b = &s->below.at[i];
		json_t *o = json_object();

		json_put(o, "type", b->type ? json_text(strings_text(&c->strings, b->type)) : json_null());
		json_put(o, "site", place_site_json(places, b->node));
		json_put(o, "count", json_bytes(b->n));
		json_put(o, "bytes", json_bytes(b->bytes));
		json_add(list, o);
	}
	return list;
}

json_t *cycle_json(const struct cycle_shown *s, const struct cycles *c, struct place_table *places)
{
	const struct cycle_row *row = s->row;
	json_t *o = json_object();

	json_put(o, "state", json_text(state_names[row->state]));
	json_put(o, "count", json_bytes(s->count));
	json_put(o, "objects", json_bytes(s->objects));
	json_put(o, "all_objects", json_bytes(s->all_objects));
	json_put(o, "bytes", json_bytes(s->bytes));
	json_put(o, "group_objects", json_bytes(row->group_objects));
	json_put(o, "members", cycle_members_json(row, c, places));
	json_put(o, "edges", cycle_edges_json(row, c));
	json_put(o, "closing_edge", cycle_closing_json(row, c, places));
	json_put(o, "cut_objects", json_bytes(s->cut_objects));
	json_put(o, "cut_bytes", json_bytes(s->cut_bytes));
	json_put(o, "below", below_json(s, c, places));
	json_put(o, "why", why_json(row->state == CYCLE_UNCOLLECTABLE ? row->why : 0));
	json_put(o, "freed_by", place_site_json(places, row->freed));
	json_put(o, "trigger",
		 row->collection ? json_text(trigger_names[row->trigger < 3 ? row->trigger : 0]) : json_null());
	json_put(o, "collection", row->collection ? json_integer(row->collection) : json_null());
	json_put(o, "collections", json_integer(s->collections));
	json_put(o, "snapshot", json_bytes(row->snapshot));
	return o;
}
