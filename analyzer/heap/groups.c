/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of objects that hold each other: components of garbage, or of the living, judged and told apart by shape
 * (components.h).
 *
 * Shape. Each member has a colour: its type's name and the stack that made it. In some rounds a colour is mixed with
 * the names of the member's edges and the colours at their other ends, in both directions, in a way that the order does
 * not matter. The sum of all is the shape. Indexes, and keys that are no names in the program's text (not interned), do
 * not count: two entries of one cache have one shape.
 */
#include "analyzer/heap/cuts.h"

enum { ROUNDS = 3 };

struct building {
	struct groups *g;
	const struct heap *h;
	const struct garbage *garbage;
	const struct join *join;
	const uint64_t *bytes;
	struct heap_part *part;
};

/* ---- members ---- */

/* Sizes of components; 0 for those that are no cycle. */
static uint32_t *sizes(const struct heap_part *p, const uint32_t *component, uint32_t n)
{
	uint32_t *size = mem_zero(n, sizeof *size);

	for (uint32_t v = 0; v < p->n; v++)
		size[component[v]]++;
	for (uint32_t v = 0; v < p->n; v++) {
		bool self = false;

		if (size[component[v]] != 1)
			continue;
		for (uint32_t e = p->first[v]; e < p->first[v + 1]; e++)
			self |= p->to[e] == v;
		if (!self)
			size[component[v]] = 0;
	}
	return size;
}

/* Vertices are in the order of addresses: so are the groups, and their members. */
static void list_groups(struct building *b)
{
	struct groups *g = b->g;
	const struct heap_part *p = b->part;
	const struct graph graph = { p->n, p->first, p->to };
	uint32_t *component = mem_alloc(p->n * sizeof *component), n = components_find(&graph, component);
	uint32_t *size = sizes(p, component, n), *index = mem_alloc(n * sizeof *index), n_members = 0;

	memset(index, 0xff, n * sizeof *index);
	g->group_of = mem_alloc(p->n * sizeof *g->group_of);
	for (uint32_t v = 0; v < p->n; v++) {
		uint32_t c = component[v];

		g->group_of[v] = UINT32_MAX;
		if (!size[c])
			continue;
		if (index[c] == UINT32_MAX) {
			index[c] = (uint32_t)g->at.n;
			*array_push(&g->at) = (struct group){ .first = n_members, .closing.from = HEAP_NONE };
			n_members += size[c];
			array_reserve(&g->members, n_members);
		}
		g->group_of[v] = index[c];
		g->members.at[g->at.at[index[c]].first + g->at.at[index[c]].n++] = p->objects[v];
	}
	g->members.n = n_members;
	free(component);
	free(size);
	free(index);
}

