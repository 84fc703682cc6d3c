/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk: from what a thread knew at its last event to what is true now; compiled once for each version
 *
 * What:  each thread keeps the frames of its last event (`cached`, outermost first) with their instructions and stack
 *        ids. A new event walks from the top frame down to the first frame that proves everything below it unchanged,
 *        and looks up ids for what lies above.
 * Proof: a frame that still is the same activation has suspended all its callers in a call, so they are where they
 *        were. "Same activation" is told by marks that the interpreter wipes itself (README.md, "Marks"); without a
 *        mark the links and instructions below are compared one by one.
 * How:   every function takes the layout as its last argument and is inlined into one function per version, where the
 *        offsets are constants (stack.c, FAMILY).
 * Who:   stack.c only.
 */
#pragma once
#include <string.h>

#include "formats/event.h"
#include "preload/base/arena.h"
#include "preload/record/intern.h"
#include "preload/py/parts.h"
#include "preload/base/tracer.h"

#define INLINE static inline __attribute__((always_inline))
#define COLD   __attribute__((noinline))

struct py_cached {
	const char *frame;
	uint64_t instr;   /* the word at frame_instr */
	const char *code; /* up to 3.10 */
	uint32_t stack;
	uint32_t entries; /* calls of the evaluation loop by C code, from the outer end up to here */
	bool may_mark;    /* a mark would prove the activation */
	bool entry;       /* C code called the evaluation loop for this frame */
};

/* Direct-mapped. A key tells code object and instruction; it is wiped when a code object dies. */
struct py_memo {
	uint64_t key;
	uint32_t parent, stack;
};

enum { FRAMES_FIRST = 256, FRAMES_MAX = 1 << 22, MEMOS = 4096, PLACES = 1024, NOWHERE = -1 };
enum { DEEP = 32 }; /* frames from which on the chunk's proof is worth its loads */
enum { OWNER_THREAD = 0, OWNER_GENERATOR = 1, OWNER_CSTACK = 3 };
enum { MARK_OF_BYTES = 0x41, UNMARKED_OBJECT = 1, UNMARKED_VISITED = 0 };
#define UNMARKED_INNER UINT32_MAX
/* CO_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR: frames that are left and entered again. */
enum { CODE_IS_GENERATOR = 0x20 | 0x80 | 0x100 | 0x200 };

struct walk {
	struct py_thread *p;
	uint32_t floor; /* entry whose frame is known to be the same activation; 0: none is */
	bool may_mark, may_prove;
	const char *chunk; /* the data stack's, whose frames need no check */
	size_t chunk_bytes;
	uint32_t n_fresh; /* in p->fresh: frames above the kept ones, innermost first */
	uint32_t kept;    /* entries of p->cached whose frames are still in the stack */
	uint32_t same;    /* entries that are as they were; the others need new ids */
	uint32_t proven;  /* entries whose frames are known to be the same activations */
};

/* ---- frames ---- */

/* Up to 3.10 frames are PyFrameObjects, since then _PyInterpreterFrames. */
INLINE bool are_objects(const struct py_layout *l) { return l->minor <= 10; }
INLINE bool have_marks(const struct py_layout *l) { return l->frame_mark != 0; }
/* A byte that a new activation alone overwrites, or (3.11 to 3.13) the stack's top, which leaving the frame does. */
INLINE bool marks_are_bytes(const struct py_layout *l) { return l->minor <= 10 || l->minor >= 14; }
INLINE const char *previous_of(const char *frame, const struct py_layout *l)
{
	return PY_AT(const char *, frame, l->frame_previous);
}
INLINE uint64_t instr_of(const char *frame, const struct py_layout *l)
{
	return PY_AT(uint64_t, frame, l->frame_instr);
}
INLINE uint8_t owner_of(const char *frame, const struct py_layout *l) { return PY_AT(uint8_t, frame, l->frame_owner); }
INLINE const char *code_of_object(const char *frame, const struct py_layout *l)
{
	return PY_AT(const char *, frame, l->frame_code);
}
INLINE const char *top_of(const char *tstate, const struct py_layout *l)
{
	if (l->ts_cframe)
		tstate = PY_AT(const char *, tstate, l->ts_cframe);
	return PY_AT(const char *, tstate, l->ts_top);
}

