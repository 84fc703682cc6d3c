/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/findings/holder.h"
#include "analyzer/base/mem.h"
#include "analyzer/base/sample.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLE    400
#define MOST      60 /* percent of the chains that lead over a holder */
#define DEEP_MAX  100000
#define ENTRIES   10 /* percent of the chains over containers with a bound that lead to an entry of their own */
#define LINKS_MIN 4  /* objects of one kind that hold each other in a row */
#define LINK_MAX  8  /* objects that a link is made of */

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
	object_id holder;                              /* when it is known: */
	ARRAY(struct join_buffer) below[HOLDER_BELOW]; /* buffers of what it holds, of what that holds, ... */
	struct map entries;                            /* of containers with a bound, those that a chain led over */
	uint32_t bounded, n_entries;
};

static bool is_weak(const struct heap *h, object_id o)
{
	const char *type = heap_type_name(h, o);

	return !strcmp(type, "weakref") || !strcmp(type, "weakref.ReferenceType") || !strcmp(type, "weakref.KeyedRef");
}

/* The objects in those blocks. A weak reference stays as long as its object does, and a registry lets it go then: who
 * holds it says nothing, if anything else grew with it. */
static void list_objects(struct search *s, const bool *mine, uint64_t from_ns)
{
	const struct join *j = &s->v->join;

	for (int weak = 0; weak < 2 && !s->objects.n; weak++)
		for (object_id o = 0; o < s->v->heap.n; o++)
			if (j->node[o] != NODE_UNKNOWN && mine[j->node[o]] && j->born_ns[o] >= from_ns &&
			    (weak || !is_weak(&s->v->heap, o)))
				*array_push(&s->objects) = o;
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

/* Notes the last container with a bound that a chain leads over, and which of its entries. Of a cache the entries are
 * in its dict. What is below few entries of many grows in them, where no bound is known. */
static void note_bounded(struct search *s, const struct path *p)
{
	const struct heap *h = &s->v->heap;
	size_t i = p->steps.n, entry;
	uint32_t *at;

	while (i > 0 && !(h->flags[p->steps.at[i - 1].object] & PT_OBJECT_BOUNDED))
		i--;
	if (!i)
		return;
	entry = i < p->steps.n && !strcmp(heap_type_name(h, p->steps.at[i].object), "dict") ? i + 1 : i;
	at = map_at(&s->entries, entry < p->steps.n ? p->steps.at[entry].object : (uint64_t)s->bounded << 32);
	s->n_entries += *at == MAP_NONE;
	*at = 1;
	s->bounded++;
}

/* All that hold the target, without it itself. */
static void take_chain(struct search *s, object_id target, bool itself)
{
	struct path p;

	paths_to(&s->v->paths, target, &p);
	if (p.start != PATH_NONE && p.steps.n < DEEP_MAX) {
		for (uint32_t i = 0; i + !itself < p.steps.n; i++)
			note(s, p.steps.at[i].object, i);
		note_bounded(s, &p);
	}
	s->chains++;
	path_free(&p);
}

static bool is_buffer_of(const struct join_buffer *b, const bool *mine)
{
	return b->node != NODE_UNKNOWN && mine[b->node];
}

/* Chains to the objects; or, if these are fewer than the objects whose buffers grow (the head of a list comes from
 * where another one died), to those. Then one may be the holder itself: what grows is its table. */
static void take_chains(struct search *s, const bool *mine)
{
	const struct join *j = &s->v->join;
	size_t n = s->objects.n, step = n / SAMPLE + 1, n_buffers = 0, at = 0;

	for (size_t i = 0; i < j->buffers.n; i++)
		n_buffers += is_buffer_of(&j->buffers.at[i], mine);
	if (n_buffers <= n) {
		for (size_t i = 0; i < n; i++)
			if (sample_has(i, step))
				take_chain(s, s->objects.at[i], false);
		return;
	}
	step = n_buffers / SAMPLE + 1;
	for (size_t i = 0; i < j->buffers.n; i++)
		if (is_buffer_of(&j->buffers.at[i], mine) && sample_has(at++, step))
			take_chain(s, j->buffers.at[i].owner, true);
}

/* ---- who adds to it ---- */

static const struct join_buffer *largest_buffer(const struct search *s, object_id o)
{
	const struct join_buffer *b, *best = NULL;
	size_t n;

	b = join_buffers(&s->v->join, o, &n);
	for (size_t i = 0; i < n; i++)
		if (b[i].node > NODE_UNKNOWN && (!best || b[i].bytes > best->bytes))
			best = &b[i];
	return best;
}

/* The next containers on the way from the holder to one of the objects, which is the last that may be one. */
static void take_below(struct search *s, object_id target)
{
	struct path p;
	size_t i = 0;
	unsigned n = 0;

	paths_to(&s->v->paths, target, &p);
	while (i < p.steps.n && p.steps.at[i].object != s->holder)
		i++;
	for (i++; i < p.steps.n && n < HOLDER_BELOW && !(n && i + 1 == p.steps.n); i++) {
		const struct join_buffer *b = largest_buffer(s, p.steps.at[i].object);

		if (!b)
			continue;
		*array_push(&s->below[n]) = *b;
		n++;
	}
	path_free(&p);
}

static int by_node_and_address(const void *left, const void *right)
{
	const struct join_buffer *a = left, *b = right;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return (a->address > b->address) - (a->address < b->address);
}

/* Of the buffers below the stack that made most of their bytes, each counted once. */
static node_id most_of(struct join_buffer *at, size_t n)
{
	uint64_t most = 0, sum = 0;
	node_id best = NODE_UNKNOWN;

	if (n)
		qsort(at, n, sizeof *at, by_node_and_address);
	for (size_t i = 0; i < n; i++) {
		const struct join_buffer *b = &at[i];

		sum = i && b[-1].node == b->node ? sum : 0;
		sum += i && b[-1].address == b->address ? 0 : b->bytes;
		if (sum > most) {
			most = sum;
			best = b->node;
		}
	}
	return best;
}

/* A cache of functools is filled by whoever calls the function: no line of theirs says so. */
static bool is_silent(const struct search *s, const struct path *p)
{
	for (size_t i = p->steps.n, last = i < 2 ? 0 : i - 2; i-- > last;)
		if (!strcmp(heap_type_name(&s->v->heap, p->steps.at[i].object), "functools._lru_cache_wrapper"))
			return true;
	return false;
}

static void find_adders(struct search *s, struct holder *ret)
{
	const struct join_buffer *own = largest_buffer(s, ret->container);
	size_t n = s->objects.n, step = n / SAMPLE + 1;

	ret->adds = own ? own->node : NODE_UNKNOWN;
	s->holder = ret->container;
	for (size_t i = 0; i < n; i++)
		if (sample_has(i, step))
			take_below(s, s->objects.at[i]);
	for (unsigned k = 0; k < HOLDER_BELOW; k++) {
		ret->adds_below[k] = most_of(s->below[k].at, s->below[k].n);
		array_free(&s->below[k]);
	}
}

/* ---- the holder ---- */

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

/* How many steps at the end of the path repeat those that lie `period` before. */
static size_t repeats(const struct search *s, const struct path *p, size_t period)
{
	const struct heap *h = &s->v->heap;
	size_t n = p->steps.n;

	for (; n > period; n--) {
		object_id a = p->steps.at[n - 1].object, b = p->steps.at[n - 1 - period].object;

		if (period == 1 ? !are_alike(s, a, b) : h->type[a] != h->type[b])
			break;
	}
	return p->steps.n - n;
}

/* Links of a list hold each other: people know its head. A dict in a dict is no list yet. A link may be of several
 * objects: a function, its closure, a cell. */
static bool climb(const struct search *s, struct path *p)
{
	for (size_t period = 1; period <= LINK_MAX; period++) {
		size_t n = repeats(s, p, period);

		if (n < LINKS_MIN * period)
			continue;
		p->steps.n -= n + period - 1;
		return true;
	}
	return false;
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

static bool is_bounded(const struct search *s)
{
	return s->bounded && (uint64_t)s->bounded * 100 >= (uint64_t)s->chains * MOST &&
	       (uint64_t)s->n_entries * 100 >= (uint64_t)s->bounded * ENTRIES;
}

bool holder_find(struct holder *ret, struct view *v, const bool *mine, uint64_t from_ns)
{
	struct search s = { .v = v };
	struct path p;
	uint32_t n;
	object_id o;
	bool climbed;

	*ret = (struct holder){ .object = HEAP_NONE, .adds = NODE_UNKNOWN };
	if (!v->loaded)
		return false;
	view_want(v, VIEW_PATHS | VIEW_MODULES);
	list_objects(&s, mine, from_ns);
	take_chains(&s, mine);
	o = choose(&s, &n);
	ret->bounded = is_bounded(&s);
	if (o != HEAP_NONE && !is_module_dict(&s, o)) {
		paths_to(&v->paths, o, &p);
		climbed = climb(&s, &p);
		leave_dict(&s, &p);
		chain_make(&ret->chain, v, &p);
		ret->object = p.steps.at[p.steps.n - 1].object;
		ret->container = o;
		if (climbed) /* who makes a link adds it */
			ret->adds = v->join.node[ret->object];
		else if (!is_silent(&s, &p))
			find_adders(&s, ret);
		ret->sampled = s.chains;
		ret->held = n;
		path_free(&p);
	}
	array_free(&s.objects);
	array_free(&s.at);
	map_free(&s.by_object);
	map_free(&s.entries);
	return ret->object != HEAP_NONE;
}

void holder_free(struct holder *h) { chain_free(&h->chain); }
