/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk: see native.h for the theory.
 *
 * A frame is where execution goes on in it: pc, sp, fp. The innermost is the hook's caller; each further one follows
 * from its inner neighbour by the neighbour's rule and two words of the stack: the address of return, right below the
 * CFA, and perhaps a saved frame pointer. These two words are compared when a frame is met again. A frame that was
 * found in another way (RULE_GENERAL) is found anew each time.
 */
#include "formats/event.h"
#include "preload/base/arena.h"
#include "preload/record/intern.h"
#include "preload/native/native.h"
#include "preload/native/rules.h"
#include "preload/base/os.h"
#include "preload/record/thread.h"
#include "preload/base/tracer.h"

#include <string.h>

struct native_frame {
	uint64_t sp, pc, fp;
	uint64_t how;  /* how it was found (HOW_), and in the lower half the number of its address (struct rule) */
	uint64_t path; /* hash of the addresses of this frame and of all outwards; what the stack's id is found by */
};

/* The upper half of `how`: by which words of the stack, so far below sp, pc and fp were found (0: fp is that of the
 * inner frame); whether in another way; whether pc is an instruction and no address of return. */
#define HOW_FP_WORDS(how) ((how) >> 32 & 0xff)
#define HOW_RA_WORDS(how) (CPU_RA_DELTA ? CPU_RA_DELTA / 8 : (how) >> 40 & 0xff)
#define HOW_GENERAL       (UINT64_C(1) << 48)
#define HOW_EXACT         (UINT64_C(1) << 49)
#define HOW_BY_FP         (UINT64_C(1) << 50) /* sp was found by the fp of the inner frame */
#define HOW_NUMBER        UINT64_C(0xffffffff)
#define HOW_EVAL          ((uint64_t)PT_NATIVE_EVAL << 24)

/* Direct-mapped: (path of the innermost frame, Python stack) -> stack. */
struct native_memo {
	uint64_t path;
	uint32_t python, stack;
};

/*
 * A trail: what a walk read between the hook's caller and an evaluation loop, for the next one that starts at the same
 * place. Its words are at fixed distances, so that all can be compared at once, where a walk must wait for each
 * frame's before it knows where the next one's are.
 */
enum { TRAIL_WORDS = 14, TRAIL_BITS = 9, TRAILS = 1 << TRAIL_BITS };
struct native_trail {
	uint64_t pc, sp, fp; /* of the hook's caller */
	uint64_t loop_sp;    /* of the frame of the evaluation loop */
	uint64_t outer;      /* path of the frame outwards of that */
	uint32_t python, stack;
	uint16_t n, fp_matters;
	uint16_t at[TRAIL_WORDS]; /* in words from sp */
	uint64_t words[TRAIL_WORDS];
};
_Static_assert(sizeof(struct native_trail) == 192, "three cache lines");
struct native_trails {
	uint32_t missed[TRAILS]; /* who wanted one there: most do once only */
	struct native_trail at[TRAILS];
};

enum { FRAMES_FIRST = 128, FRAMES_MAX = 1 << 21 };
/* Most threads are short, and while modules are imported most stacks are new, which no memo knows: it is small, so as
 * to leave the caches to others, until it has missed often. */
enum { MEMO_BITS_FIRST = 9, MEMO_BITS_STEP = 2, MEMO_BITS = 13, MISSES_AN_ENTRY = 8 };
#define NOWHERE UINT32_MAX
enum { FETCHED = 4 };
enum { LEARN_FROM = 64, LEARN_TRIES = 1000 };
enum { STACK_BYTES = 8 << 20, MAIN_STACK_MAX = 1 << 30 };

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

static size_t memo_bytes(const struct native_thread *n) { return sizeof *n->memo << n->memo_bits; }

/* An empty one, in place of the one that there is. Without memory: the old one, if there is any. */
static bool new_memo(struct native_thread *n, uint8_t bits)
{
	struct native_memo *memo = arena_map(sizeof *memo << bits);

	if (!memo)
		return n->memo;
	if (n->memo)
		arena_unmap(n->memo, memo_bytes(n));
	n->memo = memo;
	n->memo_bits = bits;
	return true;
}

