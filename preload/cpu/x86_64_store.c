/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86_64_store: the stores that compilers make of counts and links; Intel's manual, volume 2, chapters 2 and 3
 *
 * An instruction is read byte by byte, never beyond its end, because the next page may not be there. What is not in the
 * table below (string instructions, AVX, other segments, 32-bit addresses) is left to the processor.
 */
#ifdef __x86_64__
#include "preload/cpu/store.h"

#include <string.h>
#include <ucontext.h>

enum { CF = 1 << 0, PF = 1 << 2, AF = 1 << 4, ZF = 1 << 6, SF = 1 << 7, TF = 1 << 8, OF = 1 << 11 };
enum { ARITHMETIC = CF | PF | AF | ZF | SF | OF };

enum operation { MOV, ADD, OR, AND, SUB, XOR, INC, DEC, XCHG, XADD, CMPXCHG, VECTOR, NONE };
enum source { REGISTER, XMM_LOW, XMM_HIGH, XMM_ALL, IMM8, IMM, ONE };

/* Registers in the order of their numbers in an instruction. */
static const uint8_t gregs[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
				   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

struct instruction {
	const ucontext_t *context;
	const uint8_t *at;   /* the next byte */
	uint8_t rex, prefix; /* prefix: the last of 66, F2, F3 that was there */
	bool narrow;         /* 66 */
	uint8_t opcode;
	bool two; /* 0F was before the opcode */
	unsigned mod, reg, rm;
	unsigned bytes; /* of the operand */
	enum operation operation;
	enum source source;
	uint64_t address;
};

static uint64_t greg(const struct instruction *i, unsigned number)
{
	return (uint64_t)i->context->uc_mcontext.gregs[gregs[number]];
}

static uint64_t mask_of(unsigned bytes) { return bytes == 8 ? UINT64_MAX : (UINT64_C(1) << bytes * 8) - 1; }

/* ---- reading ---- */

static void read_prefixes(struct instruction *i)
{
	for (;; i->at++) {
		switch (*i->at) {
		case 0x66: i->narrow = true; /* fall through */
		case 0xf2:
		case 0xf3: i->prefix = *i->at; continue;
		case 0xf0: /* lock: who writes for the program sees to it that no other does */
		case 0x2e:
		case 0x3e: continue; /* without a meaning here */
		default: break;
		}
		break;
	}
	if ((*i->at & 0xf0) == 0x40)
		i->rex = *i->at++;
}

static int64_t read_signed(struct instruction *i, unsigned bytes)
{
	int64_t value = 0;

	memcpy(&value, i->at, bytes);
	i->at += bytes;
	return value << (64 - 8 * bytes) >> (64 - 8 * bytes);
}

static uint64_t read_sib(struct instruction *i)
{
	uint8_t sib = *i->at++;
	unsigned index = (sib >> 3 & 7) | (i->rex & 2) << 2, base = (sib & 7) | (i->rex & 1) << 3;
	uint64_t address = index == 4 ? 0 : greg(i, index) << (sib >> 6);

	if ((base & 7) == 5 && i->mod == 0)
		return address + (uint64_t)read_signed(i, 4);
	return address + greg(i, base);
}

/* Bytes of the operand's immediate value, which lie behind the address: what is relative to the instruction is so to
 * its end. */
static unsigned immediate_bytes(const struct instruction *i)
{
	if (i->source == IMM8)
		return 1;
	return i->source != IMM ? 0 : i->bytes == 8 ? 4 : i->bytes;
}

static void read_address(struct instruction *i)
{
	if (i->mod == 0 && i->rm == 5) {
		int64_t distance = read_signed(i, 4);

		i->address = (uint64_t)(uintptr_t)i->at + immediate_bytes(i) + (uint64_t)distance;
		return;
	}
	i->address = i->rm == 4 ? read_sib(i) : greg(i, i->rm | (i->rex & 1) << 3);
	if (i->mod == 1)
		i->address += (uint64_t)read_signed(i, 1);
	else if (i->mod == 2)
		i->address += (uint64_t)read_signed(i, 4);
}

/* ---- what it is ---- */

/* prefix: 0 none; ANY: no matter. digit: what the register field must be; ANY */
enum { ANY = 0xff };
struct form {
	bool two;
	uint8_t opcode, prefix, digit;
	uint8_t bytes; /* 0: as prefixes say */
	uint8_t operation, source;
};

static const struct form forms[] = {
	{ false, 0x00, ANY, ANY, 1, ADD, REGISTER },
	{ false, 0x01, ANY, ANY, 0, ADD, REGISTER },
	{ false, 0x08, ANY, ANY, 1, OR, REGISTER },
	{ false, 0x09, ANY, ANY, 0, OR, REGISTER },
	{ false, 0x20, ANY, ANY, 1, AND, REGISTER },
	{ false, 0x21, ANY, ANY, 0, AND, REGISTER },
	{ false, 0x28, ANY, ANY, 1, SUB, REGISTER },
	{ false, 0x29, ANY, ANY, 0, SUB, REGISTER },
	{ false, 0x30, ANY, ANY, 1, XOR, REGISTER },
	{ false, 0x31, ANY, ANY, 0, XOR, REGISTER },
	{ false, 0x80, ANY, 0, 1, ADD, IMM8 },
	{ false, 0x80, ANY, 1, 1, OR, IMM8 },
	{ false, 0x80, ANY, 4, 1, AND, IMM8 },
	{ false, 0x80, ANY, 5, 1, SUB, IMM8 },
	{ false, 0x80, ANY, 6, 1, XOR, IMM8 },
	{ false, 0x81, ANY, 0, 0, ADD, IMM },
	{ false, 0x81, ANY, 1, 0, OR, IMM },
	{ false, 0x81, ANY, 4, 0, AND, IMM },
	{ false, 0x81, ANY, 5, 0, SUB, IMM },
	{ false, 0x81, ANY, 6, 0, XOR, IMM },
	{ false, 0x83, ANY, 0, 0, ADD, IMM8 },
	{ false, 0x83, ANY, 1, 0, OR, IMM8 },
	{ false, 0x83, ANY, 4, 0, AND, IMM8 },
	{ false, 0x83, ANY, 5, 0, SUB, IMM8 },
	{ false, 0x83, ANY, 6, 0, XOR, IMM8 },
	{ false, 0x86, ANY, ANY, 1, XCHG, REGISTER },
	{ false, 0x87, ANY, ANY, 0, XCHG, REGISTER },
	{ false, 0x88, ANY, ANY, 1, MOV, REGISTER },
	{ false, 0x89, ANY, ANY, 0, MOV, REGISTER },
	{ false, 0xc6, ANY, 0, 1, MOV, IMM },
	{ false, 0xc7, ANY, 0, 0, MOV, IMM },
	{ false, 0xfe, ANY, 0, 1, INC, ONE },
	{ false, 0xfe, ANY, 1, 1, DEC, ONE },
	{ false, 0xff, ANY, 0, 0, INC, ONE },
	{ false, 0xff, ANY, 1, 0, DEC, ONE },
	{ true, 0xb0, ANY, ANY, 1, CMPXCHG, REGISTER },
	{ true, 0xb1, ANY, ANY, 0, CMPXCHG, REGISTER },
	{ true, 0xc0, ANY, ANY, 1, XADD, REGISTER },
	{ true, 0xc1, ANY, ANY, 0, XADD, REGISTER },
	{ true, 0x11, 0, ANY, 16, VECTOR, XMM_ALL },
	{ true, 0x11, 0x66, ANY, 16, VECTOR, XMM_ALL },
	{ true, 0x29, 0, ANY, 16, VECTOR, XMM_ALL },
	{ true, 0x29, 0x66, ANY, 16, VECTOR, XMM_ALL },
	{ true, 0x7f, 0x66, ANY, 16, VECTOR, XMM_ALL },
	{ true, 0x7f, 0xf3, ANY, 16, VECTOR, XMM_ALL },
	{ true, 0xd6, 0x66, ANY, 8, VECTOR, XMM_LOW },
	{ true, 0x13, 0, ANY, 8, VECTOR, XMM_LOW },
	{ true, 0x13, 0x66, ANY, 8, VECTOR, XMM_LOW },
	{ true, 0x17, 0, ANY, 8, VECTOR, XMM_HIGH },
	{ true, 0x17, 0x66, ANY, 8, VECTOR, XMM_HIGH },
	{ true, 0x11, 0xf2, ANY, 8, VECTOR, XMM_LOW },
	{ true, 0x11, 0xf3, ANY, 4, VECTOR, XMM_LOW },
};
enum { FORMS = sizeof forms / sizeof *forms };

static const struct form *find_form(const struct instruction *i, unsigned digit)
{
	for (unsigned f = 0; f < FORMS; f++)
		if (forms[f].two == i->two && forms[f].opcode == i->opcode &&
		    (forms[f].prefix == ANY || forms[f].prefix == i->prefix) &&
		    (forms[f].digit == ANY || forms[f].digit == digit))
			return &forms[f];
	return NULL;
}

static bool is_opcode_known(const struct instruction *i)
{
	for (unsigned f = 0; f < FORMS; f++)
		if (forms[f].two == i->two && forms[f].opcode == i->opcode)
			return true;
	return false;
}

static bool read_instruction(struct instruction *i)
{
	const struct form *form;
	uint8_t modrm;

	read_prefixes(i);
	i->two = *i->at == 0x0f;
	i->at += i->two;
	i->opcode = *i->at++;
	if (!is_opcode_known(i))
		return false;
	modrm = *i->at++;
	i->mod = modrm >> 6;
	i->rm = modrm & 7;
	i->reg = (modrm >> 3 & 7) | (i->rex & 4) << 1;
	form = find_form(i, modrm >> 3 & 7);
	if (!form || i->mod == 3)
		return false;
	i->operation = form->operation;
	i->source = form->source;
	i->bytes = form->bytes ? form->bytes : i->rex & 8 ? 8 : i->narrow ? 2 : 4;
	read_address(i);
	return true;
}

/* ---- what it does ---- */

/* Byte registers without a REX prefix: 4 to 7 are the second bytes of 0 to 3. */
static bool is_high_byte(const struct instruction *i) { return i->bytes == 1 && !i->rex && i->reg >= 4; }

static uint64_t source_value(struct instruction *i)
{
	switch (i->source) {
	case REGISTER: return is_high_byte(i) ? greg(i, i->reg - 4) >> 8 : greg(i, i->reg);
	case IMM8: return (uint64_t)read_signed(i, 1);
	case IMM: return (uint64_t)read_signed(i, immediate_bytes(i));
	default: return 1;
	}
}

/* The register `number` after `bytes` of it were written. */
static void change_register(const struct instruction *i, struct cpu_store *ret, unsigned number, uint64_t value)
{
	uint64_t mask = mask_of(i->bytes);

	ret->reg = gregs[number];
	ret->value = i->bytes == 4 ? value & mask : (greg(i, number) & ~mask) | (value & mask);
}

static void change_source(const struct instruction *i, struct cpu_store *ret, uint64_t value)
{
	if (!is_high_byte(i)) {
		change_register(i, ret, i->reg, value);
		return;
	}
	ret->reg = gregs[i->reg - 4];
	ret->value = (greg(i, i->reg - 4) & ~UINT64_C(0xff00)) | (value & 0xff) << 8;
}

static uint64_t flags_of(uint64_t result, unsigned bytes)
{
	return (result ? 0 : ZF) | (result >> (bytes * 8 - 1) ? SF : 0) | (__builtin_parity(result & 0xff) ? 0 : PF);
}

static uint64_t add(uint64_t a, uint64_t b, unsigned bytes, uint64_t *flags)
{
	uint64_t r = (a + b) & mask_of(bytes);

	*flags = flags_of(r, bytes) | (r < a ? CF : 0) | ((a ^ b ^ r) & 16 ? AF : 0) |
		 (((a ^ r) & (b ^ r)) >> (bytes * 8 - 1) & 1 ? OF : 0);
	return r;
}

static uint64_t subtract(uint64_t a, uint64_t b, unsigned bytes, uint64_t *flags)
{
	uint64_t r = (a - b) & mask_of(bytes);

	*flags = flags_of(r, bytes) | (a < b ? CF : 0) | ((a ^ b ^ r) & 16 ? AF : 0) |
		 (((a ^ b) & (a ^ r)) >> (bytes * 8 - 1) & 1 ? OF : 0);
	return r;
}

static uint64_t old_value(const struct instruction *i)
{
	uint64_t old = 0;

	memcpy(&old, (const void *)(uintptr_t)i->address, i->bytes);
	return old;
}

/* Sets ret->reg when a register changes, ret->bytes to 0 when memory does not. */
static uint64_t compute(struct instruction *i, struct cpu_store *ret)
{
	uint64_t mask = mask_of(i->bytes), b = source_value(i) & mask, a, r, flags = 0, keep = 0;

	if (i->operation == MOV)
		return b;
	a = old_value(i);
	switch (i->operation) {
	case XADD: change_source(i, ret, a); /* fall through */
	case ADD: r = add(a, b, i->bytes, &flags); break;
	case INC: r = add(a, 1, i->bytes, &flags), keep = CF; break;
	case SUB: r = subtract(a, b, i->bytes, &flags); break;
	case DEC: r = subtract(a, 1, i->bytes, &flags), keep = CF; break;
	case OR: r = a | b, flags = flags_of(r, i->bytes); break;
	case AND: r = a & b, flags = flags_of(r, i->bytes); break;
	case XOR: r = a ^ b, flags = flags_of(r, i->bytes); break;
	case XCHG: change_source(i, ret, a); return b;
	default: /* CMPXCHG */
		subtract(greg(i, 0) & mask, a, i->bytes, &flags);
		r = b;
		if (!(flags & ZF)) {
			change_register(i, ret, 0, a);
			ret->bytes = 0;
		}
	}
	ret->flags = (ret->flags & ~(uint64_t)(ARITHMETIC & ~keep)) | (flags & ~keep);
	return r;
}

static void take_vector(const struct instruction *i, struct cpu_store *ret)
{
	const struct _libc_fpstate *fp = i->context->uc_mcontext.fpregs;
	unsigned half = i->source == XMM_HIGH ? 8 : 0;

	memcpy(ret->data, (const char *)fp->_xmm[i->reg].element + half, i->bytes);
}

bool cpu_store_decode(const void *context, struct cpu_store *ret)
{
	struct instruction i = { .context = context };
	uint64_t value;

	i.at = (const uint8_t *)i.context->uc_mcontext.gregs[REG_RIP];
	ret->reg = -1;
	ret->flags = (uint64_t)i.context->uc_mcontext.gregs[REG_EFL];
	if (!read_instruction(&i))
		return false;
	ret->address = i.address;
	ret->bytes = i.bytes;
	if (i.operation == VECTOR) {
		if (!i.context->uc_mcontext.fpregs)
			return false;
		take_vector(&i, ret);
	} else {
		value = compute(&i, ret);
		memcpy(ret->data, &value, sizeof value);
	}
	ret->pc = (uint64_t)(uintptr_t)i.at;
	return true;
}

void cpu_store_passed(void *context, const struct cpu_store *s)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	r[REG_RIP] = (greg_t)s->pc;
	r[REG_EFL] = (greg_t)s->flags;
	if (s->reg >= 0)
		r[s->reg] = (greg_t)s->value;
}

void cpu_step(void *context, bool on)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	r[REG_EFL] = on ? r[REG_EFL] | TF : r[REG_EFL] & ~(greg_t)TF;
}

uint64_t cpu_context_pc(const void *context)
{
	return (uint64_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}
#endif
