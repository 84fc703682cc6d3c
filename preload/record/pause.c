/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause: the map of what was handed out in this pause
 *
 * Two levels: pieces of 256 MiB of address, and in each a byte for 16 bytes, touched where blocks are. A block of less
 * than 16 bytes that begins in between has none: it counts as known, which costs an event that means nothing.
 */
#include "preload/record/pause.h"
#include "preload/base/arena.h"
#include "preload/record/emit.h"
#include "preload/base/os.h"

#include <sys/mman.h>

enum {
	GRAIN_BITS = 4,
	PIECE_BITS = 28, /* of address */
	PIECE_BYTES = 1 << (PIECE_BITS - GRAIN_BITS),
	PIECES = 1 << (48 - PIECE_BITS),
	NUMBERS = 255,   /* of pauses, until the map is wiped */
	LOOK_TIMES = 16, /* hooks that pass between two looks at the clock, times as many as events would */
	QUIET_MS = 20,   /* within which every thread should have been outside of the tracer's code once */
};

static _Atomic(_Atomic(uint8_t) *) *pieces; /* NULL: no map */
static uint32_t last_number;
static struct lock lock, adding;

/* ---- the map ---- */

static _Atomic(uint8_t) *add_piece(uintptr_t i)
{
	_Atomic(uint8_t) *piece;

	lock_take(&adding);
	piece = atomic_load(&pieces[i]);
	if (!piece) {
		piece = arena_map(PIECE_BYTES);
		atomic_store(&pieces[i], piece);
	}
	lock_drop(&adding);
	return piece;
}

/* The byte of a block; NULL: it has none. */
static inline _Atomic(uint8_t) *note_of(const void *p, bool add)
{
	uintptr_t address = (uintptr_t)p & PT_ADDRESS_MASK, i = address >> PIECE_BITS;
	_Atomic(uint8_t) *piece;

	if (!pieces || address & ((1 << GRAIN_BITS) - 1))
		return NULL;
	piece = atomic_load_explicit(&pieces[i], memory_order_acquire);
	if (unlikely(!piece) && add)
		piece = add_piece(i);
	return piece ? piece + ((address & ((UINT64_C(1) << PIECE_BITS) - 1)) >> GRAIN_BITS) : NULL;
}

/* What was handed out in the pause that lasts is noted with its number. */
static inline void note(const void *p, uint32_t paused)
{
	_Atomic(uint8_t) *at = paused <= NUMBERS ? note_of(p, true) : NULL;

	if (at)
		atomic_store_explicit(at, (uint8_t)paused, memory_order_relaxed);
}

static inline bool is_noted(const void *p, uint32_t paused)
{
	_Atomic(uint8_t) *at = paused <= NUMBERS ? note_of(p, false) : NULL;

	return paused == PAUSE_EMPTY || (at && atomic_load_explicit(at, memory_order_relaxed) == paused);
}

static inline void forget(const void *p)
{
	_Atomic(uint8_t) *at = note_of(p, false);

	if (at)
		atomic_store_explicit(at, 0, memory_order_relaxed);
}

static uint32_t now(void) { return atomic_load_explicit(&tracer_paused, memory_order_relaxed); }

bool pause_knows(const void *p) { return !is_noted(p, now()); }

/* ---- hooks ---- */

/* The clock, and what hangs on it, as events would do it. */
static inline void look(struct thread *t)
{
	if (likely(t->passes && t->look_at)) {
		t->passes--;
		return;
	}
	emit_look(t);
	t->passes = t->clock_interval * LOOK_TIMES;
}

static bool is_no_memory(enum pt_layer layer)
{
	return layer == PT_LAYER_ARENA || layer == PT_LAYER_FILE || layer == PT_LAYER_RESERVE || layer == PT_LAYER_HEAP;
}

static void tell(struct thread *t, enum pt_memory_kind kind, enum pt_layer layer, const void *p, uint64_t size)
{
	emit_memory(t, pt_memory_op(kind, layer), (uintptr_t)p, size, 0);
}