static bool prepare(struct native_thread *n)
{
	uint64_t now = atomic_load_explicit(&epoch, memory_order_acquire);

	if ((!n->memo && !new_memo(n, MEMO_BITS_FIRST)) || (!n->capacity && !grow(n)))
		return false;
	if (n->epoch != now) {
		memset(n->memo, 0, memo_bytes(n));
		if (n->trails)
			memset(n->trails, 0, sizeof *n->trails);
		n->depth = n->n_evals = 0;
	}
	n->epoch = now;
	return true;
}

void native_thread_end(struct native_thread *n)
{
	if (n->other) {
		native_thread_end(n->other);
		arena_unmap(n->other, sizeof *n->other);
	}
	if (n->memo)
		arena_unmap(n->memo, memo_bytes(n));
	if (n->trails)
		arena_unmap(n->trails, sizeof *n->trails);
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
	return m->regs.r[CPU_SP] == f->sp && m->regs.r[CPU_RA] == f->pc && m->exact == !!(f->how & HOW_EXACT);
}

/* From a frame to its outward neighbour by evaluation of its row: first with what a frame knows, then with all
 * registers. */
static __attribute__((noinline)) enum cfi_step step_general(struct native_frame *f, uint64_t hi)
{
	struct machine m = { .exact = f->how & HOW_EXACT };
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
	f->pc = m.regs.r[CPU_RA];
	f->sp = m.regs.r[CPU_SP];
	f->fp = m.regs.r[CPU_FP];
	f->how = HOW_GENERAL | (m.exact ? HOW_EXACT : 0);
	return CFI_STEPPED;
}

/* The same by a short rule, in a few loads. The inner loop. */
static inline __attribute__((always_inline)) enum cfi_step step_by_rule(struct native_frame *f, const struct rule *rule,
									uint64_t hi)
{
	uint64_t cfa = (rule->kind == RULE_SP ? f->sp : f->fp) + (uint64_t)((int64_t)rule->cfa_words * 8);
	uint64_t fp_words = rule->fp_words, ra_words = CPU_RA_DELTA ? CPU_RA_DELTA / 8 : rule->ra_words;

	if (unlikely(cfa - f->sp - 1 >= hi - f->sp || cfa & 7))
		return CFI_UNKNOWN;
	f->sp = cfa;
	f->pc = ((const uint64_t *)(uintptr_t)cfa)[-(int64_t)ra_words];
	if (fp_words)
		f->fp = ((const uint64_t *)(uintptr_t)cfa)[-(int64_t)fp_words];
	f->how = fp_words << 32 | ra_words << 40 | (rule->kind == RULE_SP ? 0 : HOW_BY_FP);
	return CFI_STEPPED;
}

static inline __attribute__((always_inline)) enum cfi_step step(struct native_frame *f, const struct rule *rule,
								uint64_t hi)
{
	if (likely(rule->kind <= RULE_FP))
		return step_by_rule(f, rule, hi);
	if (rule->kind == RULE_GENERAL) {
		struct native_frame in_memory = *f; /* so that *f itself can live in registers */
		enum cfi_step s = step_general(&in_memory, hi);

		*f = in_memory;
		return s;
	}
	return rule->kind == RULE_END ? CFI_END : CFI_UNKNOWN;
}

/* ---- the walk ---- */

/* Whether the words that led to a frame are as they were. */
static inline bool still_holds(const struct native_frame *f)
{
	const uint64_t *cfa = (const uint64_t *)(uintptr_t)f->sp;
	uint64_t fp_words = HOW_FP_WORDS(f->how);
	uint64_t pc, fp;

	if (unlikely(f->how & HOW_GENERAL))
		return false;
	pc = cfa[-(int64_t)HOW_RA_WORDS(f->how)];
	fp = fp_words ? cfa[-(int64_t)fp_words] : f->fp;
	return pc == f->pc && fp == f->fp;
}

