/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit: one event into the ring of its thread
 *
 * The fast path makes two compares (is the run still ours? is it time to look at the clock or the ring's end?), stores
 * 16 bytes and the new head. No lock, no system call, no clock. Everything rare is behind emit_slow.
 * Who: the owner thread, with depth DEPTH_OWN.
 */
#pragma once
#include "preload/record/ring.h"

/* Makes room, reads the clock when it is time, takes a new run when another thread had one in between. False when
 * nothing more can be recorded. */
bool emit_slow(struct thread *t);
/* Looks at the clock and does what hangs on it, without an event. */
void emit_look(struct thread *t);
/* SIZE64 for a size that does not fit the slot. Needs emit_room before. */
void emit_size64(struct thread *t, uint64_t size);
/* A PAIR event. */
void emit_pair(struct thread *t, uint8_t op, uint64_t a, uint64_t b);

static inline bool emit_room(struct thread *t)
{
	if (likely(t->head < t->look_at && atomic_load_explicit(&order.run, memory_order_acquire) == t->run))
		return true;
	return emit_slow(t);
}

/* The slot is complete before the head that makes it part of the trace. */
static inline void emit_slot(struct thread *t, uint64_t head, uint32_t low, uint32_t high)
{
	t->slots[t->head] = (struct pt_slot){ head, low, high };
	atomic_signal_fence(memory_order_seq_cst);
	__atomic_store_n(&t->shared->x_head, (uint64_t)++t->head, __ATOMIC_RELEASE);
}

/* Takes back the last event, of one slot, when nothing has come since. */
static inline void emit_take_back(struct thread *t)
{
	if (!t->head)
		return;
	__atomic_store_n(&t->shared->x_head, (uint64_t)--t->head, __ATOMIC_RELEASE);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void emit_memory(struct thread *t, uint8_t op, uint64_t addr, uint64_t size, uint32_t stack)
{
	if (!emit_room(t))
		return;
	if (unlikely(size >= PT_SIZE_BIG))
		emit_size64(t, size);
	emit_slot(t, (addr & PT_ADDRESS_MASK) | (uint64_t)op << 48, size < PT_SIZE_BIG ? (uint32_t)size : PT_SIZE_BIG,
		  stack);
}
