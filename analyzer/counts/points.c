/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/counts/points.h"
#include "analyzer/heap/garbage.h"

#include <string.h>

/* The row of an object: the last one at its block's address, if it is of the same allocation. */
static struct points_object *object_for(struct points *p, const struct heap *h, object_id o,
					const struct live_block *block)
{
	uint32_t *at = map_at(&p->by_block, block ? block->addr : h->address[o]);
	const char *type = heap_type_name(h, o);
	struct points_object *x;

	if (*at != MAP_NONE && p->at.at[*at].died_ns == UINT64_MAX && p->at.at[*at].address == h->address[o] &&
	    p->at.at[*at].number == (block ? block->number : 0))
		return &p->at.at[*at];
	if (p->at.n >= POINTS_OBJECTS)
		return NULL;
	*at = (uint32_t)p->at.n;
	x = array_push(&p->at);
	*x = (struct points_object){
		.address = h->address[o],
		.type = strings_add(&p->names, type, strlen(type)),
		.node = NODE_UNKNOWN,
		.died_ns = UINT64_MAX,
	};
	if (block) {
		x->block = block->addr;
		x->number = block->number;
		x->born_ns = block->first_ns;
		x->node = block->inherited ? NODE_UNKNOWN : block->node;
	}
	return x;
}

static void add_point(struct points *p, struct points_object *x, const struct point *point)
{
	*array_push(&p->points) = *point;
	if (x->last)
		p->points.at[x->last - 1].next = (uint32_t)p->points.n;
	else
		x->first = (uint32_t)p->points.n;
	x->last = (uint32_t)p->points.n;
	x->n++;
}

/* What is left of a count when the surplus is taken off. */
static uint32_t known_of(uint32_t count, int32_t surplus)
{
	return surplus > 0 ? count - (uint32_t)surplus : count + (uint32_t) - (int64_t)surplus;
}

static bool look_at(struct points *p, const struct heap *h, object_id o, const int32_t *surplus, struct replay *r,
		    uint64_t ns)
{
	struct live_block block;
	bool found = !(h->flags[o] & PT_OBJECT_STATIC) && replay_find_live(r, heap_block(h, o), &block);
	struct points_object *x;

	if (p->wanted.site && !p->wanted.site(p->wanted.self, found && !block.inherited ? block.node : NODE_UNKNOWN))
		return true;
	x = object_for(p, h, o, found ? &block : NULL);
	if (!x)
		return false;
	add_point(p, x,
		  &(struct point){ .snapshot = h->snapshot,
				   .ns = ns,
				   .count = h->refcount[o],
				   .known = known_of(h->refcount[o], surplus[o]),
				   .immortal = (h->flags[o] & PT_OBJECT_IMMORTAL) != 0 });
	return true;
}

static bool *types_wanted(const struct points *p, const struct heap *h)
{
	bool *fits = mem_zero(h->types.n + 1, sizeof *fits);

	for (size_t i = 0; i < h->types.n; i++)
		fits[i] = !p->wanted.type || p->wanted.type(p->wanted.self, heap_text_of(h, h->types.at[i].name));
	return fits;
}

static void look(struct points *p, const struct snapshot *s, uint64_t ns, struct replay *r)
{
	struct heap h;
	uint64_t left_out = 0;
	int32_t *surplus;
	bool *fits;

	heap_load(&h, p->trace, s, 0);
	surplus = garbage_surplus(&h);
	fits = types_wanted(p, &h);
	p->n_snapshots++;
	if (p->wanted.address) {
		object_id o = heap_find(&h, p->wanted.address);

		if (o != HEAP_NONE && fits[h.type[o]])
			look_at(p, &h, o, surplus, r, ns);
	} else {
		for (object_id o = 0; o < h.n; o++)
			left_out += fits[h.type[o]] && !look_at(p, &h, o, surplus, r, ns);
	}
	if (left_out > p->n_left_out)
		p->n_left_out = left_out;
	free(fits);
	free(surplus);
	heap_free(&h);
}

static void changes(void *self, const struct change *c, size_t n, const struct replay_now *now)
{
	struct points *p = self;

	for (size_t i = 0; p->at.n && i < n; i++) {
		uint32_t at = c[i].kind == BLOCK_DIED ? map_find(&p->by_block, c[i].addr) : MAP_NONE;

		if (at == MAP_NONE || p->at.at[at].number != c[i].number)
			continue;
		p->at.at[at].died_ns = now->ns;
		p->at.at[at].freed_by = c[i].freed_by;
	}
}

static void event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct points *p = self;
	const struct snapshot *s;

	if (ev->op != PT_OP_SNAPSHOT || !ev->addr)
		return;
	s = snapshots_find(&p->list, ev->addr);
	if (s)
		look(p, s, now->ns, r);
}

void points_init(struct points *p, struct trace *t, const struct points_wanted *wanted)
{
	*p = (struct points){ .trace = t, .wanted = *wanted };
	p->model = (struct model){ .self = p, .changes = changes, .event = event };
	snapshots_list(&p->list, t);
}

void points_free(struct points *p)
{
	array_free(&p->at);
	array_free(&p->points);
	map_free(&p->by_block);
	strings_free(&p->names);
	snapshots_free(&p->list);
}
