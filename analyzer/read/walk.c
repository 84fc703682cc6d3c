/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/read/walk.h"
#include "formats/codec.h"

#include <inttypes.h>
#include <string.h>

/* Numbers of slots are counted in 64 bits; beyond this they are damage, and adding two of them can't overflow. */
#define MAX_SLOT (UINT64_C(1) << 60)

static uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

static uint32_t thread_index(struct walk *w, uint32_t number)
{
	uint32_t *index = map_at(&w->thread_of, number);

	if (*index == MAP_NONE) {
		*index = (uint32_t)w->t->threads.n;
		*array_push(&w->t->threads) = (struct trace_thread){ .number = number };
	}
	return *index;
}

/* ---- blocks ---- */

static bool header_at(const struct trace *t, uint64_t offset, struct pt_block *ret)
{
	if (offset > t->file_bytes || t->file_bytes - offset < sizeof *ret)
		return false;
	memcpy(ret, t->map + offset, sizeof *ret);
	return pt_block_is_valid(ret);
}

static bool fits(const struct trace *t, uint64_t offset, const struct pt_block *b)
{
	return b->stored_bytes <= t->file_bytes - offset - sizeof *b;
}

static uint64_t after(uint64_t offset, const struct pt_block *b)
{
	return (offset + sizeof *b + b->stored_bytes + PT_BLOCK_ALIGN - 1) & ~(uint64_t)(PT_BLOCK_ALIGN - 1);
}

static void note_piece(struct walk *w, uint64_t offset, const struct pt_block *b)
{
	*array_push(&w->pieces) = (struct walk_piece){
		.part = {
			.offset = offset, .first_slot = b->first_slot, .n_slots = b->n_slots, .first_run = b->first_run,
			.first_ns = b->first_ns, .last_ns = b->last_ns, .n_events = b->n_events,
			.thread = thread_index(w, b->thread),
		},
		.defs = b->kind == PT_BLOCK_DEFS,
	};
}

static void note_footer(struct walk *w, uint64_t offset)
{
	struct trace *t = w->t;
	const uint8_t *data;
	size_t len;
	const char *fault = unpack_payload(w->unpacker, t, offset, &data, &len);

	if (fault || len < sizeof t->footer) {
		trace_trouble(t, offset, "the footer %s", fault ? fault : "is too short");
		t->n_damaged++;
		return;
	}
	memcpy(&t->footer, data, sizeof t->footer);
	t->footer_found = true;
	data += sizeof t->footer;
	len -= sizeof t->footer;
	for (uint64_t i = 0; i < t->footer.n && (i + 1) * 16 <= len; i++) {
		uint64_t pair[2];

		memcpy(pair, data + i * sizeof pair, sizeof pair);
		if (pair[0] < 256)
			t->footer_counts[pair[0]] = pair[1];
	}
}

static void note_block(struct walk *w, uint64_t offset, const struct pt_block *b)
{
	struct trace *t = w->t;
	const char *fault = b->kind == PT_BLOCK_RING || b->kind == PT_BLOCK_PAD ? NULL : unpack_header_fault(b);

	if (!fault && (b->first_slot > MAX_SLOT || b->n_slots > MAX_SLOT))
		fault = "has a wrong place in its thread";
	if (fault) {
		trace_trouble(t, offset, "a block of %" PRIu32 " bytes %s", b->stored_bytes, fault);
		t->n_damaged++;
		return;
	}
	if (b->kind == PT_BLOCK_DEFS || b->kind == PT_BLOCK_EVENTS)
		note_piece(w, offset, b);
	else if (b->kind == PT_BLOCK_RING)
		*array_push(&w->ring_at) = offset;
	else if (b->kind == PT_BLOCK_FOOTER)
		note_footer(w, offset);
	t->n_blocks += b->kind == PT_BLOCK_DEFS || b->kind == PT_BLOCK_EVENTS;
}

/* The next place at or after `offset` where a sound block starts; the end of the file if there is none. */
static uint64_t resync(const struct trace *t, uint64_t offset)
{
	struct pt_block b;

	for (; offset + sizeof b <= t->file_bytes; offset += PT_BLOCK_ALIGN) {
		uint32_t magic;

		memcpy(&magic, t->map + offset, sizeof magic);
		if (magic == PT_BLOCK_MAGIC && header_at(t, offset, &b) && fits(t, offset, &b))
			return offset;
	}
	return t->file_bytes;
}

