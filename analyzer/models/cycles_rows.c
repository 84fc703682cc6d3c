/* SPDX-License-Identifier: Apache-2.0 */
/* cycles_rows: groups of a snapshot become rows: texts and stacks, which outlive the heap */
#include "analyzer/base/mem.h"
#include "analyzer/models/cycles_take.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_KEPT 200 /* of a group: the example that is shown */
#define EDGES_KEPT   1000
#define BELOW_KEPT   4000 /* types and stacks of what is below a row's groups */
#define NAME_BYTES   200

/* What becomes of the groups that are being taken down. */
struct fate {
	struct cycles *c;
	const struct cycles_snapshot *s;
	const struct cycle_collection *how; /* NULL: they are still there */
	uint32_t number;                    /* of the collection, from 1 */
	uint32_t *row_of;                   /* by group; MAP_NONE: not taken */
};

/* ---- names ---- */

static string_id type_of(struct cycles *c, const struct heap *h, object_id o)
{
	const char *name = heap_type_name(h, o);

	return strings_add(&c->strings, name, strlen(name));
}

static void put_key(const struct heap *h, const struct heap_edge_name *name, char *buf, size_t cap)
{
	const char *type = name->key == HEAP_NONE ? "?" : heap_type_name(h, name->key);

	if (name->key == HEAP_NONE || !heap_name(h, name->key))
		snprintf(buf, cap, "<%s>", type);
	else if (!strcmp(type, "str"))
		snprintf(buf, cap, "'%s'", name->text);
	else
		snprintf(buf, cap, "%s", name->text);
}

/* "next", "[0]", "['key']". A dict that is somebody's __dict__ has attributes. */
static struct cycle_edge name_edge(struct cycles *c, const struct heap *h, object_id from, uint32_t edge,
				   bool attributes)
{
	struct heap_edge_name name = { .kind = HEAP_EDGE_PLAIN };
	struct cycle_edge e = { .attribute = false };
	char text[NAME_BYTES] = "", key[NAME_BYTES / 2];

	if (edge != HEAP_NONE)
		name = heap_edge_name(h, from, edge);
	switch (name.kind) {
	case HEAP_EDGE_ATTRIBUTE:
	case HEAP_EDGE_INNER:
		snprintf(text, sizeof text, "%s", name.text);
		e.attribute = name.kind == HEAP_EDGE_ATTRIBUTE;
		break;
	case HEAP_EDGE_INDEX: snprintf(text, sizeof text, "[%" PRIu64 "]", name.index); break;
	case HEAP_EDGE_KEY:
		put_key(h, &name, key, sizeof key);
		e.attribute = attributes && heap_is_identifier(name.text);
		if (e.attribute)
			snprintf(text, sizeof text, "%s", name.text);
		else
			snprintf(text, sizeof text, "[%s]", key);
		break;
	case HEAP_EDGE_IS_KEY:
		put_key(h, &name, key, sizeof key);
		snprintf(text, sizeof text, "<key %s>", key);
		break;
	default: break;
	}
	e.name = strings_add(&c->strings, text, strlen(text));
	return e;
}

/* ---- the example of a row ---- */

/* Whether gc.collect() counts it, or would if it could: objects that it does not track, and those that it froze, go
 * with the others. */
static bool is_counted(const struct cycles_snapshot *s, object_id o)
{
	if (s->garbage.state[o] == GARBAGE_COLLECTABLE)
		return true;
	return s->garbage.state[o] == GARBAGE_UNCOLLECTABLE && heap_is_tracked(&s->heap, o) && s->member[o];
}

static struct cycle_member member_of(struct cycles *c, const struct cycles_snapshot *s, object_id o)
{
	const struct heap *h = &s->heap;

	return (struct cycle_member){
		.type = type_of(c, h, o),
		.node = s->join.node[o],
		.tracked = is_counted(s, o),
		.finalizer = h->types.at[h->type[o]].flags & PT_TYPE_FINALIZER,
		.address = h->address[o],
		.n = 1,
		.bytes = s->join.bytes[o],
	};
}

