/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfi: what a module's .eh_frame says of the frame at an address
 *
 * What:  the row of the call frame table that holds for one instruction: how to find the caller's registers.
 * How:   the binary search table of .eh_frame_hdr leads to the FDE, whose program is run up to the instruction. Nothing
 *        is kept: who needs an answer again keeps it (rules.h).
 * Source: DWARF 4, section 6.4; Linux Standard Base 5, "Exception Frames".
 * Trust: the sections are the loaded module's own. Lengths are checked against its mapping all the same; a program that
 *        makes no sense gives "no row".
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "preload/cpu/cpu.h"

/* A module's mapping and its PT_GNU_EH_FRAME. */
struct cfi_module {
	uint64_t start, end; /* addresses in memory */
	uint64_t hdr;        /* address of .eh_frame_hdr; 0: the module has none */
};

enum cfi_how {
	CFI_SAME, /* the register is as it was */
	CFI_UNDEFINED,
	CFI_AT,         /* saved at CFA + offset */
	CFI_IS,         /* is CFA + offset */
	CFI_REGISTER,   /* is in another register, number in offset */
	CFI_EXPRESSION, /* saved where the expression says */
	CFI_VALUE,      /* is what the expression says */
};

struct cfi_place {
	uint8_t how; /* enum cfi_how */
	int32_t offset;
	const uint8_t *expression; /* its length as ULEB128, then the bytes */
};

struct cfi_row {
	uint64_t function, function_end; /* what the FDE covers */
	bool is_signal;                  /* the frame of a signal's return */
	uint8_t ra;                      /* register in which the address of return is found */
	struct cfi_place cfa;            /* CFI_REGISTER: register `cfa_register` + offset; CFI_VALUE: the expression */
	uint8_t cfa_register;
	struct cfi_place reg[CPU_REGISTERS];
};

/* The row that holds at `pc`, which is inside of `m`. False: there is none. */
bool cfi_find(const struct cfi_module *m, uint64_t pc, struct cfi_row *ret);

/* Registers of a frame; `valid` has a bit for each that is known. [lo, hi): the stack, outside of which nothing is
 * read. */
struct cfi_registers {
	uint64_t r[CPU_REGISTERS];
	uint32_t valid;
	uint64_t lo, hi;
};

enum cfi_step {
	CFI_STEPPED,
	CFI_END,
	CFI_UNKNOWN /* a register is needed that is not known, or memory that is not stack */
};

/* From the registers of a frame to those of its caller: r[CPU_RA] is the caller's instruction, r[CPU_SP] the CFA. */
enum cfi_step cfi_step(const struct cfi_row *row, struct cfi_registers *regs);
