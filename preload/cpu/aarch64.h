/* SPDX-License-Identifier: Apache-2.0 */
/* aarch64: DWARF for the Arm 64-bit architecture, section 4.1. Addresses of return lie in x30 or where the frame says.
 */
#pragma once

enum { CPU_SP = 31, CPU_FP = 29, CPU_RA = 30, CPU_REGISTERS = 32 };
enum { CPU_RA_DELTA = 0 };
/* x19 to x28, x29, x30, sp */
#define CPU_SAVED UINT32_C(0xfff80000)

/* The frame record (x29, x30) and the stack pointer of the caller, which the record does not tell. */
struct cpu_frame {
	const uint64_t *record;
	const void *cfa;
};
#define CPU_FRAME() ((const void *)&(struct cpu_frame){ __builtin_frame_address(0), __builtin_dwarf_cfa() })

static inline struct cpu_context cpu_caller(const void *frame)
{
	const struct cpu_frame *f = frame;

	return (struct cpu_context){ .pc = f->record[1], .sp = (uint64_t)(uintptr_t)f->cfa, .fp = f->record[0] };
}

/* It stops in front of it, and the kernel steps over it when the handler has returned. */
enum { CPU_STOPS_BEHIND = 0 };

static inline struct cpu_context cpu_interrupted(const void *ucontext)
{
	const mcontext_t *m = &((const ucontext_t *)ucontext)->uc_mcontext;

	return (struct cpu_context){ .pc = m->pc, .sp = m->sp, .fp = m->regs[29] };
}

static inline __attribute__((always_inline)) void cpu_registers(uint64_t r[CPU_REGISTERS])
{
	uint64_t pc, sp;

	__asm__("stp x19, x20, [%0, #152]\n\tstp x21, x22, [%0, #168]\n\tstp x23, x24, [%0, #184]\n\t"
		"stp x25, x26, [%0, #200]\n\tstp x27, x28, [%0, #216]\n\tstp x29, x30, [%0, #232]"
		:
		: "r"(r)
		: "memory");
	__asm__("adr %0, .\n\tmov %1, sp" : "=r"(pc), "=r"(sp));
	r[CPU_SP] = sp;
	r[CPU_RA] = pc;
}

static inline long cpu_clone(unsigned long flags, void *stack_end, int (*f)(void *), void *arg)
{
	register long x0 __asm__("x0") = (long)flags;
	register void *x1 __asm__("x1") = stack_end;
	register long x2 __asm__("x2") = 0;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = 0;
	register long x8 __asm__("x8") = 220;
	register int (*function)(void *) __asm__("x19") = f;
	register void *argument __asm__("x20") = arg;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x0, x20\n\t"
			 "blr x19\n\t"
			 "mov x8, #94\n\t" /* exit_group */
			 "svc #0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x8), "r"(function), "r"(argument)
			 : "x30", "memory");
	return x0;
}
