/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules: making them, and the table.
 *
 * The table is never full: it grows at half, under a lock, by a copy; threads that read the old one meanwhile find what
 * they look for there or come here. Old tables stay mapped: together they are as large as the present one.
 */
#include "preload/native/rules.h"
#include "formats/event.h"
#include "preload/base/arena.h"
#include "preload/py/py.h"
#include "preload/base/tracer.h"

enum { FIRST_BITS = 12, SPARE = 64 /* entries behind the last one: a search never wraps */ };

_Atomic(struct rules *) rules_now;
static struct lock lock;
static uint32_t n_rules, last_number;

static size_t table_entries(const struct rules *r) { return ((size_t)1 << (64 - r->shift)) + SPARE; }

/* ---- from a row to a rule ---- */

enum { FP_WORDS_MAX = UINT8_MAX, RA_WORDS_MAX = 31 };

/* Whether something lies so many whole words below the CFA. */
static bool is_below(const struct cfi_place *p, int32_t words_max)
{
	return p->how == CFI_AT && p->offset < 0 && p->offset >= -8 * words_max && !(p->offset & 7);
}

/* An expression that only adds a number to the stack pointer, as the entries of the procedure linkage table have, is
 * found by trying two stack pointers. */
static bool sp_expression(const struct cfi_row *row, uint64_t pc, int32_t *ret_offset)
{
	uint64_t cfa[2];

	for (int i = 0; i < 2; i++) {
		struct cfi_registers regs = { .valid = 1u << CPU_SP | 1u << CPU_RA, .lo = 1, .hi = 0 };
		struct cfi_row bare = { .cfa = row->cfa, .cfa_register = row->cfa_register, .ra = CPU_RA };

		regs.r[CPU_SP] = (uint64_t)(i + 1) << 20;
		regs.r[CPU_RA] = pc;
		if (cfi_step(&bare, &regs) != CFI_STEPPED)
			return false;
		cfa[i] = regs.r[CPU_SP];
	}
	*ret_offset = (int32_t)(cfa[0] - (1u << 20));
	return cfa[1] - cfa[0] == 1u << 20;
}

/* CFA = sp or fp + *ret_offset. RULE_GENERAL: neither. */
static enum rule_kind kind_of_cfa(const struct cfi_row *row, uint64_t pc, int32_t *ret_offset)
{
	*ret_offset = row->cfa.offset;
	if (row->cfa.how == CFI_REGISTER && row->cfa_register == CPU_SP)
		return RULE_SP;
	if (row->cfa.how == CFI_REGISTER && row->cfa_register == CPU_FP)
		return RULE_FP;
	return row->cfa.how == CFI_VALUE && sp_expression(row, pc, ret_offset) ? RULE_SP : RULE_GENERAL;
}

static void shorten(const struct cfi_row *row, uint64_t pc, struct rule *rule)
{
	const struct cfi_place *fp = &row->reg[CPU_FP], *ra = &row->reg[row->ra];
	enum rule_kind kind;
	int32_t offset;

	rule->kind = ra->how == CFI_UNDEFINED ? RULE_END : RULE_GENERAL;
	if (row->is_signal || row->reg[CPU_SP].how != CFI_SAME || !is_below(ra, RA_WORDS_MAX) ||
	    (CPU_RA_DELTA && ra->offset != -CPU_RA_DELTA) || (fp->how != CFI_SAME && !is_below(fp, FP_WORDS_MAX)))
		return;
	kind = kind_of_cfa(row, pc, &offset);
	if (offset & 7 || offset / 8 != (int16_t)(offset / 8))
		return;
	rule->cfa_words = (int16_t)(offset / 8);
	rule->ra_words = (uint8_t)(-ra->offset / 8);
	rule->fp_words = fp->how == CFI_AT ? (uint8_t)(-fp->offset / 8) : 0;
	rule->kind = kind;
}

/* A call that does not return may be the last instruction of its function: what counts is the call. */
static uint64_t pc_of(uint64_t key) { return (key >> 1) - !(key & 1); }

bool rules_row(uint64_t key, struct cfi_row *ret)
{
	const struct module *m = modules_find(pc_of(key));

	return m && cfi_find(&m->cfi, pc_of(key), ret);
}

/*
 * The evaluation loop: the function that holds py_eval(), and what else was learned to belong to it. Compilers cut it
 * up (the exported symbol of Debian's 3.13 and later is a stub of it).
 */
enum { EVALS_MAX = 16 };
static uint64_t evals[EVALS_MAX]; /* where each begins */
static _Atomic(unsigned) n_evals;

static bool is_eval(const struct cfi_row *row)
{
	uint64_t eval = (uint64_t)(uintptr_t)py_eval();

	for (unsigned i = 0; i < n_evals; i++)
		if (evals[i] == row->function)
			return true;
	return eval >= row->function && eval < row->function_end;
}

