/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_state: where the interpreter keeps what steers its collections
 *
 * All that is read here is seen to make sense each time: lists of objects whose heads link back, thresholds and counts
 * that could be some. Debian's 3.13 has the generations four bytes before their place, so a pointer to the first one is
 * followed where there is one. The size of the state, which the interpreter publishes, tells the incremental collector.
 */
#include "preload/py/gc/collector_parts.h"
#include "preload/py/peek.h"

enum { GENERATION_BYTES = 24, NEXT_AT = 0, PREVIOUS_AT = 8, THRESHOLD_AT = 16, COUNT_AT = 20, STATE_BYTES = 264 };
enum { GC_SIZE_AT_14 = 648, GC_SIZE_INCREMENTAL = 240, FIRST_AT = 24, FIRST_AT_DEBIAN = 20 };
enum { SANE_NUMBER = 1 << 30, SANE_DEBUG = 63, THREADED_THRESHOLD_LEAST = 100, THREADED_THRESHOLD_1_MOST = 1000 };

enum gc_kind gc_kind(void)
{
	if (py_layout.free_threaded)
		return GC_THREADED;
	if (py_layout.minor == 14 && PY_AT(uint64_t, py_symbols.runtime, GC_SIZE_AT_14) == GC_SIZE_INCREMENTAL)
		return GC_INCREMENTAL;
	return GC_GENERATIONAL;
}

char *gc_state_address(void)
{
	char *runtime = (char *)py_symbols.runtime, *interp;

	if (!runtime || !py_layout.gc_callbacks)
		return NULL;
	if (py_layout.run_gc)
		return runtime + py_layout.run_gc;
	interp = PY_AT(char *, runtime, py_layout.run_main);
	return interp ? interp + py_layout.interp_gc : NULL;
}

void **gc_state_callbacks(char *at) { return (void **)(at + py_layout.gc_callbacks); }
bool gc_state_is_collecting(char *at) { return PY_AT(int, at, py_layout.gc_collecting) != 0; }

static const char *generation_at(const struct gc_state *s, unsigned i)
{
	return s->first + (size_t)i * GENERATION_BYTES;
}

int32_t gc_state_count(const struct gc_state *s, unsigned generation)
{
	return PY_AT(int32_t, generation_at(s, generation), COUNT_AT);
}

static int32_t threshold(const struct gc_state *s, unsigned generation)
{
	return PY_AT(int32_t, generation_at(s, generation), THRESHOLD_AT);
}

struct gc_settings gc_state_settings(const struct gc_state *s)
{
	struct gc_settings now = {
		.enabled = PY_AT(int32_t, s->at, py_layout.gc_enabled) != 0,
		.debug = PY_AT(int32_t, s->at, py_layout.gc_debug),
	};

	for (unsigned i = 0; i < GC_GENERATIONS; i++)
		now.threshold[i] = threshold(s, i);
	return now;
}

/* ---- whether it makes sense ---- */

/* 3.14.0 to 3.14.4 keep flags in the lowest bits. */
static const char *next_of(const char *node) { return (const char *)(PY_AT(uintptr_t, node, NEXT_AT) & ~(uintptr_t)3); }
static const char *previous_of(const char *node)
{
	return (const char *)(PY_AT(uintptr_t, node, PREVIOUS_AT) & ~(uintptr_t)3);
}

/* Debian's heads lie at multiples of four. */
static bool is_there(const char *node) { return py_readable((const char *)((uintptr_t)node & ~(uintptr_t)7)); }

static bool is_list_head(const char *head)
{
	const char *next = next_of(head), *previous = previous_of(head);

	return is_there(next) && is_there(previous) && previous_of(next) == head && next_of(previous) == head;
}

/* Free-threaded builds count below zero when more is freed than made. */
static bool is_number(int32_t n) { return n >= (gc_kind() == GC_THREADED ? -SANE_NUMBER : 0) && n <= SANE_NUMBER; }

/* A negative threshold is allowed, and makes as many collections as can be. */
static bool has_generations(const struct gc_state *s)
{
	for (unsigned i = 0; i < GC_GENERATIONS; i++) {
		if (!is_number(gc_state_count(s, i)) ||
		    (gc_kind() != GC_THREADED && !is_list_head(generation_at(s, i))))
			return false;
	}
	return gc_kind() != GC_THREADED || (threshold(s, 0) >= THREADED_THRESHOLD_LEAST && threshold(s, 1) > 0 &&
					    threshold(s, 1) <= THREADED_THRESHOLD_1_MOST);
}

static bool is_list_or_null(const char *object)
{
	static const void *list_type;

	if (!list_type)
		list_type = py_symbol("PyList_Type");
	return !object || py_is(object, list_type);
}

/* There only the thresholds tell where they are, as they are before the program sets others, which may be any. */
static bool find_first_threaded(struct gc_state *s)
{
	static const unsigned places[] = { FIRST_AT, FIRST_AT_DEBIAN };
	static _Atomic unsigned seen; /* the place, once it was */

	if (seen) {
		s->first = s->at + seen;
		return is_number(gc_state_count(s, 0));
	}
	for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
		s->first = s->at + places[i];
		if (has_generations(s)) {
			seen = places[i];
			return true;
		}
	}
	return false;
}

static bool find_first(struct gc_state *s)
{
	if (gc_kind() == GC_GENERATIONAL) {
		s->first = PY_AT(char *, s->at, py_layout.gc_pointer);
		return s->first > s->at && s->first < s->at + STATE_BYTES - GC_GENERATIONS * GENERATION_BYTES &&
		       has_generations(s);
	}
	if (gc_kind() == GC_THREADED)
		return find_first_threaded(s);
	s->first = s->at + FIRST_AT;
	return has_generations(s);
}

bool gc_state_read(struct gc_state *s, char *at)
{
	int enabled, debug, collecting;

	s->at = at;
	if (!py_readable(at) || !py_readable(at + STATE_BYTES - sizeof(void *)))
		return false;
	enabled = PY_AT(int, at, py_layout.gc_enabled);
	debug = PY_AT(int, at, py_layout.gc_debug);
	collecting = PY_AT(int, at, py_layout.gc_collecting);
	return (enabled | 1) == 1 && (debug & SANE_DEBUG) == debug && (collecting | 1) == 1 &&
	       is_list_or_null(PY_AT(char *, at, py_layout.gc_garbage)) &&
	       is_list_or_null(PY_AT(char *, at, py_layout.gc_callbacks)) && find_first(s);
}

/* ---- counting ---- */

/* From both ends: what it costs is waiting for memory, and so two waits go on at once. */
static uint64_t length(const char *head)
{
	const char *forward = next_of(head), *backward = previous_of(head);
	uint64_t n = 0;

	while (forward != head && forward != backward) {
		n++;
		forward = next_of(forward);
		if (forward == backward)
			break;
		n++;
		backward = previous_of(backward);
	}
	return n + (forward != head);
}

/* A collection looks at the younger generations, too. What an increment takes of the old lists shows later. */
uint64_t gc_state_candidates(const struct gc_state *s, unsigned generation)
{
	uint64_t n = 0;

	if (gc_kind() == GC_THREADED || (gc_kind() == GC_INCREMENTAL && generation == 1))
		return PT_GC_NOT_COUNTED;
	for (unsigned i = 0; i <= generation && i < GC_GENERATIONS; i++)
		n += length(generation_at(s, i));
	return n;
}

uint64_t gc_state_frozen(const struct gc_state *s)
{
	return gc_kind() == GC_THREADED ? 0 : length(s->at + py_layout.gc_permanent);
}