static uint32_t place_in(const struct map *places, object_id o)
{
	uint32_t at = map_find(places, o);

	return at == MAP_NONE ? CYCLE_NO_MEMBER : at;
}

/* Dicts first: whether an edge is an attribute depends on what its dict is. */
static void mark_dicts(struct cycles *c, const struct cycles_snapshot *s, const struct group_edges *edges,
		       const struct map *places, uint32_t first)
{
	for (size_t i = 0; i < edges->at.n; i++) {
		const struct group_edge *e = &edges->at.at[i];
		uint32_t to = place_in(places, e->to);

		if (e->edge != HEAP_NONE && to != CYCLE_NO_MEMBER && e->from != e->to &&
		    !strcmp(heap_type_name(&s->heap, e->to), "dict") &&
		    !strcmp(heap_edge_name(&s->heap, e->from, e->edge).text, "__dict__"))
			c->members.at[first + to].is_dict = true;
	}
}

static struct cycle_edge edge_of(struct cycles *c, const struct cycles_snapshot *s, const struct group_edge *e,
				 const struct map *places, uint32_t first)
{
	uint32_t from = place_in(places, e->from), to = place_in(places, e->to);
	struct cycle_edge edge = name_edge(c, &s->heap, e->from, e->edge,
					   from != CYCLE_NO_MEMBER && c->members.at[first + from].is_dict);

	edge.from = to == CYCLE_NO_MEMBER ? CYCLE_NO_MEMBER : from;
	edge.to = to;
	return edge;
}

/* The stack that put the closing edge there, where the trace tells: a list's items lie in a buffer that is moved when
 * an item is appended and there is no room. */
static node_id who_closed(const struct cycles_snapshot *s, const struct group *g)
{
	const struct join_buffer *buffers;
	size_t n;

	if (g->closing.from == HEAP_NONE || strcmp(heap_type_name(&s->heap, g->closing.from), "list"))
		return NODE_UNKNOWN;
	buffers = join_buffers(&s->join, g->closing.from, &n);
	return n ? buffers[n - 1].node : NODE_UNKNOWN;
}

static void take_example(struct fate *f, struct cycle_row *row, const struct group *g)
{
	struct cycles *c = f->c;
	struct group_edges edges = { 0 };
	struct map places = { 0 };

	row->first_member = (uint32_t)c->members.n;
	for (uint32_t i = 0; i < g->n && i < MEMBERS_KEPT; i++) {
		object_id o = f->s->groups.members.at[g->first + i];

		*map_at(&places, o) = i;
		*array_push(&c->members) = member_of(c, f->s, o);
		row->n_members++;
	}
	group_edges(&f->s->groups, g, &edges);
	mark_dicts(c, f->s, &edges, &places, row->first_member);
	row->first_edge = (uint32_t)c->edges.n;
	for (size_t i = 0; i < edges.at.n && row->n_edges < EDGES_KEPT; i++) {
		struct cycle_edge e = edge_of(c, f->s, &edges.at.at[i], &places, row->first_member);

		if (e.from == CYCLE_NO_MEMBER)
			continue;
		*array_push(&c->edges) = e;
		row->n_edges++;
	}
	row->closing = (struct cycle_edge){ .from = CYCLE_NO_MEMBER, .to = CYCLE_NO_MEMBER };
	if (g->closing.from != HEAP_NONE)
		row->closing = edge_of(c, f->s, &g->closing, &places, row->first_member);
	row->closed = who_closed(f->s, g);
	array_free(&edges.at);
	map_free(&places);
}

/* ---- rows ---- */

static enum cycle_state state_of(const struct fate *f, const struct group *g)
{
	if (f->how)
		return CYCLE_COLLECTED;
	return g->state == GARBAGE_UNCOLLECTABLE ? CYCLE_UNCOLLECTABLE : CYCLE_UNCOLLECTED;
}

