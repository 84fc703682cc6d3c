/* SPDX-License-Identifier: Apache-2.0 */
/* cfi: search, call frame programs, expressions; see cfi.h. */
#include "preload/native/cfi.h"

#include <string.h>

/* ---- bytes ---- */

struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

static uint64_t take(struct cursor *c, unsigned bytes)
{
	uint64_t v = 0;

	if ((size_t)(c->end - c->at) < bytes) {
		c->bad = true;
		c->at = c->end;
		return 0;
	}
	memcpy(&v, c->at, bytes);
	c->at += bytes;
	return v;
}

static int64_t take_signed(struct cursor *c, unsigned bytes)
{
	uint64_t v = take(c, bytes);
	unsigned unused = 64 - 8 * bytes;

	return (int64_t)(v << unused) >> unused;
}

static uint64_t take_leb(struct cursor *c, bool is_signed)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)take(c, 1);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !c->bad);
	if (is_signed && shift < 64 && byte & 0x40)
		v |= ~UINT64_C(0) << shift;
	return v;
}
static uint64_t take_uleb(struct cursor *c) { return take_leb(c, false); }
static int64_t take_sleb(struct cursor *c) { return (int64_t)take_leb(c, true); }

/* Pointer encodings of the Linux Standard Base: format in the low four bits, what it counts from in the next three. */
enum { ENC_OMIT = 0xff, ENC_PCREL = 0x10, ENC_DATAREL = 0x30, ENC_INDIRECT = 0x80 };

static uint64_t take_encoded(struct cursor *c, uint8_t enc, uint64_t data)
{
	uint64_t here = (uint64_t)(uintptr_t)c->at, v;

	switch (enc & 15) {
	case 0: v = take(c, 8); break;
	case 1: v = take_uleb(c); break;
	case 2: v = take(c, 2); break;
	case 3: v = take(c, 4); break;
	case 4: v = take(c, 8); break;
	case 9: v = (uint64_t)take_sleb(c); break;
	case 10: v = (uint64_t)take_signed(c, 2); break;
	case 11: v = (uint64_t)take_signed(c, 4); break;
	case 12: v = take(c, 8); break;
	default: c->bad = true; return 0;
	}
	if ((enc & 0x70) == ENC_PCREL)
		v += here;
	else if ((enc & 0x70) == ENC_DATAREL)
		v += data;
	return v;
}

static struct cursor cursor_at(const struct cfi_module *m, uint64_t addr)
{
	bool inside = addr >= m->start && addr < m->end;

	return (struct cursor){ (const uint8_t *)(uintptr_t)(inside ? addr : m->end),
				(const uint8_t *)(uintptr_t)m->end, !inside };
}

/* ---- CIE and FDE ---- */

struct cie {
	struct cursor program;
	uint64_t code_align;
	int64_t data_align;
	uint8_t ra, fde_enc;
	bool is_signal, has_sizes;
};

/* An entry's contents, after its length; the id field is next. Entries of 64-bit DWARF do not occur in .eh_frame. */
static struct cursor entry_at(const struct cfi_module *m, uint64_t addr)
{
	struct cursor c = cursor_at(m, addr);
	uint64_t length = take(&c, 4);

	if (!length || length > (uint64_t)(c.end - c.at))
		c.bad = true;
	else
		c.end = c.at + length;
	return c;
}

static bool read_augmentation(struct cursor *c, const char *letters, struct cie *cie)
{
	cie->has_sizes = *letters == 'z';
	if (cie->has_sizes)
		take_uleb(c), letters++;
	for (; *letters; letters++) {
		switch (*letters) {
		case 'R': cie->fde_enc = (uint8_t)take(c, 1); break;
		case 'L': take(c, 1); break; /* how the handler's data are written */
		case 'P': take_encoded(c, (uint8_t)take(c, 1), 0); break;
		case 'S': cie->is_signal = true; break;
		case 'B': break; /* aarch64: addresses are signed with the B key */
		default: return false;
		}
	}
	return !c->bad;
}

