/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/findings/holder.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLE    400
#define MOST      60 /* percent of the chains that lead over a holder */
#define DEEP_MAX  100000
#define LINKS_MIN 4 /* objects of one kind that hold each other in a row */

struct candidate {
	object_id object;
	uint32_t n, depth; /* chains that lead over it; its place in the last of them */
};

struct search {
	struct view *v;
	ARRAY(object_id) objects;
	ARRAY(struct candidate) at;
	struct map by_object;
	uint32_t chains;
};

/* The objects in those blocks, and those whose buffers lie in them. */
static void list_objects(struct search *s, const bool *mine)
{
	const struct join *j = &s->v->join;

	for (object_id o = 0; o < s->v->heap.n; o++) {
		if (j->node[o] != NODE_UNKNOWN && mine[j->node[o]])
			*array_push(&s->objects) = o;
	}
}

static void note(struct search *s, object_id o, uint32_t depth)
{
	uint32_t *at = map_at(&s->by_object, o);

	if (*at == MAP_NONE) {
		*at = (uint32_t)s->at.n;
		*array_push(&s->at) = (struct candidate){ .object = o };
	}
	s->at.at[*at].n++;
	s->at.at[*at].depth = depth;
}

/* All that hold the target, without it itself. */
static void take_chain(struct search *s, object_id target, bool itself)
{
	struct path p;

	paths_to(&s->v->paths, target, &p);
	if (p.start != PATH_NONE && p.steps.n < DEEP_MAX) {
		for (uint32_t i = 0; i + !itself < p.steps.n; i++)
			note(s, p.steps.at[i].object, i);
	}
	s->chains++;
	path_free(&p);
}

static void take_chains(struct search *s, const bool *mine)
{
	const struct join *j = &s->v->join;
	size_t n = s->objects.n, step = n / SAMPLE + 1;

	for (size_t i = 0; i < n; i += step)
		take_chain(s, s->objects.at[i], false);
	/* What grows may be a container's own table: then it is the holder itself. */
	for (size_t i = 0; i < j->buffers.n && s->chains < 2 * SAMPLE; i++) {
		if (!n && j->buffers.at[i].node != NODE_UNKNOWN && mine[j->buffers.at[i].node])
			take_chain(s, j->buffers.at[i].owner, true);
	}
}

static bool is_module_dict(const struct search *s, object_id o) { return map_find(&s->v->module_of, o) != MAP_NONE; }

static object_id choose(const struct search *s, uint32_t *ret_n)
{
	const struct candidate *best = NULL;

	for (size_t i = 0; i < s->at.n; i++) {
		const struct candidate *c = &s->at.at[i];

		if ((uint64_t)c->n * 100 < (uint64_t)s->chains * MOST)
			continue;
		if (!best || c->depth > best->depth)
			best = c;
	}
	*ret_n = best ? best->n : 0;
	return best ? best->object : HEAP_NONE;
}

static bool are_alike(const struct search *s, object_id a, object_id b)
{
	const struct join *j = &s->v->join;

	return s->v->heap.type[a] == s->v->heap.type[b] && j->node[a] == j->node[b] && j->node[a] != NODE_UNKNOWN;
}

/* Links of a list hold each other: people know its head. A dict in a dict is no list yet. */
static void climb(const struct search *s, struct path *p)
{
	size_t n = p->steps.n;

	while (n >= 2 && are_alike(s, p->steps.at[n - 1].object, p->steps.at[n - 2].object))
		n--;
	if (p->steps.n - n >= LINKS_MIN)
		p->steps.n = n;
}

/* An instance's dict says less than the instance. */
static void leave_dict(const struct search *s, struct path *p)
{
	const struct heap *h = &s->v->heap;
	const struct path_step *last = &p->steps.at[p->steps.n - 1];

	if (p->steps.n < 2 || last->edge == HEAP_NONE)
		return;
	if (!strcmp(heap_edge_name(h, p->steps.at[p->steps.n - 2].object, last->edge).text, "__dict__"))
		p->steps.n--;
}

bool holder_find(struct holder *ret, struct view *v, const bool *mine)
{
	struct search s = { .v = v };
	struct path p;
	uint32_t n;
	object_id o;

	*ret = (struct holder){ .object = HEAP_NONE };
	if (!v->loaded)
		return false;
	view_want(v, VIEW_PATHS | VIEW_MODULES);
	list_objects(&s, mine);
	take_chains(&s, mine);
	o = choose(&s, &n);
	if (o != HEAP_NONE && !is_module_dict(&s, o)) {
		paths_to(&v->paths, o, &p);
		climb(&s, &p);
		leave_dict(&s, &p);
		chain_make(&ret->chain, v, &p);
		ret->object = p.steps.at[p.steps.n - 1].object;
		ret->sampled = s.chains;
		ret->held = n;
		path_free(&p);
	}
	array_free(&s.objects);
	array_free(&s.at);
	map_free(&s.by_object);
	return ret->object != HEAP_NONE;
}

void holder_free(struct holder *h) { chain_free(&h->chain); }
