/* SPDX-License-Identifier: Apache-2.0 */
/* replay_alive: what is alive at this moment of a replay, for models that ask */
#include "analyzer/replay/replay_parts.h"

typedef void each_fn(void *self, const struct live_block *b);

static bool is_told(const struct replay *r, bool inherited, uint64_t number)
{
	return !scope_is_on(&r->scope) || (!inherited && scope_has(&r->scope, number));
}

static struct live_block block_of(const struct replay *r, const struct live_entry *e)
{
	return (struct live_block){
		.addr = e->addr,
		.bytes = e->bytes,
		.born_ns = e->born_ns,
		.first_ns = e->first_ns,
		.number = e->number,
		.node = e->node,
		.thread = r->makers.at[e->maker].thread,
		.task = r->makers.at[e->maker].task,
		.layer = e->layer,
		.inherited = (e->flags & LIVE_INHERITED) != 0,
		.whole = true,
	};
}

static void each_entry(const struct replay *r, const struct live_entry *e, each_fn *each, void *self)
{
	struct live_block b = block_of(r, e);

	if (is_told(r, b.inherited, b.number))
		each(self, &b);
}

static void each_range(const struct replay *replay, each_fn *each, void *self)
{
	const struct ranges *r = &replay->ranges;
	bool *seen = mem_zero(r->mappings.n, sizeof *seen);

	for (size_t i = 0; i < r->at.n; i++) {
		const struct range *p = &r->at.at[i];
		const struct mapping *m = &r->mappings.at[p->mapping];

		if (!is_told(replay, m->inherited, m->number))
			continue;
		each(self, &(struct live_block){
				   .addr = p->start,
				   .bytes = p->end - p->start,
				   .born_ns = m->born_ns,
				   .first_ns = m->born_ns,
				   .number = m->number,
				   .node = m->node,
				   .thread = replay->makers.at[m->maker].thread,
				   .task = replay->makers.at[m->maker].task,
				   .layer = m->layer,
				   .inherited = m->inherited,
				   .mapping = true,
				   .whole = !seen[p->mapping],
			   });
		seen[p->mapping] = true;
	}
	free(seen);
}

void replay_each_live(struct replay *r, each_fn *each, void *self)
{
	const struct live *const tables[] = { &r->live, &r->overlay };

	for (int k = 0; k < 2; k++)
		for (size_t i = 1; i < tables[k]->entries.n; i++)
			if (!(tables[k]->entries.at[i].flags & LIVE_FREE_ENTRY))
				each_entry(r, &tables[k]->entries.at[i], each, self);
	for (size_t i = 0; i < r->t->threads.n; i++)
		if (r->threads[i].moving_known)
			each_entry(r, &r->threads[i].moved, each, self);
	each_range(r, each, self);
}

bool replay_find_live(struct replay *r, uint64_t addr, struct live_block *ret)
{
	uint32_t *place = addr <= PT_ADDRESS_MASK ? live_find(&r->live, addr) : NULL;

	if (!place || !*place)
		return false;
	*ret = block_of(r, live_at(&r->live, *place));
	return true;
}