static bool read_cie(const struct cfi_module *m, uint64_t addr, struct cie *cie)
{
	struct cursor c = entry_at(m, addr);
	const char *letters;
	uint64_t size;
	struct cursor rest;
	uint8_t version;

	if (c.bad || take(&c, 4) != 0)
		return false;
	version = (uint8_t)take(&c, 1);
	letters = (const char *)c.at;
	while (take(&c, 1))
		;
	*cie = (struct cie){ 0 };
	cie->code_align = take_uleb(&c);
	cie->data_align = take_sleb(&c);
	cie->ra = (uint8_t)(version == 1 ? take(&c, 1) : take_uleb(&c));
	if (c.bad || cie->ra >= CPU_REGISTERS)
		return false;
	rest = c;
	size = *letters == 'z' ? take_uleb(&rest) : 0;
	if (!read_augmentation(&c, letters, cie))
		return false;
	if (cie->has_sizes) {
		if (size > (uint64_t)(rest.end - rest.at))
			return false;
		c = rest, c.at += size;
	}
	cie->program = c;
	return true;
}

/* The FDE at `addr` and its CIE; *ret_program is its program. */
static bool read_fde(const struct cfi_module *m, uint64_t addr, struct cie *cie, struct cfi_row *row,
		     struct cursor *ret_program)
{
	struct cursor c = entry_at(m, addr);
	uint64_t here = (uint64_t)(uintptr_t)c.at, back = take(&c, 4), size;

	if (c.bad || !back || !read_cie(m, here - back, cie))
		return false;
	row->function = take_encoded(&c, cie->fde_enc & 0x7f, 0);
	row->function_end = row->function + take_encoded(&c, cie->fde_enc & 15, 0);
	if (cie->has_sizes) {
		size = take_uleb(&c);
		if (size > (uint64_t)(c.end - c.at))
			return false;
		c.at += size;
	}
	row->is_signal = cie->is_signal;
	row->ra = cie->ra;
	*ret_program = c;
	return !c.bad;
}

/* ---- .eh_frame_hdr ---- */

