/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk: see native.h for the theory.
 *
 * A frame's *context* is where execution goes on in it: pc, sp, fp. What lies inward of it is the caller of the hook
 * (the first context); each further one follows from its inner neighbour by the neighbour's rule and two words of the
 * stack: the address of return, right below the CFA, and perhaps a saved frame pointer. These two words are compared
 * when a context is met again. A context that was found in another way (RULE_GENERAL) is found anew each time.
 */
#include "formats/event.h"
#include "preload/arena.h"
#include "preload/intern.h"
#include "preload/native/native.h"
#include "preload/native/rules.h"
#include "preload/os.h"
#include "preload/thread.h"
#include "preload/tracer.h"

#include <string.h>

struct native_frame {
	struct cpu_context c;
	uint32_t fp_delta, ra_delta; /* of the rule that led here: where fp and pc were read, below sp */
	uint32_t number;             /* of the address (rules.h) */
	uint32_t id;
	uint8_t flags;   /* PT_NATIVE_ */
	bool is_general; /* not found by the two words alone */
	bool exact;      /* its pc is an instruction, not an address of return */
};

/* Direct-mapped: (parent, number) -> id, and (native, python) -> id. */
struct native_memo {
	uint32_t parent, number, id;
};

enum { FRAMES_FIRST = 128, FRAMES_MAX = 1 << 21, MEMOS = 8192 };
enum { STACK_BYTES = 8 << 20, MAIN_STACK_MAX = 1 << 30 };
#define NUMBER_JOIN UINT32_C(0x80000000) /* of a Python stack: no address has such a number */
#define NUMBER_CUT  UINT32_MAX

bool native_on;
static _Atomic(uint64_t) epoch = 1; /* changes when code was unloaded: numbers of addresses do not hold any more */
static uint64_t main_lo, main_hi;   /* the main thread's stack, as far as it may grow */
static uint32_t main_tid;

/* ---- memory ---- */

static bool grow(struct native_thread *n)
{
	uint32_t capacity = n->capacity ? n->capacity * 2 : FRAMES_FIRST;
	size_t per = 2 * sizeof *n->frames + sizeof *n->evals;
	char *memory = capacity <= FRAMES_MAX ? arena_map(capacity * per) : NULL;
	struct native_frame *fresh = (struct native_frame *)memory + capacity;

	if (!memory)
		return false;
	if (n->capacity) {
		memcpy(memory, n->frames, n->depth * sizeof *n->frames);
		memcpy(fresh, n->fresh, n->capacity * sizeof *n->fresh);
		memcpy(fresh + capacity, n->evals, n->n_evals * sizeof *n->evals);
		arena_unmap(n->frames, n->capacity * per);
	}
	n->frames = (struct native_frame *)memory;
	n->fresh = fresh;
	n->evals = (uint32_t *)(fresh + capacity);
	n->capacity = capacity;
	return true;
}

static bool prepare(struct native_thread *n)
{
	uint64_t now = atomic_load_explicit(&epoch, memory_order_acquire);

	if (!n->memo && !(n->memo = arena_map(MEMOS * sizeof *n->memo)))
		return false;
	if (!n->capacity && !grow(n))
		return false;
	if (n->epoch != now) {
		memset(n->memo, 0, MEMOS * sizeof *n->memo);
		n->depth = n->n_evals = 0;
		n->stack = n->native = n->python = 0;
	}
	n->epoch = now;
	return true;
}

void native_thread_end(struct native_thread *n)
{
	if (n->memo)
		arena_unmap(n->memo, MEMOS * sizeof *n->memo);
	if (n->capacity)
		arena_unmap(n->frames, n->capacity * (2 * sizeof *n->frames + sizeof *n->evals));
	memset(n, 0, sizeof *n);
}

/* ---- the stack's bounds ---- */

/*
 * How far up the stack around `sp` may be read. The main thread's ends where the constructor saw its environment; that
 * of a thread ends below its thread pointer, since libc puts both into one mapping; any other (coroutines, signal
 * stacks) is looked up.
 */
static uint64_t stack_end(struct native_thread *n, uint64_t sp, uint32_t tid)
{
	uint64_t self = (uint64_t)(uintptr_t)__builtin_thread_pointer();

	if (likely(sp >= n->lo && sp < n->hi))
		return n->hi;
	if (tid == main_tid && sp < main_hi && sp >= main_lo) {
		n->lo = main_lo;
		n->hi = main_hi;
	} else if (tid != main_tid && sp < self && self - sp < STACK_BYTES) {
		n->lo = sp & ~(uint64_t)0xffff; /* no more is known to belong to it */
		n->hi = self;
	} else if (!modules_mapping(sp, &n->lo, &n->hi)) {
		n->lo = n->hi = 0;
		return sp;
	}
	return n->hi;
}

