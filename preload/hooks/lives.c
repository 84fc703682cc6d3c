/* SPDX-License-Identifier: Apache-2.0 */
/* lives: see lives.h */
#include "preload/hooks/lives.h"
#include "preload/hooks/hook.h"
#include "preload/record/intern.h"
#include "preload/options.h"

#include <stdio.h>
#include <string.h>

static bool wanted, told, lost;

/* ---- PYTRACE_LOG=check ---- */

enum { DESTROYED = 1 << 14, REPORTS_MAX = 20 };

/* In which blocks something was destroyed lately. */
static struct {
	const char *block;
	uint32_t type;
} destroyed[DESTROYED];
static _Atomic(unsigned) n_wrong;

static unsigned place_of(const char *block) { return (unsigned)((uintptr_t)block >> 4) % DESTROYED; }

static void note_destroyed(const char *object, uint32_t type)
{
	const char *block = object - py_object_before(object);

	destroyed[place_of(block)].block = block;
	destroyed[place_of(block)].type = type;
}

/* Something else is there now. */
static void note_created(const char *object)
{
	const char *block = object - py_object_before(object);

	if (destroyed[place_of(block)].block == block)
		destroyed[place_of(block)].block = NULL;
}

/* A type of 0 was not found: that can be seen in the trace, and is no mistake. At the first objects of all, types are
 * not ready. */
static void compare(const char *block, uint32_t type)
{
	unsigned i = place_of(block);
	char line[128];

	if (destroyed[i].block != block)
		return;
	destroyed[i].block = NULL;
	if (!type || !destroyed[i].type || type == destroyed[i].type || atomic_fetch_add(&n_wrong, 1) >= REPORTS_MAX)
		return;
	snprintf(line, sizeof line, "check: block %p freed as type %u, destroyed as type %u", (const void *)block, type,
		 destroyed[i].type);
	options_say(line);
}

/* ---- events ---- */

static void tell(struct thread *t, uint8_t op, const char *object, uint64_t type, uint32_t stack)
{
	emit_pair(t, op, (uintptr_t)object & PT_ADDRESS_MASK, (uint32_t)type | (uint64_t)stack << 32);
}

static void created(struct thread *t, const char *object, uint64_t type, const void *frame)
{
	size_t before = (size_t)(object - (const char *)t->last_block);

	if (hook_checks & OPTIONS_LOG_CHECK)
		note_created(object);
	if (before <= PY_BEFORE_MAX && t->last_block)
		t->last_block = NULL;
	else if (type & PY_TYPE_FREE_LIST && wanted && !tracer_is_paused())
		tell(t, PT_OP_REUSE, object, type, hook_stack(t, frame, true));
}

static void died(struct thread *t, const char *object, uint64_t type)
{
	if (hook_checks & OPTIONS_LOG_CHECK)
		note_destroyed(object, (uint32_t)type);
	if (!(type & (PY_TYPE_FREE_LIST | PY_TYPE_FINALIZER)) || !wanted ||
	    (tracer_is_paused() && !pause_knows(object - py_object_before(object))))
		return;
	tell(t, PT_OP_RETIRE, object, type, tracer_is_paused() ? 0 : hook_python(t, true));
	if (type & PY_TYPE_FINALIZER) /* told each time: who dies twice was resurrected */
		return;
	t->dead_object = object;
	t->dead_slot = t->base_slot + t->head;
}

static int on_life(const char *object, int event, void *data)
{
	const void *frame = CPU_FRAME();
	uint64_t type;
	struct thread *t;

	(void)data;
	if (event != PY_LIFE_CREATED && event != PY_LIFE_DESTROYED) {
		lost = true;
		return 0;
	}
	t = thread_enter();
	if (!t)
		return 0;
	thread_depth(t, DEPTH_OWN);
	type = py_object_type(t, object);
	if (event == PY_LIFE_CREATED)
		created(t, object, type, frame);
	else
		died(t, object, type);
	thread_leave(t);
	return 0;
}

void lives_free(struct thread *t, const void *block, uint32_t type)
{
	if (hook_checks & OPTIONS_LOG_CHECK)
		compare(block, type);
	/* it died, and its block goes with it: one event */
	if (t->dead_object && t->dead_slot == t->base_slot + t->head &&
	    (size_t)(t->dead_object - (const char *)block) <= PY_BEFORE_MAX)
		emit_take_back(t);
	t->dead_object = NULL;
}

/* ---- who is in the place ---- */

static bool are_told(void) { return atomic_load(&objects_wanted) & OBJECTS_LIVES; }
static void set(bool on)
{
	if (on)
		atomic_fetch_or(&objects_wanted, OBJECTS_LIVES);
	else
		atomic_fetch_and(&objects_wanted, (uint8_t)~OBJECTS_LIVES);
}

void lives_start(bool want)
{
	wanted = want;
	if (want || hook_checks & OPTIONS_LOG_CHECK)
		set(py_lives_set(on_life));
}

static void define(struct thread *t, const char *text)
{
	define_bytes(t, PT_OP_META, 0, (struct piece[]){ { "python.lives=", 13 }, { text, strlen(text) } }, 2);
}

void lives_tick(struct thread *t)
{
	if (!are_told() || !wanted)
		return;
	if (!told) {
		told = true;
		define(t, py_lives_miss_deaths() ? "recorded, but for deaths in the evaluation loop" : "recorded");
	}
	if (lost || !py_lives_are_ours()) {
		set(false);
		define(t, "recorded until another tracer took the place (tracemalloc does)");
	}
}

void lives_after_fork(void) { told = false; }
