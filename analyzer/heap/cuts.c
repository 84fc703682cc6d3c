/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/heap/cuts.h"

enum { TRIES = 16, TRIES_OF_BIG = 6, BIG = 100000 };

struct candidate {
	uint64_t score;
	struct group_edge edge;
};

struct cuts {
	const struct heap *h;
	const struct heap_part *p;
	const uint32_t *group_of;
	const uint64_t *bytes, *number;
	uint32_t *degree, *left;   /* by vertex: references to it; those that are left */
	uint64_t *gone;            /* set of vertices */
	ARRAY(uint32_t) released;  /* vertices, once for each reference taken away */
	ARRAY(uint32_t) queue;     /* that are gone */
	uint64_t n_out, bytes_out; /* of what is gone */
};

struct cuts *cuts_new(const struct heap *h, const struct heap_part *p, const uint32_t *group_of, const uint64_t *bytes,
		      const uint64_t *number)
{
	struct cuts *c = mem_zero(1, sizeof *c);

	*c = (struct cuts){ .h = h, .p = p, .group_of = group_of, .bytes = bytes, .number = number };
	c->degree = mem_zero(p->n, sizeof *c->degree);
	c->left = mem_alloc(p->n * sizeof *c->left);
	c->gone = bits_new(p->n);
	for (uint32_t e = 0; e < p->first[p->n]; e++)
		c->degree[p->to[e]]++;
	memcpy(c->left, c->degree, p->n * sizeof *c->left);
	return c;
}

void cuts_free(struct cuts *c)
{
	free(c->degree);
	free(c->left);
	free(c->gone);
	array_free(&c->released);
	array_free(&c->queue);
	free(c);
}

/* ---- freeing, played ---- */

static void drop(struct cuts *c, uint32_t v)
{
	if (bits_has(c->gone, v))
		return;
	bits_add(c->gone, v);
	*array_push(&c->queue) = v;
}

static void release(struct cuts *c, uint32_t v)
{
	*array_push(&c->released) = v;
	if (!--c->left[v])
		drop(c, v);
}

/* All that goes with what is in the queue. */
static void play(struct cuts *c)
{
	const struct heap_part *p = c->p;

	c->n_out = c->bytes_out = 0;
	for (size_t next = 0; next < c->queue.n; next++) {
		uint32_t v = c->queue.at[next];

		c->n_out++;
		c->bytes_out += c->bytes[p->objects[v]];
		for (uint32_t e = p->first[v]; e < p->first[v + 1]; e++)
			if (c->left[p->to[e]])
				release(c, p->to[e]);
	}
}

static void take_back(struct cuts *c)
{
	for (size_t i = 0; i < c->released.n; i++)
		c->left[c->released.at[i]]++;
	for (size_t i = 0; i < c->queue.n; i++)
		c->gone[c->queue.at[i] / 64] = 0;
	c->released.n = c->queue.n = 0;
}

/* ---- which edge ---- */

/* Whether an attribute is one of the interpreter's: of a function, a traceback, a generator; not a variable of a frame.
 */
static bool is_inner(const char *type, const char *attribute)
{
	if (!strcmp(type, "frame"))
		return !strncmp(attribute, "f_", 2);
	return !strchr(type, '.') || !strncmp(attribute, "__", 2);
}

static unsigned quality(const struct heap *h, const struct group_edge *edge)
{
	struct heap_edge_name name;

	if (edge->edge == HEAP_NONE)
		return 0;
	name = heap_edge_name(h, edge->from, edge->edge);
	switch (name.kind) {
	case HEAP_EDGE_ATTRIBUTE: return is_inner(heap_type_name(h, edge->from), name.text) ? 1 : 3;
	case HEAP_EDGE_KEY: return !strncmp(name.text, "__", 2) ? 1 : *name.text ? 3 : 2;
	case HEAP_EDGE_INDEX: return 2;
	case HEAP_EDGE_INNER: return 1;
	default: return 0;
	}
}

