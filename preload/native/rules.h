/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules: how to leave a frame, by the address in it; what .eh_frame says, made so short that a step costs a few loads
 *
 * What:  address -> rule. Nearly all frames of compiled code have their CFA at a distance from the stack pointer or the
 *        frame pointer, the address of return right below it, and the frame pointer saved at a fixed place: a rule says
 *        just these numbers. Others (signals, realigned stacks, hand-written code) are RULE_GENERAL: cfi.h evaluates
 * them. How:   an open-addressing table for the process. Looking up takes no lock; a rule is made when its address is
 * first met, which costs about a microsecond. An entry is complete before its key is there. Who:   any thread, depth
 * DEPTH_OWN.
 */
#pragma once
#include <stdatomic.h>
#include "preload/native/modules.h"

enum rule_kind {
	RULE_SP,      /* CFA = sp + 8 * cfa_words */
	RULE_FP,      /* CFA = fp + 8 * cfa_words */
	RULE_GENERAL, /* ask cfi_step() */
	RULE_END,     /* the outermost frame */
	RULE_NONE,    /* nothing is known of this code */
};

/* 16 bytes: four in a cache line. Distances are in words of 8 bytes; what does not fit is RULE_GENERAL. */
struct rule {
	_Atomic(uint64_t) key; /* rule_key(); 0: empty; RULE_KEY_DEAD: its module is gone, the entry may be taken */
	uint32_t number; /* of the address: dense, from 1, below RULE_NUMBERS; flags (PT_NATIVE_) in the upper 8 bits */
	int16_t cfa_words;
	uint8_t fp_words; /* CFA less the place of the saved frame pointer; 0: it is as it was */
	uint8_t kind : 3,
		ra_words : 5; /* the same for the address of return; where it is one for all, CPU_RA_DELTA says */
};
_Static_assert(sizeof(struct rule) == 16, "four in a cache line");
#define RULE_NUMBERS  UINT32_C(0x1000000)
#define RULE_KEY_DEAD UINT64_C(1)

/* `exact`: the address is an instruction to be executed, not one that a call returns to. */
static inline uint64_t rule_key(uint64_t pc, bool exact) { return pc << 1 | exact; }

struct rules {
	uint64_t shift;
	struct rule table[];
};
extern _Atomic(struct rules *) rules_now __attribute__((visibility("hidden")));

const struct rule *rules_make(uint64_t key);

/* The rule of an address. NULL only without memory. */
static inline const struct rule *rules_find(uint64_t key)
{
	const struct rules *r = atomic_load_explicit(&rules_now, memory_order_acquire);

	if (__builtin_expect(r != NULL, 1)) {
		uint64_t at = key * UINT64_C(0x9e3779b97f4a7c15) >> r->shift;
		const struct rule *rule = &r->table[at];

		/* What two tries do not find is found by rules_make(). */
		if (__builtin_expect(atomic_load_explicit(&rule->key, memory_order_acquire) == key, 1))
			return rule;
		rule++;
		if (atomic_load_explicit(&rule->key, memory_order_acquire) == key)
			return rule;
	}
	return rules_make(key);
}

/* The code around `pc` is a part of the evaluation loop: rules of its addresses say so from now on. False: it is known
 * already, or too much is. Then what threads remember of walks does not hold any more. */
bool rules_learn_eval(uint64_t pc);
/* The row behind a rule, for RULE_GENERAL. */
bool rules_row(uint64_t key, struct cfi_row *ret);
/* Whoever unmaps code says so: its addresses may serve other code. */
void rules_forget(uint64_t start, uint64_t end);
void rules_after_fork(void);