static void fill(struct rule *rule)
{
	uint64_t key = rule->key;
	struct cfi_row row;

	rule->number = key & 1 ? (uint32_t)PT_NATIVE_EXACT << 24 : 0;
	if (!rules_row(key, &row)) {
		rule->kind = RULE_NONE;
		return;
	}
	shorten(&row, pc_of(key), rule);
	if (is_eval(&row))
		rule->number |= (uint32_t)PT_NATIVE_EVAL << 24;
}

/* ---- the table ---- */

/* The entry of the key, or the first that is free, or NULL when there is none of both. */
static struct rule *entry_of(struct rules *r, uint64_t key)
{
	struct rule *at = &r->table[key * UINT64_C(0x9e3779b97f4a7c15) >> r->shift], *end = r->table + table_entries(r);
	struct rule *free = NULL;

	for (; at < end && at->key; at++) {
		if (at->key == key)
			return at;
		if (at->key == RULE_KEY_DEAD && !free)
			free = at;
	}
	return free ? free : at < end ? at : NULL;
}

static void copy_rule(struct rule *to, const struct rule *from)
{
	to->number = from->number;
	to->cfa_words = from->cfa_words;
	to->fp_words = from->fp_words;
	to->kind = from->kind;
	to->ra_words = from->ra_words;
	atomic_store_explicit(&to->key, from->key, memory_order_release);
}

static bool copy_all(struct rules *to, const struct rules *from)
{
	for (size_t i = 0; i < table_entries(from); i++) {
		const struct rule *e = &from->table[i];
		struct rule *place;

		if (e->key <= RULE_KEY_DEAD)
			continue;
		place = entry_of(to, e->key);
		if (!place)
			return false;
		copy_rule(place, e);
	}
	return true;
}

static struct rules *larger_table(const struct rules *old)
{
	for (unsigned bits = old ? 65 - (unsigned)old->shift : FIRST_BITS; bits < 32; bits++) {
		size_t bytes = sizeof(struct rules) + (((size_t)1 << bits) + SPARE) * sizeof(struct rule);
		struct rules *r = arena_map_large(bytes);

		if (!r)
			return NULL;
		r->shift = 64 - bits;
		if (!old || copy_all(r, old))
			return r;
		arena_unmap(r, bytes);
	}
	return NULL;
}

/* An entry for the key in a table with room; NULL without memory. With the lock held. */
static struct rule *room_for(uint64_t key)
{
	struct rules *r = rules_now;
	struct rule *e = r && n_rules < table_entries(r) / 2 ? entry_of(r, key) : NULL;

	if (e)
		return e;
	r = larger_table(r);
	if (!r)
		return NULL;
	atomic_store_explicit(&rules_now, r, memory_order_release);
	return entry_of(r, key);
}

/* Makes the rule before the lock is taken: that reads maps, under a lock of its own. */
const struct rule *rules_make(uint64_t key)
{
	struct rules *r = atomic_load_explicit(&rules_now, memory_order_acquire);
	struct rule *e = r ? entry_of(r, key) : NULL, made = { .key = key };

	if (e && atomic_load_explicit(&e->key, memory_order_acquire) == key)
		return e;
	fill(&made);
	lock_take(&lock);
	e = room_for(key);
	if (e && e->key != key && last_number + 1 < RULE_NUMBERS) {
		n_rules += !e->key;
		made.number |= ++last_number;
		copy_rule(e, &made);
	}
	if (e && e->key != key)
		e = NULL;
	lock_drop(&lock);
	return e;
}

void rules_forget(uint64_t start, uint64_t end)
{
	struct rules *r;

	lock_take(&lock);
	r = rules_now;
	for (size_t i = 0; r && i < table_entries(r); i++) {
		struct rule *e = &r->table[i];

		if (e->key > RULE_KEY_DEAD && e->key >> 1 >= start && e->key >> 1 < end)
			atomic_store(&e->key, RULE_KEY_DEAD);
	}
	lock_drop(&lock);
}

/* Rules that were made before are forgotten: they are made again, and say it. */
bool rules_learn_eval(uint64_t pc)
{
	struct cfi_row row;
	bool is_new;

	if (!rules_row(rule_key(pc, false), &row))
		return false;
	lock_take(&lock);
	is_new = !is_eval(&row) && n_evals < EVALS_MAX;
	if (is_new) {
		evals[n_evals] = row.function;
		n_evals++;
	}
	lock_drop(&lock);
	if (is_new)
		rules_forget(row.function, row.function_end + 1);
	return is_new;
}

void rules_after_fork(void) { lock_drop(&lock); }
