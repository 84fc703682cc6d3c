/* SPDX-License-Identifier: Apache-2.0 */
/*
 * py_inline: the hot part of py.h, bodies that hooks carry inline
 *
 * What:  struct py_thread, and the few loads that answer most questions: "has anything changed since the last event
 *        of this thread?"
 * Why:   a Python program makes 10 to 20 million events a second. An event in a frame that was seen before costs one
 *        call of the thread-state getter, five loads and as many compares; everything else is in stack.c.
 * How:   see README.md, "Marks". A frame that stack.c has seen bears a mark that the interpreter itself wipes when
 *        the frame is left. Mark intact, thread state, top frame and instruction as they were: the stack is as it
 *        was.
 * Who:   included by py.h, nowhere else.
 */
#pragma once
#include "preload/py/objects/types.h"

struct py_cached; /* stack.c: one frame of the stack last seen */
struct py_memo;   /* stack.c: (parent stack, instruction) -> stack */
struct py_who;    /* who.c: the task that runs, and names */

/* All zero is the first state. A cache line of what the hot path reads, then what stack.c keeps. */
struct py_thread {
	uint32_t epoch; /* of py_state when the rest was written; another one: nothing here holds */
	uint32_t stack; /* the answer, if nothing has changed */
	const char *tstate;
	uint64_t tstate_id; /* that of another one at this address is another; free-threaded 3.14 only */
	const char *top;    /* the top frame; NULL when its mark proves nothing */
	uint64_t instr;     /* the word that holds its instruction */
	uint32_t mark;      /* what this thread writes into frames */
	uint32_t depth;     /* frames in `cached`, the outermost first */
	struct py_cached *cached;
	struct py_memo *memo;
	uint32_t capacity;  /* of `cached`, and of `fresh` */
	uint32_t deaths;    /* py_state.deaths when `cached` was valid */
	const char **fresh; /* frames of the walk under way, the innermost first */
	uint32_t *where;    /* hash of a frame's address -> its likely index in `cached` */
	struct py_who *who;
	uint32_t kept; /* entries of `cached` whose frames were in the stack before the last update */
	/* Calls of the evaluation loop by C code that the stack is in; and how many of them, from the outer end, are
	 * the same calls as when the owner of `same` (preload/native) set it to `entries`. */
	uint32_t entries, same;
};

/* What the hot path must know of the interpreter. Written by py_start, py_install, the self-test and deaths of code. */
struct py_state {
	uint32_t epoch;               /* from 1; changes when stack ids start anew */
	uint32_t deaths;              /* of code objects that have an id */
	const char *(*current)(void); /* thread state getter; answers NULL until there is an interpreter */
	/* The same without a call, once the self-test has seen where the getter gets it: a variable of the process (up
	 * to 3.11), or one of the thread, so far from its thread pointer. NULL, 0: not known. */
	const char *const *current_word;
	intptr_t current_from_thread;
	uint32_t cframe_offset;  /* PyThreadState.cframe; 0: top_offset counts from the thread state itself */
	uint32_t top_offset;     /* the word that points to the top frame */
	uint32_t mark_offset;    /* in a frame: the 32 bits that hold the mark */
	uint32_t mark_mask;      /* 0: frames of this version bear no marks */
	uint32_t instr_offset;   /* in a frame: the 64 bits that hold the instruction */
	bool current_is_shared;  /* up to 3.11 `current` tells who holds the GIL, whatever thread asks */
	bool entries;            /* PT_CODE_ENTRY frames are wanted */
	uint8_t who;             /* WHO_*: what the program has loaded that runs tasks or names threads */
	bool watch;              /* the tracer's hooks are wanted */
	bool recheck;            /* look at the allocators at the next malloc although the interpreter is initialised */
	const void *code_type;   /* &PyCode_Type; its own address while unknown, which no object has as type */
	uint32_t block_type;     /* where in a freed block the type of a code object lies */
	uint32_t segment_mask;   /* free-threaded: of the place of a block in its segment of mimalloc; else 0 */
	bool types;              /* objects are read for their types: what follows holds */
	uint32_t before_max;     /* how far an object may begin behind the start of its block */
	uint64_t count_mask;     /* of the eight bytes in front of the type word, the count of references; ... */
	uint64_t count_max;      /* ... this and less: nobody refers to the object any more */
	const int *initialized;  /* _PyRuntime.initialized, or a zero */
	void *const *finalizing; /* _PyRuntime._finalizing, or a NULL */
};
extern struct py_state py_state __attribute__((visibility("hidden")));

uint32_t py_stack_changed(struct thread *t, struct py_thread *p, const char *tstate);
uint32_t py_stack_without_gil(struct thread *t, struct py_thread *p);
void py_watch_closely(void);
void py_code_dies(const void *block);

