/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dominators: semi-NCA (Georgiadis, "Linear-time algorithms for dominators and related problems", 2005).
 *
 * Vertices are numbered in the order in which a search in depth finds them; number 0 is the virtual root. A vertex's
 * semidominator is the smallest number from which a way leads to it over greater ones only; it is found from the last
 * vertex to the first, over edges that are no tree edges, with the ways so far compressed. Its dominator is the nearest
 * tree ancestor of its tree parent that is not above the semidominator. Edges are kept by numbers, so that what is near
 * in the search is near in memory, and without tree edges, which say nothing new: of 1.5 an object, one is.
 */
#include "analyzer/heap/dominators.h"
#include "analyzer/heap/components.h"
#include "analyzer/heap/parts.h"

struct numbers {
	uint32_t from, to;
};

struct snca {
	struct graph g;
	uint32_t n;                   /* numbers given, the root's included */
	uint32_t *number;             /* by vertex; 0: not found yet */
	uint32_t *vertex;             /* by number */
	uint32_t *parent;             /* by number: in the tree; compressed later */
	uint32_t *idom;               /* by number */
	uint32_t *semi, *low;         /* by number: the semidominator; the smallest one on the compressed way */
	uint32_t *first, *from;       /* by number: where the other edges to it come from */
	ARRAY(struct numbers) others; /* edges that are no tree edges, as the search met them */
	uint64_t *is_start;           /* by vertex: the root refers to it */
	uint32_t *edge;               /* by depth: the next edge; room for all */
	size_t edge_bytes;
};

static void snca_begin(struct snca *s, struct graph g)
{
	size_t n = (size_t)g.n + 1;

	*s = (struct snca){ .g = g, .n = 1, .edge_bytes = n * sizeof(uint32_t) };
	s->number = mem_zero(n, sizeof *s->number);
	s->vertex = mem_alloc(n * sizeof *s->vertex);
	s->parent = mem_zero(n, sizeof *s->parent);
	s->is_start = bits_new(g.n);
	s->edge = mem_map(s->edge_bytes);
	s->vertex[0] = UINT32_MAX;
}

static void snca_free(struct snca *s)
{
	free(s->number);
	free(s->vertex);
	free(s->parent);
	free(s->idom);
	free(s->semi);
	free(s->low);
	free(s->first);
	free(s->from);
	array_free(&s->others);
	free(s->is_start);
	mem_unmap(s->edge, s->edge_bytes);
}

/* ---- the search ---- */

static uint32_t discover(struct snca *s, uint32_t v, uint32_t parent)
{
	const struct graph *g = &s->g;
	uint32_t i = s->n++;

	s->number[v] = i;
	s->vertex[i] = v;
	s->parent[i] = parent;
	for (uint32_t e = g->first[v]; e < g->first[v + 1] && e < g->first[v] + 8; e++)
		if (g->to[e] < g->n)
			__builtin_prefetch(&s->number[g->to[e]], 1);
	return i;
}

/* An edge from i to j. False: that was not found yet (0), and this will be a tree edge. */
static bool note_other(struct snca *s, uint32_t i, uint32_t j)
{
	if (j && j != i)
		*array_push(&s->others) = (struct numbers){ i, j };
	return j;
}

static void search(struct snca *s, uint32_t start)
{
	const struct graph *g = &s->g;
	uint32_t i = discover(s, start, 0), depth = 0;

	s->edge[0] = g->first[start];
	while (i) {
		uint32_t end = g->first[s->vertex[i] + 1], e = s->edge[depth];

		while (e < end && (g->to[e] >= g->n || note_other(s, i, s->number[g->to[e]])))
			e++;
		s->edge[depth] = e + 1;
		if (e == end) {
			i = s->parent[i];
			depth--;
			continue;
		}
		i = discover(s, g->to[e], i);
		s->edge[++depth] = g->first[g->to[e]];
	}
}

/* The root refers to v. */
static void snca_start(struct snca *s, uint32_t v)
{
	bits_add(s->is_start, v);
	if (!s->number[v])
		search(s, v);
}

/* ---- the other edges ---- */

