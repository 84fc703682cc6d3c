/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slots: see slots.h
 *
 * A block's watch is found by a set of 64 bits, one for each hash of an address: most releases end there.
 */
#include "preload/watch/slots.h"
#include "preload/cpu/exchange.h"
#include "preload/record/emit.h"
#include "preload/native/native.h"
#include "preload/base/os.h"
#include "preload/py/objects/counts.h"
#include "preload/record/sink.h"
#include "preload/watch/choose.h"

#include <limits.h>
#include <string.h>

#define PART_UNKNOWN UINT_MAX

static struct {
	const struct means *means;
	struct slot slot[SLOTS_MAX];
	const struct py_count_part *part;
	unsigned n, n_parts;
	uint32_t last_number, last_round;
	_Atomic(uint64_t) blocks; /* bits of the blocks that slots have */
	struct lock lock;
} slots;

void (*slots_check)(struct thread *t, const void *context);

static uint64_t bit_of(const void *block)
{
	return UINT64_C(1) << (((uintptr_t)block >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}

static void note_blocks(void)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < slots.n; i++)
		if (slots.slot[i].state != SLOT_FREE && slots.slot[i].block)
			bits |= bit_of(slots.slot[i].block);
	atomic_store(&slots.blocks, bits);
}

/* ---- how many ---- */

void slots_start(const struct means *means)
{
	slots.means = means;
	for (unsigned i = 0; i < SLOTS_MAX; i++)
		slots.slot[i].index = (uint8_t)i;
	slots_n();
}

unsigned slots_n(void)
{
	unsigned n;

	if (!slots.means)
		return 0;
	if (!slots.n_parts)
		slots.n_parts = py_count_parts(&slots.part);
	if (!slots.n_parts)
		return 0;
	n = slots.means->room() / slots.n_parts;
	return slots.n = n < SLOTS_MAX ? n : SLOTS_MAX;
}

struct slot *slots_at(unsigned i) { return &slots.slot[i]; }

unsigned slots_free(void)
{
	unsigned n = slots_n(), free = 0;

	for (unsigned i = 0; i < n; i++)
		free += slots.slot[i].state == SLOT_FREE;
	return free;
}

struct slot *slots_of_place(unsigned place)
{
	return slots.n_parts && place / slots.n_parts < SLOTS_MAX ? &slots.slot[place / slots.n_parts] : NULL;
}

/* ---- places ---- */

/* Whether all of it was armed up to now. */
static bool disarm(struct slot *s)
{
	bool held = true;

	for (unsigned i = 0; i < slots.n_parts; i++)
		held &= slots.means->disarm(s->index * slots.n_parts + i);
	return held;
}

static bool arm(struct slot *s)
{
	s->round = ++slots.last_round & 0xffffff;
	for (unsigned i = 0; i < slots.n_parts; i++) {
		if (slots.means->arm(s->index * slots.n_parts + i, s->object + slots.part[i].offset,
				     slots.part[i].bytes, s->round))
			continue;
		disarm(s);
		return false;
	}
	return true;
}

static bool holds(const struct slot *s)
{
	for (unsigned i = 0; i < slots.n_parts; i++)
		if (!slots.means->holds(s->index * slots.n_parts + i))
			return false;
	return true;
}

static void set_free(struct slot *s)
{
	s->state = SLOT_FREE;
	note_blocks();
}

/* A free slot, taken for this object; NULL: there is none, or it can't be armed. */
static struct slot *take(const void *block, const void *object, uint64_t tag, enum slot_state state)
{
	struct slot *s = NULL;
	unsigned n = slots_n();

	for (unsigned i = 0; i < n && !s; i++)
		if (slots.slot[i].state == SLOT_FREE)
			s = &slots.slot[i];
	if (!s)
		return NULL;
	*s = (struct slot){ .object = object, .block = block, .tag = tag, .index = s->index };
	s->armed_ns = atomic_load(&order.now_ns);
	s->state = (uint8_t)state; /* before the first trap can come */
	if (!arm(s)) {
		s->state = SLOT_FREE;
		return NULL;
	}
	note_blocks();
	return s;
}

/* ---- events ---- */

static int32_t as_told(int64_t count)
{
	return count > INT32_MAX ? INT32_MAX : count < INT32_MIN ? INT32_MIN : (int32_t)count;
}

