/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order: a heap of open parts, keyed by the run of their next span
 *
 * A run belongs to one thread, and the runs of a thread only go up. So the next event of the process is in the open
 * part with the smallest run, or in a part not yet opened, none of which has a smaller run than its first_run. Parts
 * of one run are of one thread and keep their order by index.
 */
#include "analyzer/replay/order.h"
#include "analyzer/replay/ahead.h"

#include <string.h>

struct cursor {
	uint64_t run; /* of the next span */
	size_t part;
	struct decoded *decoded;
	size_t span;
};

struct order {
	struct trace *t;
	struct ahead *ahead;
	ARRAY(struct cursor) heap; /* the smallest first */
	size_t next_part;
	struct decoded *read_to_end; /* holds the batch handed out last, which was its last one */
	bool *gap;                   /* by thread: events before the next batch are missing */
	uint64_t n_events;
	uint64_t bytes_done, bytes_total;
};

static uint64_t part_bytes(const struct trace *t, size_t i)
{
	const struct part *p = &t->parts.at[i];
	struct pt_block b;

	if (p->ring)
		return p->n_slots * sizeof(struct pt_slot);
	memcpy(&b, t->map + p->offset, sizeof b);
	return sizeof b + b.stored_bytes;
}

struct order *order_new(struct trace *t, int n_workers)
{
	struct order *o = mem_zero(1, sizeof *o);

	o->t = t;
	o->ahead = ahead_new(t, n_workers);
	o->gap = mem_zero(t->threads.n, sizeof *o->gap);
	for (size_t i = 0; i < t->parts.n; i++)
		o->bytes_total += part_bytes(t, i);
	return o;
}

/* ---- the heap ---- */

static bool comes_before(const struct cursor *a, const struct cursor *b)
{
	return a->run != b->run ? a->run < b->run : a->part < b->part;
}

static void swap(struct cursor *a, struct cursor *b)
{
	struct cursor c = *a;

	*a = *b;
	*b = c;
}

static void heap_push(struct order *o, const struct cursor *c)
{
	struct cursor *heap;

	*array_push(&o->heap) = *c;
	heap = o->heap.at;
	for (size_t i = o->heap.n - 1; i && comes_before(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&heap[i], &heap[(i - 1) / 2]);
}

/* Puts the first cursor where it belongs after its run has gone up. */
static void heap_sink(struct order *o)
{
	struct cursor *heap = o->heap.at;
	size_t n = o->heap.n;

	for (size_t i = 0, child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && comes_before(&heap[child + 1], &heap[child]))
			child++;
		if (!comes_before(&heap[child], &heap[i]))
			return;
		swap(&heap[i], &heap[child]);
	}
}

static void heap_drop_first(struct order *o)
{
	o->heap.at[0] = o->heap.at[--o->heap.n];
	heap_sink(o);
}

/* ---- merging ---- */

static void open_part(struct order *o)
{
	struct trace *t = o->t;
	size_t i = o->next_part++;
	const struct part *p = &t->parts.at[i];
	struct decoded *d = ahead_get(o->ahead, i);

	o->gap[p->thread] |= p->after_gap;
	o->bytes_done += part_bytes(t, i);
	if (d->fault) {
		trace_trouble(t, p->offset, "a block of %u events %s", p->n_events, d->fault);
		t->n_damaged++;
	}
	if (d->n)
		heap_push(o, &(struct cursor){ d->spans.at[0].run, i, d, 0 });
	else
		ahead_done(o->ahead, d);
	if (d->fault && !d->n)
		o->gap[p->thread] = true;
}

/* Opens what may hold the next event. A part of the very run that is going on is its continuation: it can wait. */
static void open_parts(struct order *o)
{
	const struct trace *t = o->t;

	while (o->next_part < t->parts.n && (!o->heap.n || t->parts.at[o->next_part].first_run < o->heap.at[0].run))
		open_part(o);
}

int order_next(struct order *o, struct batch *ret)
{
	struct cursor *c;
	const struct decoded *d;
	const struct span *s;
	const struct part *p;
	size_t end;

	if (o->read_to_end)
		ahead_done(o->ahead, o->read_to_end);
	o->read_to_end = NULL;
	open_parts(o);
	if (!o->heap.n)
		return 0;
	c = &o->heap.at[0];
	d = c->decoded;
	s = &d->spans.at[c->span];
	p = &o->t->parts.at[c->part];
	end = c->span + 1 < d->spans.n ? s[1].start : d->n;
	*ret = (struct batch){ .events = d->events + s->start,
			       .n = end - s->start,
			       .n_readable = d->n - s->start,
			       .first = o->n_events,
			       .run = s->run,
			       .ns = s->ns,
			       .thread = p->thread,
			       .part = c->part,
			       .at = s->start,
			       .after_gap = o->gap[p->thread] };
	o->gap[p->thread] = d->fault && end == d->n;
	o->n_events += ret->n;
	if (end < d->n) {
		c->run = s[1].run;
		c->span++;
		heap_sink(o);
	} else {
		o->read_to_end = c->decoded;
		heap_drop_first(o);
	}
	return 1;
}

uint64_t order_bytes_done(const struct order *o) { return o->bytes_done; }
uint64_t order_bytes_total(const struct order *o) { return o->bytes_total; }

void order_free(struct order *o)
{
	if (!o)
		return;
	if (o->read_to_end)
		ahead_done(o->ahead, o->read_to_end);
	for (size_t i = 0; i < o->heap.n; i++)
		ahead_done(o->ahead, o->heap.at[i].decoded);
	ahead_free(o->ahead);
	array_free(&o->heap);
	free(o->gap);
	free(o);
}