/* By the table of (start of function, FDE), sorted, both counted from the header. */
static uint64_t search(const struct cfi_module *m, struct cursor table, uint64_t n, uint64_t pc)
{
	const int32_t *pairs = (const int32_t *)table.at;
	uint64_t low = 0, high = n, middle;

	if (n > (uint64_t)(table.end - table.at) / 8)
		return 0;
	while (low < high) {
		middle = (low + high) / 2;
		if (m->hdr + (uint64_t)(int64_t)pairs[2 * middle] <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? m->hdr + (uint64_t)(int64_t)pairs[2 * low - 1] : 0;
}

/* Without a table: one entry after the other. */
static uint64_t scan(const struct cfi_module *m, uint64_t addr, uint64_t pc)
{
	struct cursor c, program;
	struct cfi_row row;
	struct cie cie;

	for (;; addr = (uint64_t)(uintptr_t)c.end) {
		c = entry_at(m, addr);
		if (c.bad)
			return 0;
		if (read_fde(m, addr, &cie, &row, &program) && pc >= row.function && pc < row.function_end)
			return addr;
	}
}

static uint64_t find_fde(const struct cfi_module *m, uint64_t pc)
{
	struct cursor c = cursor_at(m, m->hdr);
	uint8_t version = (uint8_t)take(&c, 1), frame_enc = (uint8_t)take(&c, 1), count_enc = (uint8_t)take(&c, 1);
	uint8_t table_enc = (uint8_t)take(&c, 1);
	uint64_t frames, n;

	if (c.bad || version != 1 || frame_enc == ENC_OMIT)
		return 0;
	frames = take_encoded(&c, frame_enc, m->hdr);
	if (count_enc == ENC_OMIT || table_enc != (ENC_DATAREL | 11))
		return scan(m, frames, pc);
	n = take_encoded(&c, count_enc, m->hdr);
	return c.bad ? 0 : search(m, c, n, pc);
}

/* ---- call frame programs ---- */

enum { STATES_MAX = 16 };

/* What instructions change; the rows that remember_state puts aside have only this. */
struct state {
	struct cfi_place cfa;
	uint8_t cfa_register;
	struct cfi_place reg[CPU_REGISTERS];
};

struct machine {
	const struct cie *cie;
	uint64_t loc, pc; /* at the start of the row; asked for */
	struct state now, first, aside[STATES_MAX];
	unsigned n_aside;
};

static void set(struct machine *x, uint64_t reg, enum cfi_how how, int64_t offset)
{
	if (reg < CPU_REGISTERS)
		x->now.reg[reg] = (struct cfi_place){ .how = (uint8_t)how, .offset = (int32_t)offset };
}

static const uint8_t *take_expression(struct cursor *c)
{
	const uint8_t *start = c->at;
	uint64_t size = take_uleb(c);

	if (size > (uint64_t)(c->end - c->at))
		c->bad = true;
	else
		c->at += size;
	return start;
}

static void set_expression(struct machine *x, uint64_t reg, enum cfi_how how, struct cursor *c)
{
	struct cfi_place place = { .how = (uint8_t)how, .expression = take_expression(c) };

	if (reg < CPU_REGISTERS)
		x->now.reg[reg] = place;
}

static void set_cfa(struct machine *x, uint64_t reg, int64_t offset)
{
	x->now.cfa = (struct cfi_place){ .how = CFI_REGISTER, .offset = (int32_t)offset };
	x->now.cfa_register = (uint8_t)(reg < CPU_REGISTERS ? reg : UINT8_MAX);
}

/* The instructions without an operand in their first byte; DWARF 4, table 7.23. False: unknown, or no room. */
static bool run_extended(struct machine *x, uint8_t op, struct cursor *c)
{
	int64_t factor = x->cie->data_align;
	uint64_t reg;

	switch (op) {
	case 0x00: return true; /* nop */
	case 0x01: x->loc = take_encoded(c, x->cie->fde_enc & 0x7f, 0); return true;
	case 0x02: x->loc += take(c, 1) * x->cie->code_align; return true;
	case 0x03: x->loc += take(c, 2) * x->cie->code_align; return true;
	case 0x04: x->loc += take(c, 4) * x->cie->code_align; return true;
	case 0x05: reg = take_uleb(c), set(x, reg, CFI_AT, (int64_t)take_uleb(c) * factor); return true;
	case 0x06: reg = take_uleb(c); goto restore;
	case 0x07: set(x, take_uleb(c), CFI_UNDEFINED, 0); return true;
	case 0x08: set(x, take_uleb(c), CFI_SAME, 0); return true;
	case 0x09: reg = take_uleb(c), set(x, reg, CFI_REGISTER, (int64_t)take_uleb(c)); return true;
	case 0x0a:
		if (x->n_aside == STATES_MAX)
			return false;
		x->aside[x->n_aside++] = x->now;
		return true;
	case 0x0b:
		if (!x->n_aside)
			return false;
		x->now = x->aside[--x->n_aside];
		return true;
	case 0x0c: reg = take_uleb(c), set_cfa(x, reg, (int64_t)take_uleb(c)); return true;
	case 0x0d: set_cfa(x, take_uleb(c), x->now.cfa.offset); return true;
	case 0x0e: set_cfa(x, x->now.cfa_register, (int64_t)take_uleb(c)); return true;
	case 0x0f: x->now.cfa = (struct cfi_place){ .how = CFI_VALUE, .expression = take_expression(c) }; return true;
	case 0x10: reg = take_uleb(c), set_expression(x, reg, CFI_EXPRESSION, c); return true;
	case 0x11: reg = take_uleb(c), set(x, reg, CFI_AT, take_sleb(c) * factor); return true;
	case 0x12: reg = take_uleb(c), set_cfa(x, reg, take_sleb(c) * factor); return true;
	case 0x13: set_cfa(x, x->now.cfa_register, take_sleb(c) * factor); return true;
	case 0x14: reg = take_uleb(c), set(x, reg, CFI_IS, (int64_t)take_uleb(c) * factor); return true;
	case 0x15: reg = take_uleb(c), set(x, reg, CFI_IS, take_sleb(c) * factor); return true;
	case 0x16: reg = take_uleb(c), set_expression(x, reg, CFI_VALUE, c); return true;
	case 0x2d: return true;               /* aarch64: the address of return is signed from here on, or no more */
	case 0x2e: take_uleb(c); return true; /* GNU_args_size */
	case 0x2f: reg = take_uleb(c), set(x, reg, CFI_AT, -(int64_t)take_uleb(c) * factor); return true;
	default: return false;
	}
restore:
	if (reg < CPU_REGISTERS)
		x->now.reg[reg] = x->first.reg[reg];
	return true;
}

/* Runs a program until it has passed the instruction that is asked for. */
static bool run(struct machine *x, struct cursor c)
{
	while (c.at < c.end) {
		uint8_t op = (uint8_t)take(&c, 1), low = op & 0x3f;

		switch (op >> 6) {
		case 1: x->loc += low * x->cie->code_align; break;
		case 2: set(x, low, CFI_AT, (int64_t)take_uleb(&c) * x->cie->data_align); break;
		case 3:
			if (low < CPU_REGISTERS)
				x->now.reg[low] = x->first.reg[low];
			break;
		default:
			if (!run_extended(x, low, &c))
				return false;
		}
		if (c.bad)
			return false;
		if (x->loc > x->pc)
			return true; /* by an advance, which changes nothing else */
	}
	return true;
}

bool cfi_find(const struct cfi_module *m, uint64_t pc, struct cfi_row *ret)
{
	struct cursor program;
	struct cie cie;
	struct machine x;
	uint64_t fde = m->hdr ? find_fde(m, pc) : 0;

	if (!fde || !read_fde(m, fde, &cie, ret, &program) || pc < ret->function || pc >= ret->function_end)
		return false;
	memset(&x.now, 0, sizeof x.now);
	memset(&x.first, 0, sizeof x.first); /* of the states put aside (5 KiB) hardly any is ever used */
	x.n_aside = 0;
	x.loc = 0;
	x.cie = &cie;
	x.pc = UINT64_MAX;
	if (!run(&x, cie.program))
		return false;
	x.first = x.now;
	x.loc = ret->function;
	x.pc = pc;
	if (!run(&x, program))
		return false;
	ret->cfa = x.now.cfa;
	ret->cfa_register = x.now.cfa_register;
	memcpy(ret->reg, x.now.reg, sizeof ret->reg);
	return true;
}

/* ---- expressions ---- */

enum { VALUES_MAX = 16, OPERATIONS_MAX = 256 };

struct stack {
	uint64_t v[VALUES_MAX];
	unsigned n;
	bool bad;
};

static void push(struct stack *s, uint64_t v)
{
	if (s->n == VALUES_MAX)
		s->bad = true;
	else
		s->v[s->n++] = v;
}

static uint64_t pop(struct stack *s)
{
	if (!s->n) {
		s->bad = true;
		return 0;
	}
	return s->v[--s->n];
}

static bool load(const struct cfi_registers *regs, uint64_t addr, uint64_t *ret)
{
	if (addr < regs->lo || addr > regs->hi - 8 || addr & 7)
		return false;
	*ret = *(const uint64_t *)(uintptr_t)addr;
	return true;
}

static void push_register(struct stack *s, const struct cfi_registers *regs, uint64_t reg, int64_t offset)
{
	if (reg >= CPU_REGISTERS || !(regs->valid >> reg & 1))
		s->bad = true;
	else
		push(s, regs->r[reg] + (uint64_t)offset);
}

static void binary(struct stack *s, uint8_t op)
{
	uint64_t b = pop(s), a = pop(s);

	switch (op) {
	case 0x1a: push(s, a & b); break;
	case 0x1c: push(s, a - b); break;
	case 0x1e: push(s, a * b); break;
	case 0x21: push(s, a | b); break;
	case 0x22: push(s, a + b); break;
	case 0x24: push(s, b < 64 ? a << b : 0); break;
	case 0x25: push(s, b < 64 ? a >> b : 0); break;
	case 0x26: push(s, (uint64_t)((int64_t)a >> (b < 64 ? b : 63))); break;
	case 0x27: push(s, a ^ b); break;
	case 0x29: push(s, a == b); break;
	case 0x2a: push(s, (int64_t)a >= (int64_t)b); break;
	case 0x2b: push(s, (int64_t)a > (int64_t)b); break;
	case 0x2c: push(s, (int64_t)a <= (int64_t)b); break;
	case 0x2d: push(s, (int64_t)a < (int64_t)b); break;
	case 0x2e: push(s, a != b); break;
	default: s->bad = true;
	}
}

/* Constants, and what works on the stack alone; DWARF 4, table 7.24. False: something else. */
static bool run_constant(struct stack *s, uint8_t op, struct cursor *c)
{
	uint64_t a, b;

	switch (op) {
	case 0x03: push(s, take(c, 8)); return true;
	case 0x08: push(s, take(c, 1)); return true;
	case 0x09: push(s, (uint64_t)take_signed(c, 1)); return true;
	case 0x0a: push(s, take(c, 2)); return true;
	case 0x0b: push(s, (uint64_t)take_signed(c, 2)); return true;
	case 0x0c: push(s, take(c, 4)); return true;
	case 0x0d: push(s, (uint64_t)take_signed(c, 4)); return true;
	case 0x0e:
	case 0x0f: push(s, take(c, 8)); return true;
	case 0x10: push(s, take_uleb(c)); return true;
	case 0x11: push(s, (uint64_t)take_sleb(c)); return true;
	case 0x12: a = pop(s), push(s, a), push(s, a); return true;
	case 0x13: pop(s); return true;
	case 0x16: b = pop(s), a = pop(s), push(s, b), push(s, a); return true;
	case 0x1f: push(s, -pop(s)); return true;
	case 0x20: push(s, ~pop(s)); return true;
	case 0x23: push(s, pop(s) + take_uleb(c)); return true;
	case 0x96: return true; /* nop */
	default: break;
	}
	if (op < 0x30 || op > 0x4f)
		return false;
	push(s, op - 0x30u); /* lit0 to lit31 */
	return true;
}

static bool evaluate(const struct cfi_registers *regs, const uint8_t *expression, const uint64_t *first, uint64_t *ret)
{
	struct cursor c = { expression, expression + 10, false };
	uint64_t size = take_uleb(&c), v;
	struct stack s = { .n = 0 };

	c.end = c.at + size;
	if (first)
		push(&s, *first);
	for (int n = 0; c.at < c.end && !s.bad && !c.bad && n < OPERATIONS_MAX; n++) {
		uint8_t op = (uint8_t)take(&c, 1);

		if (op == 0x06) { /* deref */
			if (!load(regs, pop(&s), &v))
				return false;
			push(&s, v);
		} else if (op >= 0x70 && op <= 0x8f) { /* breg0 to breg31 */
			push_register(&s, regs, op - 0x70u, take_sleb(&c));
		} else if (op == 0x92) { /* bregx */
			v = take_uleb(&c);
			push_register(&s, regs, v, take_sleb(&c));
		} else if (!run_constant(&s, op, &c)) {
			binary(&s, op);
		}
	}
	*ret = pop(&s);
	return !s.bad && !c.bad;
}

/* ---- one step ---- */

static bool find_cfa(const struct cfi_row *row, const struct cfi_registers *regs, uint64_t *ret)
{
	if (row->cfa.how == CFI_VALUE)
		return evaluate(regs, row->cfa.expression, NULL, ret);
	if (row->cfa.how != CFI_REGISTER || row->cfa_register >= CPU_REGISTERS ||
	    !(regs->valid >> row->cfa_register & 1))
		return false;
	*ret = regs->r[row->cfa_register] + (uint64_t)(int64_t)row->cfa.offset;
	return true;
}

/* The value of a register in the caller. False: not known. */
static bool find_register(const struct cfi_row *row, const struct cfi_registers *regs, unsigned reg, uint64_t cfa,
			  uint64_t *ret)
{
	const struct cfi_place *p = &row->reg[reg];
	uint64_t at = cfa + (uint64_t)(int64_t)p->offset;

	switch (p->how) {
	case CFI_SAME: *ret = regs->r[reg]; return regs->valid >> reg & 1;
	case CFI_AT: return load(regs, at, ret);
	case CFI_IS: *ret = at; return true;
	case CFI_REGISTER:
		if ((uint32_t)p->offset >= CPU_REGISTERS)
			return false;
		*ret = regs->r[p->offset];
		return regs->valid >> p->offset & 1;
	case CFI_EXPRESSION: return evaluate(regs, p->expression, &cfa, &at) && load(regs, at, ret);
	case CFI_VALUE: return evaluate(regs, p->expression, &cfa, ret);
	default: return false;
	}
}

enum cfi_step cfi_step(const struct cfi_row *row, struct cfi_registers *regs)
{
	struct cfi_registers caller = { .lo = regs->lo, .hi = regs->hi };
	uint64_t cfa;

	if (row->reg[row->ra].how == CFI_UNDEFINED)
		return CFI_END;
	if (!find_cfa(row, regs, &cfa))
		return CFI_UNKNOWN;
	for (unsigned i = 0; i < CPU_REGISTERS; i++)
		if (find_register(row, regs, i, cfa, &caller.r[i]))
			caller.valid |= UINT32_C(1) << i;
	if (!(caller.valid >> row->ra & 1))
		return CFI_UNKNOWN;
	if (!row->is_signal)
		caller.valid &= CPU_SAVED | UINT32_C(1) << row->ra;
	/* Unless the row says where it was (a signal's does), the caller's stack pointer is the CFA. */
	if (row->reg[CPU_SP].how == CFI_SAME)
		caller.r[CPU_SP] = cfa;
	caller.valid |= UINT32_C(1) << CPU_SP;
	caller.r[CPU_RA] = caller.r[row->ra];
	caller.valid |= UINT32_C(1) << CPU_RA;
	*regs = caller;
	return CFI_STEPPED;
}