static uint64_t key_of(const struct fate *f, const struct group *g)
{
	uint64_t fate = (uint64_t)state_of(f, g);

	if (f->how)
		fate |= (uint64_t)f->how->trigger << 8 | (uint64_t)f->how->node << 16;
	return map_mix(g->shape + map_mix(fate + 1));
}

static uint32_t row_of(struct fate *f, const struct group *g)
{
	struct cycles *c = f->c;
	uint64_t key = key_of(f, g);
	uint32_t *at = map_at(&c->by_shape, key);
	struct cycle_row *row;

	if (*at != MAP_NONE)
		return *at;
	*at = (uint32_t)c->rows.n;
	row = array_push(&c->rows);
	*row = (struct cycle_row){ .state = state_of(f, g),
				   .shape = key,
				   .group_objects = g->n,
				   .snapshot = f->s->heap.snapshot,
				   .freed = NODE_UNKNOWN,
				   .closed = NODE_UNKNOWN };
	if (f->how) {
		row->collection = f->number;
		row->trigger = f->how->trigger;
		row->freed = f->how->node;
	}
	take_example(f, row, g);
	return *map_at(&c->by_shape, key);
}

static void add_line(struct fate *f, enum cycle_state state, object_id o)
{
	struct cycles *c = f->c;
	string_id type = type_of(c, &f->s->heap, o);
	node_id node = f->s->join.node[o];
	uint32_t *at = map_at(&c->by_line, map_mix((uint64_t)node << 32 | type) + (uint64_t)state);

	if (*at == MAP_NONE) {
		*at = (uint32_t)c->lines.n;
		*array_push(&c->lines) = (struct cycle_line){ .state = state, .node = node, .type = type };
	}
	c->lines.at[*at].objects += is_counted(f->s, o);
	c->lines.at[*at].all_objects++;
	c->lines.at[*at].bytes += f->s->join.bytes[o];
}

static void add_below(struct fate *f, uint32_t row, object_id o)
{
	struct cycle_row *r = &f->c->rows.at[row];
	struct cycle_member m = member_of(f->c, f->s, o);
	uint32_t *at;

	if (r->below.n >= BELOW_KEPT) { /* the rest is one entry without a type */
		m.type = 0;
		m.node = NODE_UNKNOWN;
	}
	at = map_at(&f->c->by_below, map_mix((uint64_t)m.node << 32 | m.type) + (uint64_t)row * 0x9e3779b97f4a7c15);
	if (*at == MAP_NONE) {
		*at = (uint32_t)r->below.n;
		*array_push(&r->below) = m;
		return;
	}
	r->below.at[*at].n++;
	r->below.at[*at].bytes += m.bytes;
}

static void add_group(struct fate *f, uint32_t group)
{
	const struct group *g = &f->s->groups.at.at[group];
	uint32_t at = row_of(f, g);
	struct cycle_row *row = &f->c->rows.at[at];

	f->row_of[group] = at;
	row->count++;
	row->why |= g->why;
	row->cut_objects += g->cut_objects;
	row->cut_bytes += g->cut_bytes;
	row->collections += f->how && row->last_collection != f->number;
	row->last_collection = f->number;
}

/* All garbage objects of the groups that were taken, members and what is below. Returns how many the collector counts.
 */
static uint64_t add_objects(struct fate *f)
{
	const struct cycles_snapshot *s = f->s;
	uint64_t n = 0;

	for (object_id o = 0; o < s->heap.n; o++) {
		uint32_t group = s->group_of[o];
		struct cycle_row *row;

		if (group == CYCLES_NO_GROUP || f->row_of[group] == MAP_NONE)
			continue;
		row = &f->c->rows.at[f->row_of[group]];
		row->objects += is_counted(s, o);
		row->all_objects++;
		row->bytes += s->join.bytes[o];
		n += is_counted(s, o);
		if (!s->member[o])
			add_below(f, f->row_of[group], o);
		add_line(f, row->state, o);
	}
	return n;
}

