/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: an instruction that was not allowed to write, and what it would have done
 *
 * What:  In the handler of the fault: decodes the usual stores (mov, add, sub, inc, dec, and, or, xor, xchg, xadd,
 * cmpxchg and those of 16 bytes) and works out which bytes go where and what becomes of the registers, so that the
 * write can be done on the program's behalf and the instruction passed over. Any other instruction can be stepped: it
 * runs by itself, and a SIGTRAP follows it. Why:   A step costs a second signal and an exception that virtual machines
 * are slow at: 20 us instead of 4, measured. Who:   preload/watch/faults.c, in a signal handler: reads the instruction
 * and, for those that need it, the memory that it would write; changes nothing until cpu_store_passed().
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { CPU_STORE_MAX = 16 };

struct cpu_store {
	uintptr_t address;
	unsigned bytes; /* 0: a compare-and-exchange that does not exchange; registers change all the same */
	uint8_t data[CPU_STORE_MAX];
	uint64_t pc, flags; /* afterwards */
	int reg;            /* register that changes, as the context numbers them; -1: none */
	uint64_t value;
};

#ifdef __x86_64__
/* `context`: the ucontext_t of the fault. False: not one of those that are known. */
bool cpu_store_decode(const void *context, struct cpu_store *ret);
/* The write was done: the thread goes on behind the instruction. */
void cpu_store_passed(void *context, const struct cpu_store *s);

/* One instruction, then SIGTRAP: asked for and taken back in a handler. NULL: it can be had. */
void cpu_step(void *context, bool on);
static inline const char *cpu_step_off(void) { return 0; }
uint64_t cpu_context_pc(const void *context);
#else
static inline bool cpu_store_decode(const void *context, struct cpu_store *ret)
{
	(void)context;
	(void)ret;
	return false;
}
static inline void cpu_store_passed(void *context, const struct cpu_store *s)
{
	(void)context;
	(void)s;
}
static inline void cpu_step(void *context, bool on)
{
	(void)context;
	(void)on;
}
static inline const char *cpu_step_off(void) { return "this machine gives programs no way to step an instruction"; }
static inline uint64_t cpu_context_pc(const void *context)
{
	(void)context;
	return 0;
}
#endif
