/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/read/walk.h"
#include "formats/codec.h"

#include <inttypes.h>
#include <string.h>

static uint32_t thread_index(struct walk *w, uint32_t number)
{
	uint32_t *index = map_at(&w->thread_of, number);

	if (*index == MAP_NONE) {
		*index = (uint32_t)w->t->threads.n;
		*array_push(&w->t->threads) = (struct trace_thread){ .number = number };
		*array_push(&w->ring_base) = UINT64_MAX;
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
}

/* Its checksum is looked at now: few reports load snapshots, and what they say of types rests on them. */
static void note_snapshot(struct walk *w, uint64_t offset, const struct pt_block *b)
{
	struct trace *t = w->t;

	*array_push(&t->snapshots_at) = offset;
	if (unpack_is_sound(t, offset))
		return;
	trace_trouble(t, offset, "a block of %" PRIu32 " objects has a wrong checksum", b->n_events);
	t->n_damaged++;
}

static void note_block(struct walk *w, uint64_t offset, const struct pt_block *b)
{
	struct trace *t = w->t;
	const char *fault = b->kind == PT_BLOCK_RING || b->kind == PT_BLOCK_PAD ? NULL : unpack_header_fault(b);

	if (!fault && (b->first_slot > WALK_MAX_SLOT || b->n_slots > WALK_MAX_SLOT))
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
	else if (b->kind == PT_BLOCK_SNAPSHOT)
		note_snapshot(w, offset, b);
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

static bool is_zero(const uint8_t *p, uint64_t n) { return !n || (!*p && !memcmp(p, p + 1, n - 1)); }

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
		trace_trouble(t, from, "the trace is cut at byte %" PRIu64 ", in the middle of this block",
			      t->file_bytes);
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

static bool ring_is_sound(const struct pt_block *b, const struct pt_ring *r)
{
	return b->stored_bytes >= sizeof *r && r->slots_offset >= sizeof *b + sizeof *r &&
	       r->slots_offset + (uint64_t)r->n_slots * sizeof(struct pt_slot) <= sizeof *b + b->stored_bytes &&
	       r->x_base_slot <= WALK_MAX_SLOT;
}

static void note_ring(struct walk *w, uint64_t offset, const struct pt_ring *r, struct pt_slot *slots, size_t n)
{
	uint32_t thread = thread_index(w, r->x_thread);

	*array_push(&w->t->rings) = (struct trace_ring){
		.offset = offset,
		.thread = thread,
		.tid = r->x_tid,
		.slots = slots,
		.n = n,
		.base_slot = r->x_base_slot,
		.run = r->x_run,
		.ns = r->x_ns,
	};
	if (r->x_base_slot < w->ring_base.at[thread])
		w->ring_base.at[thread] = r->x_base_slot;
}

/*
 * Copies one ring. Its owner may be alive and start it anew while we look: x_base_slot tells, and we look again. What
 * we miss then is in a block by now.
 */
static void copy_ring(struct walk *w, uint64_t offset)
{
	const uint8_t *block = w->t->map + offset;
	struct pt_slot *slots = NULL;
	struct pt_ring head, again;
	struct pt_block b;
	size_t n;

	memcpy(&b, block, sizeof b);
	for (int tries = 0; tries < 8; tries++) {
		memcpy(&head, block + sizeof b, sizeof head);
		if (!ring_is_sound(&b, &head)) {
			trace_trouble(w->t, offset, "a ring's head is damaged");
			w->t->n_damaged++;
			break;
		}
		n = head.x_head < head.n_slots ? head.x_head : head.n_slots;
		if (!head.x_thread || !n)
			break;
		slots = mem_resize(slots, n, sizeof *slots);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		memcpy(slots, block + head.slots_offset, n * sizeof *slots);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		memcpy(&again, block + sizeof b, sizeof again);
		if (again.x_base_slot == head.x_base_slot && again.x_thread == head.x_thread &&
		    again.x_head >= head.x_head) {
			note_ring(w, offset, &head, slots, n);
			return;
		}
	}
	free(slots);
}

void walk_rings(struct walk *w)
{
	for (size_t i = 0; i < w->ring_at.n; i++)
		copy_ring(w, w->ring_at.at[i]);
}

/* ---- definitions ---- */

/* Whether a ring still holds the slots that a block was made from: a write that was cut short by a kill. */
static bool in_ring(const struct walk *w, const struct part *p) { return p->first_slot >= w->ring_base.at[p->thread]; }

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
	else
		*array_push(&t->defs_at) = piece->part.offset;
	if (fault && !in_ring(w, &piece->part)) {
		trace_trouble(t, piece->part.offset, "a block of %" PRIu32 " definitions %s", piece->part.n_events,
			      fault);
		t->n_damaged++;
	}
}

void walk_defs(struct walk *w)
{
	for (size_t i = 0; i < w->pieces.n; i++)
		if (w->pieces.at[i].defs)
			read_defs(w, &w->pieces.at[i]);
}

void walk_done(struct walk *w)
{
	array_free(&w->ring_at);
	array_free(&w->ring_base);
	array_free(&w->pieces);
	map_free(&w->thread_of);
	unpack_free(w->unpacker);
}
