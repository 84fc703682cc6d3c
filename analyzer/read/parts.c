/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts: from blocks and rings to the stream of each thread (the last step of walk.h)
 *
 * A thread's slots are numbered. Blocks tell which of them they were made from, so that what is there twice (in a block
 * and still in the ring) is dropped, and what is nowhere is a gap that the report names.
 */
#include "analyzer/read/walk.h"
#include "formats/codec.h"

#include <inttypes.h>

static uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

static int piece_before(const void *a, const void *b)
{
	const struct walk_piece *x = a, *y = b;

	if (x->part.thread != y->part.thread)
		return x->part.thread < y->part.thread ? -1 : 1;
	if (x->part.first_slot != y->part.first_slot)
		return x->part.first_slot < y->part.first_slot ? -1 : 1;
	if (x->defs != y->defs)
		return x->defs ? -1 : 1;
	return (x->part.offset > y->part.offset) - (x->part.offset < y->part.offset);
}

/* How far one thread's stream is known while its parts are made. */
struct stream {
	uint32_t thread;
	uint64_t known_end;  /* slots below are in some block, as definitions or as events */
	uint64_t events_end; /* slots below are in EVENTS blocks */
	uint64_t defs_end;
	bool gap;
};

static void stream_gap(struct trace *t, struct stream *s, const struct part *p)
{
	if (p->first_slot > s->known_end) {
		trace_trouble(t, p->offset, "%" PRIu64 " slots of thread %" PRIu32 " before this block are missing",
			      p->first_slot - s->known_end, t->threads.at[s->thread].number);
		t->missing_slots += p->first_slot - s->known_end;
		s->gap = true;
	}
}

static void stream_events(struct trace *t, struct stream *s, const struct part *p)
{
	struct part *part;

	if (p->first_slot < s->events_end) {
		trace_trouble(t, p->offset, "a block of %" PRIu32 " events is there twice", p->n_events);
		return;
	}
	s->events_end = p->first_slot + p->n_slots;
	part = array_push(&t->parts);
	*part = *p;
	part->after_gap = s->gap;
	s->gap = false;
}

/* Notes where a ring's new slots begin, and which run and time are in force there. */
static void ring_skip(struct trace_ring *ring, const uint8_t shapes[256], uint64_t skip)
{
	struct pt_event ev;
	struct pt_def def;
	bool is_def;

	for (size_t next = 0; ring->base_slot + ring->first_new < skip; ring->first_new = next) {
		if (pt_slots_next(ring->slots, ring->n, &next, shapes, &is_def, &ev, &def) <= 0) {
			ring->first_new = ring->n;
			return;
		}
		if (is_def || (ev.op != PT_OP_RUN && ev.op != PT_OP_TIME))
			continue;
		ring->ns = ev.size;
		if (ev.op == PT_OP_RUN)
			ring->run = ev.addr;
	}
}

/* A ring's new slots as a part. Its definitions from slot `skip_defs` on are loaded: those before are in blocks. */
static struct part ring_part(struct walk *w, const struct trace_ring *ring, uint64_t skip_defs)
{
	struct trace *t = w->t;
	struct part p = { .offset = ring->offset,
			  .thread = ring->thread,
			  .first_run = ring->run,
			  .first_ns = ring->ns,
			  .last_ns = ring->ns,
			  .first_slot = ring->base_slot + ring->first_new,
			  .n_slots = ring->n - ring->first_new };
	struct pt_event ev;
	struct pt_def def;
	bool is_def;
	int got;

	p.ring = mem_alloc(ring->n * sizeof *p.ring);
	for (size_t at = 0, next = 0;; at = next) {
		got = pt_slots_next(ring->slots, ring->n, &next, t->defs.shapes, &is_def, &ev, &def);
		if (got <= 0)
			break;
		if (is_def && ring->base_slot + at >= skip_defs)
			defs_add(&t->defs, &def);
		if (is_def || at < ring->first_new)
			continue;
		p.ring[p.n_events++] = ev;
		if (ev.op == PT_OP_RUN || ev.op == PT_OP_TIME)
			p.last_ns = ev.size;
	}
	if (got < 0) {
		trace_trouble(t, ring->offset, "the ring of thread %" PRIu32 " holds a slot that makes no sense",
			      t->threads.at[ring->thread].number);
		t->n_damaged++;
	}
	return p;
}