/* Since 3.12 the evaluation loop has a frame of its own, in its C frame, that runs no code. */
INLINE bool is_on_c_stack(const char *frame, const struct py_layout *l)
{
	return !are_objects(l) && owner_of(frame, l) >= OWNER_CSTACK;
}

/*
 * Whether C code called the evaluation loop for this frame. Up to 3.10 it runs one frame a call; 3.11 has a flag, in
 * front of `owner`; since 3.12 there is a frame on the C stack instead, which is the entry itself. From 3.15 the
 * outermost frame of all lies in the thread state and is no entry: PyThreadState.base_frame.
 */
INLINE bool is_entry(const char *frame, const struct py_layout *l)
{
	if (are_objects(l))
		return true;
	if (l->frame_entry)
		return PY_AT(bool, frame, l->frame_entry);
	return is_on_c_stack(frame, l) && !(l->minor >= 15 && !previous_of(frame, l));
}

/* ---- ids ---- */

/* The id of a frame's stack by its code object: what the memo remembers. */
uint32_t py_frame_id(struct thread *t, const char *frame, uint32_t parent) __attribute__((visibility("hidden")));

/* Copies of code come and go by themselves, so their addresses tell nothing: the code object does, and how far in. */
INLINE uint64_t key_of_copy(const char *frame, uint64_t instr, const struct py_layout *l)
{
	const char *code = py_frame_target(frame, l);
	uint64_t at;

	if (is_entry(frame, l))
		return UINT64_C(1) << 63;
	at = (instr - py_code_start(frame, code, l)) / 2;
	if (at > 0x7ff0)
		return 0;
	return (uint64_t)(uintptr_t)code | (at + 1) << 48 | (owner_of(frame, l) == OWNER_GENERATOR);
}

/* What tells code object and instruction of a frame in one word, but for very long functions up to 3.10: 0. The low bit
 * is set for frames of generators, which differ in what py_frame_code shows of them, the highest for entries. */
INLINE uint64_t key_of(const char *frame, uint64_t instr, const char *code, const struct py_layout *l)
{
	int32_t lasti = (int32_t)instr;

	if (l->code_copies)
		return key_of_copy(frame, instr, l);
	if (!are_objects(l))
		return instr | (owner_of(frame, l) == OWNER_GENERATOR) | (uint64_t)is_entry(frame, l) << 63;
	return lasti < 0xffff ? (uint64_t)(uintptr_t)code | (uint64_t)(uint16_t)(lasti + 1) << 48 : 0;
}

INLINE struct py_memo *memo_of(const struct py_thread *p, uint64_t key, uint32_t parent)
{
	return &p->memo[(key * UINT64_C(0x9e3779b97f4a7c15) + parent * UINT64_C(0xc2b2ae3d27d4eb4f)) >> 52];
}
_Static_assert(MEMOS == 1 << (64 - 52), "the hash is as wide as the table");

static COLD uint32_t refresh_unknown(struct thread *t, struct py_cached *e, struct py_memo *m, uint64_t key,
				     uint32_t parent)
{
	e->stack = py_frame_id(t, e->frame, parent);
	*m = (struct py_memo){ key, parent, e->stack };
	return e->stack;
}

/* Brings an entry up to date: its frame and code are right, what lies below it has the id `parent`. */
INLINE uint32_t refresh(struct thread *t, struct py_thread *p, struct py_cached *e, uint32_t parent,
			const struct py_layout *l)
{
	struct py_memo *m;
	uint64_t key;

	e->instr = instr_of(e->frame, l);
	if (is_on_c_stack(e->frame, l) && !py_state.entries)
		return e->stack = parent;
	key = key_of(e->frame, e->instr, e->code, l);
	m = memo_of(p, key, parent);
	if (likely(m->key == key && m->parent == parent && key))
		return e->stack = m->stack;
	return refresh_unknown(t, e, m, key, parent);
}

/* ---- marks ---- */

INLINE uint32_t mark_word(const char *frame, const struct py_layout *l)
{
	return marks_are_bytes(l) ? PY_AT(uint8_t, frame, l->frame_mark) : PY_AT(uint32_t, frame, l->frame_mark);
}