static inline bool same_context(const struct native_frame *a, const struct native_frame *b)
{
	return a->pc == b->pc && a->sp == b->sp && a->fp == b->fp && !((a->how ^ b->how) & HOW_EXACT);
}

struct walk {
	struct native_thread *n;
	uint32_t n_fresh; /* in n->fresh, the innermost first */
	uint32_t kept;    /* frames of the last walk, from the outermost, that are still there */
	uint32_t floor;   /* those below need no look */
};

/* Word by word: a load of two words would wait for the stores of one that came just before. */
static inline void copy_frame(struct native_frame *to, const struct native_frame *from)
{
	__atomic_store_n(&to->sp, from->sp, __ATOMIC_RELAXED);
	__atomic_store_n(&to->pc, from->pc, __ATOMIC_RELAXED);
	__atomic_store_n(&to->fp, from->fp, __ATOMIC_RELAXED);
	__atomic_store_n(&to->how, from->how, __ATOMIC_RELAXED);
}

static inline bool add(struct walk *w, const struct native_frame *f)
{
	if (unlikely(w->n_fresh >= w->n->capacity) && !grow(w->n))
		return false;
	copy_frame(&w->n->fresh[w->n_fresh++], f);
	return true;
}

/* Joins the frames of the last walk at frame i, which is met again in the way `how`, and compares from there outwards.
 * NOWHERE: all of them hold. Else those that do are fresh again but for the outermost of them, from which to go on. */
static inline uint32_t join(struct walk *w, uint32_t i, uint64_t how)
{
	struct native_thread *n = w->n;
	uint32_t last = i;

	if (likely(w->n_fresh)) /* another function may have led to it last time, which kept fp elsewhere, or none */
		n->frames[i].how = how | (n->frames[i].how & HOW_NUMBER);
	while (last > w->floor && likely(still_holds(&n->frames[last - 1])))
		last--;
	if (likely(last <= w->floor)) {
		w->kept = i + 1;
		return NOWHERE;
	}
	while (i > last && add(w, &n->frames[i]))
		i--;
	return i;
}

/* Rules hold for the instruction that comes next; what is to be seen is the one before, which wrote. */
static bool add_writer(struct walk *w, const struct native_frame *f)
{
	struct native_frame writer = { .sp = f->sp, .pc = f->pc - 1, .fp = f->fp, .how = HOW_GENERAL | HOW_EXACT };
	const struct rule *rule = rules_find(rule_key(writer.pc, true));

	writer.how |= rule ? rule->number : 0;
	return add(w, &writer);
}

/* From the caller of the hook, or (exact) from where a watched word was written, outwards, until a frame of the last
 * walk is met or the stack ends. Nothing led to the first frame: it is never believed, only met. False: no memory. */
static bool walk(struct walk *w, struct cpu_context c, bool exact, uint32_t tid)
{
	struct native_thread *n = w->n;
	struct native_frame f = { .sp = c.sp, .pc = c.pc, .fp = c.fp, .how = HOW_GENERAL | (exact ? HOW_EXACT : 0) };
	uint64_t hi = 0;
	uint32_t i = n->depth;
	enum cfi_step s = CFI_STEPPED;

	while (s == CFI_STEPPED) {
		const struct rule *rule;

		if (unlikely(f.how & HOW_GENERAL)) /* the first; or perhaps out of a signal's stack */
			hi = stack_end(n, f.sp, tid);
		while (i && n->frames[i - 1].sp < f.sp)
			i--;
		if (i && same_context(&n->frames[i - 1], &f)) {
			uint32_t last = join(w, i - 1, f.how);

			if (likely(last == NOWHERE))
				return true;
			f = n->frames[last];
			while (i && n->frames[i - 1].sp <= f.sp)
				i--;
		}
		rule = rules_find(rule_key(f.pc, f.how & HOW_EXACT));
		f.how |= rule ? rule->number : 0;
		if (!(unlikely(exact) ? add_writer(w, &f) : add(w, &f)))
			return false;
		exact = false;
		s = rule ? step(&f, rule, hi) : CFI_UNKNOWN;
	}
	n->cut = s == CFI_UNKNOWN;
	return true;
}

