/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack: the current Python stack; who asks, in which state, with which version's walk
 *
 * walk.h has the theory and the work. Here: one copy of the walk per version, the memory of a thread, threads without
 * the GIL, the oracle.
 */
#include "preload/py/stack/walk.h"
#include "preload/py/objects/pools.h"

#include <pthread.h>

#include "preload/py/layout/layout_rows.h"
#include "preload/py/stack/who.h"

enum { OUTER_FRAMES = 4 };

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

/* ---- one walk per version ---- */

typedef uint32_t update_fn(struct thread *t, struct py_thread *p, const char *tstate, bool has_gil);

#define FAMILY(name, row)                                                                                      \
	static uint32_t update_##name(struct thread *t, struct py_thread *p, const char *tstate, bool has_gil) \
	{                                                                                                      \
		return update(t, p, tstate, has_gil, &py_layout_rows[row]);                                    \
	}
FAMILY(8, 8)
FAMILY(9, 9)
FAMILY(10, 10)
FAMILY(11, 11)
FAMILY(12, 12)
FAMILY(13, 13)
FAMILY(14, 14)
FAMILY(15, 15)
FAMILY(13t, PY_LAYOUT_THREADED + 13)
FAMILY(14t, PY_LAYOUT_THREADED + 14)

static update_fn *const families[] = {
	[8] = update_8,
	[9] = update_9,
	[10] = update_10,
	[11] = update_11,
	[12] = update_12,
	[13] = update_13,
	[14] = update_14,
	[15] = update_15,
	[PY_LAYOUT_THREADED + 13] = update_13t,
	[PY_LAYOUT_THREADED + 14] = update_14t,
};

/* For versions without a copy of their own, and for layouts that an interpreter's own offsets have corrected. */
static uint32_t update_any(struct thread *t, struct py_thread *p, const char *tstate, bool has_gil)
{
	return update(t, p, tstate, has_gil, &py_layout);
}

static update_fn *chosen = update_any;

static update_fn *choose(void)
{
	unsigned row = py_layout.free_threaded ? PY_LAYOUT_THREADED + py_layout.minor : py_layout.minor;
	bool as_in_table = row < PY_LAYOUT_ROWS && !memcmp(&py_layout, &py_layout_rows[row], sizeof py_layout);

	return as_in_table && row < sizeof families / sizeof *families && families[row] ? families[row] : update_any;
}

/* Until the offsets are believed, each stack is tested before it is read. */
static uint32_t update_trying(struct thread *t, struct py_thread *p, const char *tstate, bool has_gil)
{
	if (!py_selftest(tstate))
		return 0;
	if (py_trust == PY_TRUST_FULL)
		chosen = choose();
	return update_any(t, p, tstate, has_gil);
}

void py_state_on(void)
{
	py_state.cframe_offset = py_layout.ts_cframe;
	py_state.top_offset = py_layout.ts_top;
	py_state.instr_offset = py_layout.frame_instr;
	py_state.mark_offset = py_layout.frame_mark;
	py_state.mark_mask = !py_layout.frame_mark ? 0 : marks_are_bytes(&py_layout) ? 0xff : UINT32_MAX;
	py_state.current_is_shared = py_layout.minor <= 11;
	py_state.code_type = py_symbols.code_type;
	py_state.block_type = py_layout.object_type;
	py_state.segment_mask = py_layout.free_threaded ? PY_SEGMENT_BYTES - 1 : 0;
	py_state.before_max = py_layout.minor >= 11 && !py_layout.free_threaded ? PY_BEFORE_MAX : PY_BEFORE_STEP;
	py_state.count_mask = py_layout.minor >= 14 && !py_layout.free_threaded ? UINT32_MAX : UINT64_MAX;
	py_state.count_max = py_layout.free_threaded ? 3 : 1; /* the lower two bits of a shared count are flags */
	py_state.types = py_symbols.type_type != NULL;
	py_state.current = py_symbols.current;
	chosen = update_trying;
}

void py_state_off(void)
{
	py_state.current = nobody;
	py_state.current_word = NULL;
	py_state.current_from_thread = 0;
	py_state.current_is_shared = false;
	py_state.code_type = &py_state.code_type;
	py_state.types = false;
}

/* ---- code and ids of a frame, without a cache ---- */

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
	uintptr_t start;
	int64_t at;

	if (are_objects(&py_layout))
		return object_frame_code(frame, offset);
	owner = PY_AT(uint8_t, frame, py_layout.frame_owner);
	if (owner >= OWNER_CSTACK)
		return NULL;
	code = py_frame_target(frame, &py_layout);
	if (!code || PY_AT(void *, code, py_layout.object_type) != py_symbols.code_type)
		return NULL;
	start = py_code_start(frame, code, &py_layout);
	at = start ? (int64_t)(instr_of(frame, &py_layout) - start) : -1;
	if (owner != OWNER_GENERATOR && at < (int64_t)PY_AT(int32_t, code, py_layout.code_traceable) * 2)
		return NULL;
	*offset = at < 0 ? PT_OFFSET_NONE : (uint32_t)at;
	return code;
}