/* ---- one step ---- */

/* The outward neighbour of `f`, by its rule. CFI_STEPPED, CFI_END or CFI_UNKNOWN. Always inlined: it is the inner loop.
 */
static inline __attribute__((always_inline)) enum cfi_step
step_by_rule(const struct native_frame *f, const struct rule *rule, uint64_t hi, struct native_frame *to)
{
	uint64_t cfa = (rule->kind == RULE_SP ? f->c.sp : f->c.fp) + (uint64_t)(int64_t)rule->cfa_offset;
	uint32_t ra_delta = CPU_RA_DELTA ? CPU_RA_DELTA : rule->ra_delta;

	/* sp grows from frame to frame; a leaf that a signal interrupted may have pushed nothing */
	if (unlikely(cfa - f->c.sp - 1 >= hi - f->c.sp || cfa & 7))
		return CFI_UNKNOWN;
	to->c.sp = cfa;
	to->c.pc = *(const uint64_t *)(uintptr_t)(cfa - ra_delta);
	to->c.fp = rule->fp_delta ? *(const uint64_t *)(uintptr_t)(cfa - rule->fp_delta) : f->c.fp;
	to->fp_delta = rule->fp_delta;
	to->ra_delta = ra_delta;
	to->is_general = to->exact = false;
	return CFI_STEPPED;
}

/* Before the walk of a frame below which other registers matter: all of them, from here outwards to that frame. */
struct machine {
	struct cfi_registers regs;
	bool exact, at_end;
};

static enum cfi_step machine_step(struct machine *m)
{
	struct cfi_row row;
	enum cfi_step s;

	if (!rules_row(rule_key(m->regs.r[CPU_RA], m->exact), &row))
		return CFI_UNKNOWN;
	s = cfi_step(&row, &m->regs);
	m->exact = row.is_signal;
	m->regs.lo = m->regs.r[CPU_SP];
	return s;
}

/* All registers as they were in the context `c`: unwinds from here to it. */
static __attribute__((noinline)) bool machine_at(struct machine *m, const struct cpu_context *c, bool exact,
						 uint64_t hi)
{
	memset(m, 0, sizeof *m);
	cpu_registers(m->regs.r);
	m->regs.valid = CPU_SAVED | 1u << CPU_SP | 1u << CPU_RA;
	m->regs.lo = m->regs.r[CPU_SP];
	m->regs.hi = hi;
	m->exact = true;
	while (m->regs.r[CPU_SP] < c->sp)
		if (machine_step(m) != CFI_STEPPED)
			return false;
	return m->regs.r[CPU_SP] == c->sp && m->regs.r[CPU_RA] == c->pc && m->exact == exact;
}

/* The outward neighbour of `f`, by evaluation of its row: first with what a context knows, then with all registers. */
static __attribute__((noinline)) enum cfi_step step_general(const struct native_frame *f, uint64_t hi,
							    struct native_frame *to)
{
	struct machine m = { .exact = f->exact };
	enum cfi_step s;

	m.regs.lo = f->c.sp;
	m.regs.hi = hi;
	m.regs.r[CPU_RA] = f->c.pc;
	m.regs.r[CPU_SP] = f->c.sp;
	m.regs.r[CPU_FP] = f->c.fp;
	m.regs.valid = 1u << CPU_RA | 1u << CPU_SP | 1u << CPU_FP;
	s = machine_step(&m);
	if (s == CFI_STEPPED && !(m.regs.valid >> CPU_FP & 1))
		s = CFI_UNKNOWN;
	if (s == CFI_UNKNOWN && machine_at(&m, &f->c, f->exact, hi))
		s = machine_step(&m);
	if (s != CFI_STEPPED)
		return s;
	*to = (struct native_frame){ .c = { m.regs.r[CPU_RA], m.regs.r[CPU_SP], m.regs.r[CPU_FP] },
				     .is_general = true,
				     .exact = m.exact };
	return CFI_STEPPED;
}

/* The rule of a frame's address, whose number and flags the frame takes over; NULL when there is no memory. */
static inline const struct rule *rule_of(struct native_frame *f)
{
	const struct rule *rule = rules_find(rule_key(f->c.pc, f->exact));

	if (unlikely(!rule))
		return NULL;
	f->number = rule->number;
	f->flags = rule->flags;
	return rule;
}

static inline enum cfi_step step(struct native_frame *f, uint64_t hi, struct native_frame *to)
{
	const struct rule *rule = rule_of(f);

	if (unlikely(!rule))
		return CFI_UNKNOWN;
	if (likely(rule->kind <= RULE_FP))
		return step_by_rule(f, rule, hi, to);
	if (rule->kind == RULE_GENERAL)
		return step_general(f, hi, to);
	return rule->kind == RULE_END ? CFI_END : CFI_UNKNOWN;
}

