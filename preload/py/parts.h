/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts: what the files of this folder tell each other
 *
 * find.c fills py_symbols and chooses the layout; selftest.c decides on py_trust; stack.c walks; code.c numbers code
 * objects; install.c keeps the hooks in force. Nobody outside this folder includes this.
 */
#pragma once
#include "preload/py/layout/layout.h"
#include "preload/py/py.h"

/* The interpreter's symbols, NULL where absent. Found with dlsym: a process without Python has none of them. */
struct py_symbols {
	const char *(*version)(void);
	const char *(*current)(void);  /* the thread state in force, no check, no abort */
	const char *(*gilstate)(void); /* the one that the calling thread was given by PyGILState or threading */
	int (*is_initialized)(void);
	const char *(*interp_head)(void);
	const char *(*interp_main)(void);
	void (*get_allocator)(int domain, struct py_allocator *a);
	void (*set_allocator)(int domain, struct py_allocator *a);
	void (*get_arena)(struct py_arena_allocator *a);
	void (*set_arena)(struct py_arena_allocator *a);
	const char *runtime; /* _PyRuntime */
	const unsigned *hexversion;
	const void *type_type, *code_type, *str_type, *bytes_type, *int_type, *coro_type, *gen_type;
	const void *merge_refcount;    /* only in free-threaded builds */
	const void *negative_refcount; /* only in debug builds */
	const void *eval;              /* the function that runs frames */
	const void *pypy;
	/* calls visit with each object that is tracked, until it answers 0; without a GIL all threads stand still */
	void (*gc_visit_objects)(int (*visit)(void *object, void *arg), void *arg);
};
extern struct py_symbols py_symbols __attribute__((visibility("hidden")));
/* Another one, by its name: a look through the tables of the linker. NULL: it has none. */
void *py_symbol(const char *name);

/* The interpreter's thread-local variables, where every thread has them at one distance from its thread pointer
 * (objects loaded at start-up). bytes 0: nowhere certain. */
extern struct py_thread_locals {
	intptr_t from_thread;
	size_t bytes;
} py_thread_locals __attribute__((visibility("hidden")));

/* Whether the offsets are believed. Written by selftest.c and find.c. */
enum py_trust { PY_TRUST_NONE, PY_TRUST_TRYING, PY_TRUST_FULL };
extern enum py_trust py_trust __attribute__((visibility("hidden")));

/* Python stacks are off from here on, and this is why (static storage). */
void py_stacks_off(const char *why);
/* What py_state needs of the layout and the symbols; and an answer of "no stack" for all. */
void py_state_on(void);
void py_state_off(void);

/* While the trust is PY_TRUST_TRYING: checks every offset on the calling thread's stack as it is. False: a check
 * failed, stacks are off. Raises the trust when the stack was deep enough to show all of them. */
bool py_selftest(const char *tstate);

/* Whether 8 bytes can be read at `p`, which is aligned to 8. A page that was there is believed to be there still. */
bool py_readable(const void *p);
/* From here on the kernel is asked anew: what is looked at next need not be alive. */
void py_readable_anew(void);
/* Whether what lies at `frame` is a frame of 3.11 or later, as far as reading it can be told to be safe. */
bool py_frame_is_sane(const char *frame);

/* tp_flags, of which the same bits mean the same in all versions that have them. */
enum {
	FLAG_INLINE_VALUES = 1 << 2,   /* 3.13 on */
	FLAG_MANAGED_WEAKREF = 1 << 3, /* 3.12 on */
	FLAG_MANAGED_DICT = 1 << 4,    /* 3.11 on */
	FLAG_HEAP = 1 << 9,
	FLAG_READY = 1 << 12,
	FLAG_GC = 1 << 14,
	FLAG_INT = 1 << 24,
	FLAG_LIST = 1 << 25,
	FLAG_TUPLE = 1 << 26,
	FLAG_BYTES = 1 << 27,
	FLAG_STR = 1 << 28,
	FLAG_DICT = 1 << 29,
};
#define FLAG_TYPE (UINT64_C(1) << 31)

/* A load at a byte offset. */
#define PY_AT(type, base, offset) (*(type const *)((const char *)(base) + (offset)))

/* The state of a str, from the bit of its kind (py_layout.str_kind) on. */
enum { PY_STR_KIND_MASK = 7, PY_STR_COMPACT = 1 << 3, PY_STR_ASCII = 1 << 4 };

/*
 * Where the instructions of a frame of 3.11 or later begin, that its `frame_instr` points into: behind its code object,
 * or in the copy that free-threaded 3.14 makes for each thread but the first. The array of copies is replaced when it
 * grows, and the old one may go as soon as a thread that is detached, as this one may be, is the only one to look: so
 * it is asked whether it still is the one. 0: a copy that is not there.
 */
static inline __attribute__((always_inline)) uintptr_t py_code_start(const char *frame, const char *code,
								     const struct py_layout *l)
{
	uint32_t i = l->frame_copy ? PY_AT(uint32_t, frame, l->frame_copy) : 0;
	const void *const *at = (const void *const *)(code + l->code_copies);
	const char *copies;
	uintptr_t start;

	if (!i)
		return (uintptr_t)code + l->code_bytes;
	do {
		copies = __atomic_load_n(at, __ATOMIC_ACQUIRE);
		start = i < PY_AT(uint64_t, copies, 0) ? PY_AT(uintptr_t, copies, 8 + 8 * (size_t)i) : 0;
	} while (__atomic_load_n(at, __ATOMIC_ACQUIRE) != copies);
	return start;
}

/* What `frame_code` points to, without the tag bits of 3.14. */
static inline const char *py_frame_target(const char *frame, const struct py_layout *l)
{
	return (const char *)(PY_AT(uintptr_t, frame, l->frame_code) & ~(uintptr_t)3);
}

/* The code object that a frame runs; NULL when CPython's own tracebacks pass over the frame. *offset: the byte offset
 * of the instruction in its bytecode, or PT_OFFSET_NONE. */
const char *py_frame_code(const char *frame, uint32_t *offset);

/* change.c. A frame of the thread's data stack that is on its way out, its caller being the current one already; NULL.
 * And how many bytes behind its own offset the instruction is that changed an object's count. */
const char *py_dying_frame(const char *tstate);
uint32_t py_second_half(const char *frame, const char *object, int64_t delta);

/* The number of a live code object, defined in the trace when new; 0 when the tracer is out of memory. */
uint32_t py_code_id(struct thread *t, const char *code);
/* Forgets all code objects: the child of a fork. */
void py_code_forget(void);
