/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack: the current Python stack, by what changed since the thread's last event
 *
 * What:  each thread keeps the frames of its last event (`cached`, outermost first) with their instructions and stack
 *        ids. A new event walks from the top frame down to the first frame that proves everything below it unchanged,
 *        and looks up ids for what lies above.
 * Proof: a frame that still is the same activation has suspended all its callers in a call, so they are where they were.
 *        "Same activation" is told by marks that the interpreter wipes itself (README.md, "Marks"); without a mark the
 *        links and instructions below are compared one by one.
 * Never: writes anything but marks, and those only with the GIL held.
 */
#include "preload/py/parts.h"

#include <pthread.h>
#include <string.h>

#include "formats/event.h"
#include "preload/arena.h"
#include "preload/intern.h"
#include "preload/tracer.h"

struct py_cached {
	const char *frame;
	uint64_t instr;   /* the word at frame_instr */
	const char *code; /* up to 3.10 */
	uint32_t stack;
	bool may_mark;    /* a mark would prove the activation */
};

/* Direct-mapped. A key tells code object and instruction; it is wiped when a code object dies. */
struct py_memo {
	uint64_t key;
	uint32_t parent, stack;
};

enum { FRAMES_FIRST = 256, FRAMES_MAX = 1 << 22, MEMOS = 1024, PLACES = 1024, NOWHERE = -1 };
enum { OWNER_GENERATOR = 1, OWNER_CSTACK = 3 };
/* CO_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR: frames that are left and entered again. */
enum { CODE_IS_GENERATOR = 0x20 | 0x80 | 0x100 | 0x200 };

static const char *nobody(void) { return NULL; }
static const int zero;
static void *const null;

struct py_state py_state = {
	.epoch = 1,
	.current = nobody,
	.code_type = &py_state.code_type,
	.initialized = &zero,
	.finalizing = &null,
};

void py_state_on(void)
{
	py_state.cframe_offset = py_layout.ts_cframe;
	py_state.top_offset = py_layout.ts_top;
	py_state.instr_offset = py_layout.frame_instr;
	py_state.mark_offset = py_layout.frame_mark;
	py_state.mark_mask = !py_layout.frame_mark ? 0 : py_layout.minor <= 10 ? 0xff : UINT32_MAX;
	py_state.current_is_shared = py_layout.minor <= 11;
	py_state.code_type = py_symbols.code_type;
	py_state.block_type = py_layout.object_type;
	py_state.current = py_symbols.current;
}

void py_state_off(void)
{
	py_state.current = nobody;
	py_state.current_word = NULL;
	py_state.current_from_thread = 0;
	py_state.current_is_shared = false;
	py_state.code_type = &py_state.code_type;
}

/* Up to 3.10 frames are PyFrameObjects, since then _PyInterpreterFrames. */
static inline bool frames_are_objects(void) { return py_layout.minor <= 10; }

/* What follows is the kernel of the walk: py_layout's fields are loads that stay in a register. */
static inline const char *previous_of(const char *frame) { return PY_AT(char *, frame, py_layout.frame_previous); }
static inline uint64_t instr_of(const char *frame) { return PY_AT(uint64_t, frame, py_layout.frame_instr); }

static const char *object_frame_code(const char *frame, uint32_t *offset)
{
	const char *code = PY_AT(char *, frame, py_layout.frame_code);
	int32_t lasti = PY_AT(int32_t, frame, py_layout.frame_instr);

	*offset = lasti < 0 ? PT_OFFSET_NONE : py_layout.minor == 10 ? (uint32_t)lasti * 2 : (uint32_t)lasti;
	return code && PY_AT(void *, code, py_layout.object_type) == py_symbols.code_type ? code : NULL;
}

const char *py_frame_code(const char *frame, uint32_t *offset)
{
	uint8_t owner;
	const char *code;
	int64_t at;

	if (frames_are_objects())
		return object_frame_code(frame, offset);
	owner = PY_AT(uint8_t, frame, py_layout.frame_owner);
	if (owner >= OWNER_CSTACK)
		return NULL;
	code = (const char *)(PY_AT(uintptr_t, frame, py_layout.frame_code) & ~(uintptr_t)3);
	if (!code || PY_AT(void *, code, py_layout.object_type) != py_symbols.code_type)
		return NULL;
	at = (int64_t)(instr_of(frame) - (uint64_t)(uintptr_t)code - py_layout.code_bytes);
	if (owner != OWNER_GENERATOR && at < (int64_t)PY_AT(int32_t, code, py_layout.code_traceable) * 2)
		return NULL;
	*offset = at < 0 ? PT_OFFSET_NONE : (uint32_t)at;
	return code;
}