static inline const char *py_current(void)
{
	if (py_state.current_from_thread)
		return *(const char *const *)((const char *)__builtin_thread_pointer() + py_state.current_from_thread);
	return py_state.current_word ? *(const char *const volatile *)py_state.current_word : py_state.current();
}

/* The top frame of a live thread state of the calling thread. */
static inline const char *py_top_frame(const char *tstate)
{
	if (py_state.cframe_offset)
		tstate = *(const char *const *)(tstate + py_state.cframe_offset);
	return *(const char *const *)(tstate + py_state.top_offset);
}

/* Whether `p` still describes the stack of `tstate`: same top frame, mark intact, same instruction. */
static inline bool py_stack_holds(const struct py_thread *p, const char *tstate)
{
	const char *top;

	if (p->epoch != py_state.epoch || p->tstate != tstate)
		return false;
	top = py_top_frame(tstate);
	return top == p->top && top &&
	       (*(const uint32_t *)(top + py_state.mark_offset) & py_state.mark_mask) == p->mark &&
	       *(const uint64_t *)(top + py_state.instr_offset) == p->instr;
}

static inline uint32_t py_stack(struct thread *t, struct py_thread *p, bool has_gil)
{
	const char *tstate;

	if (!has_gil && py_state.current_is_shared)
		return py_stack_without_gil(t, p);
	tstate = py_current();
	if (!tstate)
		return has_gil ? 0 : py_stack_without_gil(t, p);
	if (__builtin_expect(py_stack_holds(p, tstate), 1))
		return p->stack;
	return py_stack_changed(t, p, tstate);
}

/* A free-threaded object's type lies deeper than the smallest block is long: at the end of a segment of mimalloc there
 * may be nothing behind. No code object begins so late in one. */
enum { PY_SEGMENT_BYTES = 1 << 25, PY_LATE_IN_SEGMENT = 128 };
static inline bool py_may_be_code(const void *block)
{
	return block && ((uintptr_t)block & py_state.segment_mask) <= PY_SEGMENT_BYTES - PY_LATE_IN_SEGMENT;
}

static inline void py_block_dies(const void *block)
{
	if (__builtin_expect(py_may_be_code(block) && *(const void *const *)((const char *)block +
									     py_state.block_type) == py_state.code_type,
			     0))
		py_code_dies(block);
}

/* Whether the object whose type word is here is dead, by its count; free-threaded objects have two. */
static inline bool py_count_is_over(const char *type_word)
{
	return (*(const uint64_t *)(type_word - 8) & py_state.count_mask) <= py_state.count_max &&
	       (!py_state.segment_mask || !*(const uint32_t *)(type_word - 12));
}

static inline bool py_is_at_edge(const void *block)
{
	return ((uintptr_t)block & (PY_PAGE_BYTES - 1)) > PY_PAGE_BYTES - PY_EDGE_BYTES;
}

/* Whether a word is an address of the program, as far as its bits go. */
static inline bool py_may_be_type(const char *type_word)
{
	uint64_t word = *(const uint64_t *)type_word;

	return word - PY_LEAST_ADDRESS < PY_ADDRESS_END - PY_LEAST_ADDRESS && !(word & 7);
}

/* What lies at one of the places where the object may begin. */
static inline uint32_t py_type_before(const char *type_word, uint32_t before)
{
	uint32_t id = (uint32_t)py_type_known(py_type_key(*(const uint64_t *)(type_word + before), before));

	return id && py_count_is_over(type_word + before) ? id : 0;
}

/* The nearest place that holds a type counts: behind it may lie what is left of a block that was here before. So a
 * further one is only looked at when the word at the nearer one can be no type. */
static inline uint32_t py_block_type(struct thread *t, const void *block)
{
	const char *type_word = (const char *)block + py_state.block_type;
	uint32_t id;

	if (!py_state.types || !py_may_be_code(block))
		return 0;
	id = py_type_before(type_word, 0);
	if (id)
		return id;
	if (!py_may_be_type(type_word) && !py_is_at_edge(block)) {
		id = py_type_before(type_word, PY_BEFORE_STEP);
		if (!id && !py_may_be_type(type_word + PY_BEFORE_STEP) && py_state.before_max > PY_BEFORE_STEP)
			id = py_type_before(type_word, PY_BEFORE_MAX);
	}
	return id ? id : py_block_type_slow(t, block);
}

static inline void py_block_born(const void *block, size_t bytes)
{
	if (__builtin_expect(bytes >= PY_TYPE_LEAST_BYTES && block && py_state.types, 0))
		py_types_wipe(block);
}

static inline bool py_finalizing(void) { return *(void *const volatile *)py_state.finalizing != NULL; }

static inline bool py_initialized(void) { return *(const volatile int *)py_state.initialized != 0; }

static inline void py_watch(void)
{
	if (__builtin_expect(py_state.watch && (py_state.recheck || !py_initialized()), 0))
		py_watch_closely();
}
