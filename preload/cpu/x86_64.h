/* SPDX-License-Identifier: Apache-2.0 */
/* x86_64: System V ABI, AMD64 supplement, figure 3.36 for the numbers of registers. */
#pragma once

enum { CPU_SP = 7, CPU_FP = 6, CPU_RA = 16, CPU_REGISTERS = 17 };
enum { CPU_RA_DELTA = 8 };
/* rbx rbp rsp r12 to r15 */
enum { CPU_SAVED = 1 << 3 | 1 << 6 | 1 << 7 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 15 };

/* A function that asks for it has pushed rbp under its address of return. */
#define CPU_FRAME() ((const void *)__builtin_frame_address(0))

static inline struct cpu_context cpu_caller(const void *frame)
{
	const uint64_t *f = frame;

	return (struct cpu_context){ .pc = f[1], .sp = (uint64_t)(uintptr_t)(f + 2), .fp = f[0] };
}

enum { CPU_STOPS_BEHIND = 1 };

static inline struct cpu_context cpu_interrupted(const void *ucontext)
{
	const greg_t *r = ((const ucontext_t *)ucontext)->uc_mcontext.gregs;

	return (struct cpu_context){ .pc = (uint64_t)r[REG_RIP],
				     .sp = (uint64_t)r[REG_RSP],
				     .fp = (uint64_t)r[REG_RBP] };
}

static inline __attribute__((always_inline)) void cpu_registers(uint64_t r[CPU_REGISTERS])
{
	uint64_t pc;

	__asm__("lea 0(%%rip), %0" : "=r"(pc));
	__asm__("movq %%rbx, %0" : "=m"(r[3]));
	__asm__("movq %%rbp, %0" : "=m"(r[6]));
	__asm__("movq %%rsp, %0" : "=m"(r[7]));
	__asm__("movq %%r12, %0" : "=m"(r[12]));
	__asm__("movq %%r13, %0" : "=m"(r[13]));
	__asm__("movq %%r14, %0" : "=m"(r[14]));
	__asm__("movq %%r15, %0" : "=m"(r[15]));
	r[CPU_RA] = pc;
}

static inline long cpu_clone(unsigned long flags, void *stack_end, int (*f)(void *), void *arg)
{
	register long child_tid __asm__("r10") = 0;
	register long thread_pointer __asm__("r8") = 0;
	register int (*function)(void *) __asm__("r12") = f;
	register void *argument __asm__("r13") = arg;
	long ret = 56;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %%r13, %%rdi\n\t"
			 "call *%%r12\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov $231, %%eax\n\t" /* exit_group */
			 "syscall\n"
			 "1:"
			 : "+a"(ret)
			 : "D"(flags), "S"(stack_end), "d"(0), "r"(child_tid), "r"(thread_pointer), "r"(function),
			   "r"(argument)
			 : "rcx", "r11", "memory");
	return ret;
}
