/* SPDX-License-Identifier: Apache-2.0 */
/*
 * py: all that the tracer may ask of CPython
 *
 * What:  which interpreter runs here, its allocator hooks, the current Python stack, the life of code objects.
 * Who:   preload/hooks and preload/lifecycle.c. Only preload/py knows a version, an offset or a Py* symbol.
 * Never: calls into Python from an allocation hook (but for the thread-state getters and PyMem_GetAllocator /
 *        PyMem_SetAllocator, which touch no object), takes a reference, allocates Python memory.
 * Trust: every table value is checked against the living interpreter before it is used; an unknown version or a
 *        failed check gives blocks without Python stacks, and py_info()->stacks_off says why.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread; /* preload/record/thread.h */

/* CPython's PyMemAllocatorEx and PyObjectArenaAllocator (Include/cpython/pymem.h, objimpl.h; same in 3.8 to 3.15). */
struct py_allocator {
	void *ctx;
	void *(*malloc)(void *ctx, size_t size);
	void *(*calloc)(void *ctx, size_t n, size_t size);
	void *(*realloc)(void *ctx, void *p, size_t size);
	void (*free)(void *ctx, void *p);
};
struct py_arena_allocator {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *p, size_t size);
};
enum py_domain { PY_DOMAIN_RAW, PY_DOMAIN_MEM, PY_DOMAIN_OBJ, PY_DOMAINS };

/* The tracer's own hooks: `ctx` of each call is a pointer to the struct py_allocator (or py_arena_allocator) that was
 * in force before, saved by py_install in memory that is never written again. */
struct py_hooks {
	struct py_allocator domain[PY_DOMAINS]; /* ctx unused */
	struct py_arena_allocator arena;        /* ctx unused */
};

struct py_info {
	const char *implementation; /* "CPython", "PyPy", …; NULL: no Python in this process (yet) */
	char version[32];           /* "3.12.1"; "" when it does not tell */
	uint32_t hexversion;        /* 0x030c01f0 */
	bool free_threaded, debug, shared;
	bool has_domains;       /* its allocators can be hooked: raw, mem, object, arena */
	const char *stacks_off; /* NULL: Python stacks are recorded; else why not, one clause for people */
};

/* Looks for an interpreter among the loaded objects, or in `handle` (from dlopen; NULL: the whole process). Called from
 * the constructor, and again when an object is loaded; cheap when one was found. Returns whether there is one. */
bool py_start(void *handle);
const struct py_info *py_info(void);

/* One thread's knowledge of its stack. Zero bytes are its first state; embedded in struct thread. */
struct py_thread;

/* The function in which Python frames are evaluated; NULL without an interpreter. */
const void *py_eval(void);
/* Addresses on the C stack, each within the C frame of a call of that function (or of what the compiler made of it),
 * for the stack that `p` was last asked for; the innermost first. Returns how many; 0 up to 3.11, where nothing lies
 * there. */
unsigned py_entry_places(const struct py_thread *p, uint64_t *places, unsigned max);
/* From here on stacks also say where C code called that function (PT_CODE_ENTRY). Before the first event. */
void py_want_entries(void);

/* Puts the tracer's hooks in force, before Py_Initialize. Later py_watch() puts them back when the interpreter has
 * replaced them (PYTHONMALLOC, -X dev, a second Py_Initialize; cpython-facts 1.1 and 1.2). */
void py_install(const struct py_hooks *hooks);
/* To be called in the libc malloc hook, outside of any lock: re-installs when needed. Inline test, rare call. */
static inline void py_watch(void);

/* The thread that owned `p` has ended, or is about to: gives back the memory behind `p`, which is all zero then. Safe
 * to call twice; a py_stack after it starts anew. */
void py_thread_end(struct py_thread *p);

/*
 * The id of the stack of Python frames that the calling thread is in, 0 when there is none.
 * New frames and code objects are defined (preload/record/intern.h) before their id is returned.
 *   has_gil  true in the hooks of the MEM and OBJ domains, where CPython guarantees it; false elsewhere.
 * Own thread only. Any moment, also before initialisation, in finalisation, in threads that Python never saw.
 */
static inline uint32_t py_stack(struct thread *t, struct py_thread *p, bool has_gil);

/* The exact answer by a full walk with no cache used or changed: the oracle of PYTRACE_LOG=check. `p` only says which
 * thread state a thread without the GIL was seen with. Slow: it maps memory for each answer. */
uint32_t py_stack_full(struct thread *t, const struct py_thread *p, bool has_gil);

/* The same in a signal handler that interrupted any instruction which changes an object's count, by `delta` (0: not
 * known): the interpreter links frames, and notes its instruction, before it takes or gives references. Marks nothing
 * and remembers nothing, so it does not matter what it was in the middle of. See change.c. */
uint32_t py_stack_of_change(struct thread *t, const struct py_thread *p, const char *object, int64_t delta);
/* Whether the innermost frame of that stack is one whose call is over: it gives back what it held. 3.11 and later. */
bool py_call_is_over(const struct py_thread *p);

/* To be called with each block that the OBJ domain is about to free (by free, or by realloc before the real call), also
 * when the event itself is not recorded: ends the definition of a code object. NULL is allowed. */
static inline void py_block_dies(const void *block);

/* The number of the type of the object in a block that the OBJ domain is about to free, defined in the trace; 0: there
 * is no object in it, or none that is known. For an event that is recorded, with the GIL. See types.h. */
static inline uint32_t py_block_type(struct thread *t, const void *block);
/* To be called with each block that the OBJ domain has handed out, also when the event is not recorded. */
static inline void py_block_born(const void *block, size_t bytes);

/*
 * Objects' lives, from 3.13: `f(object, event, NULL)` is called for each that is made (also in a block of a free list)
 * and before each is destroyed, by its thread, with the GIL. py_lives_set: before the interpreter is initialised; false
 * when this one has no such thing.
 */
enum { PY_LIFE_CREATED, PY_LIFE_DESTROYED, PY_LIFE_REPLACED /* 3.15: somebody else is called from here on */ };
bool py_lives_set(int (*f)(const char *object, int event, void *data));
/* Whether f is still the one that is called. */
bool py_lives_are_ours(void);
/* 3.13.0 to 3.13.2 do not tell of most deaths. */
bool py_lives_miss_deaths(void);
/* The number of a live object's type, defined in the trace, with PY_TYPE_FREE_LIST and PY_TYPE_FINALIZER; 0: not known.
 */
uint64_t py_object_type(struct thread *t, const char *object);
/* How far a live object is from the start of its block. */
uint32_t py_object_before(const char *object);

/* Whether the main interpreter has begun to take itself down. One load. */
static inline bool py_finalizing(void);
/* Whether the interpreter is initialised. One load. */
static inline bool py_initialized(void);

/* In the child of a fork, before anything else of this folder is called: forgets all ids (the child's trace starts
 * anew); the interpreter found and the hooks stay. */
void py_after_fork(void);

#include "preload/py/py_inline.h" /* struct py_thread and the bodies of the static functions above */
