/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring: rings come from the file and go back to a list; packers turn their slots into blocks.
 *
 * A packer is the work memory of one packing: codec, columns, zstd context, output. They are few (one per thread that
 * packs at the same moment), kept for ever, and taken from a list.
 *
 * The order of stores when a ring is emptied matters, because the process may be killed between any two of them: the
 * blocks are in the file first; then x_head = 0 (the ring holds nothing); then what its first slot would be. A reader
 * that sees both the block and the old ring drops the slots that the block has.
 */
#include "preload/record/ring.h"
#include "preload/base/arena.h"
#include "preload/base/os.h"
#include "preload/record/sink.h"

#include "formats/codec.h"

#include <string.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

enum { ZSTD_LEVEL = -3, PACK_LEAST_FOR_ZSTD = 64 };

struct packer {
	struct packer *next;
	struct pt_codec *codec;
	uint8_t *events, *defs; /* columns of one ring, unpacked */
	uint8_t *out;           /* blocks, as written */
	size_t out_bytes;
	uint64_t op_counts[256]; /* here, not on the traced thread's stack */
	ZSTD_CCtx *zstd;
	void *zstd_memory;
};

static struct lock lock;
static struct ring *rings;
static struct packer *packers;
static struct ring_totals totals;

/* ---- packers ---- */

static struct packer *new_packer(void)
{
	struct packer *p = arena_alloc(sizeof *p);
	size_t bound = pt_encode_bound(RING_LARGE), zstd_bytes = ZSTD_estimateCCtxSize(ZSTD_LEVEL);

	if (!p)
		return NULL;
	p->out_bytes = 2 * (sizeof(struct pt_block) + ZSTD_compressBound(bound));
	p->codec = arena_map(pt_encoder_bytes());
	p->events = arena_map(bound);
	p->defs = arena_map(bound);
	p->out = arena_map(p->out_bytes);
	p->zstd_memory = arena_map(zstd_bytes);
	if (!p->codec || !p->events || !p->defs || !p->out || !p->zstd_memory)
		return NULL; /* a few mappings are lost with the last hope of recording */
	p->zstd = ZSTD_initStaticCCtx(p->zstd_memory, zstd_bytes);
	return p->zstd ? p : NULL;
}

static struct packer *take_packer(void)
{
	struct packer *p;

	lock_take(&lock);
	p = packers;
	if (p)
		packers = p->next;
	lock_drop(&lock);
	return p ? p : new_packer();
}

static void drop_packer(struct packer *p)
{
	lock_take(&lock);
	p->next = packers;
	packers = p;
	lock_drop(&lock);
}

/* ---- blocks ---- */

/* Compresses a payload behind its header at `out`; returns the block's size, a multiple of PT_BLOCK_ALIGN. */
static size_t put_block(struct packer *p, uint8_t *out, struct pt_block *b, const uint8_t *payload, size_t bytes)
{
	uint8_t *stored = out + sizeof *b;
	size_t n = bytes < PACK_LEAST_FOR_ZSTD
			   ? 0
			   : ZSTD_compressCCtx(p->zstd, stored, ZSTD_compressBound(bytes), payload, bytes, ZSTD_LEVEL);
	size_t total;

	b->flags = PT_BLOCK_ZSTD;
	if (!n || ZSTD_isError(n) || n >= bytes) {
		memcpy(stored, payload, bytes);
		n = bytes;
		b->flags = 0;
	}
	b->raw_bytes = (uint32_t)bytes;
	b->stored_bytes = (uint32_t)n;
	b->payload_xxh3 = pt_xxh3(stored, n);
	pt_block_seal(b);
	memcpy(out, b, sizeof *b);
	total = (sizeof *b + n + PT_BLOCK_ALIGN - 1) / PT_BLOCK_ALIGN * PT_BLOCK_ALIGN;
	memset(stored + n, 0, total - sizeof *b - n);
	return total;
}

static void add_totals(const struct pt_encoded *e, unsigned n_blocks, uint64_t op_counts[256])
{
	lock_take(&lock);
	totals.n_events += e->n_events;
	totals.n_defs += e->n_defs;
	totals.n_blocks += n_blocks;
	for (int i = 0; i < 256; i++)
		totals.op_counts[i] += op_counts[i];
	lock_drop(&lock);
	memset(op_counts, 0, 256 * sizeof op_counts[0]);
}

/* Both blocks go out in one write, definitions first. The block of events is always there and last: it tells the reader
 * that the ring's slots are in the file. */
static bool write_blocks(struct thread *t, struct packer *p)
{
	struct pt_encoded e = pt_encode(p->codec, t->slots, t->head, p->events, p->defs, p->op_counts);
	struct pt_block b = {
		.thread = t->number,
		.first_slot = t->base_slot,
		.n_slots = t->head,
		.first_run = t->shared->x_run,
		.first_ns = t->shared->x_ns,
		.last_ns = t->last_ns,
	};
	size_t bytes = 0;
	unsigned n_blocks = 1;
	uint64_t offset;

	if (e.n_defs) {
		b.kind = PT_BLOCK_DEFS;
		b.n_events = e.n_defs;
		bytes += put_block(p, p->out + bytes, &b, p->defs, e.defs_bytes);
		n_blocks++;
	}
	b.kind = PT_BLOCK_EVENTS;
	b.n_events = e.n_events;
	bytes += put_block(p, p->out + bytes, &b, p->events, e.events_bytes);
	offset = sink_reserve(bytes, PT_BLOCK_ALIGN);
	if (!offset || !sink_write(p->out, bytes, offset))
		return false;
	sink_reached(t->last_ns);
	add_totals(&e, n_blocks, p->op_counts);
	return true;
}

