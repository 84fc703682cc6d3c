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
	uint64_t sp, pc, fp;
	uint64_t path;   /* hash of the addresses of this frame and of all outwards; what the stack's id is found by */
	uint32_t number; /* of the address (rules.h) */
	uint16_t fp_delta; /* of the rule that led here: where fp and pc were read, below sp; 0: fp as inwards */
	uint16_t ra_delta;
	uint8_t flags;   /* PT_NATIVE_ */
	bool is_general; /* not found by these two words alone */
	bool exact;      /* its pc is an instruction, not an address of return */
};
_Static_assert(sizeof(struct native_frame) == 48, "frames are copied word by word");

/* Direct-mapped: (path of the innermost frame, Python stack) -> stack. */
struct native_memo {
	uint64_t path;
	uint32_t python, stack;
};

enum { FRAMES_FIRST = 128, FRAMES_MAX = 1 << 21, MEMOS = 8192 };
enum { COPIED_WORDS = 6 };
enum { STACK_BYTES = 8 << 20, MAIN_STACK_MAX = 1 << 30 };
#define NUMBER_CUT UINT32_MAX

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

/* Before the walk of a frame whose row wants other registers: all of them, from here outwards to that frame. */
struct machine {
	struct cfi_registers regs;
	bool exact;
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

/* All registers as they were in the frame `f`: unwinds from here to it. */
static __attribute__((noinline)) bool machine_at(struct machine *m, const struct native_frame *f, uint64_t hi)
{
	memset(m, 0, sizeof *m);
	cpu_registers(m->regs.r);
	m->regs.valid = CPU_SAVED | 1u << CPU_SP | 1u << CPU_RA;
	m->regs.lo = m->regs.r[CPU_SP];
	m->regs.hi = hi;
	m->exact = true;
	while (m->regs.r[CPU_SP] < f->sp)
		if (machine_step(m) != CFI_STEPPED)
			return false;
	return m->regs.r[CPU_SP] == f->sp && m->regs.r[CPU_RA] == f->pc && m->exact == f->exact;
}

/* The outward neighbour of `f`, by evaluation of its row: first with what a frame knows, then with all registers. */
static __attribute__((noinline)) enum cfi_step step_general(const struct native_frame *f, uint64_t hi,
							    struct native_frame *to)
{
	struct machine m = { .exact = f->exact };
	enum cfi_step s;

	m.regs.lo = f->sp;
	m.regs.hi = hi;
	m.regs.r[CPU_RA] = f->pc;
	m.regs.r[CPU_SP] = f->sp;
	m.regs.r[CPU_FP] = f->fp;
	m.regs.valid = 1u << CPU_RA | 1u << CPU_SP | 1u << CPU_FP;
	s = machine_step(&m);
	if (s == CFI_STEPPED && !(m.regs.valid >> CPU_FP & 1))
		s = CFI_UNKNOWN;
	if (s == CFI_UNKNOWN && machine_at(&m, f, hi))
		s = machine_step(&m);
	if (s != CFI_STEPPED)
		return s;
	*to = (struct native_frame){ .pc = m.regs.r[CPU_RA],
				     .sp = m.regs.r[CPU_SP],
				     .fp = m.regs.r[CPU_FP],
				     .is_general = true,
				     .exact = m.exact };
	return CFI_STEPPED;
}

/* The same by a short rule, in a few loads. The inner loop. */
static inline __attribute__((always_inline)) enum cfi_step
step_by_rule(const struct native_frame *f, const struct rule *rule, uint64_t hi, struct native_frame *to)
{
	uint64_t cfa = (rule->kind == RULE_SP ? f->sp : f->fp) + (uint64_t)(int64_t)rule->cfa_offset;
	uint16_t ra_delta = CPU_RA_DELTA ? CPU_RA_DELTA : rule->ra_delta;

	if (unlikely(cfa - f->sp - 1 >= hi - f->sp || cfa & 7))
		return CFI_UNKNOWN;
	to->sp = cfa;
	to->pc = *(const uint64_t *)(uintptr_t)(cfa - ra_delta);
	to->fp = rule->fp_delta ? *(const uint64_t *)(uintptr_t)(cfa - rule->fp_delta) : f->fp;
	to->fp_delta = rule->fp_delta;
	to->ra_delta = ra_delta;
	to->is_general = to->exact = false;
	return CFI_STEPPED;
}

/* From a frame to its outward neighbour. The frame takes over its address's number and flags. */
static inline __attribute__((always_inline)) enum cfi_step step(struct native_frame *f, uint64_t hi,
								struct native_frame *to)
{
	const struct rule *rule = rules_find(rule_key(f->pc, f->exact));

