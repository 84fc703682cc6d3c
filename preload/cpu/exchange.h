/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange: what an atomic instruction that was just executed has changed
 *
 * What:  for the thread that a watchpoint stopped behind `lock cmpxchg`, or `lock add` and `lock sub` of a constant, on
 * 64 bits: by how much, or from what to what. Memory itself may have been written by other threads since. Who:
 * preload/watch/slots.c, in a handler. Any other instruction, and any other machine: not known.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

struct cpu_exchange {
	bool is_sum; /* `by` was added; else `from` became `to` */
	int64_t by, from, to;
};

#ifdef __x86_64__
/* Registers by their number in instructions. */
static inline int64_t cpu_register(const ucontext_t *c, unsigned number)
{
	static const uint8_t index[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
					   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

	return c->uc_mcontext.gregs[index[number & 15]];
}

/* Bytes of an operand in memory: ModRM, perhaps SIB, displacement. 0: a register. */
static inline unsigned cpu_operand_bytes(const uint8_t *modrm)
{
	unsigned mode = *modrm >> 6, rm = *modrm & 7, sib = rm == 4;

	if (mode == 3)
		return 0;
	if (mode == 0)
		return 1 + sib + (rm == 5 || (sib && (modrm[1] & 7) == 5) ? 4 : 0);
	return 1 + sib + (mode == 1 ? 1 : 4);
}

/* The instruction that ends at the context's pc. */
static inline bool cpu_exchange_done(const void *context, struct cpu_exchange *ret)
{
	enum { SHORTEST = 5, LONGEST = 12, ZERO_FLAG = 0x40 };
	const ucontext_t *c = (const ucontext_t *)context;
	const uint8_t *end = (const uint8_t *)(uintptr_t)c->uc_mcontext.gregs[REG_RIP];

	for (unsigned bytes = SHORTEST; bytes <= LONGEST; bytes++) {
		const uint8_t *at = end - bytes;
		unsigned reg;

		if (at[0] != 0xf0 || (at[1] & 0xf8) != 0x48) /* lock, REX.W */
			continue;
		if (at[2] == 0x0f && at[3] == 0xb1 && 4 + cpu_operand_bytes(at + 4) == bytes && at[4] >> 6 != 3) {
			reg = (at[4] >> 3 & 7) | (at[1] & 4) << 1;
			*ret = (struct cpu_exchange){ .from = cpu_register(c, 0), .to = cpu_register(c, reg) };
			if (!(c->uc_mcontext.gregs[REG_EFL] & ZERO_FLAG))
				ret->to = ret->from; /* it was another value: nothing is exchanged */
			return true;
		}
		reg = at[3] >> 3 & 7; /* 0: add, 5: sub */
		if (at[2] == 0x83 && (reg == 0 || reg == 5) && at[3] >> 6 != 3 &&
		    3 + cpu_operand_bytes(at + 3) + 1 == bytes) {
			*ret = (struct cpu_exchange){ .is_sum = true, .by = reg ? -(int8_t)end[-1] : (int8_t)end[-1] };
			return true;
		}
	}
	return false;
}
#else
static inline bool cpu_exchange_done(const void *context, struct cpu_exchange *ret)
{
	(void)context, (void)ret;
	return false;
}
#endif