/* Blocks made from slots that are still in the ring, but damaged, are given up in favour of the ring. */
static void drop_damaged_in_ring(struct walk *w, struct stream *s, const struct trace_ring *ring, size_t first_part)
{
	struct trace *t = w->t;

	while (t->parts.n > first_part) {
		const struct part *last = &t->parts.at[t->parts.n - 1];

		if (last->ring || last->first_slot + last->n_slots <= ring->base_slot ||
		    last->first_slot < ring->base_slot || unpack_is_sound(t, last->offset))
			break;
		s->gap |= last->after_gap;
		t->parts.n--;
	}
	s->events_end = 0;
	if (t->parts.n > first_part)
		s->events_end = t->parts.at[t->parts.n - 1].first_slot + t->parts.at[t->parts.n - 1].n_slots;
}

static void stream_rings(struct walk *w, struct stream *s, size_t first_part, size_t *next_ring)
{
	struct trace *t = w->t;

	for (; *next_ring < t->rings.n && t->rings.at[*next_ring].thread == s->thread; ++*next_ring) {
		struct trace_ring *ring = &t->rings.at[*next_ring];
		struct part p;

		t->threads.at[s->thread].tid = ring->tid;
		drop_damaged_in_ring(w, s, ring, first_part);
		ring_skip(ring, t->defs.shapes, s->events_end);
		p = ring_part(w, ring, s->defs_end);
		stream_gap(t, s, &p);
		if (p.n_events)
			stream_events(t, s, &p);
		else
			free(p.ring);
		s->known_end = max_u64(s->known_end, p.first_slot + p.n_slots);
	}
}

static void stream_thread(struct walk *w, uint32_t thread, size_t *piece, size_t *ring)
{
	struct trace *t = w->t;
	struct stream s = { .thread = thread };
	size_t first_part = t->parts.n;

	for (; *piece < w->pieces.n && w->pieces.at[*piece].part.thread == thread; ++*piece) {
		const struct walk_piece *p = &w->pieces.at[*piece];
		uint64_t end = p->part.first_slot + p->part.n_slots;

		stream_gap(t, &s, &p->part);
		s.known_end = max_u64(s.known_end, end);
		if (p->defs)
			s.defs_end = max_u64(s.defs_end, end);
		else
			stream_events(t, &s, &p->part);
	}
	stream_rings(w, &s, first_part, ring);
	for (size_t i = first_part; i < t->parts.n; i++) {
		struct trace_thread *th = &t->threads.at[thread];
		struct part *p = &t->parts.at[i];

		/* Runs only go up in a thread; a header that says else would make the merge give up its order. */
		if (i > first_part)
			p->first_run = max_u64(p->first_run, p[-1].first_run);
		else
			th->first_ns = p->first_ns;
		th->n_events += p->n_events;
		th->last_ns = max_u64(th->last_ns, p->last_ns);
	}
}

static int ring_before(const void *a, const void *b)
{
	const struct trace_ring *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return (x->base_slot > y->base_slot) - (x->base_slot < y->base_slot);
}

static int part_before(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->first_run != y->first_run)
		return x->first_run < y->first_run ? -1 : 1;
	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return (x->first_slot > y->first_slot) - (x->first_slot < y->first_slot);
}

void walk_parts(struct walk *w)
{
	struct trace *t = w->t;
	size_t piece = 0, ring = 0;

	if (t->rings.n)
		qsort(t->rings.at, t->rings.n, sizeof *t->rings.at, ring_before);
	if (w->pieces.n)
		qsort(w->pieces.at, w->pieces.n, sizeof *w->pieces.at, piece_before);
	for (uint32_t thread = 0; thread < t->threads.n; thread++)
		stream_thread(w, thread, &piece, &ring);
	for (size_t i = 0; i < t->parts.n; i++) {
		t->n_events += t->parts.at[i].n_events;
		t->end_ns = max_u64(t->end_ns, t->parts.at[i].last_ns);
	}
	if (t->parts.n)
		qsort(t->parts.at, t->parts.n, sizeof *t->parts.at, part_before);
}
