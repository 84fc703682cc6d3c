/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack's line in the tree is found by its parent's and its own number (owners_line). Which line a node of the trace
 * stands at is kept, so that a stack that comes again costs one look. The tree is put in order once, at the end.
 */
#include "analyzer/counts/balance_tree.h"

#include <stdlib.h>
#include <string.h>

struct grower {
	const struct owners *o;
	ARRAY(struct balance_node) at; /* in the order in which they came: parents first */
	struct map by_line;
	struct map by_node; /* node of the trace to index */
	ARRAY(node_id) frames;
};

static uint32_t child_of(struct grower *g, uint32_t parent, node_id frame)
{
	uint64_t line = owners_line(g->o, owners_level(g->o, frame));
	uint32_t *at = map_at(&g->by_line, map_mix(line ^ map_mix(parent + UINT64_C(1))));

	if (*at == MAP_NONE) {
		*at = (uint32_t)g->at.n;
		*array_push(&g->at) = (struct balance_node){ .frame = frame,
							     .parent = parent,
							     .depth = (uint16_t)(g->at.at[parent].depth + 1) };
	}
	return *at;
}

/* Frames that a tree shows: Python's and those of extensions. */
static bool is_shown(const struct owners *o, node_id node)
{
	return defs_frame(o->defs, node)->kind == NODE_PYTHON || owners_is_extension(o->defs, node);
}

static uint32_t place_of(struct grower *g, node_id node)
{
	uint32_t at = 0, *known;

	g->frames.n = 0;
	for (; node > NODE_UNKNOWN; node = defs_frame(g->o->defs, node)->parent) {
		uint32_t found = map_find(&g->by_node, node);

		if (found != MAP_NONE || g->frames.n == UINT16_MAX - 1) {
			at = found == MAP_NONE ? 0 : found;
			break;
		}
		*array_push(&g->frames) = node;
	}
	while (g->frames.n) {
		node = g->frames.at[--g->frames.n];
		if (is_shown(g->o, node) && g->at.at[at].depth < UINT16_MAX)
			at = child_of(g, at, node);
		known = map_at(&g->by_node, node);
		*known = at;
	}
	return at;
}

static uint32_t where_they_part(const struct grower *g, uint32_t a, uint32_t b)
{
	while (a != b) {
		if (g->at.at[a].depth >= g->at.at[b].depth)
			a = g->at.at[a].parent;
		else
			b = g->at.at[b].parent;
	}
	return a;
}

static void add_history(struct grower *g, const struct history *h)
{
	struct pairs p;

	pairs_make(&p, h, g->o);
	for (size_t i = 0; i < p.at.n; i++) {
		const struct pair_change *c = &p.at.at[i];
		uint32_t at = place_of(g, c->node);
		bool firm = pair_is_firm(c->how);

		if (firm && c->take) {
			at = where_they_part(g, at, place_of(g, p.at.at[c->mate].node));
			g->at.at[at].pairs++;
		} else if (!firm) {
			g->at.at[at].takes += c->take;
			g->at.at[at].gives += !c->take;
			g->at.at[at].own++;
		}
	}
	pairs_free(&p);
}

/* Adds up what lies below: children come after their parents. */
static void sum_up(struct grower *g)
{
	for (size_t i = g->at.n; i-- > 1;) {
		struct balance_node *n = &g->at.at[i], *parent = &g->at.at[n->parent];

		parent->takes += n->takes;
		parent->gives += n->gives;
		parent->n_below += n->n_below + 1;
		parent->n_children++;
	}
}

/* ---- in order ---- */

static uint64_t out_of_balance(const struct balance_node *n)
{
	return n->takes > n->gives ? n->takes - n->gives : n->gives - n->takes;
}

struct sibling {
	uint32_t parent, index;
	uint64_t out, all;
};

static int siblings_in_order(const void *a, const void *b)
{
	const struct sibling *x = a, *y = b;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x->out != y->out)
		return x->out > y->out ? -1 : 1;
	if (x->all != y->all)
		return x->all > y->all ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Where each node goes: behind its parent and the subtrees of its siblings that come before it. */
static void lay_out(struct balance_tree *t, const struct grower *g)
{
	size_t n = g->at.n;
	struct sibling *order = mem_alloc((n + 1) * sizeof *order);
	uint32_t *place = mem_zero(n + 1, sizeof *place), *next = mem_zero(n + 1, sizeof *next);

	for (uint32_t i = 0; i < n; i++) {
		const struct balance_node *b = &g->at.at[i];

		order[i] = (struct sibling){ b->parent, i, out_of_balance(b), b->takes + b->gives + b->pairs };
	}
	if (n > 1)
		qsort(order + 1, n - 1, sizeof *order, siblings_in_order);
	next[0] = 1;
	array_reserve(&t->at, n);
	t->at.n = n;
	t->at.at[0] = g->at.at[0];
	for (size_t i = 1; i < n; i++) {
		const struct balance_node *b = &g->at.at[order[i].index];

		place[order[i].index] = next[b->parent];
		next[b->parent] += b->n_below + 1;
		next[order[i].index] = place[order[i].index] + 1;
		t->at.at[place[order[i].index]] = *b;
		t->at.at[place[order[i].index]].parent = place[b->parent];
	}
	free(order);
	free(place);
	free(next);
}

void balance_tree_make(struct balance_tree *t, const struct histories *h, const struct owners *o, uint32_t type)
{
	struct grower g = { .o = o };

	*t = (struct balance_tree){ 0 };
	*array_push(&g.at) = (struct balance_node){ 0 };
	for (size_t i = 0; i < h->at.n; i++) {
		const struct history *one = &h->at.at[i];

		if (!history_is_none(one) && (type == BALANCE_ALL_TYPES || one->type == type))
			add_history(&g, one);
	}
	sum_up(&g);
	lay_out(t, &g);
	map_free(&g.by_line);
	map_free(&g.by_node);
	array_free(&g.at);
	array_free(&g.frames);
}

void balance_tree_free(struct balance_tree *t) { array_free(&t->at); }