/* The higher the better; 0 is none. An edge from an object to itself closes a larger group only if nothing else does.
 */
static uint64_t score(const struct cuts *c, const struct group_edge *edge, bool may_free, bool is_alone)
{
	uint64_t name = edge->from == edge->to && !is_alone ? 0 : quality(c->h, edge);
	uint64_t from = c->number ? c->number[edge->from] : 0;
	uint64_t to = c->number ? c->number[edge->to] : 0;
	bool is_back = from && to && from > to;

	return (uint64_t)may_free << 63 | (uint64_t)(name >= 2) << 62 | (uint64_t)is_back << 61 | name << 58 |
	       (from & ((UINT64_C(1) << 56) - 1)) | UINT64_C(1) << 57;
}

struct best {
	struct candidate at[TRIES];
	unsigned n;
};

static void keep(struct best *b, struct candidate c)
{
	unsigned i;

	if (b->n == TRIES && b->at[TRIES - 1].score >= c.score)
		return;
	if (b->n < TRIES)
		b->n++;
	for (i = b->n - 1; i > 0 && b->at[i - 1].score < c.score; i--)
		b->at[i] = b->at[i - 1];
	b->at[i] = c;
}

static void collect(struct cuts *c, uint32_t index, const struct group *group, const object_id *members, struct best *b)
{
	const struct heap_part *p = c->p;

	for (uint32_t i = 0; i < group->n; i++) {
		uint32_t v = heap_part_vertex(p, members[i]);

		for (uint32_t e = p->first[v]; e < p->first[v + 1]; e++) {
			struct group_edge edge = { members[i], p->objects[p->to[e]], p->edge[e] };

			if (c->group_of[p->to[e]] == index)
				keep(b, (struct candidate){ score(c, &edge, c->left[p->to[e]] == 1, group->n == 1),
							    edge });
		}
	}
}

static void try_cut(struct cuts *c, struct group *group, const struct candidate *one)
{
	uint32_t v = heap_part_vertex(c->p, one->edge.to);

	if (c->left[v] == 1) {
		release(c, v);
		play(c);
	} else {
		c->n_out = c->bytes_out = 0;
	}
	if (group->closing.from == HEAP_NONE || c->n_out > group->cut_objects) {
		group->closing = one->edge;
		group->cut_objects = c->n_out;
		group->cut_bytes = c->bytes_out;
	}
	take_back(c);
}

/* ---- */

/* Counts of the members are those within the group. */
static void isolate(struct cuts *c, uint32_t index, const struct group *group, const object_id *members)
{
	const struct heap_part *p = c->p;

	for (uint32_t i = 0; i < group->n; i++)
		c->left[heap_part_vertex(p, members[i])] = 0;
	for (uint32_t i = 0; i < group->n; i++) {
		uint32_t v = heap_part_vertex(p, members[i]);

		for (uint32_t e = p->first[v]; e < p->first[v + 1]; e++)
			c->left[p->to[e]] += c->group_of[p->to[e]] == index;
	}
}

static void find_below(struct cuts *c, struct group *group, const object_id *members)
{
	for (uint32_t i = 0; i < group->n; i++)
		drop(c, heap_part_vertex(c->p, members[i]));
	play(c);
	group->below = c->n_out - group->n;
	group->below_bytes = c->bytes_out - group->bytes;
	take_back(c);
}

void cuts_of(struct cuts *c, uint32_t index, struct group *group, const object_id *members)
{
	struct best best = { .n = 0 };

	isolate(c, index, group, members);
	find_below(c, group, members);
	collect(c, index, group, members, &best);
	for (unsigned i = 0; i < best.n && i < (group->n < BIG ? TRIES : TRIES_OF_BIG); i++) {
		try_cut(c, group, &best.at[i]);
		if (group->cut_objects >= group->n + group->below)
			break;
	}
	for (uint32_t i = 0; i < group->n; i++) {
		uint32_t v = heap_part_vertex(c->p, members[i]);

		c->left[v] = c->degree[v];
	}
}
