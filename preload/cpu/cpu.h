/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu: the one folder that knows the machine: registers, frames, what a signal leaves on the stack
 *
 * What:  numbers of registers as DWARF has them, the caller of a hook, the registers of this moment.
 * Who:   hooks (CPU_FRAME) and preload/native. To add a machine: a header like the two here, and a row in this list.
 */
#pragma once
#include <stdint.h>
#include <ucontext.h>

/* Where a thread is in some frame: the instruction, the stack pointer and the frame pointer. */
struct cpu_context {
	uint64_t pc, sp, fp;
};

#if defined(__x86_64__)
#include "preload/cpu/x86_64.h"
#elif defined(__aarch64__)
#include "preload/cpu/aarch64.h"
#else
#error "preload/cpu does not know this machine"
#endif

/* Each machine's header gives:
 *
 *   CPU_SP CPU_FP CPU_RA CPU_REGISTERS   DWARF numbers, and how many there are
 *   CPU_RA_DELTA       how far below the CFA the address of return lies; 0: each frame says so itself
 *   CPU_SAVED          bit set of the registers that a function gives back as it found them
 *   CPU_FRAME()        in a function: what cpu_caller() wants, to be used while that function runs
 *   cpu_caller(frame)  the context to which that function will return
 *   cpu_clone(flags, stack, f, arg)   clone(2): the new process runs f(arg) on its stack, whose end is given, and ends
 * with what f returns; no handler of libc's fork runs. Returns its pid or -errno cpu_registers(r)   this function's own
 * registers, valid for CPU_SAVED, CPU_SP and CPU_RA; always inlined
 *   cpu_interrupted(ucontext)  where a signal interrupted the thread
 *   CPU_STOPS_BEHIND   a hardware watchpoint stops behind the instruction that wrote, which was executed then
 */