/* ---- the walk ---- */

/* Whether the words that led to a frame are as they were. */
static inline bool still_holds(const struct native_frame *f)
{
	uint64_t pc = *(const uint64_t *)(uintptr_t)(f->c.sp - f->ra_delta);
	uint64_t fp = f->fp_delta ? *(const uint64_t *)(uintptr_t)(f->c.sp - f->fp_delta) : f->c.fp;

	return pc == f->c.pc && fp == f->c.fp && !f->is_general;
}

static inline bool same_context(const struct native_frame *a, const struct native_frame *b)
{
	return a->c.pc == b->c.pc && a->c.sp == b->c.sp && a->c.fp == b->c.fp && a->exact == b->exact;
}

struct walk {
	struct native_thread *n;
	uint32_t n_fresh; /* in n->fresh, the innermost first */
	uint32_t kept;    /* frames of the last walk, from the outermost, that are still there */
	uint32_t floor;   /* those below need no look */
};

static inline bool add_fresh(struct walk *w, const struct native_frame *f)
{
	if (unlikely(w->n_fresh + 1 >= w->n->capacity) && !grow(w->n))
		return false;
	w->n->fresh[w->n_fresh++] = *f;
	return true;
}

/* Compares from frame i outwards. Returns true when all hold; else *ret_last is the last that did, from which on the
 * frames are to be found anew. */
static inline bool verify(const struct walk *w, uint32_t i, uint32_t *ret_last)
{
	const struct native_frame *f = w->n->frames;

	while (i > w->floor) {
		if (unlikely(!still_holds(&f[i - 1]))) {
			*ret_last = i;
			return false;
		}
		i--;
	}
	return true;
}

/* Joins the frames of the last walk at frame i, which is met again. True: the rest is as it was. Else the frames that
 * still hold are fresh ones, and *f is the outermost of them. */
static inline bool join(struct walk *w, uint32_t i, struct native_frame *f, bool *ret_room)
{
	uint32_t last;

	if (likely(verify(w, i, &last))) {
		w->kept = i + 1;
		return true;
	}
	for (uint32_t k = i + 1; k-- > last;)
		*ret_room = *ret_room && add_fresh(w, &w->n->frames[k]);
	*f = w->n->frames[last];
	return false;
}

/* From the first context outwards, until a frame of the last walk is met or the stack ends. */
static inline bool walk(struct walk *w, struct native_frame f, uint32_t tid)
{
	struct native_thread *n = w->n;
	uint32_t i = n->depth;
	uint64_t hi = stack_end(n, f.c.sp, tid);
	enum cfi_step s = CFI_STEPPED;
	bool room = true, is_new = true;

	while (s == CFI_STEPPED) {
		while (i && n->frames[i - 1].c.sp < f.c.sp)
			i--;
		if (i && same_context(&n->frames[i - 1], &f)) {
			if (join(w, i - 1, &f, &room))
				return room;
			while (i && n->frames[i - 1].c.sp <= f.c.sp)
				i--;
			is_new = false; /* join added it */
		}
		struct native_frame to;

		s = step(&f, hi, &to);
		if (is_new && !add_fresh(w, &f))
			return false;
		is_new = true;
		f = to;
		if (unlikely(f.is_general)) /* perhaps out of a signal's stack */
			hi = stack_end(n, f.c.sp, tid);
	}
	w->kept = 0;
	n->cut = s == CFI_UNKNOWN;
	return room;
}

/* ---- ids ---- */

static inline struct native_memo *memo_of(const struct native_thread *n, uint32_t parent, uint32_t number)
{
	uint64_t h = ((uint64_t)parent << 32 | number) * UINT64_C(0x9e3779b97f4a7c15);

	return &n->memo[h >> 51];
}
_Static_assert(MEMOS == 1 << (64 - 51), "the hash is as wide as the table");

static __attribute__((noinline)) uint32_t define(struct thread *t, uint32_t parent, const struct native_frame *f)
{
	uint64_t pc = f->c.pc;
	const struct module *m = f->number ? modules_find(pc - !f->exact) : NULL;
	uint32_t module = modules_number(t, m);

	return intern_native(t, parent, f->number,
			     (struct intern_place){ module, pc - (module ? m->bias : 0), f->flags });
}

static inline uint32_t id_of(struct thread *t, struct native_thread *n, uint32_t parent, const struct native_frame *f)
{
	struct native_memo *m = memo_of(n, parent, f->number);

	if (likely(m->parent == parent && m->number == f->number))
		return m->id;
	*m = (struct native_memo){ parent, f->number, define(t, parent, f) };
	return m->id;
}

static uint32_t cut_id(struct thread *t)
{
	return intern_native(t, 0, NUMBER_CUT, (struct intern_place){ 0, 0, PT_NATIVE_CUT });
}