	if (unlikely(!rule)) {
		f->number = 0;
		f->flags = 0;
		return CFI_UNKNOWN;
	}
	f->number = rule->number;
	f->flags = rule->flags;
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
	uint64_t pc = *(const uint64_t *)(uintptr_t)(f->sp - f->ra_delta);
	uint64_t fp = f->fp_delta ? *(const uint64_t *)(uintptr_t)(f->sp - f->fp_delta) : f->fp;

	return pc == f->pc && fp == f->fp && !f->is_general;
}

static inline bool same_context(const struct native_frame *a, const struct native_frame *b)
{
	return a->pc == b->pc && a->sp == b->sp && a->fp == b->fp && a->exact == b->exact;
}

struct walk {
	struct native_thread *n;
	uint32_t n_fresh; /* in n->fresh, the innermost first */
	uint32_t kept;    /* frames of the last walk, from the outermost, that are still there */
	uint32_t floor;   /* those below need no look */
};

/* Word by word: loads of two words would wait for the stores of one that came just before. */
static inline void copy_frame(struct native_frame *to, const struct native_frame *from)
{
	const uint64_t *a = (const uint64_t *)from;
	uint64_t *b = (uint64_t *)to;

	for (int i = 0; i < COPIED_WORDS; i++)
		__atomic_store_n(&b[i], a[i], __ATOMIC_RELAXED);
}

static inline void copy_way(struct native_frame *to, const struct native_frame *from)
{
	to->fp_delta = from->fp_delta;
	to->ra_delta = from->ra_delta;
	to->is_general = from->is_general;
}

/* Joins the frames of the last walk at frame i, which is met again, and compares from there outwards. True: all of them
 * hold. Else those that do are fresh again, and the outermost of them is the one to go on from. */
static inline bool join(struct walk *w, uint32_t i)
{
	struct native_thread *n = w->n;
	uint32_t last = i;

	while (last > w->floor && likely(still_holds(&n->frames[last - 1])))
		last--;
	w->kept = i + 1;
	if (likely(last <= w->floor))
		return true;
	for (uint32_t k = i; w->n_fresh + 2 < n->capacity || grow(n); k--) {
		copy_frame(&n->fresh[w->n_fresh], &n->frames[k]);
		if (k == last)
			break;
		w->n_fresh++;
	}
	w->kept = 0;
	return false;
}

/*
 * From the first frame, which lies in n->fresh, outwards, until a frame of the last walk is met or the stack ends.
 * Frames are made in their places: fresh[n_fresh] is the one in hand, complete but for what its own address says.
 * False: no memory.
 */
static bool walk(struct walk *w, uint32_t tid)
{
	struct native_thread *n = w->n;
	uint64_t hi = stack_end(n, n->fresh[0].sp, tid);
	uint32_t i = n->depth;
	enum cfi_step s = CFI_STEPPED;

	do {
		struct native_frame *f = &n->fresh[w->n_fresh];

		if (unlikely(f->is_general)) /* perhaps out of a signal's stack */
			hi = stack_end(n, f->sp, tid);
		while (i && n->frames[i - 1].sp < f->sp)
			i--;
		if (i && same_context(&n->frames[i - 1], f)) {
			if (unlikely(n->frames[i - 1].is_general)) /* the first of a walk, say: now it is known how it
								      is found */
				copy_way(&n->frames[i - 1], f);
			if (likely(join(w, i - 1)))
				return true;
			f = &n->fresh[w->n_fresh];
			while (i && n->frames[i - 1].sp <= f->sp)
				i--;
		}
		if (unlikely(w->n_fresh + 2 >= n->capacity)) {
			if (!grow(n))
				return false;
			f = &n->fresh[w->n_fresh];
		}
		s = step(f, hi, f + 1);
		w->n_fresh++;
	} while (s == CFI_STEPPED);
	w->kept = 0;
	n->cut = s == CFI_UNKNOWN;
	return true;
}

/* ---- ids ---- */

/* The stack's id is found by a hash of its addresses, so that a stack that is known costs one look, however many of its
 * frames are new to the thread. Of ten million stacks two have the same 64 bits in one run out of 300,000. */
static inline uint64_t path_of(uint64_t outward, uint32_t number)
{
	uint64_t h = (outward ^ number) * UINT64_C(0x9e3779b97f4a7c15);

	return h ^ h >> 32;
}
static uint64_t path_of_end(bool cut) { return cut ? UINT64_C(0x8ebc6af09c88c6e3) : UINT64_C(0x589965cc75374cc3); }

/* Appends the fresh frames to the kept ones. */
static inline void append(struct walk *w)
{
	struct native_thread *n = w->n;
	uint32_t depth = w->kept;
	uint64_t path = depth ? n->frames[depth - 1].path : path_of_end(n->cut);

	while (n->n_evals && n->evals[n->n_evals - 1] >= depth)
		n->n_evals--;
	for (const struct native_frame *f = n->fresh + w->n_fresh; f-- > n->fresh; depth++) {
		copy_frame(&n->frames[depth], f);
		n->frames[depth].path = path = path_of(path, f->number);
		if (f->flags & PT_NATIVE_EVAL)
			n->evals[n->n_evals++] = depth;
	}
	n->depth = depth;
}

static uint32_t define(struct thread *t, uint32_t parent, const struct native_frame *f)
{
	const struct module *m = f->number ? modules_find(f->pc - !f->exact) : NULL;
	uint32_t module = modules_number(t, m);

	return intern_native(t, f->path, parent,
			     (struct intern_place){ module, f->pc - (module ? m->bias : 0), f->flags });
}

static uint32_t define_end(struct thread *t, bool cut)
{
	return cut ? intern_native(t, path_of_end(true), 0, (struct intern_place){ 0, 0, PT_NATIVE_CUT }) : 0;
}

/* The id of the native stack as it lies in n->frames; the part that has none yet is defined, outermost first. */
static uint32_t native_id(struct thread *t, const struct native_thread *n)
{
	uint32_t first = n->depth, id = 0;

	while (first && !(id = intern_known(n->frames[first - 1].path, 0)))
		first--;
	if (!first)
		id = define_end(t, n->cut);
	for (; first < n->depth; first++)
		id = define(t, id, &n->frames[first]);
	return id;
}

static __attribute__((noinline)) uint32_t look_up(struct thread *t, const struct native_thread *n, uint32_t python)
{
	uint64_t path = n->frames[n->depth - 1].path;
	uint32_t id = intern_known(path, python);

	if (id)
		return id;
	id = native_id(t, n);
	return python && id ? intern_join(t, path, python, id) : python ? python : id;
}

static inline uint32_t stack_id(struct thread *t, const struct native_thread *n, uint32_t python)
{
	uint64_t path = n->frames[n->depth - 1].path;
	struct native_memo *m = &n->memo[(path ^ python * UINT64_C(0xd6e8feb86659fd93)) >> 51];

	if (unlikely(m->path != path || m->python != python))
		*m = (struct native_memo){ path, python, look_up(t, n, python) };
	return m->stack;
}
_Static_assert(MEMOS == 1 << (64 - 51), "the hash is as wide as the table");

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

static inline void start(struct walk *w, const void *frame)
{
	struct cpu_context c = cpu_caller(frame);
	struct native_frame *f = w->n->fresh;

	f->sp = c.sp;
	f->pc = c.pc;
	f->fp = c.fp;
	f->fp_delta = f->ra_delta = 0;
	f->is_general = true; /* nothing led here: it is never believed, only met */
	f->exact = false;
}

uint32_t native_stack(struct thread *t, uint32_t python, const void *frame)
{
	struct native_thread *n = &t->native;
	struct walk w = { .n = n };
	uint32_t stack;

	if (unlikely(n->epoch != atomic_load_explicit(&epoch, memory_order_acquire)) && !prepare(n))
		return python;
	w.floor = floor_of(n, &t->py, python);
	start(&w, frame);
	if (unlikely(!walk(&w, t->tid) || !make_room(&w))) {
		n->depth = n->n_evals = 0;
		return python;
	}
	append(&w);
	stack = stack_id(t, n, python);
	n->in_step = n->n_evals == t->py.entries;
	t->py.same = python ? t->py.entries : 0;
	return stack;
}

/* ---- without what was known before ---- */

uint32_t native_stack_full(struct thread *t, uint32_t python, const void *frame)
{
	struct native_thread n = { 0 };
	struct walk w = { .n = &n };
	uint32_t stack = python;

	if (prepare(&n)) {
		start(&w, frame);
		if (walk(&w, t->tid) && make_room(&w)) {
			append(&w);
			stack = look_up(t, &n, python);
		}
	}
	native_thread_end(&n);
	return stack;
}

bool native_each(uint32_t tid, const void *frame, bool (*each)(void *arg, const struct cpu_context *c), void *arg)
{
	struct native_thread n = { 0 };
	struct walk w = { .n = &n };
	bool cut;

	if (prepare(&n)) {
		start(&w, frame);
		if (walk(&w, tid))
			for (uint32_t i = 0; i < w.n_fresh; i++)
				if (!each(arg, &(struct cpu_context){ n.fresh[i].pc, n.fresh[i].sp, n.fresh[i].fp }))
					break;
	}
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
	if (modules_look_again())
		atomic_fetch_add(&epoch, 1);
}

void native_after_fork(void)
{
	main_tid = os_tid();
	modules_after_fork();
	rules_after_fork();
	atomic_fetch_add(&epoch, 1);
}
