/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strongly connected components of any graph: Tarjan's algorithm in Pearce's form, without recursion (components.h).
 *
 * `rindex` of a vertex is 0 before it is seen; then its place on the way, from 1, or the smallest place that it
 * reaches; and when its component is complete, the component's number, counted down from n. As many vertices as places
 * are in use are incomplete, so a component's number is greater than any place in use, and edges to complete ones
 * change nothing. The way grows from the left of one array, the stack of the incomplete from its right: together they
 * are at most n.
 */
#include "analyzer/heap/components.h"
#include "analyzer/heap/parts.h"

struct tarjan {
	const struct graph *g;
	uint32_t *rindex;
	uint32_t *way, *edge;  /* by depth: the vertex, its next edge; `way` also holds the stack */
	uint64_t *not_root;    /* a set: vertices that reach something before them */
	uint32_t depth, stack; /* the stack's top is way[stack] */
	uint32_t index, component;
};

static void enter(struct tarjan *t, uint32_t v)
{
	const struct graph *g = t->g;

	t->rindex[v] = t->index++;
	t->way[t->depth] = v;
	t->edge[t->depth++] = g->first[v];
	for (uint32_t e = g->first[v]; e < g->first[v + 1] && e < g->first[v] + 8; e++)
		if (g->to[e] < g->n)
			__builtin_prefetch(&t->rindex[g->to[e]], 1);
}

/* v reaches w. */
static void note(struct tarjan *t, uint32_t v, uint32_t w)
{
	if (t->rindex[w] >= t->rindex[v])
		return;
	t->rindex[v] = t->rindex[w];
	bits_add(t->not_root, v);
}

/* All edges of v were looked at. */
static void leave(struct tarjan *t, uint32_t v)
{
	t->depth--;
	if (bits_has(t->not_root, v)) {
		t->way[--t->stack] = v;
		return;
	}
	t->index--;
	while (t->stack < t->g->n && t->rindex[t->way[t->stack]] >= t->rindex[v]) {
		t->rindex[t->way[t->stack++]] = t->component;
		t->index--;
	}
	t->rindex[v] = t->component--;
}

static void search(struct tarjan *t, uint32_t start)
{
	const struct graph *g = t->g;

	enter(t, start);
	while (t->depth) {
		uint32_t v = t->way[t->depth - 1], *e = &t->edge[t->depth - 1], w = UINT32_MAX;

		while (*e < g->first[v + 1]) {
			w = g->to[(*e)++];
			if (w >= g->n)
				continue;
			if (!t->rindex[w])
				break;
			note(t, v, w);
			w = UINT32_MAX;
		}
		if (w < g->n) {
			enter(t, w);
			continue;
		}
		leave(t, v);
		if (t->depth)
			note(t, t->way[t->depth - 1], v);
	}
}

uint32_t components_find(const struct graph *g, uint32_t *component)
{
	size_t bytes = ((size_t)g->n + 1) * sizeof(uint32_t);
	struct tarjan t = { .g = g, .rindex = component, .stack = g->n, .index = 1, .component = g->n };

	t.way = mem_map(bytes);
	t.edge = mem_map(bytes);
	t.not_root = bits_new(g->n);
	memset(component, 0, g->n * sizeof *component);
	for (uint32_t v = 0; v < g->n; v++)
		if (!component[v])
			search(&t, v);
	for (uint32_t v = 0; v < g->n; v++)
		component[v] = g->n - component[v];
	mem_unmap(t.way, bytes);
	mem_unmap(t.edge, bytes);
	free(t.not_root);
	return g->n - t.component;
}