/* `shift`: how far behind the instruction that the frame tells. */
static uint32_t code_on_top(struct thread *t, const char *frame, uint32_t parent, uint32_t shift)
{
	uint32_t offset, id;
	const char *code = py_frame_code(frame, &offset);

	if (!code)
		return parent;
	id = py_code_id(t, code);
	return id ? intern_frame(t, parent, id, offset == PT_OFFSET_NONE ? offset : offset + shift) : parent;
}

static uint32_t frame_id(struct thread *t, const char *frame, uint32_t parent, uint32_t shift)
{
	if (py_state.entries && is_entry(frame, &py_layout))
		parent = intern_frame(t, parent, PT_CODE_ENTRY, 0);
	return code_on_top(t, frame, parent, shift);
}

uint32_t py_frame_id(struct thread *t, const char *frame, uint32_t parent) { return frame_id(t, frame, parent, 0); }

/* ---- memory of a thread ---- */

bool py_cached_grow(struct py_thread *p)
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

static void forget(struct py_thread *p)
{
	p->depth = 0;
	p->entries = p->same = 0;
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
	return py_cached_grow(p);
}

void py_thread_end(struct py_thread *p)
{
	if (p->memo)
		arena_unmap(p->memo, MEMOS * sizeof *p->memo + PLACES * sizeof *p->where);
	if (p->cached)
		arena_unmap(p->cached, p->capacity * (sizeof *p->cached + sizeof *p->fresh));
	py_who_end(p);
	memset(p, 0, sizeof *p);
}

/* Entry frames on the C stack are passed over. */
const char *py_outermost(const struct py_thread *p, const char **ret_code)
{
	for (uint32_t i = 0, offset; i < p->depth && i < OUTER_FRAMES; i++) {
		*ret_code = py_frame_code(p->cached[i].frame, &offset);
		if (*ret_code)
			return p->cached[i].frame;
	}
	return *ret_code = NULL;
}

uint32_t py_index_of(const struct py_thread *p, const char *frame)
{
	for (uint32_t i = p->depth; frame && i-- > 0;)
		if (p->cached[i].frame == frame)
			return i;
	return UINT32_MAX;
}

/* A coroutine awaited by another one is entered from C only up to 3.10, and its caller is a coroutine then. */
static bool is_entered_coroutine(const struct py_thread *p, uint32_t i)
{
	const struct py_cached *e = &p->cached[i];

	if (are_objects(&py_layout))
		return !e->may_mark && (!i || e[-1].may_mark);
	if (owner_of(e->frame, &py_layout) != OWNER_GENERATOR)
		return false;
	return py_layout.minor == 11 ? is_entry(e->frame, &py_layout) : !i || is_entry(e[-1].frame, &py_layout);
}

bool py_entered_coroutine(const struct py_thread *p, uint32_t from)
{
	for (uint32_t i = from; i < p->depth; i++)
		if (is_entered_coroutine(p, i))
			return true;
	return false;
}

const char *py_innermost_code(const struct py_thread *p)
{
	uint32_t offset;

	return p->depth ? py_frame_code(p->cached[p->depth - 1].frame, &offset) : NULL;
}

/* Makes `p` fit for this moment: memory, ids of this process, no code object that has died, this thread state. */
bool py_prepare(struct py_thread *p, const char *tstate)
{
	uint32_t deaths = __atomic_load_n(&py_state.deaths, __ATOMIC_ACQUIRE);

	if (!p->cached && !first_memory(p))
		return false;
	if (p->epoch != py_state.epoch || p->deaths != deaths)
		forget(p);
	if (p->epoch != py_state.epoch || p->tstate != tstate || py_layout.code_copies)
		p->depth = p->stack = p->entries = p->same = 0;
	p->epoch = py_state.epoch;
	p->deaths = deaths;
	p->tstate = tstate;
	if (py_layout.code_copies)
		p->tstate_id = PY_AT(uint64_t, tstate, py_layout.ts_id);
	/* Frames of 3.11 and later have room for a number of its own for each thread, negative as the interpreter's is.
	 */
	p->mark = marks_are_bytes(&py_layout) ? MARK_OF_BYTES
					      : UINT32_C(0x80000000) | ((uint32_t)((uintptr_t)p >> 4) & 0x3fffffff);
	return true;
}