static bool is_zero(const uint8_t *p, uint64_t n)
{
	return !n || (!*p && !memcmp(p, p + 1, n - 1));
}

/*
 * Notes what lies between two sound blocks, or between the last one and the end. Zeros are no damage: rings are
 * aligned, and a thread may be killed after it reserved a place and before it filled it.
 */
static void note_hole(struct walk *w, uint64_t from, uint64_t to)
{
	struct trace *t = w->t;
	struct pt_block b;

	if (is_zero(t->map + from, to - from))
		return;
	if (header_at(t, from, &b) && !fits(t, from, &b) && to == t->file_bytes) {
		t->cut_at = t->file_bytes;
		trace_trouble(t, from, "the trace is cut at byte %" PRIu64 ", in the middle of this block", t->file_bytes);
		return;
	}
	if (to - from < sizeof b && to == t->file_bytes) {
		t->cut_at = t->file_bytes;
		trace_trouble(t, from, "the trace is cut at byte %" PRIu64, t->file_bytes);
		return;
	}
	trace_trouble(t, from, "%" PRIu64 " bytes hold no sound block", to - from);
	t->n_damaged++;
}

void walk_blocks(struct walk *w)
{
	struct trace *t = w->t;
	struct pt_block b;

	while (w->at < t->file_bytes) {
		if (header_at(t, w->at, &b) && fits(t, w->at, &b)) {
			note_block(w, w->at, &b);
			w->at = after(w->at, &b);
		} else if (w->at >= w->end) {
			break;
		} else {
			uint64_t next = resync(t, w->at + PT_BLOCK_ALIGN);
			uint64_t hole_end = next == t->file_bytes && w->end < next ? w->end : next;

			note_hole(w, w->at, hole_end);
			w->at = next;
		}
	}
}

/* ---- rings ---- */

/*
 * Copies one ring. Its owner may be alive and start it anew while we look: x_base_slot tells, and we look again. What
 * we miss then is in a block by now.
 */
static void copy_ring(struct walk *w, uint64_t offset)
{
	const struct trace *t = w->t;
	const uint8_t *ring_bytes = t->map + offset + sizeof(struct pt_block);
	struct walk_ring ring = { .offset = offset };
	struct pt_block b;
	struct pt_ring again;

	memcpy(&b, t->map + offset, sizeof b);
	for (int tries = 0; tries < 8; tries++) {
		memcpy(&ring.head, ring_bytes, sizeof ring.head);
		if (b.stored_bytes < sizeof ring.head || ring.head.slots_offset < sizeof b + sizeof ring.head ||
		    ring.head.slots_offset + (uint64_t)ring.head.n_slots * sizeof(struct pt_slot) >
			    sizeof b + b.stored_bytes ||
		    ring.head.x_base_slot > MAX_SLOT) {
			trace_trouble(w->t, offset, "a ring's head is damaged");
			w->t->n_damaged++;
			return;
		}
		ring.n = ring.head.x_head < ring.head.n_slots ? ring.head.x_head : ring.head.n_slots;
		if (!ring.head.x_thread || !ring.n)
			return;
		ring.slots = mem_resize(ring.slots, ring.n, sizeof *ring.slots);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		memcpy(ring.slots, t->map + offset + ring.head.slots_offset, ring.n * sizeof *ring.slots);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		memcpy(&again, ring_bytes, sizeof again);
		if (again.x_base_slot == ring.head.x_base_slot && again.x_thread == ring.head.x_thread &&
		    again.x_head >= ring.head.x_head) {
			*array_push(&w->rings) = ring;
			return;
		}
	}
	free(ring.slots);
}

void walk_rings(struct walk *w)
{
	for (size_t i = 0; i < w->ring_at.n; i++)
		copy_ring(w, w->ring_at.at[i]);
}

/* ---- definitions ---- */

/* Whether a ring still holds the slots that a block was made from: a write that was cut short by a kill. */
static bool in_ring(const struct walk *w, const struct part *p)
{
	for (size_t i = 0; i < w->rings.n; i++)
		if (w->rings.at[i].head.x_thread == w->t->threads.at[p->thread].number &&
		    p->first_slot >= w->rings.at[i].head.x_base_slot)
			return true;
	return false;
}