static void tell(struct thread *t, uint8_t op, const struct slot *s, unsigned detail, uint32_t stack)
{
	emit_pair(t, op, pt_watch_a(s->number, detail), (uint32_t)as_told(s->count) | (uint64_t)stack << 32);
}

static void tell_count(struct thread *t, struct slot *s, int64_t count, unsigned flags, uint32_t stack)
{
	if (atomic_exchange(&s->unseen, false))
		flags |= PT_COUNT_UNSEEN;
	s->count = count;
	s->changes++;
	tell(t, PT_OP_COUNT, s, flags, stack);
	s->changed_ns = t->last_ns;
}

static void begin(struct thread *t, struct slot *s, int64_t count, unsigned flags, uint32_t stack)
{
	s->number = ++slots.last_number;
	s->type_word = py_object_type_word(s->object);
	s->state = SLOT_WATCHING;
	emit_pair(t, PT_OP_WATCH, (uintptr_t)s->object & PT_ADDRESS_MASK, s->number | (uint64_t)s->type << 32);
	s->made_ns = t->last_ns;
	s->words = py_count_words(s->object);
	tell_count(t, s, count, flags, stack);
}

static void end(struct thread *t, struct slot *s, enum pt_unwatch why, uint32_t stack)
{
	if (!disarm(s) && why != PT_UNWATCH_DIED)
		why = PT_UNWATCH_LOST;
	if (s->state == SLOT_WATCHING)
		tell(t, PT_OP_UNWATCH, s, why, stack);
	set_free(s);
}

static uint32_t stack_of(struct thread *t, const struct slot *s, int64_t delta, const void *context)
{
	uint32_t python = py_stack_of_change(t, &t->py, s->object, delta);

	if (unlikely(slots_check))
		slots_check(t, context);
	return native_on ? native_stack_of_write(t, python, context) : python;
}

/* ---- a word was written ---- */

/* Whoever else waits for an object in this block waits in vain. */
static void end_others(const struct slot *made)
{
	for (unsigned i = 0; i < slots.n; i++) {
		struct slot *s = &slots.slot[i];

		if (s != made && s->state == SLOT_WAITING && s->block == made->block) {
			disarm(s);
			set_free(s);
		}
	}
}

static void perhaps_made(struct thread *t, struct slot *s, const void *context)
{
	switch (choose_made(t, s)) {
	case CHOOSE_WAIT: return;
	case CHOOSE_NOT: end(t, s, PT_UNWATCH_OTHER, 0); return;
	case CHOOSE_KEEP: break;
	}
	if (slots.means->suits && !slots.means->suits(s->object)) {
		end(t, s, PT_UNWATCH_OTHER, 0);
		return;
	}
	end_others(s);
	s->type = s->type ? s->type : (uint32_t)py_object_type(t, s->object);
	/* free-threaded: a part of it may not be written yet */
	begin(t, s, slots.n_parts == 1 ? py_count_read(s->object).value : 1, PT_COUNT_BIRTH,
	      stack_of(t, s, 1, context));
}

/* Objects of such types have no finalizer that could bring them back, and their blocks may be kept for others. */
static bool dies_at_zero(struct thread *t, const struct slot *s)
{
	return py_object_type(t, s->object) & PY_TYPE_FREE_LIST;
}

/* What the count is after this thread's write, when `lies` is what lies there now: other threads may have written
 * since.
 */
static int64_t count_after(struct slot *s, unsigned part, int64_t lies, const void *context)
{
	struct cpu_exchange exchange;
	bool is_known;
	int64_t delta;

	if (slots.n_parts == 1 || part == PART_UNKNOWN || atomic_load(&s->unseen)) {
		s->words = py_count_words(s->object);
		return lies;
	}
	is_known = cpu_exchange_done(context, &exchange);
	return py_count_change(s->object, part, is_known ? &exchange : NULL, &s->words, &delta) ? s->count + delta
												: lies;
}