void pause_alloc(struct thread *t, enum pt_layer layer, const void *p, size_t size)
{
	if (unlikely(layer == PT_LAYER_ARENA)) {
		tell(t, PT_ALLOC, layer, p, size);
		return;
	}
	look(t);
	note(p, now());
}

void pause_free(struct thread *t, enum pt_layer layer, const void *p)
{
	uint32_t paused = now();

	if (paused && layer != PT_LAYER_ARENA && is_noted(p, paused)) {
		look(t);
		forget(p);
		return;
	}
	tell(t, PT_FREE, layer, p, layer == PT_LAYER_OBJECT ? py_block_type(t, p) : 0);
}

uint32_t pause_move(struct thread *t, enum pt_layer layer, const void *p)
{
	uint32_t paused = now();

	if (is_noted(p, paused)) {
		look(t);
		forget(p);
		return PAUSE_UNKNOWN_BLOCK;
	}
	tell(t, PT_MOVE_BEGIN, layer, p, 0);
	return PT_STACK_KEPT;
}

void pause_moved(const void *p)
{
	if (p)
		note(p, now());
}

/* Address space is followed: it is seldom taken, and what is cut into blocks now may hold recorded ones later. Of what
 * counts as memory only what goes is told: a mapping that is made where a recorded one was takes its place. */
void pause_range(struct thread *t, enum pt_memory_kind kind, enum pt_layer layer, const void *p, size_t bytes)
{
	if (kind == PT_MAP && layer == PT_LAYER_MOVED)
		emit_memory(t, pt_memory_op(kind, layer), (uintptr_t)p, bytes, PT_STACK_KEPT);
	else if (kind == PT_MAP && !is_no_memory(layer))
		tell(t, PT_UNMAP, layer, p, bytes);
	else
		tell(t, kind, layer, p, bytes);
}

/* ---- stopping and starting ---- */

static void wait_until_outside(struct thread *t, void *arg)
{
	uint64_t *until = arg;

	while (t != thread_self && atomic_load(&t->depth) == DEPTH_OWN && os_mono_ns() < *until)
		os_yield();
	if (t != thread_self && atomic_load(&t->depth) == DEPTH_OWN)
		*until = 0;
}

/* No thread writes to the map any more, for the word said that nothing is paused. */
static bool wipe_map(void)
{
	uint64_t until = os_mono_ns() + QUIET_MS * UINT64_C(1000000);

	if (!os_barrier())
		return false;
	thread_each(wait_until_outside, &until);
	if (!until)
		return false;
	for (unsigned i = 0; i < PIECES; i++)
		if (atomic_load(&pieces[i]))
			os_advise((void *)atomic_load(&pieces[i]), PIECE_BYTES, MADV_DONTNEED);
	return true;
}

/* With the lock. */
static uint32_t next_number(void)
{
	if (!pieces)
		pieces = arena_map(PIECES * sizeof *pieces);
	if (!pieces)
		return PAUSE_BLIND;
	if (last_number == NUMBERS && !wipe_map())
		return PAUSE_BLIND;
	last_number = last_number % NUMBERS + 1;
	return last_number;
}

void pause_from_start(void) { atomic_store(&tracer_paused, PAUSE_EMPTY); }

void pause_tell(struct thread *t, enum pt_pause why)
{
	if (tracer_is_paused())
		emit_pair(t, PT_OP_PAUSE, why, 0);
}

bool pause_set(struct thread *t, bool paused, enum pt_pause why)
{
	bool changes;

	lock_take(&lock);
	changes = tracer_is_paused() != paused;
	if (changes && paused) {
		atomic_store(&tracer_paused, next_number());
		emit_pair(t, PT_OP_PAUSE, why, 0);
	} else if (changes) {
		uint32_t idle = TRACER_IDLE;

		emit_pair(t, PT_OP_RESUME, why, 0);
		atomic_store(&tracer_paused, 0);
		atomic_compare_exchange_strong(&tracer.state, &idle, TRACER_ON);
	}
	lock_drop(&lock);
	return changes;
}

void pause_after_fork(void)
{
	lock_drop(&lock);
	lock_drop(&adding);
}