/* ---- ids ---- */

static uint32_t frame_id(struct thread *t, const char *frame, uint32_t parent)
{
	uint32_t offset, id;
	const char *code = py_frame_code(frame, &offset);

	if (!code)
		return parent;
	id = py_code_id(t, code);
	return id ? intern_frame(t, parent, id, offset) : parent;
}

/* What tells code object and instruction of a frame in one word, but for very long functions up to 3.10: 0. The low bit
 * is set for frames of generators, which differ in what py_frame_code shows of them. */
static inline uint64_t key_of(const struct py_cached *e)
{
	int32_t lasti = (int32_t)e->instr;

	if (!frames_are_objects())
		return e->instr | (PY_AT(uint8_t, e->frame, py_layout.frame_owner) == OWNER_GENERATOR);
	return lasti < 0xffff ? (uint64_t)(uintptr_t)e->code | (uint64_t)(uint16_t)(lasti + 1) << 48 : 0;
}

static inline struct py_memo *memo_of(const struct py_thread *p, uint64_t key, uint32_t parent)
{
	return &p->memo[(key * UINT64_C(0x9e3779b97f4a7c15) + parent * UINT64_C(0xc2b2ae3d27d4eb4f)) >> 54];
}
_Static_assert(MEMOS == 1 << (64 - 54), "the hash is as wide as the table");

/* Brings an entry up to date: its frame is right, what lies below it has the id `parent`. */
static uint32_t refresh(struct thread *t, struct py_thread *p, struct py_cached *e, uint32_t parent)
{
	struct py_memo *m;
	uint64_t key;

	e->instr = instr_of(e->frame);
	if (!frames_are_objects() && PY_AT(uint8_t, e->frame, py_layout.frame_owner) >= OWNER_CSTACK)
		return e->stack = parent;
	key = key_of(e);
	m = memo_of(p, key, parent);
	if (m->key == key && m->parent == parent && key)
		return e->stack = m->stack;
	e->stack = frame_id(t, e->frame, parent);
	*m = (struct py_memo){ key, parent, e->stack };
	return e->stack;
}

/* ---- marks ---- */

static inline uint32_t mark_word(const char *frame)
{
	return PY_AT(uint32_t, frame, py_state.mark_offset) & py_state.mark_mask;
}

static inline void mark(const struct py_thread *p, const struct py_cached *e)
{
	char *at = (char *)e->frame + py_state.mark_offset;

	if (!e->may_mark)
		return;
	if (frames_are_objects() && *at == 1) /* f_trace_lines as every new frame has it; 0 is the user's */
		*at = (char)p->mark;
	else if (!frames_are_objects() && *(int32_t *)at == -1) /* stacktop of a frame that executes */
		memcpy(at, &p->mark, sizeof p->mark);
}

static bool can_be_marked(const char *frame, const char *code)
{
	if (!py_state.mark_mask)
		return false;
	if (frames_are_objects())
		return !(PY_AT(uint32_t, code, py_layout.code_flags) & CODE_IS_GENERATOR);
	return PY_AT(uint8_t, frame, py_layout.frame_owner) < OWNER_CSTACK;
}

/* Far from any number of slots in a chunk, and another for each thread. */
static uint64_t cookie_of(const struct py_thread *p) { return (uint64_t)(uintptr_t)p ^ UINT64_C(0xa07954726163e000); }

/* The data stack's chunk in use, when it is one that is given back as soon as its first frame is left. */
static char *chunk_of(const char *tstate)
{
	char *chunk = NULL;

	if (py_state.mark_mask && py_layout.ts_chunk)
		chunk = PY_AT(char *, tstate, py_layout.ts_chunk);
	return chunk && PY_AT(char *, chunk, py_layout.chunk_previous) ? chunk : NULL;
}

/* ---- the walk ---- */

struct walk {
	struct py_thread *p;
	const char *proven; /* a frame known to be the same activation by its chunk; NULL: none */
	bool may_mark, may_prove;
	bool all_proofs; /* frames of 3.11 and later, marks in use */
	uint32_t n_fresh; /* in p->fresh: frames above the kept ones, innermost first */
	uint32_t kept;    /* entries of p->cached whose frames are still in the stack */
	uint32_t same;    /* entries that are as they were; the others need new ids */
};