static uint32_t join_id_slow(struct thread *t, uint32_t python, uint32_t native)
{
	return python && native ? intern_join(t, python, native) : python ? python : native;
}

static inline uint32_t join_id(struct thread *t, struct native_thread *n, uint32_t python, uint32_t native)
{
	struct native_memo *m;

	if (!python || !native)
		return python ? python : native;
	m = memo_of(n, native, python | NUMBER_JOIN);
	if (unlikely(m->parent != native || m->number != (python | NUMBER_JOIN)))
		*m = (struct native_memo){ native, python | NUMBER_JOIN, intern_join(t, python, native) };
	return m->id;
}

/* Appends the fresh frames to the kept ones. Returns the id of the innermost. */
static inline uint32_t rebuild(struct thread *t, struct walk *w)
{
	struct native_thread *n = w->n;
	uint32_t id = w->kept ? n->frames[w->kept - 1].id : unlikely(n->cut) ? cut_id(t) : 0;

	while (n->n_evals && n->evals[n->n_evals - 1] >= w->kept)
		n->n_evals--;
	n->depth = w->kept;
	while (w->n_fresh) {
		struct native_frame *f = &n->frames[n->depth];

		*f = n->fresh[--w->n_fresh];
		f->id = id = id_of(t, n, id, f);
		if (f->flags & PT_NATIVE_EVAL)
			n->evals[n->n_evals++] = n->depth;
		n->depth++;
	}
	return id;
}

/* ---- all of it ---- */

/* Frames of the last walk that need no look: those outwards of an evaluation loop that is still the same call. The
 * n-th loop evaluates what the n-th entry of the Python stack began, both counted from the outer end; `in_step`: that
 * was so for the whole stack when it was walked. A Python stack that is not of this moment proves nothing. */
static inline uint32_t floor_of(const struct native_thread *n, const struct py_thread *py, uint32_t python)
{
	return python && n->in_step && py->same && py->same <= n->n_evals ? n->evals[py->same - 1] : 0;
}

static inline bool make_room(const struct walk *w)
{
	bool good = true;

	while (unlikely(good && w->kept + w->n_fresh > w->n->capacity))
		good = grow(w->n);
	return good;
}

uint32_t native_stack(struct thread *t, uint32_t python, const void *frame)
{
	struct native_thread *n = &t->native;
	struct native_frame first = { .c = cpu_caller(frame) };
	struct walk w = { .n = n };
	uint32_t native;

	if (unlikely(n->epoch != atomic_load_explicit(&epoch, memory_order_acquire)) && !prepare(n))
		return python;
	w.floor = floor_of(n, &t->py, python);
	if (unlikely(!walk(&w, first, t->tid) || !make_room(&w))) {
		n->depth = n->n_evals = 0;
		return python;
	}
	native = rebuild(t, &w);
	n->in_step = n->n_evals == t->py.entries;
	t->py.same = python ? t->py.entries : 0;
	if (native == n->native && python == n->python)
		return n->stack;
	n->native = native;
	n->python = python;
	return n->stack = join_id(t, n, python, native);
}

/* ---- without what was known before ---- */

uint32_t native_stack_full(struct thread *t, uint32_t python, const void *frame)
{
	struct native_thread n = { 0 };
	struct native_frame first = { .c = cpu_caller(frame) };
	struct walk w = { .n = &n };
	uint32_t native = 0;

	if (prepare(&n) && walk(&w, first, t->tid) && make_room(&w))
		native = rebuild(t, &w);
	native_thread_end(&n);
	return join_id_slow(t, python, native);
}

bool native_each(uint32_t tid, const void *frame, bool (*each)(void *arg, const struct cpu_context *c), void *arg)
{
	struct native_thread n = { 0 };
	struct native_frame first = { .c = cpu_caller(frame) };
	struct walk w = { .n = &n };

	bool cut;

	if (prepare(&n) && walk(&w, first, tid))
		for (uint32_t i = 0; i < w.n_fresh && each(arg, &n.fresh[i].c); i++)
			;
	cut = n.cut;
	native_thread_end(&n);
	return cut;
}

/* ---- life ---- */

void native_start(const void *above_stack)
{
	uint64_t limit = os_stack_limit();

	main_hi = (uint64_t)(uintptr_t)above_stack & ~UINT64_C(7);
	main_lo = main_hi - (limit < MAIN_STACK_MAX ? limit : MAIN_STACK_MAX);
	main_tid = os_tid();
	modules_start(rules_forget);
	native_on = true;
}

/* First the rules, then the threads' memories of them. */
void native_unloaded(void)
{
	modules_look_again();
	atomic_fetch_add(&epoch, 1);
}

void native_after_fork(void)
{
	main_tid = os_tid();
	modules_after_fork();
	rules_after_fork();
	atomic_fetch_add(&epoch, 1);
}