static uint64_t take_groups(struct fate *f, bool (*wanted)(const struct fate *f, uint32_t group))
{
	size_t n = f->s->groups.at.n;

	f->row_of = mem_alloc((n + 1) * sizeof *f->row_of);
	for (uint32_t i = 0; i < n; i++) {
		f->row_of[i] = MAP_NONE;
		if (!wanted || wanted(f, i))
			add_group(f, i);
	}
	return add_objects(f);
}

/* ---- blocks of what is there now ---- */

static int by_address(const void *left, const void *right)
{
	const struct cycle_block *a = left, *b = right;

	return a->address < b->address ? -1 : a->address > b->address;
}

static void take_blocks(struct fate *f)
{
	const struct cycles_snapshot *s = f->s;
	struct cycles *c = f->c;
	uint64_t *buffers = mem_zero((size_t)s->heap.n + 1, sizeof *buffers);

	for (size_t i = 0; i < s->join.buffers.n; i++) {
		const struct join_buffer *b = &s->join.buffers.at[i];

		if (s->group_of[b->owner] == CYCLES_NO_GROUP)
			continue;
		buffers[b->owner] += b->bytes;
		*array_push(&c->blocks) = (struct cycle_block){ .address = b->address,
								.bytes = b->bytes,
								.node = b->node,
								.maker = b->node,
								.row = f->row_of[s->group_of[b->owner]],
								.layer = b->layer };
	}
	for (object_id o = 0; o < s->heap.n; o++) {
		if (s->group_of[o] == CYCLES_NO_GROUP || s->join.maker[o] == NODE_UNKNOWN)
			continue;
		*array_push(&c->blocks) = (struct cycle_block){ .address = heap_block(&s->heap, o),
								.bytes = s->join.bytes[o] - buffers[o],
								.node = s->join.node[o],
								.maker = s->join.maker[o],
								.row = f->row_of[s->group_of[o]],
								.layer = PT_LAYER_OBJECT,
								.object = true };
	}
	if (c->blocks.n)
		qsort(c->blocks.at, c->blocks.n, sizeof *c->blocks.at, by_address);
	free(buffers);
}

void cycles_rows_now(struct cycles *c, const struct cycles_snapshot *s)
{
	struct fate f = { .c = c, .s = s };

	take_groups(&f, NULL);
	take_blocks(&f);
	free(f.row_of);
}

/* ---- what a collection freed ---- */

/* A member of this state was seen to die; or its type keeps the blocks of the dead, and the collection looked at it. */
static bool may_be_dead(const struct fate *f, object_id o)
{
	const struct heap *h = &f->s->heap;

	if (f->s->died[o])
		return true;
	return (h->types.at[h->type[o]].flags & PT_TYPE_FREE_LIST) && heap_generation(h, o) <= f->how->generation;
}

static bool was_freed(const struct fate *f, uint32_t group)
{
	const struct group *g = &f->s->groups.at.at[group];

	if (g->state != GARBAGE_COLLECTABLE)
		return false;
	for (uint32_t i = 0; i < g->n; i++) {
		if (!may_be_dead(f, f->s->groups.members.at[g->first + i]))
			return false;
	}
	return true;
}

static bool is_collectable(const struct fate *f, uint32_t group)
{
	return f->s->groups.at.at[group].state == GARBAGE_COLLECTABLE;
}

/* Whether the collection says itself that it freed all that there was; then nobody need be seen to die. Classes may
 * keep blocks of their own, as compiled ones do. */
static bool freed_all(const struct cycles_snapshot *s, const struct cycle_collection *how)
{
	return how->ended && s->garbage.n[GARBAGE_COLLECTABLE] == how->collected;
}

uint64_t cycles_rows_freed(struct cycles *c, const struct cycles_snapshot *s, const struct cycle_collection *how,
			   uint32_t number)
{
	struct fate f = { .c = c, .s = s, .how = how, .number = number + 1 };
	uint64_t objects = take_groups(&f, freed_all(s, how) ? is_collectable : was_freed);

	free(f.row_of);
	return objects;
}