static int by_birth(const void *a, const void *b, void *number)
{
	const uint64_t *born = number;
	object_id x = *(const object_id *)a, y = *(const object_id *)b;

	if (born[x] != born[y])
		return born[x] < born[y] ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* ---- why ---- */

/* The objects that gc.garbage holds: what its roots' targets refer to. */
static uint64_t *in_garbage_list(const struct heap *h)
{
	uint64_t *set = bits_new(h->n);

	for (size_t i = 0; i < h->roots.n; i++) {
		const struct heap_root *r = &h->roots.at[i];

		for (uint32_t e = r->first; r->kind == PT_ROOT_GARBAGE && e < r->first + r->n; e++) {
			object_id list = heap_target(h->root_targets.at[e]);

			for (uint32_t k = list == HEAP_NONE ? 1 : h->first[list];
			     list != HEAP_NONE && k < h->first[list + 1]; k++)
				if (heap_holds(h->target[k]))
					bits_add(set, h->target[k]);
		}
	}
	return set;
}

static uint8_t why_member(const struct heap *h, object_id o, const uint64_t *listed)
{
	uint8_t why = bits_has(listed, o) ? GROUP_IN_GARBAGE : 0;

	if (h->types.at[h->type[o]].flags & PT_TYPE_LEGACY)
		why |= GROUP_LEGACY;
	if (!heap_is_tracked(h, o))
		why |= GROUP_UNTRACKED;
	else if (heap_generation(h, o) == 3)
		why |= GROUP_FROZEN;
	return why;
}

static void judge(struct building *b, const uint64_t *listed)
{
	struct groups *g = b->g;
	const struct heap_part *p = b->part;

	for (uint32_t i = 0; i < g->at.n; i++) {
		struct group *group = &g->at.at[i];
		object_id *members = g->members.at + group->first;

		group->state = b->garbage->state[members[0]];
		for (uint32_t k = 0; k < group->n; k++) {
			group->bytes += b->bytes[members[k]];
			group->why |= why_member(b->h, members[k], listed);
		}
		if (b->join && b->join->found)
			qsort_r(members, group->n, sizeof *members, by_birth, b->join->number);
	}
	for (uint32_t v = 0; v < p->n; v++)
		for (uint32_t e = p->first[v]; g->group_of[v] != UINT32_MAX && e < p->first[v + 1]; e++)
			if (g->group_of[p->to[e]] == g->group_of[v] &&
			    (p->edge[e] == HEAP_NONE || b->h->label[p->edge[e]] & PT_EDGE_UNTRAVERSED))
				g->at.at[g->group_of[v]].why |= GROUP_UNTRAVERSED;
	for (uint32_t i = 0; i < g->at.n; i++)
		if (g->at.at[i].state != GARBAGE_UNCOLLECTABLE)
			g->at.at[i].why = 0;
}

/* ---- shape ---- */

static uint64_t text_hash(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t *first_colours(const struct building *b)
{
	const struct heap *h = b->h;
	uint64_t *of_type = mem_alloc(h->types.n * sizeof *of_type);
	uint64_t *colour = mem_alloc(b->part->n * sizeof *colour);

	for (size_t i = 0; i < h->types.n; i++)
		of_type[i] = text_hash(heap_text_of(h, h->types.at[i].name));
	for (uint32_t v = 0; v < b->part->n; v++) {
		object_id o = b->part->objects[v];

		colour[v] = map_mix(of_type[h->type[o]] + (b->join ? b->join->node[o] : 0));
	}
	free(of_type);
	return colour;
}

static uint64_t name_hash(const struct heap *h, object_id o, uint32_t e)
{
	struct heap_edge_name name;

	if (e == HEAP_NONE)
		return 1;
	name = heap_edge_name(h, o, e);
	if (name.kind == HEAP_EDGE_KEY && (name.key == HEAP_NONE || !(h->flags[name.key] & PT_OBJECT_INTERNED)))
		return 2;
	return text_hash(name.text) + (unsigned)name.kind;
}

/* Names of the edges within groups; 0: an edge that leads out. */
static uint64_t *hash_names(const struct building *b)
{
	const struct heap_part *p = b->part;
	uint64_t *hash = mem_zero(p->first[p->n], sizeof *hash);

	for (uint32_t v = 0; v < p->n; v++)
		for (uint32_t e = p->first[v]; b->g->group_of[v] != UINT32_MAX && e < p->first[v + 1]; e++)
			if (b->g->group_of[p->to[e]] == b->g->group_of[v])
				hash[e] = map_mix(name_hash(b->h, p->objects[v], p->edge[e])) | 1;
	return hash;
}

static void mix_colours(const struct heap_part *p, const uint64_t *names, const uint64_t *from, uint64_t *to)
{
	for (uint32_t v = 0; v < p->n; v++)
		to[v] = from[v] * 3;
	for (uint32_t v = 0; v < p->n; v++)
		for (uint32_t e = p->first[v]; e < p->first[v + 1]; e++) {
			if (!names[e])
				continue;
			to[v] += map_mix(names[e] + from[p->to[e]] * 5);
			to[p->to[e]] += map_mix(names[e] * 7 + from[v]);
		}
	for (uint32_t v = 0; v < p->n; v++)
		to[v] = map_mix(to[v]);
}

static void find_shapes(struct building *b)
{
	struct groups *g = b->g;
	uint64_t *colour = first_colours(b), *other = mem_alloc(b->part->n * sizeof *other), *names = hash_names(b);

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t *swap = colour;

		mix_colours(b->part, names, colour, other);
		colour = other;
		other = swap;
	}
	for (uint32_t i = 0; i < g->at.n; i++)
		g->at.at[i].shape = g->at.at[i].n + (uint64_t)g->at.at[i].state * 1000003;
	for (uint32_t v = 0; v < b->part->n; v++)
		if (g->group_of[v] != UINT32_MAX)
			g->at.at[g->group_of[v]].shape += map_mix(colour[v]);
	free(colour);
	free(other);
	free(names);
}

/* ---- rows ---- */

static int by_bytes(const void *a, const void *b)
{
	const struct group_row *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->example < y->example ? -1 : x->example > y->example;
}

static void add_to_row(struct group_row *row, const struct group *group)
{
	row->count++;
	row->why |= group->why;
	row->objects += group->n + group->below;
	row->bytes += group->bytes + group->below_bytes;
	row->cut_bytes += group->cut_bytes;
}

static void make_rows(struct groups *g)
{
	struct map rows = { 0 };
	uint32_t *last = mem_alloc(g->at.n * sizeof *last);

	g->next_same = mem_alloc(g->at.n * sizeof *g->next_same);
	for (uint32_t i = 0; i < g->at.n; i++) {
		const struct group *group = &g->at.at[i];
		uint32_t *row = map_at(&rows, group->shape);

		g->next_same[i] = UINT32_MAX;
		if (*row == MAP_NONE) {
			*row = (uint32_t)g->rows.n;
			*array_push(&g->rows) =
				(struct group_row){ .shape = group->shape, .example = i, .state = group->state };
		} else {
			g->next_same[last[*row]] = i;
		}
		last[*row] = i;
		add_to_row(&g->rows.at[*row], group);
	}
	if (g->rows.n)
		qsort(g->rows.at, g->rows.n, sizeof *g->rows.at, by_bytes);
	free(last);
	map_free(&rows);
}

/* ---- all ---- */

static void find_cuts(struct building *b)
{
	const uint64_t *number = b->join && b->join->found ? b->join->number : NULL;
	struct cuts *c = cuts_new(b->h, b->part, b->g->group_of, b->bytes, number);

	for (uint32_t i = 0; i < b->g->at.n; i++)
		cuts_of(c, i, &b->g->at.at[i], b->g->members.at + b->g->at.at[i].first);
	cuts_free(c);
}

static void build(struct groups *g, const struct heap *h, const struct garbage *garbage, const struct join *join,
		  bool living)
{
	struct building b = { g, h, garbage, join, join ? join->bytes : h->bytes, mem_zero(1, sizeof *b.part) };
	uint64_t *set = bits_new(h->n), *listed = in_garbage_list(h);

	*g = (struct groups){ .part = b.part };
	for (object_id o = 0; o < h->n; o++)
		if ((garbage->state[o] == GARBAGE_HELD) == living)
			bits_add(set, o);
	heap_part_make(b.part, h, set, living ? NULL : garbage->surplus);
	list_groups(&b);
	judge(&b, listed);
	find_shapes(&b);
	if (!living)
		find_cuts(&b);
	make_rows(g);
	free(listed);
}

void groups_of_garbage(struct groups *g, const struct heap *h, const struct garbage *garbage, const struct join *join)
{
	build(g, h, garbage, join, false);
}

void groups_of_living(struct groups *g, const struct heap *h, const struct garbage *garbage, const struct join *join)
{
	build(g, h, garbage, join, true);
}

void groups_free(struct groups *g)
{
	array_free(&g->at);
	array_free(&g->members);
	array_free(&g->rows);
	free(g->next_same);
	free(g->group_of);
	if (g->part)
		heap_part_free(g->part);
	free(g->part);
	*g = (struct groups){ 0 };
}

uint32_t group_of(const struct groups *g, object_id o)
{
	uint32_t v = heap_part_vertex(g->part, o);

	return v == UINT32_MAX ? v : g->group_of[v];
}

void group_edges(const struct groups *g, const struct group *group, struct group_edges *ret)
{
	const struct heap_part *p = g->part;
	uint32_t index = (uint32_t)(group - g->at.at);

	for (uint32_t i = 0; i < group->n; i++) {
		object_id o = g->members.at[group->first + i];
		uint32_t v = heap_part_vertex(p, o);

		for (uint32_t e = p->first[v]; e < p->first[v + 1]; e++)
			if (g->group_of[p->to[e]] == index)
				*array_push(&ret->at) = (struct group_edge){ o, p->objects[p->to[e]], p->edge[e] };
	}
}
