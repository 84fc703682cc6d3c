/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_parts: what the files of the collector tell each other
 *
 * collector_state.c knows where the interpreter keeps what steers collections; collector_module.c is between the
 * program and its gc module; collector_info.c makes away with what the interpreter makes to tell us; collector.c
 * records.
 */
#pragma once
#include "preload/py/gc/collector.h"
#include "preload/py/parts.h"

/* How an object of ours is made never to die. The count is 64 bits up to 3.11; later its lower half, when negative,
 * says so. Free-threaded: the owner's count. */
enum { GC_THREADED_COUNT_AT = 12, GC_THREADED_SHARED_AT = 16 };
static inline void gc_make_immortal(char *object)
{
	if (py_layout.free_threaded)
		*(uint32_t *)(object + GC_THREADED_COUNT_AT) = UINT32_MAX;
	else if (py_layout.minor >= 12)
		*(uint32_t *)object = UINT32_C(3) << 30;
	else
		*(uint64_t *)object = UINT64_C(1) << 40;
}
/* How many references there are to it; UINT32_MAX: many. */
static inline uint32_t gc_count(const char *object)
{
	if (!py_layout.free_threaded)
		return PY_AT(uint32_t, object, 0);
	return PY_AT(uint64_t, object, GC_THREADED_SHARED_AT) ? UINT32_MAX
							      : PY_AT(uint32_t, object, GC_THREADED_COUNT_AT);
}

/* ---- collector_state.c ---- */

enum gc_kind {
	GC_GENERATIONAL, /* three lists of objects */
	GC_INCREMENTAL,  /* 3.14.0 to 3.14.4: a young list and two old ones; collects the old ones bit by bit */
	GC_THREADED,     /* free-threaded builds have no lists */
};
enum { GC_GENERATIONS = 3 };

/* The collector's state of one interpreter. */
struct gc_state {
	char *at;
	char *first; /* of its generations */
};

/* What steers it. */
struct gc_settings {
	int32_t enabled, debug;
	int32_t threshold[GC_GENERATIONS];
};

enum gc_kind gc_kind(void);
/* That of the main interpreter, whether or not it is ready; NULL: there is none. */
char *gc_state_address(void);
/* Fills *s. False: what is there makes no sense (yet). */
bool gc_state_read(struct gc_state *s, char *at);
struct gc_settings gc_state_settings(const struct gc_state *s);
int32_t gc_state_count(const struct gc_state *s, unsigned generation);
/* The interpreter's list of callbacks; not NULL. */
void **gc_state_callbacks(char *at);
bool gc_state_is_collecting(char *at);
/* The objects that a collection would look at; PT_GC_NOT_COUNTED. With the GIL, outside of a collection. */
uint64_t gc_state_candidates(const struct gc_state *s, unsigned generation);
/* The objects that gc.freeze() has set apart, without asking the interpreter; 0 in free-threaded builds. */
uint64_t gc_state_frozen(const struct gc_state *s);

/* ---- collector_module.c ---- */

/* Takes the place of PyInit_gc in the table of built-in modules, before the interpreter is initialised. False: the
 * table can't be written; then modules that are made show our list. */
bool gc_module_start(void);
/* Whether these bytes are part of a library's data that is not made read-only after its start. */
bool gc_is_writable(const void *p, size_t bytes);
/* Whether the calling thread is inside of gc.collect(). */
bool gc_module_is_collecting(void);

/* What collector_module.c tells collector.c. Around the making of the module: the program's list is to be where it
 * belongs. After a function that may have changed a setting, or has set objects apart, at no depth. */
void collector_hide(void);
void collector_show(void);
void collector_settings_called(void);
void collector_frozen(uint64_t n);
/* While recording is stopped: objects have been set apart, or are no more. */
void collector_frozen_later(void);

/* ---- collector_info.c ---- */

/*
 * The dict that the interpreter makes for each call: {"generation": …, …}. Without us it would not be there, when the
 * program has no callbacks. So what of it was allocated anew goes back where it came from, and what came off a free
 * list goes back there: counts, blocks and free lists are as if nothing had been.
 */
struct gc_info {
	uint64_t generation, collected, uncollectable;
	bool is_new;     /* the dict was allocated, not taken off a free list */
	bool is_tracked; /* and the collector knows it: it counts as a candidate */
};
/* Once the interpreter runs: looks for the functions that it needs; false: one is missing. */
bool gc_info_start(void);
/* Reads it. False: it is none. */
bool gc_info_read(struct gc_info *info, struct thread *t, const char *dict);
/* Empties it, if nobody but the interpreter has it, and returns whether. Runs no code of the program. At no depth. */
bool gc_info_empty(struct thread *t, char *dict);
/* Calls `after` when the interpreter has given up the dict (`after` is called by the same thread, at no depth), which
 * is then freed, or kept for reuse if !is_new. False: somebody else has it, too. */
bool gc_info_then(char *dict, bool is_new, void (*after)(void));