static void read_defs(struct walk *w, struct walk_piece *piece)
{
	struct trace *t = w->t;
	struct pt_def_cursor cursor = { 0 };
	struct pt_def def;
	size_t len;
	const char *fault = unpack_payload(w->unpacker, t, piece->part.offset, &cursor.at, &len);
	int got = 0;

	if (!fault) {
		cursor.end = cursor.at + len;
		while ((got = pt_decode_def(&cursor, t->defs.shapes, &def)) > 0)
			defs_add(&t->defs, &def);
		if (got < 0)
			fault = "holds definitions that make no sense";
	}
	if (fault)
		piece->part.n_slots = 0; /* what is in a ring is not lost, and what is nowhere is a gap */
	if (fault && !in_ring(w, &piece->part)) {
		trace_trouble(t, piece->part.offset, "a block of %" PRIu32 " definitions %s", piece->part.n_events, fault);
		t->n_damaged++;
	}
}

void walk_defs(struct walk *w)
{
	for (size_t i = 0; i < w->pieces.n; i++)
		if (w->pieces.at[i].defs)
			read_defs(w, &w->pieces.at[i]);
}

/* ---- parts ---- */

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

/* A ring as a part: its events from slot `skip` on; its definitions from slot `skip_defs` on. */
static struct part ring_part(struct walk *w, const struct walk_ring *ring, uint64_t skip, uint64_t skip_defs)
{
	struct trace *t = w->t;
	struct part p = { .offset = ring->offset, .thread = thread_index(w, ring->head.x_thread),
			  .first_slot = max_u64(skip, ring->head.x_base_slot), .first_run = ring->head.x_run,
			  .first_ns = ring->head.x_ns, .last_ns = ring->head.x_ns };
	struct pt_event ev;
	struct pt_def def;
	bool is_def;
	int got;

	p.ring = mem_alloc(ring->n * sizeof *p.ring);
	for (size_t at = 0, next = 0;; at = next) {
		uint64_t slot = ring->head.x_base_slot + at;

		got = pt_slots_next(ring->slots, ring->n, &next, t->defs.shapes, &is_def, &ev, &def);
		if (got <= 0)
			break;
		if (is_def && slot >= skip_defs)
			defs_add(&t->defs, &def);
		if (is_def)
			continue;
		if (slot >= skip)
			p.ring[p.n_events++] = ev;
		if (ev.op == PT_OP_RUN || ev.op == PT_OP_TIME)
			p.last_ns = ev.size;
		if (slot < skip && (ev.op == PT_OP_RUN || ev.op == PT_OP_TIME))
			p.first_ns = ev.size;
		if (slot < skip && ev.op == PT_OP_RUN)
			p.first_run = ev.addr;
	}
	p.n_slots = ring->head.x_base_slot + ring->n - p.first_slot;
	if (got < 0) {
		trace_trouble(t, ring->offset, "the ring of thread %" PRIu32 " holds a slot that makes no sense",
			      ring->head.x_thread);
		t->n_damaged++;
	}
	return p;
}

/* Blocks made from slots that are still in the ring, but damaged, are given up in favour of the ring. */
static void drop_damaged_in_ring(struct walk *w, struct stream *s, const struct walk_ring *ring, size_t first_part)
{
	struct trace *t = w->t;

	while (t->parts.n > first_part) {
		const struct part *last = &t->parts.at[t->parts.n - 1];

		if (last->ring || last->first_slot + last->n_slots <= ring->head.x_base_slot ||
		    last->first_slot < ring->head.x_base_slot || unpack_is_sound(t, last->offset))
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

	for (; *next_ring < w->rings.n && w->rings.at[*next_ring].thread == s->thread; ++*next_ring) {
		const struct walk_ring *ring = &w->rings.at[*next_ring];
		struct part p;

		t->threads.at[s->thread].tid = ring->head.x_tid;
		drop_damaged_in_ring(w, s, ring, first_part);
		p = ring_part(w, ring, s->events_end, s->defs_end);
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
	t->threads.at[thread].next_slot = s.known_end;
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
	const struct walk_ring *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return (x->head.x_base_slot > y->head.x_base_slot) - (x->head.x_base_slot < y->head.x_base_slot);
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

	for (size_t i = 0; i < w->rings.n; i++)
		w->rings.at[i].thread = thread_index(w, w->rings.at[i].head.x_thread);
	if (w->rings.n)
		qsort(w->rings.at, w->rings.n, sizeof *w->rings.at, ring_before);
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

void walk_done(struct walk *w)
{
	for (size_t i = 0; i < w->rings.n; i++)
		free(w->rings.at[i].slots);
	array_free(&w->rings);
	array_free(&w->ring_at);
	array_free(&w->pieces);
	map_free(&w->thread_of);
	unpack_free(w->unpacker);
}
