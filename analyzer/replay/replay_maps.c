/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_maps: mappings, of which parts come and go
 *
 * What an munmap cuts out is held until the thread's next one, in case the kernel said no: then it is put back. A
 * mapping over others ends what it covers.
 */
#include "analyzer/replay/replay_parts.h"

static void tell_cut(struct replay *r, const struct cut *c, enum change_kind kind, bool whole)
{
	const struct mapping *m = &r->ranges.mappings.at[c->range.mapping];

	if (m->inherited) {
		r->counts.inherited_freed += kind == BLOCK_DIED && whole;
		return;
	}
	*replay_next_change(r) = (struct change){
		.addr = c->range.start,
		.bytes = c->range.end - c->range.start,
		.born_ns = m->born_ns,
		.first_ns = m->born_ns,
		.number = m->number,
		.node = m->node,
		.thread = r->makers.at[m->maker].thread,
		.task = r->makers.at[m->maker].task,
		.kind = (uint8_t)kind,
		.layer = m->layer,
		.whole = whole,
		.temporary = kind == BLOCK_DIED && r->counts.allocations - m->number <= REPLAY_TEMPORARY_OTHERS &&
			     m->number > r->paused_number,
	};
}

/* Where the pages that an event names end: the kernel rounds up. */
static uint64_t range_end(const struct replay *r, const struct pt_event *ev, bool round)
{
	uint64_t addr = replay_addr(ev), top = PT_ADDRESS_MASK + 1, page = r->t->front.page_bytes;
	uint64_t end = ev->size < top - addr ? addr + ev->size : top;

	if (round && page >= 4096 && !(page & (page - 1)))
		end = (end + page - 1) & ~(page - 1);
	return end;
}

void replay_forget_cuts(struct replay *r, struct in_flight *f)
{
	for (size_t i = 0; i < f->cuts.n; i++)
		ranges_forget(&r->ranges, &f->cuts.at[i]);
	f->cuts.n = 0;
}

/* What mremap maps is of the kind of what it took away, and that is still held in case it fails. */
static enum pt_layer map_layer(const struct replay *r, const struct pt_event *ev, const struct in_flight *f)
{
	if (pt_op_layer(ev->op) != PT_LAYER_MOVED)
		return pt_op_layer(ev->op);
	return f->cuts.n ? r->ranges.mappings.at[f->cuts.at[0].range.mapping].layer : PT_LAYER_MMAP;
}

void replay_map(struct replay *r, const struct pt_event *ev, const struct in_flight *f)
{
	struct ranges *m = &r->ranges;
	uint64_t start = replay_addr(ev), end = range_end(r, ev, false);
	struct live_entry e;

	ranges_cut(m, start, range_end(r, ev, true));
	for (size_t i = 0; i < m->cuts.n; i++) {
		tell_cut(r, &m->cuts.at[i], BLOCK_DIED, m->cuts.at[i].last);
		ranges_forget(m, &m->cuts.at[i]);
	}
	if (start >= end || (ev->stack == PT_STACK_KEPT && !f->cuts.n))
		return;
	r->counts.allocations++;
	e = (struct live_entry){
		.addr = start,
		.layer = map_layer(r, ev, f),
		.bytes = end - start,
		.number = r->counts.allocations,
		.born_ns = r->now.ns,
		.first_ns = r->now.ns,
		.node = defs_node(&r->t->defs, ev->stack),
		.maker = r->maker,
	};
	if (ev->stack == PT_STACK_KEPT) {
		const struct mapping *old = &m->mappings.at[f->cuts.at[0].range.mapping];

		e.node = old->node;
		e.maker = old->maker;
	}
	ranges_add(
		m, start, end,
		&(struct mapping){
			.number = e.number, .born_ns = e.born_ns, .node = e.node, .maker = e.maker, .layer = e.layer });
	replay_tell_born(r, &e, false);
}

void replay_unmap(struct replay *r, const struct pt_event *ev, struct in_flight *f)
{
	struct ranges *m = &r->ranges;

	r->counts.frees++;
	replay_forget_cuts(r, f);
	ranges_cut(m, replay_addr(ev), range_end(r, ev, true));
	for (size_t i = 0; i < m->cuts.n; i++) {
		tell_cut(r, &m->cuts.at[i], BLOCK_DIED, m->cuts.at[i].last);
		*array_push(&f->cuts) = m->cuts.at[i];
	}
}

void replay_unmap_fail(struct replay *r, struct in_flight *f)
{
	for (size_t i = f->cuts.n; i-- > 0;)
		if (ranges_restore(&r->ranges, &f->cuts.at[i]))
			tell_cut(r, &f->cuts.at[i], BLOCK_BACK, f->cuts.at[i].last);
	f->cuts.n = 0;
}