static inline uint32_t place_of(const char *frame)
{
	return (uint32_t)(((uintptr_t)frame >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 54);
}
_Static_assert(PLACES == 1 << (64 - 54), "the hash is as wide as the table");

/* Index of the entry of a frame; misses some beyond a few hundred. */
static inline int find(const struct py_thread *p, const char *frame)
{
	uint32_t i = p->where[place_of(frame)];

	return i < p->depth && p->cached[i].frame == frame ? (int)i : NOWHERE;
}

static bool grow(struct py_thread *p)
{
	uint32_t capacity = p->capacity ? p->capacity * 2 : FRAMES_FIRST;
	size_t per = sizeof *p->cached + sizeof *p->fresh;
	char *memory = capacity <= FRAMES_MAX ? arena_map(capacity * per) : NULL;

	if (!memory)
		return false;
	if (p->capacity) {
		memcpy(memory, p->cached, p->depth * sizeof *p->cached);
		memcpy(memory + capacity * sizeof *p->cached, p->fresh, p->capacity * sizeof *p->fresh);
		arena_unmap(p->cached, p->capacity * per);
	}
	p->cached = (struct py_cached *)memory;
	p->fresh = (const char **)(memory + capacity * sizeof *p->cached);
	p->capacity = capacity;
	return true;
}

static bool add_fresh(struct walk *w, const char *frame)
{
	if (w->n_fresh + 1 >= w->p->capacity && !grow(w->p))
		return false;
	w->p->fresh[w->n_fresh++] = frame;
	return true;
}

static inline bool changed(const struct py_cached *e)
{
	return instr_of(e->frame) != e->instr ||
	       (frames_are_objects() && PY_AT(char *, e->frame, py_layout.frame_code) != e->code);
}

static inline bool proves(const struct walk *w, const struct py_cached *e)
{
	return w->may_prove && ((mark_word(e->frame) == w->p->mark && e->may_mark) || e->frame == w->proven);
}

/*
 * From entry i, whose frame is in the stack, down to where the entries are proven: true, with `same` the entries that
 * need no new id. False when the links part from the entries: *stop is the last entry that was in the stack.
 */
static bool descend(struct walk *w, int i, int *stop)
{
	struct py_cached *cached = w->p->cached;

	w->same = (uint32_t)i + 1;
	for (;; i--) {
		bool is_new = changed(&cached[i]);

		if (is_new)
			w->same = (uint32_t)i;
		if (proves(w, &cached[i]))
			return true;
		if (w->may_mark && !is_new)
			mark(w->p, &cached[i]);
		*stop = i;
		if (i == 0)
			return !previous_of(cached[0].frame);
		if (previous_of(cached[i].frame) != cached[i - 1].frame)
			return false;
	}
}

/*
 * The same for 3.11 and later when nothing is traced: this loop is most of what a deep stack costs. `previous` is only
 * compared, never followed, so that the loads of one round need not wait for the round before.
 */
static bool descend_inner(struct walk *w, int i, int *stop)
{
	const uint32_t mark_offset = py_state.mark_offset, instr_offset = py_layout.frame_instr,
		       previous_offset = py_layout.frame_previous, marked = w->p->mark;
	const struct py_cached *first = w->p->cached, *e = first + i, *same = e + 1;
	const char *proven = w->proven;
	bool holds = true;

	for (;; e--) {
		const char *frame = e->frame;
		uint32_t word = PY_AT(uint32_t, frame, mark_offset);
		bool is_new = PY_AT(uint64_t, frame, instr_offset) != e->instr;

		same = is_new ? e : same;
		if (word == marked || frame == proven)
			break;
		if (word == UINT32_MAX && !is_new && w->may_mark)
			mark(w->p, e);
		holds = PY_AT(char *, frame, previous_offset) == (e == first ? NULL : e[-1].frame);
		if (e == first || !holds)
			break;
	}
	w->same = (uint32_t)(same - first);
	*stop = (int)(e - first);
	return holds;
}

/* Splits the stack that ends in `frame` into fresh frames above and kept entries below. */
static bool split(struct walk *w, const char *frame)
{
	while (frame) {
		int i = find(w->p, frame), stop = i;

		if (i >= 0 && (w->all_proofs ? descend_inner : descend)(w, i, &stop)) {
			w->kept = (uint32_t)i + 1;
			return true;
		}
		if (i < 0 && !add_fresh(w, frame))
			return false;
		for (; i >= 0 && i >= stop; i--)
			if (!add_fresh(w, frame = w->p->cached[i].frame))
				return false;
		frame = previous_of(frame);
	}
	w->kept = w->same = 0;
	return true;
}

/* The same, with room for all of them among the entries. */
static bool walk(struct walk *w, const char *top)
{
	bool good = split(w, top);

	while (good && w->kept + w->n_fresh > w->p->capacity)
		good = grow(w->p);
	return good;
}

static uint32_t push_fresh(struct thread *t, struct walk *w, uint32_t stack)
{
	struct py_thread *p = w->p;
	struct py_cached *e = p->cached + w->kept;

	for (uint32_t n = w->n_fresh; n--; e++) {
		e->frame = p->fresh[n];
		e->code = frames_are_objects() ? PY_AT(char *, e->frame, py_layout.frame_code) : NULL;
		e->may_mark = can_be_marked(e->frame, e->code);
		p->where[place_of(e->frame)] = (uint32_t)(e - p->cached);
		stack = refresh(t, p, e, stack);
		if (w->may_mark)
			mark(p, e);
	}
	return stack;
}

/* New ids from entry `same` upwards, and the entries of fresh frames. */
static uint32_t rebuild(struct thread *t, struct walk *w)
{
	struct py_thread *p = w->p;
	uint32_t stack = w->same ? p->cached[w->same - 1].stack : 0;

	for (uint32_t i = w->same; i < w->kept; i++) {
		struct py_cached *e = &p->cached[i];

		if (frames_are_objects()) { /* an unmarked frame's memory may be another function's by now */
			e->code = PY_AT(char *, e->frame, py_layout.frame_code);
			e->may_mark = can_be_marked(e->frame, e->code);
		}
		stack = refresh(t, p, e, stack);
		if (w->may_mark)
			mark(p, e);
	}
	stack = push_fresh(t, w, stack);
	p->depth = w->kept + w->n_fresh;
	return stack;
}

static void forget(struct py_thread *p)
{
	p->depth = 0;
	p->top = NULL;
	memset(p->memo, 0, MEMOS * sizeof *p->memo);
}

static bool first_memory(struct py_thread *p)
{
	char *memory = arena_map(MEMOS * sizeof *p->memo + PLACES * sizeof *p->where);

	if (!memory)
		return false;
	p->memo = (struct py_memo *)memory;
	p->where = (uint32_t *)(memory + MEMOS * sizeof *p->memo);
	return grow(p);
}

void py_thread_end(struct py_thread *p)
{
	if (p->memo)
		arena_unmap(p->memo, MEMOS * sizeof *p->memo + PLACES * sizeof *p->where);
	if (p->cached)
		arena_unmap(p->cached, p->capacity * (sizeof *p->cached + sizeof *p->fresh));
	memset(p, 0, sizeof *p);
}

/* Makes `p` fit for this moment: memory, ids of this process, no code object that has died, this thread state. */
static bool prepare(struct py_thread *p, const char *tstate)
{
	uint32_t deaths = __atomic_load_n(&py_state.deaths, __ATOMIC_ACQUIRE);

	if (!p->cached && !first_memory(p))
		return false;
	if (p->epoch != py_state.epoch || p->deaths != deaths)
		forget(p);
	if (p->tstate != tstate)
		p->depth = 0;
	p->epoch = py_state.epoch;
	p->deaths = deaths;
	p->tstate = tstate;
	/* Frames of 3.11 and later have room for a number of its own for each thread, negative as the interpreter's is. */
	p->mark = frames_are_objects() ? 0x41 : UINT32_C(0x80000000) | ((uint32_t)((uintptr_t)p >> 4) & 0x3fffffff);
	return true;
}

static void set_cookie(const struct py_thread *p, const char *tstate)
{
	char *chunk = chunk_of(tstate);
	uint64_t cookie = cookie_of(p);

	if (chunk)
		memcpy(chunk + py_layout.chunk_top, &cookie, sizeof cookie);
}

static uint32_t update(struct thread *t, struct py_thread *p, const char *tstate, bool has_gil)
{
	struct walk w = { .p = p };
	const char *top, *chunk;
	bool tracing;

	if (py_trust != PY_TRUST_FULL && !py_selftest(tstate))
		return 0;
	if (!prepare(p, tstate))
		return 0;
	/* A trace function may set the line of the frame that it was called for: nothing is proof while one runs. */
	tracing = py_layout.ts_tracing && PY_AT(int, tstate, py_layout.ts_tracing);
	top = py_top_frame(tstate);
	chunk = chunk_of(tstate);
	w.may_prove = !tracing;
	w.may_mark = has_gil && !tracing;
	w.all_proofs = !tracing && !frames_are_objects() && py_state.mark_mask;
	if (chunk && PY_AT(uint64_t, chunk, py_layout.chunk_top) == cookie_of(p))
		w.proven = chunk + py_layout.chunk_data;
	if (!walk(&w, top)) {
		forget(p);
		return 0;
	}
	p->stack = rebuild(t, &w);
	if (w.may_mark && !w.proven)
		set_cookie(p, tstate);
	p->instr = top ? p->cached[p->depth - 1].instr : 0;
	p->top = top && w.may_prove && p->cached[p->depth - 1].may_mark && mark_word(top) == p->mark ? top : NULL;
	return p->stack;
}

/* The commonest change: the frame is the one that was on top last time, only further on. 0: look closer. */
static uint32_t same_frame(struct py_thread *p, const char *tstate)
{
	const char *top = py_top_frame(tstate);
	struct py_cached *e, now;
	struct py_memo *m;
	uint32_t parent;
	uint64_t key;

	if (p->epoch != py_state.epoch || p->tstate != tstate || top != p->top || !top || mark_word(top) != p->mark ||
	    p->deaths != __atomic_load_n(&py_state.deaths, __ATOMIC_ACQUIRE))
		return 0;
	e = &p->cached[p->depth - 1];
	now = *e;
	now.instr = instr_of(top);
	key = key_of(&now);
	parent = p->depth > 1 ? e[-1].stack : 0;
	m = memo_of(p, key, parent);
	if (m->key != key || m->parent != parent || !key)
		return 0;
	e->instr = p->instr = now.instr;
	return e->stack = p->stack = m->stack;
}

uint32_t py_stack_changed(struct thread *t, struct py_thread *p, const char *tstate)
{
	uint32_t stack = same_frame(p, tstate);

	return stack ? stack : update(t, p, tstate, true);
}

/* ---- threads without the GIL ---- */

/*
 * The calling thread's thread state when it may be read, *held: with the GIL. A thread that gave the GIL back keeps its
 * frames as they are, so it may read them: when it was seen with that very thread state and the GIL before, and as long
 * as the interpreter does not take itself down, when thread states of others are destroyed.
 */
static const char *own_tstate(const struct py_thread *p, bool *held)
{
	const char *current = py_current(), *own;

	*held = current && !py_state.current_is_shared;
	if (*held)
		return current;
	if (py_state.current == nobody || !py_symbols.gilstate)
		return NULL;
	own = py_symbols.gilstate();
	*held = current && current == own;
	if (*held)
		return own;
	if (p->epoch != py_state.epoch || !p->tstate || !own)
		return NULL;
	/* a thread state of a subinterpreter is not the one that PyGILState knows */
	if (current && current == p->tstate && PY_AT(pthread_t, current, py_layout.ts_thread_id) == pthread_self()) {
		*held = true;
		return current;
	}
	return own == p->tstate && !py_finalizing() ? own : NULL;
}

uint32_t py_stack_without_gil(struct thread *t, struct py_thread *p)
{
	bool held;
	const char *tstate = own_tstate(p, &held);

	if (!tstate)
		return 0;
	if (py_stack_holds(p, tstate))
		return p->stack;
	return update(t, p, tstate, held);
}

/* ---- the oracle ---- */

static uint32_t frames_below(const char **frames, const char *top)
{
	uint32_t n = 0;

	for (const char *f = top; f && n < FRAMES_MAX; f = previous_of(f), n++)
		if (frames)
			frames[n] = f;
	return n;
}

uint32_t py_stack_full(struct thread *t, const struct py_thread *p, bool has_gil)
{
	bool held;
	const char *tstate = has_gil ? py_current() : own_tstate(p, &held), *few[64], **frames = few;
	uint32_t depth, stack = 0;

	if (!tstate || (py_trust != PY_TRUST_FULL && !py_selftest(tstate)))
		return 0;
	depth = frames_below(NULL, py_top_frame(tstate));
	if (depth > sizeof few / sizeof *few)
		frames = arena_map(depth * sizeof *frames);
	if (!frames)
		return 0;
	frames_below(frames, py_top_frame(tstate));
	for (uint32_t n = depth; n--;)
		stack = frame_id(t, frames[n], stack);
	if (frames != few)
		arena_unmap(frames, depth * sizeof *frames);
	return stack;
}

void py_after_fork(void)
{
	py_state.epoch++;
	py_code_forget();
}