/* Only a frame that has the interpreter's own value is marked: f_trace_lines as every new frame has it (0 is the user's
 * doing), stacktop of a frame that executes. */
INLINE void mark(const struct py_thread *p, const struct py_cached *e, const struct py_layout *l)
{
	char *at = (char *)e->frame + l->frame_mark;

	if (!have_marks(l) || !e->may_mark)
		return;
	if (marks_are_bytes(l) && *at == (are_objects(l) ? UNMARKED_OBJECT : UNMARKED_VISITED))
		*at = (char)p->mark;
	else if (!marks_are_bytes(l) && mark_word(e->frame, l) == UNMARKED_INNER)
		memcpy(at, &p->mark, sizeof p->mark);
}

INLINE bool can_be_marked(const char *frame, const char *code, const struct py_layout *l)
{
	if (!have_marks(l))
		return false;
	if (are_objects(l))
		return !(PY_AT(uint32_t, code, l->code_flags) & CODE_IS_GENERATOR);
	/* what a generator's frame bears it keeps when it is left and entered again */
	return marks_are_bytes(l) ? owner_of(frame, l) == OWNER_THREAD : owner_of(frame, l) < OWNER_CSTACK;
}

/* Far from any number of slots in a chunk, and another for each thread. */
INLINE uint64_t cookie_of(const struct py_thread *p) { return (uint64_t)(uintptr_t)p ^ UINT64_C(0xa07954726163e000); }

/* The data stack's chunk in use, when it is one that is given back as soon as its first frame is left. */
INLINE char *chunk_of(const char *tstate, const struct py_layout *l)
{
	char *chunk = NULL;

	if (have_marks(l) && !marks_are_bytes(l) && l->ts_chunk)
		chunk = PY_AT(char *, tstate, l->ts_chunk);
	return chunk && PY_AT(char *, chunk, l->chunk_previous) ? chunk : NULL;
}

INLINE void set_cookie(const struct py_thread *p, const char *tstate, const struct py_layout *l)
{
	char *chunk = chunk_of(tstate, l);
	uint64_t cookie = cookie_of(p);

	if (chunk)
		memcpy(chunk + l->chunk_top, &cookie, sizeof cookie);
}

/* ---- the walk ---- */

bool py_cached_grow(struct py_thread *p) __attribute__((visibility("hidden")));