static uint32_t walked(struct thread *t, struct py_thread *p, const char *tstate, bool has_gil)
{
	uint32_t stack = chosen(t, p, tstate, has_gil);

	py_who(t, p, tstate, has_gil);
	return stack;
}

uint32_t py_stack_changed(struct thread *t, struct py_thread *p, const char *tstate)
{
	return walked(t, p, tstate, true);
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
	return py_stack_holds(p, tstate) ? p->stack : walked(t, p, tstate, held);
}

/* ---- the oracle ---- */

enum { NOT_FRAMES = -1 };

static int frames_below(const char **frames, const char *top)
{
	int n = 0;

	for (const char *f = top; f && n < FRAMES_MAX; f = previous_of(f, &py_layout), n++) {
		if (!are_objects(&py_layout) && !py_frame_is_sane(f))
			return NOT_FRAMES;
		if (frames)
			frames[n] = f;
	}
	return n;
}

/*
 * Whether the thread's last stack has the same frames, entries left out. While greenlet switches it takes the entries
 * out of the chain (they are on the C stack that it copies away), and frames with intact marks know better.
 */
static bool only_entries_differ(const struct py_thread *p, const char *const *frames, int n)
{
	uint32_t i = p->depth;
	int k = 0;

	for (;; k++) {
		while (i && p->cached[i - 1].entry && !are_objects(&py_layout) && !py_layout.frame_entry)
			i--;
		while (k < n && is_on_c_stack(frames[k], &py_layout))
			k++;
		if (!i || k == n)
			return !i && k == n;
		if (p->cached[--i].frame != frames[k] || p->cached[i].instr != instr_of(frames[k], &py_layout))
			return false;
	}
}

/* `shift`: of the top frame's instruction. */
static uint32_t full_stack(struct thread *t, const struct py_thread *p, const char *tstate, uint32_t shift)
{
	const char *few[64], **frames = few;
	uint32_t stack = 0;
	int depth;

	depth = frames_below(NULL, py_top_frame(tstate));
	if (depth == NOT_FRAMES)
		return p->stack; /* in the middle of greenlet's copying, see may_be_read */
	if (depth > (int)(sizeof few / sizeof *few))
		frames = arena_map((size_t)depth * sizeof *frames);
	if (!frames)
		return 0;
	frames_below(frames, py_top_frame(tstate));
	for (int n = depth; n--;)
		stack = frame_id(t, frames[n], stack, n ? 0 : shift);
	if (stack != p->stack && !shift && only_entries_differ(p, frames, depth))
		stack = p->stack;
	if (frames != few)
		arena_unmap(frames, (size_t)depth * sizeof *frames);
	return stack;
}

uint32_t py_stack_full(struct thread *t, const struct py_thread *p, bool has_gil)
{
	bool held;
	const char *tstate = has_gil ? py_current() : own_tstate(p, &held);

	if (!tstate || (py_trust != PY_TRUST_FULL && !py_selftest(tstate)))
		return 0;
	return full_stack(t, p, tstate, 0);
}

uint32_t py_stack_of_change(struct thread *t, const struct py_thread *p, const char *object, int64_t delta)
{
	bool held;
	const char *tstate = py_trust == PY_TRUST_FULL ? own_tstate(p, &held) : NULL, *dying = NULL;
	uint32_t stack;

	if (!tstate)
		return 0;
	if (delta < 0)
		dying = py_dying_frame(tstate);
	stack = full_stack(t, p, tstate, dying ? 0 : py_second_half(py_top_frame(tstate), object, delta));
	return dying ? code_on_top(t, dying, stack, 0) : stack;
}

bool py_call_is_over(const struct py_thread *p)
{
	bool held;
	const char *tstate = py_trust == PY_TRUST_FULL ? own_tstate(p, &held) : NULL;

	return tstate && py_dying_frame(tstate);
}

/* ---- where on the C stack the evaluation loop was entered ---- */

/*
 * Since 3.12 each call of the loop by C code has a frame of its own in the loop's C frame (Python/ceval.c,
 * entry_frame). So its address tells which machine code the loop is, however the compiler has cut that function up.
 */
unsigned py_entry_places(const struct py_thread *p, uint64_t *places, unsigned max)
{
	unsigned n = 0;

	if (py_layout.minor < 12)
		return 0;
	for (uint32_t i = p->depth; i-- && n < max;)
		if (p->cached[i].entry)
			places[n++] = (uint64_t)(uintptr_t)p->cached[i].frame;
	return n;
}

void py_want_entries(void) { py_state.entries = true; }

void py_after_fork(void)
{
	py_state.epoch++;
	py_code_forget();
	py_types_forget();
	py_who_after_fork();
	py_pools_after_fork();
}