static void count_changed(struct thread *t, struct slot *s, unsigned part, bool late, const void *context)
{
	struct py_count count;
	uint32_t stack;
	bool leaves;

	if (py_object_type_word(s->object) != s->type_word && s->count <= 0) {
		end(t, s, PT_UNWATCH_DIED, 0); /* its block serves another one, and nobody said so */
		choose_free(t, s);
		return;
	}
	count = py_count_read(s->object);
	if (count.kind != PY_COUNT_IMMORTAL)
		count.value = count_after(s, part, count.value, context);
	if (count.kind != PY_COUNT_IMMORTAL && count.value == s->count)
		return;
	stack = stack_of(t, s, count.value - s->count, context);
	if (count.kind == PY_COUNT_IMMORTAL) {
		end(t, s, PT_UNWATCH_IMMORTAL, stack);
		choose_free(t, s);
		return;
	}
	leaves = count.value < s->count && py_call_is_over(&t->py);
	tell_count(t, s, count.value,
		   (late ? (unsigned)(PT_COUNT_LATE | PT_COUNT_UNSEEN) : 0u) | (leaves ? PT_COUNT_LEAVES : 0u), stack);
	if (count.value == 0 && dies_at_zero(t, s)) {
		end(t, s, PT_UNWATCH_DIED, stack);
		choose_free(t, s);
	}
}

static void deal_with(struct thread *t, struct slot *s, unsigned part, bool late, const void *context)
{
	if (s->state == SLOT_WAITING)
		perhaps_made(t, s, context);
	else if (s->state == SLOT_WATCHING)
		count_changed(t, s, part, late, context);
}

/* ---- in a handler ---- */

/* Opens the ring for this thread, whatever was interrupted. NULL: it can't be, what happened is told later. */
static struct thread *open_door(uint32_t *ret_depth)
{
	struct thread *t = thread_self;

	*ret_depth = t ? atomic_load(&t->depth) : DEPTH_OUTSIDE;
	if (*ret_depth == DEPTH_OWN || os_pid() != sink_owner_pid())
		return NULL;
	if (*ret_depth == DEPTH_OUTSIDE)
		t = thread_enter();
	else if (!tracer_is_on())
		return NULL;
	if (!t)
		return NULL;
	thread_depth(t, DEPTH_OWN);
	t->quiet = true;
	return t;
}

/* What is rare was put off: the next event looks at the clock. */
static void close_door(struct thread *t, uint32_t depth)
{
	t->quiet = false;
	t->look_at = 0;
	thread_depth(t, depth);
}

/* With several late ones only the first is told of: all are looked at. */
static void look_at_all(struct thread *t, const void *context)
{
	for (unsigned i = 0; i < slots.n; i++)
		deal_with(t, &slots.slot[i], PART_UNKNOWN, true, context);
}

void slots_hit(unsigned place, uint32_t round, bool late, const void *context)
{
	struct slot *s = slots_of_place(place);
	uint32_t depth;
	struct thread *t;

	if (!s)
		return;
	t = open_door(&depth);
	if (!t) {
		atomic_store(&s->unseen, true);
		return;
	}
	lock_take(&slots.lock);
	if (late)
		look_at_all(t, context);
	else if (round == s->round)
		deal_with(t, s, place % slots.n_parts, false, context);
	lock_drop(&slots.lock);
	close_door(t, depth);
}

/* A thread that was interrupted in the tracer's own work may hold the lock; then the place is let go alone. */
void slots_in_vain(unsigned place, uint32_t round)
{
	struct slot *s = slots_of_place(place);

	if (!lock_try(&slots.lock)) {
		slots.means->disarm(place);
		return;
	}
	if (s->state == SLOT_WAITING && s->round == round) {
		disarm(s);
		set_free(s);
	}
	lock_drop(&slots.lock);
}

/* ---- from outside ---- */

/* What is rare and done at events waits meanwhile: some of it wants the lock. Returns whether it had to wait before. */
static bool hold(struct thread *t)
{
	bool was_quiet = t->quiet;

	lock_take(&slots.lock);
	t->quiet = true;
	return was_quiet;
}

static void release(struct thread *t, bool was_quiet)
{
	t->quiet = was_quiet;
	lock_drop(&slots.lock);
}

struct slot *slots_wait(struct thread *t, const void *block, const void *object, uint64_t tag)
{
	struct slot *s;

	(void)t;
	lock_take(&slots.lock);
	s = take(block, object, tag, SLOT_WAITING);
	lock_drop(&slots.lock);
	return s;
}