/* Sorts them by where they lead: afterwards those to i come from `from` between first[i - 1] and first[i]. */
static void turn_edges(struct snca *s)
{
	uint32_t at = 0;

	s->first = mem_zero((size_t)s->n + 1, sizeof *s->first);
	for (size_t i = 0; i < s->others.n; i++)
		s->first[s->others.at[i].to]++;
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t n = s->first[i];

		s->first[i] = at;
		at += n;
	}
	s->from = mem_alloc(at * sizeof *s->from);
	for (size_t i = 0; i < s->others.n; i++)
		s->from[s->first[s->others.at[i].to]++] = s->others.at[i].from;
	array_free(&s->others);
}

/* ---- semidominators ---- */

/* The smallest semidominator on the way from i up to the last vertex that is done (numbers from `done`). Ways are
 * turned around while going up, and compressed coming down: no stack. */
static uint32_t evaluate(struct snca *s, uint32_t i, uint32_t done)
{
	uint32_t above = s->parent[i], below = 0, low, top;

	if (above < done)
		return s->low[i];
	while (above >= done) {
		s->parent[i] = below;
		below = i;
		i = above;
		above = s->parent[i];
	}
	top = above;
	low = s->low[i];
	while (below) {
		i = below;
		below = s->parent[i];
		s->parent[i] = top;
		if (low < s->low[i])
			s->low[i] = low;
		else
			low = s->low[i];
	}
	return low;
}

static void find_semi(struct snca *s)
{
	for (uint32_t i = s->n - 1; i > 0; i--) {
		uint32_t semi = bits_has(s->is_start, s->vertex[i]) ? 0 : s->parent[i];

		for (uint32_t e = s->first[i - 1]; e < s->first[i]; e++) {
			uint32_t from = s->from[e], low = from < i ? from : evaluate(s, from, i + 1);

			semi = low < semi ? low : semi;
		}
		s->semi[i] = s->low[i] = semi;
	}
}

static void snca_finish(struct snca *s)
{
	size_t bytes = s->n * sizeof(uint32_t);

	free(s->number);
	s->number = NULL;
	mem_unmap(s->edge, s->edge_bytes);
	s->edge = NULL;
	turn_edges(s);
	s->idom = mem_alloc(bytes);
	s->semi = mem_zero(1, bytes);
	s->low = mem_zero(1, bytes);
	memcpy(s->idom, s->parent, bytes);
	find_semi(s);
	for (uint32_t i = 1; i < s->n; i++)
		while (s->idom[i] > s->semi[i])
			s->idom[i] = s->idom[s->idom[i]];
}

void dominators_of_graph(const struct graph *g, uint32_t *idom)
{
	struct snca s;

	memset(idom, 0xff, g->n * sizeof *idom);
	if (!g->n)
		return;
	snca_begin(&s, *g);
	snca_start(&s, 0);
	snca_finish(&s);
	for (uint32_t i = 1; i < s.n; i++)
		idom[s.vertex[i]] = s.idom[i] ? s.vertex[s.idom[i]] : 0;
	snca_free(&s);
}

/* ---- of a heap ---- */

static void start_roots(struct snca *s, const struct heap *h)
{
	for (size_t i = 0; i < h->roots.n; i++) {
		const struct heap_root *r = &h->roots.at[i];

		for (uint32_t e = r->first; e < r->first + r->n; e++)
			if (heap_root_holds(h, r, e) != HEAP_NONE)
				snca_start(s, heap_root_holds(h, r, e));
	}
}

/* What C code holds: of types that the collector knows, as counts of others are often above what can be explained, and
 * that means nothing as long as somebody is seen to hold them. */
static void start_held(struct snca *s, const struct heap *h, const int32_t *surplus)
{
	for (object_id o = 0; o < h->n; o++) {
		bool known = h->types.at[h->type[o]].flags & PT_TYPE_GC;

		if (h->flags[o] & (PT_OBJECT_IMMORTAL | PT_OBJECT_STATIC) || (surplus[o] > 0 && known))
			snca_start(s, o);
	}
	for (object_id o = 0; o < h->n; o++)
		if (!s->number[o] && (surplus[o] > 0 || h->flags[o] & PT_OBJECT_DEFERRED))
			snca_start(s, o);
}

