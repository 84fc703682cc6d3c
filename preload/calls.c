/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/calls.h"
#include "preload/record/emit.h"
#include "preload/record/labels.h"
#include "preload/record/pause.h"
#include "preload/record/sink.h"
#include "preload/snapshot/snapshot.h"
#include "preload/record/thread.h"
#include "preload/watch/slots.h"
#include "preload/watch/watch.h"

/* The calling thread's struct, for work of the tracer's own; NULL while nothing is recorded. */
static struct thread *begin(void)
{
	struct thread *t = thread_enter_idle();

	if (t)
		thread_depth(t, DEPTH_OWN);
	return t;
}

static void tell(struct piece label, uint8_t op, uint64_t b)
{
	struct thread *t = begin();

	if (!t)
		return;
	py_stack(t, &t->py, true); /* which tells first if another task runs by now */
	emit_pair(t, op, label_id(t, label), b);
	thread_leave(t);
}

static void mark(struct piece label) { tell(label, PT_OP_MARK, 0); }

static void region(struct piece label, enum module_region what)
{
	if (what == MODULE_REGION_END)
		tell(label, PT_OP_REGION_END, 0);
	else
		tell(label, PT_OP_REGION_BEGIN, what == MODULE_REGION_RESUME);
}

static enum module_answer snapshot(struct piece label, uint32_t *ret_number)
{
	static const enum module_answer answers[] = {
		[SNAPSHOT_CALL_NO] = MODULE_NO,
		[SNAPSHOT_CALL_TAKEN] = MODULE_YES,
		[SNAPSHOT_CALL_BUSY] = MODULE_LATER,
	};
	struct thread *t = begin();
	enum snapshot_call answer;

	if (!t)
		return MODULE_NO;
	answer = snapshot_call(t, label.data ? label_id(t, label) : 0, ret_number);
	thread_leave(t);
	return answers[answer];
}

static bool is_watching(const struct slot *s) { return s->state == SLOT_WATCHING; }

static bool is_watched(const void *object)
{
	for (unsigned i = 0; i < slots_n(); i++)
		if (is_watching(slots_at(i)) && slots_at(i)->object == object)
			return true;
	return false;
}

static bool watch(const void *object)
{
	struct thread *t = begin();
	bool watched;

	if (!t)
		return false;
	watched = is_watched(object) || (!tracer_is_paused() && watch_object(t, object));
	thread_leave(t);
	return watched;
}

bool calls_record(struct thread *t, bool on, enum pt_pause why)
{
	if (!on && !tracer_is_paused())
		watch_pause(t);
	return pause_set(t, !on, why);
}

static bool record(bool on)
{
	struct thread *t = begin();
	bool changed;

	if (!t)
		return false;
	changed = calls_record(t, on, PT_PAUSE_CALL);
	thread_leave(t);
	return changed;
}

/* Rings are part of the file, so what lies in them can be read already. What is packed can be read by more. */
static enum module_answer flush(void)
{
	struct thread *t = begin();
	bool writing;

	if (!t)
		return MODULE_YES;
	ring_pack(t);
	writing = snapshot_is_being_written();
	thread_leave(t);
	return writing ? MODULE_LATER : MODULE_YES;
}

/* ---- stats ---- */

/* How many slots an event takes in a ring. */
static uint64_t slots_of(const struct pt_slot *s)
{
	uint64_t bytes = pt_op_shape(pt_slot_op(s)) == PT_SHAPE_BYTES || pt_op_shape(pt_slot_op(s)) == PT_SHAPE_WORDS
				 ? s->low
				 : 0;

	return 1 + (bytes + sizeof *s - 1) / sizeof *s;
}

/* Its owner may go on writing: then some are counted twice or not at all. */
static void count_ring(const struct ring *r, void *arg)
{
	struct module_stats *stats = arg;
	uint64_t head = __atomic_load_n(&r->shared->x_head, __ATOMIC_ACQUIRE);

	for (uint64_t i = 0; i < head && i < r->n_slots; i += slots_of(&r->slots[i])) {
		uint8_t op = pt_slot_op(&r->slots[i]);

		stats->events += op < PT_OP_META && op != PT_OP_SIZE64;
	}
}

static void fill(struct module_stats *stats)
{
	struct ring_totals totals;

	ring_totals(&totals);
	stats->events = totals.n_events;
	ring_each(count_ring, stats);
	stats->snapshots = snapshot_count();
	for (unsigned i = 0; i < slots_n(); i++)
		stats->watched += is_watching(slots_at(i));
}

static void stats(struct module_stats *stats)
{
	struct thread *t = begin();
	uint64_t bytes = sink_file_bytes();

	*stats = (struct module_stats){
		.mode = tracer_is_off() && !bytes ? "off" : "full",
		.recording = t && !tracer_is_paused(),
		.stopped = t && tracer_is_paused(),
		.file = bytes ? sink_path() : "",
		.file_bytes = bytes,
		.lost = sink_lost_events(),
		.watch_off = watch_off(),
	};
	if (!t)
		return;
	fill(stats);
	thread_leave(t);
}

const struct module_calls calls = {
	.mark = mark,
	.region = region,
	.snapshot = snapshot,
	.watch = watch,
	.record = record,
	.flush = flush,
	.stats = stats,
};
