/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/models/cycles_take.h"
#include "analyzer/base/mem.h"
#include "analyzer/heap/made.h"

#include <stdlib.h>

/* What is below several groups goes with the first of them: a sum must have it once. */
static void claim_below(struct cycles_snapshot *s, uint32_t group, object_id from)
{
	const struct heap *h = &s->heap;
	ARRAY(object_id) todo = { 0 };

	*array_push(&todo) = from;
	while (todo.n) {
		object_id o = todo.at[--todo.n];

		for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++) {
			object_id to = h->target[e];

			if (!heap_holds(to) || s->garbage.state[to] == GARBAGE_HELD ||
			    s->group_of[to] != CYCLES_NO_GROUP)
				continue;
			s->group_of[to] = group;
			*array_push(&todo) = to;
		}
	}
	array_free(&todo);
}

static void claim(struct cycles_snapshot *s)
{
	const struct groups *g = &s->groups;

	for (uint32_t i = 0; i < g->at.n; i++) {
		for (uint32_t m = 0; m < g->at.at[i].n; m++) {
			s->group_of[g->members.at[g->at.at[i].first + m]] = i;
			s->member[g->members.at[g->at.at[i].first + m]] = 1;
		}
	}
	for (uint32_t i = 0; i < g->at.n; i++) {
		for (uint32_t m = 0; m < g->at.at[i].n; m++)
			claim_below(s, i, g->members.at[g->at.at[i].first + m]);
	}
}

static void watch_blocks(struct cycles_snapshot *s)
{
	const struct heap *h = &s->heap;

	for (object_id o = 0; o < h->n; o++) {
		if (s->garbage.state[o] == GARBAGE_HELD)
			continue;
		*map_at(&s->blocks, heap_block(h, o)) = o;
		*map_at(&s->blocks, h->address[o]) = o;
	}
	for (size_t i = 0; i < s->join.buffers.n; i++) {
		const struct join_buffer *b = &s->join.buffers.at[i];

		if (s->garbage.state[b->owner] != GARBAGE_HELD)
			*map_at(&s->blocks, b->address) = b->owner;
	}
}

struct cycles_snapshot *cycles_take(struct trace *t, const struct snapshot *snapshot, const struct rebirths *rebirths,
				    const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct cycles_snapshot *s = mem_zero(1, sizeof *s);

	heap_load(&s->heap, t, snapshot, 0);
	join_init(&s->join, &s->heap);
	s->join.rebirths = rebirths;
	s->join.model.event(s->join.model.self, ev, now, r);
	s->join.rebirths = NULL;
	made_settle(&s->join);
	garbage_find(&s->garbage, &s->heap, s->join.bytes);
	groups_of_garbage(&s->groups, &s->heap, &s->garbage, &s->join);
	s->group_of = mem_alloc(((size_t)s->heap.n + 1) * sizeof *s->group_of);
	for (object_id o = 0; o < s->heap.n; o++)
		s->group_of[o] = CYCLES_NO_GROUP;
	s->died = mem_zero((size_t)s->heap.n + 1, 1);
	s->member = mem_zero((size_t)s->heap.n + 1, 1);
	claim(s);
	watch_blocks(s);
	return s;
}

void cycles_take_free(struct cycles_snapshot *s)
{
	groups_free(&s->groups);
	garbage_free(&s->garbage);
	join_free(&s->join);
	heap_free(&s->heap);
	map_free(&s->blocks);
	free(s->group_of);
	free(s->died);
	free(s->member);
	free(s);
}

void cycles_take_died(struct cycles_snapshot *s, uint64_t address)
{
	uint32_t o = map_find(&s->blocks, address);

	if (o != MAP_NONE)
		s->died[o] = 1;
}