/* What nothing holds: one of each group that no other one reaches; greater components come first. */
static void start_rest(struct snca *s, const struct heap *h)
{
	uint64_t *rest = bits_new(h->n);
	struct heap_part p;
	uint32_t *component, *entry, n;

	for (object_id o = 0; o < h->n; o++)
		if (!s->number[o])
			bits_add(rest, o);
	heap_part_make(&p, h, rest, NULL);
	component = mem_alloc(p.n * sizeof *component);
	n = components_find(&(struct graph){ p.n, p.first, p.to }, component);
	entry = mem_alloc(n * sizeof *entry);
	for (uint32_t v = p.n; v-- > 0;)
		entry[component[v]] = p.objects[v];
	while (n-- > 0)
		if (!s->number[entry[n]])
			snca_start(s, entry[n]);
	free(component);
	free(entry);
	heap_part_free(&p);
}

static void write_down(struct dominators *d, const struct snca *s, const uint64_t *bytes)
{
	const struct heap *h = d->heap;

	memcpy(d->retained, bytes ? bytes : h->bytes, h->n * sizeof *d->retained);
	for (uint32_t i = s->n - 1; i > 0; i--) {
		object_id o = s->vertex[i];

		d->parent[o] = s->vertex[s->idom[i]]; /* the root's vertex is HEAP_NONE */
		if (s->idom[i])
			d->retained[d->parent[o]] += d->retained[o];
	}
}

void dominators_find(struct dominators *d, const struct heap *h, const uint64_t *bytes, const int32_t *surplus)
{
	struct snca s;

	*d = (struct dominators){ .heap = h };
	snca_begin(&s, (struct graph){ h->n, h->first, h->target });
	start_roots(&s, h);
	start_held(&s, h, surplus);
	start_rest(&s, h);
	snca_finish(&s);
	d->parent = mem_alloc(h->n * sizeof *d->parent);
	d->retained = mem_alloc(h->n * sizeof *d->retained);
	write_down(d, &s, bytes);
	snca_free(&s);
}

void dominators_free(struct dominators *d)
{
	free(d->parent);
	free(d->retained);
	*d = (struct dominators){ 0 };
}

/* ---- by class ---- */

/* The tree downwards: the first child, the next one of the same parent. */
struct down {
	const struct dominators *d;
	const uint32_t *class_of;
	uint32_t *above; /* by class: objects of it on the way from the top */
	object_id *child, *next;
};

static void make_down(struct down *w, uint32_t n)
{
	const struct dominators *d = w->d;

	w->child = mem_alloc(n * sizeof *w->child);
	w->next = mem_alloc(n * sizeof *w->next);
	memset(w->child, 0xff, n * sizeof *w->child);
	for (object_id o = 0; o < n; o++) {
		object_id parent = d->parent[o];

		w->next[o] = HEAP_NONE;
		if (parent == HEAP_NONE)
			continue;
		w->next[o] = w->child[parent];
		w->child[parent] = o;
	}
}

static void come_in(struct down *w, object_id o, uint64_t *ret)
{
	uint32_t c = w->class_of[o];

	if (c == UINT32_MAX)
		return;
	if (!w->above[c]++)
		ret[c] += w->d->retained[o];
}

static void go_out(struct down *w, object_id o)
{
	if (w->class_of[o] != UINT32_MAX)
		w->above[w->class_of[o]]--;
}

static void walk_down(struct down *w, object_id top, uint64_t *ret)
{
	object_id o = top;

	come_in(w, o, ret);
	for (;;) {
		if (w->child[o] != HEAP_NONE) {
			o = w->child[o];
			come_in(w, o, ret);
			continue;
		}
		while (o != top && w->next[o] == HEAP_NONE) {
			go_out(w, o);
			o = w->d->parent[o];
		}
		go_out(w, o);
		if (o == top)
			return;
		o = w->next[o];
		come_in(w, o, ret);
	}
}

void dominators_retained_by(const struct dominators *d, const uint32_t *class_of, uint32_t n, uint64_t *ret)
{
	struct down w = { .d = d, .class_of = class_of, .above = mem_zero(n, sizeof *w.above) };

	make_down(&w, d->heap->n);
	memset(ret, 0, n * sizeof *ret);
	for (object_id o = 0; o < d->heap->n; o++)
		if (d->parent[o] == HEAP_NONE)
			walk_down(&w, o, ret);
	free(w.above);
	free(w.child);
	free(w.next);
}