INLINE uint32_t place_of(const char *frame)
{
	return (uint32_t)(((uintptr_t)frame >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 54);
}
_Static_assert(PLACES == 1 << (64 - 54), "the hash is as wide as the table");

/* Index of the entry of a frame; misses some beyond a few hundred. */
INLINE int find(const struct py_thread *p, const char *frame)
{
	uint32_t i = p->where[place_of(frame)];

	return i < p->depth && p->cached[i].frame == frame ? (int)i : NOWHERE;
}

INLINE bool add_fresh(struct walk *w, const char *frame)
{
	if (w->n_fresh + 1 >= w->p->capacity && !py_cached_grow(w->p))
		return false;
	w->p->fresh[w->n_fresh++] = frame;
	return true;
}

/* Whether entry e's frame is the same activation as when the entry was made; if not known, and it may be, marks it. */
INLINE bool proves(const struct walk *w, const struct py_cached *e, uint32_t word, bool is_new,
		   const struct py_layout *l)
{
	if (w->may_prove && word == w->p->mark && (!marks_are_bytes(l) || e->may_mark))
		return true;
	if (w->may_mark && !is_new)
		mark(w->p, e, l);
	return false;
}

/* Marks and what they replace are negative in frames of 3.11 to 3.13, where suspended frames have counts. */
INLINE bool is_of_interest(uint32_t word, const struct py_layout *l) { return marks_are_bytes(l) || (int32_t)word < 0; }

/*
 * From entry i, whose frame is in the stack, down to where the entries are proven: true, with `same` the entries that
 * need no new id. False when the links part from the entries: *stop is the last entry that was in the stack.
 * This loop is most of what a deep stack costs: `previous` is only compared, never followed, so that the loads of one
 * round need not wait for the round before.
 */
INLINE bool descend(struct walk *w, int i, int *stop, const struct py_layout *l)
{
	const struct py_cached *first = w->p->cached, *e = first + i, *same = e + 1, *floor = first + w->floor;
	bool holds = true;

	if (e < floor)
		floor = first;
	for (;; e--) {
		const char *frame = e->frame;
		bool is_new = instr_of(frame, l) != e->instr;
		uint32_t word;

		if (are_objects(l))
			is_new |= code_of_object(frame, l) != e->code;
		if (l->frame_entry)
			is_new |= is_entry(frame, l) != e->entry;
		if (is_new)
			same = e;
		if (have_marks(l)) {
			word = mark_word(frame, l);
			if (unlikely(is_of_interest(word, l)) && proves(w, e, word, is_new, l)) {
				w->proven = (uint32_t)(e - first) + 1;
				break;
			}
		}
		if (e == floor) {
			holds = floor != first || !previous_of(frame, l);
			w->proven = floor != first ? w->floor + 1 : 0;
			break;
		}
		holds = previous_of(frame, l) == e[-1].frame;
		if (unlikely(!holds))
			break;
	}
	w->same = (uint32_t)(same - first);
	*stop = (int)(e - first);
	return holds;
}

INLINE bool room_for(struct walk *w)
{
	bool good = true;

	while (unlikely(good && w->kept + w->n_fresh > w->p->capacity))
		good = py_cached_grow(w->p);
	return good;
}

/* The entry of the first frame in the data stack's chunk, when the cookie there tells that it is the same activation.
 */
INLINE uint32_t floor_of(const struct py_thread *p, const char *tstate, const struct py_layout *l)
{
	const char *chunk = chunk_of(tstate, l);
	int i;

	if (!chunk || PY_AT(uint64_t, chunk, l->chunk_top) != cookie_of(p))
		return 0;
	i = find(p, chunk + l->chunk_data);
	return i > 0 ? (uint32_t)i : 0;
}

/*
 * Whether a frame that was not in the stack before may be read. From 3.11 the chain of frames runs through the C stack
 * (the interpreter's entry frames, and up to 3.12 the struct that points to the top one). greenlet copies C stacks
 * about and frees the copy in the middle of it: at that event the chain leads anywhere.
 */
INLINE bool may_be_read(const struct walk *w, const char *frame, const struct py_layout *l)
{
	return are_objects(l) || (size_t)(frame - w->chunk) < w->chunk_bytes || py_frame_is_sane(frame);
}

/* The usual changes: the top frame is the last one again or its caller, or was called by one of these two. Returns the
 * entry, with *frame its frame; otherwise NOWHERE or what the hash says. */
INLINE int find_usual(struct walk *w, const char **frame, const struct py_layout *l)
{
	struct py_thread *p = w->p;
	const char *last, *but_last, *caller;

	if (p->depth < 2)
		return find(p, *frame);
	last = p->cached[p->depth - 1].frame;
	but_last = p->cached[p->depth - 2].frame;
	if (*frame != last && *frame != but_last) {
		if (!may_be_read(w, *frame, l))
			return find(p, *frame);
		caller = previous_of(*frame, l);
		if (caller != last && caller != but_last)
			return find(p, *frame);
		p->fresh[w->n_fresh++] = *frame;
		*frame = caller;
	}
	return (int)p->depth - (*frame == last ? 1 : 2);
}

/*
 * Splits the stack that ends in `frame` into fresh frames above and kept entries below. Any change, any depth. An entry
 * is marked when descend passes it, before the entries below are known to hold; so none may be asked twice: where the
 * links part, the entries that were passed become fresh, and the search goes on below them.
 */
INLINE bool split(struct walk *w, const char *frame, const struct py_layout *l)
{
	int i = frame ? find_usual(w, &frame, l) : NOWHERE, stop = 0;

	while (frame) {
		if (i >= 0 && likely(descend(w, i, &stop, l))) {
			w->kept = (uint32_t)i + 1;
			return room_for(w);
		}
		if (i < 0 && !(may_be_read(w, frame, l) && add_fresh(w, frame)))
			return false;
		for (; i >= stop && i >= 0; i--)
			if (!add_fresh(w, frame = w->p->cached[i].frame))
				return false;
		frame = previous_of(frame, l);
		i = frame ? find(w->p, frame) : NOWHERE;
	}
	w->kept = w->same = 0;
	return room_for(w);
}

/* New ids from entry `same` upwards, and the entries of fresh frames. */
INLINE uint32_t rebuild(struct thread *t, struct walk *w, const struct py_layout *l)
{
	struct py_thread *p = w->p;
	uint32_t stack = w->same ? p->cached[w->same - 1].stack : 0, end = w->kept + w->n_fresh, n = w->n_fresh;

	for (uint32_t i = w->same; i < end; i++) {
		struct py_cached *e = &p->cached[i];

		if (i >= w->kept) {
			e->frame = p->fresh[--n];
			p->where[place_of(e->frame)] = i;
		}
		if (are_objects(l)) /* an unmarked frame's memory may be another function's by now */
			e->code = code_of_object(e->frame, l);
		if (marks_are_bytes(l) || i >= w->kept)
			e->may_mark = can_be_marked(e->frame, e->code, l);
		e->entry = is_entry(e->frame, l);
		e->entries = (i ? e[-1].entries : 0) + e->entry;
		stack = refresh(t, p, e, stack, l);
		if (w->may_mark)
			mark(p, e, l);
	}
	p->depth = end;
	p->entries = end ? p->cached[end - 1].entries : 0;
	return stack;
}

/* The commonest change of all: the frame is the one that was on top last time, only further on. 0: look closer. */
INLINE uint32_t same_frame(struct py_thread *p, const char *top, const struct py_layout *l)
{
	struct py_cached *e = &p->cached[p->depth - 1];
	uint64_t instr = instr_of(top, l), key = key_of(top, instr, e->code, l);
	uint32_t parent = p->depth > 1 ? e[-1].stack : 0;
	struct py_memo *m = memo_of(p, key, parent);

	if (m->key != key || m->parent != parent || !key)
		return 0;
	e->instr = p->instr = instr;
	return e->stack = p->stack = m->stack;
}

/* ---- all of it ---- */

bool py_prepare(struct py_thread *p, const char *tstate) __attribute__((visibility("hidden")));

INLINE uint32_t update(struct thread *t, struct py_thread *p, const char *tstate, bool has_gil,
		       const struct py_layout *l)
{
	struct walk w = { .p = p };
	const char *top = top_of(tstate, l);
	uint32_t stack;
	bool tracing;

	if (unlikely(p->epoch != py_state.epoch || p->tstate != tstate ||
		     (l->code_copies && p->tstate_id != PY_AT(uint64_t, tstate, l->ts_id)) ||
		     p->deaths != __atomic_load_n(&py_state.deaths, __ATOMIC_ACQUIRE))) {
		if (!py_prepare(p, tstate))
			return 0;
	} else if (have_marks(l) && top && top == p->top && mark_word(top, l) == p->mark) {
		stack = same_frame(p, top, l);
		if (stack) {
			p->kept = p->depth;
			return stack;
		}
	}
	/* A trace function may set the line of the frame that it was called for: nothing is proof while one runs. */
	tracing = l->ts_tracing && PY_AT(int, tstate, l->ts_tracing);
	w.may_prove = !tracing;
	w.may_mark = has_gil && !tracing;
	if (!are_objects(l)) {
		w.chunk = PY_AT(const char *, tstate, l->ts_chunk);
		w.chunk_bytes = (size_t)(PY_AT(const char *, tstate, l->ts_chunk_limit) - w.chunk);
	}
	if (p->depth >= DEEP && w.may_prove)
		w.floor = floor_of(p, tstate, l);
	if (unlikely(!split(&w, top, l))) {
		p->depth = 0; /* marks may have been made for entries that do not hold */
		p->entries = p->same = p->kept = 0;
		p->top = NULL;
		return p->stack;
	}
	if (!w.proven)
		p->same = 0;
	else if (p->cached[w.proven - 1].entries < p->same)
		p->same = p->cached[w.proven - 1].entries;
	p->kept = w.kept;
	stack = p->stack = rebuild(t, &w, l);
	if (p->depth >= DEEP && w.may_mark && !w.floor)
		set_cookie(p, tstate, l);
	p->instr = top ? p->cached[p->depth - 1].instr : 0;
	p->top = have_marks(l) && top && w.may_prove && p->cached[p->depth - 1].may_mark && mark_word(top, l) == p->mark
			 ? top
			 : NULL;
	return stack;
}
