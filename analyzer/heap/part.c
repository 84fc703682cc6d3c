/* SPDX-License-Identifier: Apache-2.0 */
/* part: some objects of a heap as a graph of their own: parts.h */
#include "analyzer/heap/parts.h"

static uint32_t rank_all(struct heap_part *p, const struct heap *h)
{
	uint32_t n = 0, n_words = h->n / 64 + 1;

	p->rank = mem_alloc(n_words * sizeof *p->rank);
	for (uint32_t w = 0; w < n_words; w++) {
		p->rank[w] = n;
		n += (uint32_t)__builtin_popcountll(p->set[w]);
	}
	return n;
}

static void list_objects(struct heap_part *p, const struct heap *h)
{
	uint32_t n = 0;

	p->objects = mem_alloc(p->n * sizeof *p->objects);
	for (uint32_t w = 0; w < h->n / 64 + 1; w++)
		for (uint64_t word = p->set[w]; word; word &= word - 1)
			p->objects[n++] = w * 64 + (uint32_t)__builtin_ctzll(word);
}

static bool is_edge(const struct heap_part *p, uint32_t target)
{
	return heap_holds(target) && bits_has(p->set, target);
}

/* Raw pointers are sorted by object, as `objects` is: *at goes along. */
static uint32_t add_raws(struct heap_part *p, const struct heap *h, const int32_t *surplus, object_id o, size_t *at,
			 uint32_t n)
{
	const struct heap_raw *raws = h->raws.at;

	while (*at < h->raws.n && raws[*at].object < o)
		++*at;
	for (; *at < h->raws.n && raws[*at].object == o; ++*at) {
		if (!heap_raw_counts(&raws[*at], surplus) || !bits_has(p->set, raws[*at].target))
			continue;
		if (p->to) {
			p->to[n] = heap_part_vertex(p, raws[*at].target);
			p->edge[n] = HEAP_NONE;
		}
		n++;
	}
	return n;
}

/* Counts, while there is no room yet; places them, when there is. */
static uint32_t add_edges(struct heap_part *p, const struct heap *h, const int32_t *surplus)
{
	uint32_t n = 0;
	size_t raw = 0;

	for (uint32_t v = 0; v < p->n; v++) {
		object_id o = p->objects[v];

		p->first[v] = n;
		for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++) {
			if (!is_edge(p, h->target[e]))
				continue;
			if (p->to) {
				p->to[n] = heap_part_vertex(p, h->target[e]);
				p->edge[n] = e;
			}
			n++;
		}
		if (surplus)
			n = add_raws(p, h, surplus, o, &raw, n);
	}
	p->first[p->n] = n;
	return n;
}

void heap_part_make(struct heap_part *p, const struct heap *h, uint64_t *set, const int32_t *surplus)
{
	uint32_t n_edges;

	*p = (struct heap_part){ .set = set };
	p->n = rank_all(p, h);
	list_objects(p, h);
	p->first = mem_alloc(((size_t)p->n + 1) * sizeof *p->first);
	n_edges = add_edges(p, h, surplus);
	p->to = mem_alloc(n_edges * sizeof *p->to);
	p->edge = mem_alloc(n_edges * sizeof *p->edge);
	add_edges(p, h, surplus);
}

void heap_part_free(struct heap_part *p)
{
	free(p->objects);
	free(p->first);
	free(p->to);
	free(p->edge);
	free(p->set);
	free(p->rank);
	*p = (struct heap_part){ 0 };
}
