/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit: the rare parts: a full ring, the clock, a new run, large sizes
 *
 * The clock. Reading it costs as much as an event, so it is read every `clock_interval` events. The interval grows
 * to CLOCK_MAX while events come thick and falls to 1 when they come rarely: a quiet program has exact times, a busy
 * one is off by CLOCK_MAX events, which is microseconds.
 */
#include "preload/record/emit.h"
#include "preload/base/os.h"
#include "preload/record/sink.h"

enum { CLOCK_MAX = 64, CLOCK_BUSY_NS = 200000, TIME_STEP_NS = 20000 };

static void read_clock(struct thread *t)
{
	uint64_t now = os_mono_ns() - sink_start_ns(), elapsed = now - t->clock_ns;

	t->clock_interval = elapsed > CLOCK_BUSY_NS         ? 1
			    : t->clock_interval < CLOCK_MAX ? t->clock_interval * 2
							    : CLOCK_MAX;
	t->clock_ns = now;
	t->look_at = t->head + t->clock_interval;
	if (t->look_at > t->n_slots - RING_SPARE + 1)
		t->look_at = t->n_slots - RING_SPARE + 1;
	atomic_store_explicit(&order.now_ns, now, memory_order_relaxed);
}

static void emit_pair_slot(struct thread *t, uint8_t op, uint64_t a, uint64_t b)
{
	emit_slot(t, (a & PT_ADDRESS_MASK) | (uint64_t)op << 48, (uint32_t)b, (uint32_t)(b >> 32));
}

/* Takes the next run number for this thread, and says so in the ring. Between reading the word and taking it no other
 * thread can have had an event of its own run: the exchange would fail. */
static void take_run(struct thread *t, uint64_t now)
{
	uint64_t run = atomic_load(&order.run);

	while (!atomic_compare_exchange_weak(&order.run, &run, run + 1))
		;
	t->run = run + 1;
	t->last_ns = now > t->last_ns ? now : t->last_ns;
	emit_pair_slot(t, PT_OP_RUN, t->run, t->last_ns);
}

void emit_look(struct thread *t)
{
	read_clock(t);
	if (likely(!t->quiet))
		upward.tick(t);
}

bool emit_slow(struct thread *t)
{
	uint64_t now;

	if (t->head + RING_SPARE > t->n_slots && !ring_pack(t))
		return false;
	if (t->head >= t->look_at) {
		emit_look(t);
		if (t->head + RING_SPARE > t->n_slots && !ring_pack(t))
			return false;
	}
	now = atomic_load_explicit(&order.now_ns, memory_order_relaxed);
	if (atomic_load(&order.run) != t->run) {
		take_run(t, now);
	} else if (now > t->last_ns + TIME_STEP_NS) {
		t->last_ns = now;
		emit_pair_slot(t, PT_OP_TIME, 0, now);
	}
	return true;
}

void emit_size64(struct thread *t, uint64_t size) { emit_pair_slot(t, PT_OP_SIZE64, 0, size); }

/* These events are rare, and their moment matters: the clock is looked at, and its answer told exactly. */
void emit_pair(struct thread *t, uint8_t op, uint64_t a, uint64_t b)
{
	t->look_at = 0;
	if (!emit_room(t))
		return;
	if (t->clock_ns > t->last_ns) {
		t->last_ns = t->clock_ns;
		emit_pair_slot(t, PT_OP_TIME, 0, t->last_ns);
	}
	emit_pair_slot(t, op, a, b);
}