/* ---- ids ---- */

/* The stack's id is found by a hash of its addresses, so that a stack that is known costs one look, however many of its
 * frames are new to the thread. Of ten million stacks two have the same 64 bits in one run out of 300,000. */
static inline uint64_t path_of(uint64_t outward, uint64_t number)
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
		n->frames[depth].path = path = path_of(path, f->how & HOW_NUMBER);
		if (f->how & HOW_EVAL)
			n->evals[n->n_evals++] = depth;
	}
	n->depth = depth;
}

static uint32_t define(struct thread *t, uint32_t parent, const struct native_frame *f)
{
	const struct module *m = f->how & HOW_NUMBER ? modules_find(f->pc - !(f->how & HOW_EXACT)) : NULL;
	uint32_t module = modules_number(t, m);

	return intern_native(t, f->path, parent,
			     (struct intern_place){ module, f->pc - (module ? m->bias : 0),
						    (uint16_t)((f->how & HOW_NUMBER) >> 24) });
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

/* What look_up() looks at first. A stack that is new has its last frames new. */
static void fetch(const struct native_thread *n, uint32_t python)
{
	intern_fetch(n->frames[n->depth - 1].path, python);
	for (uint32_t i = n->depth; i && i + FETCHED > n->depth; i--)
		intern_fetch(n->frames[i - 1].path, 0);
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

static inline struct native_memo *memo_of(const struct native_thread *n, uint64_t path, uint32_t python)
{
	return &n->memo[(path ^ python * UINT64_C(0xd6e8feb86659fd93)) >> (64 - n->memo_bits)];
}

static __attribute__((noinline)) uint32_t fill_memo(struct thread *t, struct native_thread *n, uint32_t python)
{
	uint64_t path = n->frames[n->depth - 1].path;
	uint32_t stack = look_up(t, n, python);

	if (++n->memo_misses == (uint32_t)MISSES_AN_ENTRY << n->memo_bits && n->memo_bits < MEMO_BITS)
		new_memo(n, n->memo_bits + MEMO_BITS_STEP);
	*memo_of(n, path, python) = (struct native_memo){ path, python, stack };
	return stack;
}

/* New stacks come one after the other (while modules are imported): behind one that the memo did not have, the table's
 * lines are fetched at the same time as the memo's. */
static inline uint32_t stack_id(struct thread *t, struct native_thread *n, uint32_t python)
{
	uint64_t path = n->frames[n->depth - 1].path;
	const struct native_memo *m = memo_of(n, path, python);

	if (n->memo_missed)
		fetch(n, python);
	n->memo_missed = m->path != path || m->python != python;
	return likely(!n->memo_missed) ? m->stack : fill_memo(t, n, python);
}

/* ---- trails ---- */

/* The loop at n->frames[floor] is still the same call, so what lies outwards of it is as it was: there a trail ends.
 * Which of the saved frame pointers a walk needs is in the trail, too: those by which a CFA was found. The others are
 * variables of functions, and change. */

static inline uint64_t trail_key(const struct cpu_context *c, uint32_t python)
{
	return (c->pc + (c->sp << 20) + python * UINT64_C(0xd6e8feb86659fd93)) * UINT64_C(0x9e3779b97f4a7c15);
}

/* The stack when a trail leads from here to the loop; 0: walk. */
static inline uint32_t follow_trail(const struct native_thread *n, const struct cpu_context *c, uint32_t python,
				    uint32_t floor)
{
	const struct native_trail *tr = &n->trails->at[trail_key(c, python) >> (64 - TRAIL_BITS)];
	const uint64_t *stack = (const uint64_t *)(uintptr_t)c->sp;
	uint64_t differ = 0;

	if (tr->pc != c->pc || tr->sp != c->sp || tr->python != python || tr->loop_sp != n->frames[floor].sp ||
	    tr->outer != n->frames[floor - 1].path || c->sp < n->lo || tr->loop_sp > n->hi)
		return 0;
	if (tr->fp_matters)
		differ = tr->fp ^ c->fp;
	for (unsigned i = 0; i < tr->n; i++)
		differ |= stack[tr->at[i]] ^ tr->words[i];
	return likely(!differ) ? tr->stack : 0;
}

static bool lay_word(struct native_trail *tr, uint64_t address, uint64_t word)
{
	uint64_t at = (address - tr->sp) / 8;

	if (tr->n == TRAIL_WORDS || at > UINT16_MAX)
		return false;
	tr->at[tr->n] = (uint16_t)at;
	tr->words[tr->n++] = word;
	return true;
}

/* Of the walk that n->frames has now. `fp_at`: where the frame pointer of the frame in hand was read; 0: it is the
 * caller's. */
static bool lay_words(struct native_trail *tr, const struct walk *w)
{
	const struct native_frame *frames = w->n->frames;
	uint64_t fp_at = 0;

	for (uint32_t i = w->n->depth - 1; i-- > w->floor;) {
		const struct native_frame *f = &frames[i];

		if (f->how & HOW_GENERAL || !lay_word(tr, f->sp - HOW_RA_WORDS(f->how) * 8, f->pc))
			return false;
		if (f->how & HOW_BY_FP && !fp_at)
			tr->fp_matters = true;
		else if (f->how & HOW_BY_FP && !lay_word(tr, fp_at, f[1].fp))
			return false;
		if (HOW_FP_WORDS(f->how))
			fp_at = f->sp - HOW_FP_WORDS(f->how) * 8;
	}
	return true;
}

static __attribute__((noinline)) void lay_trail(const struct walk *w, const struct cpu_context *c, uint32_t python,
						uint32_t stack)
{
	struct native_thread *n = w->n;
	struct native_trail tr = { .pc = c->pc, .sp = c->sp, .fp = c->fp, .python = python, .stack = stack };

	if (!lay_words(&tr, w))
		return;
	tr.loop_sp = n->frames[w->floor].sp;
	tr.outer = n->frames[w->floor - 1].path;
	n->trails->at[trail_key(c, python) >> (64 - TRAIL_BITS)] = tr;
}

/* Whether this walk can be a trail, and was wanted twice. */
static inline bool wants_trail(const struct walk *w, const struct cpu_context *c, uint32_t python)
{
	struct native_thread *n = w->n;
	uint64_t key = trail_key(c, python);
	uint32_t *missed;

	if (!w->floor || w->kept < w->floor || n->depth - w->floor > TRAIL_WORDS ||
	    !(n->frames[w->floor].how & HOW_EVAL) || (!n->trails && !(n->trails = arena_map(sizeof *n->trails))))
		return false;
	missed = &n->trails->missed[key >> (64 - TRAIL_BITS)];
	if (*missed == (uint32_t)(key >> 16))
		return true;
	*missed = (uint32_t)(key >> 16);
	return false;
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

/*
 * Fewer evaluation loops than entries were found: looks whether the loop's code is not what its symbol says. A frame's
 * memory lies between its sp and that of its outward neighbour. Whether something was learned.
 */
static __attribute__((noinline)) bool learn_eval(struct native_thread *n, const struct py_thread *py)
{
	static _Atomic(unsigned) tries;
	uint64_t places[LEARN_FROM];
	unsigned n_places = 0;

	if (atomic_fetch_add(&tries, 1) < LEARN_TRIES)
		n_places = py_entry_places(py, places, LEARN_FROM);
	for (uint32_t i = n->depth, k = 0; i-- > 1 && k < n_places;) {
		const struct native_frame *f = &n->frames[i];

		if (places[k] >= f[-1].sp)
			continue;
		if (places[k++] >= f->sp && !(f->how & HOW_EVAL) && rules_learn_eval(f->pc)) {
			atomic_fetch_add(&epoch, 1);
			return true;
		}
	}
	return false;
}

uint32_t native_stack(struct thread *t, uint32_t python, const void *frame)
{
	struct native_thread *n = &t->native;
	struct cpu_context c = cpu_caller(frame);
	struct walk w = { .n = n };
	uint32_t stack;

	if (unlikely(n->epoch != atomic_load_explicit(&epoch, memory_order_acquire)) && !prepare(n))
		return python;
	w.floor = floor_of(n, &t->py, python);
	if (likely(w.floor && n->trails)) {
		stack = follow_trail(n, &c, python, w.floor);
		if (likely(stack))
			return stack;
	}
	if (unlikely(!walk(&w, c, false, t->tid) || !make_room(&w))) {
		n->depth = n->n_evals = 0;
		return python;
	}
	append(&w);
	n->in_step = n->n_evals == t->py.entries;
	if (unlikely(python && n->n_evals < t->py.entries) && learn_eval(n, &t->py))
		return native_stack(t, python, frame);
	stack = stack_id(t, n, python);
	if (wants_trail(&w, &c, python))
		lay_trail(&w, &c, python, stack);
	t->py.same = python ? t->py.entries : 0;
	return stack;
}

/* ---- without what was known before ---- */

/* A walk from the start, in memory of its own, which is returned. NULL: there is none. */
static struct native_thread *full_walk(struct thread *t, struct cpu_context c, bool exact, struct walk *w)
{
	struct native_thread **n = &t->native.other;

	if (!*n)
		*n = arena_map(sizeof **n);
	if (!*n || !prepare(*n))
		return NULL;
	(*n)->depth = (*n)->n_evals = 0;
	*w = (struct walk){ .n = *n };
	return walk(w, c, exact, t->tid) && make_room(w) ? *n : NULL;
}

static uint32_t full_stack(struct thread *t, uint32_t python, struct cpu_context c, bool exact)
{
	struct walk w;
	struct native_thread *n = full_walk(t, c, exact, &w);

	if (!n)
		return python;
	append(&w);
	return look_up(t, n, python);
}

uint32_t native_stack_full(struct thread *t, uint32_t python, const void *frame)
{
	return full_stack(t, python, cpu_caller(frame), false);
}

uint32_t native_stack_of_write(struct thread *t, uint32_t python, const void *ucontext)
{
	return full_stack(t, python, cpu_interrupted(ucontext), true);
}

static bool each_frame(struct thread *t, struct cpu_context c, bool exact,
		       bool (*each)(void *arg, const struct cpu_context *c), void *arg)
{
	struct walk w;
	struct native_thread *n = full_walk(t, c, exact, &w);

	for (uint32_t i = 0; n && i < w.n_fresh; i++)
		if (!each(arg, &(struct cpu_context){ n->fresh[i].pc, n->fresh[i].sp, n->fresh[i].fp }))
			break;
	return !n || n->cut;
}

bool native_each(struct thread *t, const void *frame, bool (*each)(void *arg, const struct cpu_context *c), void *arg)
{
	return each_frame(t, cpu_caller(frame), false, each, arg);
}

bool native_each_of_write(struct thread *t, const void *ucontext, bool (*each)(void *arg, const struct cpu_context *c),
			  void *arg)
{
	return each_frame(t, cpu_interrupted(ucontext), true, each, arg);
}
/* ---- life ---- */

void native_start(const void *above_stack)
{
	uint64_t limit = os_stack_limit();

	main_hi = (uint64_t)(uintptr_t)above_stack & ~UINT64_C(7);
	main_lo = main_hi - (limit < MAIN_STACK_MAX ? limit : MAIN_STACK_MAX);
	main_tid = os_tid();
	modules_start(rules_forget); /* also reads the list of modules, before the program can leave /proc behind */
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