static bool is_watched(const void *object)
{
	for (unsigned i = 0; i < slots.n; i++)
		if (slots.slot[i].state == SLOT_WATCHING && slots.slot[i].object == object)
			return true;
	return false;
}

struct slot *slots_watch(struct thread *t, const void *object, uint64_t tag)
{
	bool was_quiet;
	struct py_count count;
	struct slot *s = NULL;

	if (!slots_n() || py_count_read(object).kind == PY_COUNT_IMMORTAL)
		return NULL;
	was_quiet = hold(t);
	if (!is_watched(object))
		s = take((const char *)object - py_object_before(object), object, tag, SLOT_WATCHING);
	if (s) {
		s->type = (uint32_t)py_object_type(t, object);
		count = py_count_read(object);
		begin(t, s, count.value, PT_COUNT_START, py_stack_of_change(t, &t->py, s->object, 0));
	}
	release(t, was_quiet);
	return s;
}

void slots_let_go(struct thread *t, struct slot *s, enum pt_unwatch why)
{
	bool was_quiet = hold(t);

	if (s->state != SLOT_FREE)
		end(t, s, why, 0);
	release(t, was_quiet);
}

/* Before it is given back the object has no references any more: what was not seen is told. */
static void dies(struct thread *t, struct slot *s)
{
	uint32_t stack = py_stack_of_change(t, &t->py, s->object, -1);
	struct py_count count = py_count_read(s->object);

	if (s->state == SLOT_WATCHING && s->count && !count.value && count.kind != PY_COUNT_IMMORTAL) {
		atomic_store(&s->unseen, true);
		tell_count(t, s, 0, 0, stack);
	}
	end(t, s, PT_UNWATCH_DIED, stack);
}

void slots_block_dies(struct thread *t, const void *block)
{
	bool was_quiet;

	if (likely(!(atomic_load_explicit(&slots.blocks, memory_order_relaxed) & bit_of(block))))
		return;
	was_quiet = hold(t);
	for (unsigned i = 0; i < slots.n; i++) {
		struct slot *s = &slots.slot[i];
		bool watched = s->state == SLOT_WATCHING;

		if (s->state == SLOT_FREE || s->block != block)
			continue;
		dies(t, s);
		if (watched)
			choose_free(t, s);
	}
	release(t, was_quiet);
}

void slots_end(struct thread *t, enum pt_unwatch why)
{
	bool was_quiet = hold(t);

	for (unsigned i = 0; i < slots.n; i++)
		if (slots.slot[i].state != SLOT_FREE)
			end(t, &slots.slot[i], why, 0);
	release(t, was_quiet);
}

void slots_stop(struct thread *t)
{
	bool was_quiet = hold(t);

	for (unsigned i = 0; i < slots.n; i++)
		if (slots.slot[i].state == SLOT_WATCHING) {
			end(t, &slots.slot[i], PT_UNWATCH_END, 0);
			choose_free(t, &slots.slot[i]);
		}
	release(t, was_quiet);
}

/* The program, or a debugger, may have taken what means need. */
void slots_tick(struct thread *t)
{
	bool was_quiet = hold(t);

	for (unsigned i = 0; i < slots.n; i++)
		if (slots.slot[i].state != SLOT_FREE && !holds(&slots.slot[i])) {
			end(t, &slots.slot[i], PT_UNWATCH_LOST, 0);
			choose_free(t, &slots.slot[i]);
		}
	release(t, was_quiet);
}

/* ---- fork ---- */

void slots_after_fork(void)
{
	lock_drop(&slots.lock);
	slots.last_number = 0;
	if (slots.means)
		slots.means->after_fork();
}

/* The objects that were watched are here, too. */
static void resume(struct thread *t, struct slot *s)
{
	if (!arm(s)) {
		set_free(s);
		return;
	}
	s->type = (uint32_t)py_object_type(t, s->object);
	begin(t, s, py_count_read(s->object).value, PT_COUNT_START, 0);
}

void slots_resume(struct thread *t)
{
	bool was_quiet = hold(t);

	for (unsigned i = 0; i < slots.n; i++) {
		if (slots.slot[i].state == SLOT_WATCHING)
			resume(t, &slots.slot[i]);
		else
			slots.slot[i].state = SLOT_FREE;
	}
	note_blocks();
	release(t, was_quiet);
}