/* See the order of stores above. */
static void start_anew(struct thread *t)
{
	struct pt_ring *r = t->shared;

	t->look_at = 0;
	__atomic_store_n(&r->x_head, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&r->x_base_slot, t->base_slot, __ATOMIC_RELEASE);
	__atomic_store_n(&r->x_run, t->run, __ATOMIC_RELEASE);
	__atomic_store_n(&r->x_ns, t->last_ns, __ATOMIC_RELEASE);
}

static uint32_t next_size(const struct thread *t) { return t->base_slot < RING_BUSY ? RING_MEDIUM : RING_LARGE; }

static void grow_ring(struct thread *t)
{
	struct ring *old = t->ring;

	if (t->dying || t->n_slots >= next_size(t) || !ring_take(t, next_size(t)))
		return;
	__atomic_store_n(&old->shared->x_thread, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&old->shared->x_head, 0, __ATOMIC_RELEASE); /* a gap, for sink_close() */
	lock_take(&lock);
	old->owner = NULL;
	lock_drop(&lock);
}

bool ring_pack(struct thread *t)
{
	struct packer *p;
	bool ok = true;

	if (!sink_is_open())
		return false;
	if (t->head) {
		p = take_packer();
		if (!p) {
			sink_stop(PT_STOP_MEMORY);
			return false;
		}
		ok = write_blocks(t, p);
		drop_packer(p);
	}
	if (!ok)
		return false;
	t->base_slot += t->head;
	if (t->head + RING_SPARE > t->n_slots)
		grow_ring(t);
	t->head = 0;
	start_anew(t);
	return true;
}

/* ---- rings ---- */

static void put_ring_header(struct ring *r, uint64_t bytes)
{
	struct pt_block b = {
		.kind = PT_BLOCK_RING,
		.stored_bytes = (uint32_t)(bytes - sizeof b),
		.raw_bytes = (uint32_t)(bytes - sizeof b),
	};

	pt_block_seal(&b);
	r->shared->n_slots = r->n_slots;
	r->shared->slots_offset = (uint32_t)OS_PAGE;
	memcpy((uint8_t *)r->shared - sizeof b, &b, sizeof b);
}

static struct ring *new_ring(uint32_t n_slots)
{
	uint64_t bytes = ring_bytes(n_slots), offset = sink_reserve(bytes, OS_PAGE);
	struct ring *r = arena_alloc(sizeof *r);
	char *page;

	if (!offset || !r)
		return NULL;
	page = sink_map(offset, bytes);
	if (!page)
		return NULL;
	*r = (struct ring){
		.shared = (struct pt_ring *)(page + sizeof(struct pt_block)),
		.slots = (struct pt_slot *)(page + OS_PAGE),
		.offset = offset,
		.n_slots = n_slots,
	};
	put_ring_header(r, bytes);
	return r;
}

/* A free ring of that size, or one whose owner is gone. */
static struct ring *find_ring(uint32_t n_slots, struct thread **ret_dead)
{
	*ret_dead = NULL;
	for (struct ring *r = rings; r; r = r->next) {
		if (r->n_slots != n_slots)
			continue;
		if (!r->owner)
			return r;
		if (r->owner->dying && !os_tid_lives(r->owner->tid)) {
			*ret_dead = r->owner;
			return r;
		}
	}
	return NULL;
}

static void give_ring(struct thread *t, struct ring *r)
{
	t->ring = r;
	t->shared = r->shared;
	t->slots = r->slots;
	t->n_slots = r->n_slots;
	t->head = 0;
	start_anew(t);
	r->shared->x_tid = t->tid;
	__atomic_store_n(&r->shared->x_thread, t->number, __ATOMIC_RELEASE);
}

bool ring_take(struct thread *t, uint32_t n_slots)
{
	struct thread *dead;
	struct ring *r;

	lock_take(&lock);
	r = find_ring(n_slots, &dead);
	if (r)
		r->owner = t;
	lock_drop(&lock);
	if (dead && !ring_pack(dead))
		return false;
	if (dead) {
		dead->ring = NULL;
		atomic_store(&dead->retired, true);
	}
	if (!r) {
		r = new_ring(n_slots);
		if (!r)
			return false;
		lock_take(&lock);
		r->owner = t;
		r->next = rings;
		rings = r;
		lock_drop(&lock);
	}
	give_ring(t, r);
	return true;
}

void ring_totals(struct ring_totals *out)
{
	lock_take(&lock);
	*out = totals;
	lock_drop(&lock);
}

void ring_each(void (*f)(const struct ring *r, void *arg), void *arg)
{
	for (const struct ring *r = rings; r; r = r->next)
		f(r, arg);
}

/* The child's memory of packers is its own copy: all of them are free, but those in use at the fork are lost. */
void ring_after_fork(void)
{
	rings = NULL;
	memset(&totals, 0, sizeof totals);
	lock_drop(&lock);
}
