/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/symbols/methods.h"
#include "analyzer/base/array.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_SECTIONS = 4096,
	MAX_RELOCATIONS = 1 << 24,
	MAX_NAME = 120,
	MAX_FLAGS = 0x3ff, /* METH_METHOD is the highest, 0x200 */
	TYPE_RELR = 19,    /* SHT_RELR, which older headers do not have */
};

/* A piece of the file as it lies in memory. */
struct piece {
	uint64_t start, bytes;
	const uint8_t *data; /* NULL: zeros */
	bool is_code;
};

/* A pointer that the loader makes: its place, where it points to. */
struct pointer {
	uint64_t at, to;
};

struct methods {
	ARRAY(struct piece) pieces;
	ARRAY(struct pointer) pointers; /* sorted by place */
	uint64_t functions;             /* address of the sorted table in .eh_frame_hdr */
	uint64_t n_functions;
	uint64_t functions_base; /* what its entries count from */
	void (*each)(void *self, const char *name, uint64_t start, uint64_t end);
	void *self;
};

/* ---- the file ---- */

static const struct piece *piece_of(const struct methods *m, uint64_t address)
{
	for (size_t i = 0; i < m->pieces.n; i++)
		if (address - m->pieces.at[i].start < m->pieces.at[i].bytes)
			return &m->pieces.at[i];
	return NULL;
}

static bool is_code(const struct methods *m, uint64_t address)
{
	const struct piece *p = piece_of(m, address);

	return p && p->is_code;
}

/* Bytes as they lie in the file; false when they don't. */
static bool bytes_at(const struct methods *m, uint64_t address, void *ret, size_t n)
{
	const struct piece *p = piece_of(m, address);

	if (!p || !p->data || p->bytes - (address - p->start) < n)
		return false;
	memcpy(ret, p->data + (address - p->start), n);
	return true;
}

static bool word_at(const struct methods *m, uint64_t address, uint64_t *ret)
{
	return bytes_at(m, address, ret, sizeof *ret);
}

static int pointer_before(const void *left, const void *right)
{
	const struct pointer *a = left, *b = right;

	return (a->at > b->at) - (a->at < b->at);
}

/* Where the pointer at an address points to; 0 when there is none. */
static uint64_t pointer_at(const struct methods *m, uint64_t address)
{
	struct pointer key = { .at = address };
	const struct pointer *found =
		bsearch(&key, m->pointers.at, m->pointers.n, sizeof *m->pointers.at, pointer_before);

	return found ? found->to : 0;
}

/* ---- relocations ---- */

static void read_rela(struct methods *m, Elf_Data *data, size_t n)
{
	for (size_t i = 0; i < n && i < MAX_RELOCATIONS; i++) {
		GElf_Rela r;
		unsigned type;

		if (!gelf_getrela(data, (int)i, &r))
			return;
		type = (unsigned)GELF_R_TYPE(r.r_info);
		if (type == R_X86_64_RELATIVE || type == R_AARCH64_RELATIVE)
			*array_push(&m->pointers) = (struct pointer){ r.r_offset, (uint64_t)r.r_addend };
	}
}

static void push_in_place(struct methods *m, uint64_t at)
{
	uint64_t to;

	if (m->pointers.n < MAX_RELOCATIONS && word_at(m, at, &to))
		*array_push(&m->pointers) = (struct pointer){ at, to };
}

/* Addresses, each followed by bit sets for the 63 words behind what came before. */
static void read_relr(struct methods *m, const Elf_Data *data)
{
	uint64_t next = 0, entry;

	for (size_t i = 0; i + sizeof entry <= data->d_size; i += sizeof entry) {
		memcpy(&entry, (const uint8_t *)data->d_buf + i, sizeof entry);
		if (!(entry & 1)) {
			push_in_place(m, entry);
			next = entry + 8;
			continue;
		}
		for (unsigned bit = 1; bit < 64; bit++)
			if (entry >> bit & 1)
				push_in_place(m, next + (bit - 1) * 8);
		next += UINT64_C(63) * 8;
	}
}

static void read_section(struct methods *m, Elf_Scn *section, bool relocations)
{
	GElf_Shdr mem, *h = gelf_getshdr(section, &mem);
	Elf_Data *data;
	bool is_relocations = h && (h->sh_type == SHT_RELA || h->sh_type == TYPE_RELR);

	if (!h || !(h->sh_flags & SHF_ALLOC) || is_relocations != relocations || !h->sh_size)
		return;
	data = h->sh_type == SHT_NOBITS ? NULL : elf_getdata(section, NULL);
	if (!relocations) {
		*array_push(&m->pieces) = (struct piece){
			.start = h->sh_addr,
			.bytes = data && data->d_buf ? data->d_size : h->sh_size,
			.data = data ? data->d_buf : NULL,
			.is_code = h->sh_flags & SHF_EXECINSTR,
		};
	} else if (data && data->d_buf) {
		if (h->sh_type == SHT_RELA)
			read_rela(m, data, h->sh_entsize ? h->sh_size / h->sh_entsize : 0);
		else
			read_relr(m, data);
	}
}

static void read_sections(struct methods *m, Elf *elf, bool relocations)
{
	Elf_Scn *section = NULL;

	for (int i = 0; i < MAX_SECTIONS && (section = elf_nextscn(elf, section)); i++)
		read_section(m, section, relocations);
}

/* ---- where functions end ---- */

/* Finds the table of .eh_frame_hdr, in the one form that linkers make: pairs of signed 32-bit offsets from its start.
 */
static void find_functions(struct methods *m, Elf *elf)
{
	static const uint8_t usual[] = { 1, 0x1b, 0x03, 0x3b };
	size_t n = 0;

	if (elf_getphdrnum(elf, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		uint8_t form[sizeof usual];
		GElf_Phdr h;
		uint32_t count;

		if (!gelf_getphdr(elf, (int)i, &h) || h.p_type != PT_GNU_EH_FRAME)
			continue;
		if (bytes_at(m, h.p_vaddr, form, sizeof form) && !memcmp(form, usual, sizeof form) &&
		    bytes_at(m, h.p_vaddr + 8, &count, sizeof count)) {
			m->functions = h.p_vaddr + 12;
			m->functions_base = h.p_vaddr;
			m->n_functions = count;
		}
		return;
	}
}

/* The end of the function that starts at an address; 0: unknown. */
static uint64_t function_end(const struct methods *m, uint64_t start)
{
	uint64_t low = 0, high = m->n_functions;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		int32_t entry[2], range[2];
		uint64_t at, fde;

		if (!bytes_at(m, m->functions + middle * sizeof entry, entry, sizeof entry))
			return 0;
		at = m->functions_base + (uint64_t)(int64_t)entry[0];
		if (at != start) {
			if (at < start)
				low = middle + 1;
			else
				high = middle;
			continue;
		}
		/* Its entry: length, pointer to the CIE, start relative to itself, bytes. */
		fde = m->functions_base + (uint64_t)(int64_t)entry[1] + 8;
		if (!bytes_at(m, fde, range, sizeof range) || fde + (uint64_t)(int64_t)range[0] != start ||
		    range[1] <= 0)
			return 0;
		return start + (uint32_t)range[1];
	}
	return 0;
}

/* ---- what they mean ---- */

static void give(struct methods *m, const char *name, uint64_t start)
{
	uint64_t end = function_end(m, start);

	if (end)
		m->each(m->self, name, start, end);
}

/* An identifier of Python; with dots between several, when `dots`. */
static const char *name_at(const struct methods *m, uint64_t address, bool dots)
{
	const struct piece *p = address ? piece_of(m, address) : NULL;
	const char *text;
	size_t left, n;

	if (!p || p->is_code || !p->data)
		return NULL;
	text = (const char *)p->data + (address - p->start);
	left = p->bytes - (address - p->start);
	for (n = 0; n < left && n < MAX_NAME && (isalnum((unsigned char)text[n]) || text[n] == '_'); n++)
		if (!n && isdigit((unsigned char)text[n]))
			return NULL;
	if (!n || n == left || n == MAX_NAME)
		return NULL;
	if (!text[n])
		return text;
	return dots && text[n] == '.' && name_at(m, address + n + 1, true) ? text : NULL;
}

/* A word that is no pointer and has this value at most. */
static bool is_small(const struct methods *m, uint64_t at, uint64_t most, uint64_t *ret)
{
	return !pointer_at(m, at) && word_at(m, at, ret) && *ret <= most;
}

static bool is_text_or_null(const struct methods *m, uint64_t at)
{
	uint64_t to = pointer_at(m, at), zero;

	return to ? !is_code(m, to) && piece_of(m, to) : is_small(m, at, 0, &zero);
}

/* struct PyMethodDef { const char *name; function; int flags; const char *doc; } */
static bool take_method(struct methods *m, uint64_t at, const char *name)
{
	uint64_t flags;

	if (!is_small(m, at + 16, MAX_FLAGS, &flags) || !flags || !is_text_or_null(m, at + 24))
		return false;
	give(m, name, pointer_at(m, at + 8));
	return true;
}

/* struct PyGetSetDef { const char *name; getter; setter or NULL; const char *doc; void *closure; } */
static void take_property(struct methods *m, uint64_t at, const char *name)
{
	uint64_t setter = pointer_at(m, at + 16), zero;

	if (!is_text_or_null(m, at + 24) || (setter ? !is_code(m, setter) : !is_small(m, at + 16, 0, &zero)))
		return;
	if (!pointer_at(m, at + 32) && !is_small(m, at + 32, 0, &zero))
		return;
	give(m, name, pointer_at(m, at + 8));
	if (setter)
		give(m, name, setter);
}

/* struct PyTypeObject: its name is the fourth word, the functions for its slots lie behind it, as since 3.8. */
static bool take_type(struct methods *m, uint64_t at)
{
	static const struct {
		unsigned offset;
		const char *name;
	} slots[] = {
		{ 48, "tp_dealloc" },   { 64, "tp_getattr" },   { 72, "tp_setattr" },    { 88, "tp_repr" },
		{ 120, "tp_hash" },     { 128, "tp_call" },     { 136, "tp_str" },       { 144, "tp_getattro" },
		{ 152, "tp_setattro" }, { 184, "tp_traverse" }, { 192, "tp_clear" },     { 200, "tp_richcompare" },
		{ 216, "tp_iter" },     { 224, "tp_iternext" }, { 272, "tp_descr_get" }, { 280, "tp_descr_set" },
		{ 296, "tp_init" },     { 304, "tp_alloc" },    { 312, "tp_new" },       { 320, "tp_free" },
	};
	const char *full = name_at(m, pointer_at(m, at + 24), true), *name = full ? strrchr(full, '.') : NULL;
	uint64_t size;

	if (!name || !is_code(m, pointer_at(m, at + 48)) || !is_small(m, at + 32, 1 << 20, &size) || size < 16 ||
	    !is_small(m, at + 40, 1 << 16, &size))
		return false;
	for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
		uint64_t start = pointer_at(m, at + slots[i].offset);
		char text[2 * MAX_NAME];

		if (!start || !is_code(m, start))
			continue;
		snprintf(text, sizeof text, "%s.%s", name + 1, slots[i].name);
		give(m, text, start);
	}
	return true;
}

/* struct PyModuleDef_Slot { int slot; void *value; } up to a slot 0: what makes and fills the module. */
static bool take_slots(struct methods *m, uint64_t at)
{
	enum { MAX_SLOTS = 6, LAST_SLOT = 4, CREATE = 1, EXEC = 2 };
	static const char *const names[] = { [CREATE] = "module create", [EXEC] = "module exec" };
	uint64_t slot, value, next = at;

	for (int i = 0; i < MAX_SLOTS; i++, next += 16) {
		if (!is_small(m, next, LAST_SLOT, &slot))
			return false;
		if (!slot)
			break;
		if (slot <= EXEC ? !is_code(m, pointer_at(m, next + 8)) : !is_small(m, next + 8, LAST_SLOT, &value))
			return false;
	}
	if (slot || next == at)
		return false;
	for (; is_small(m, at, EXEC, &slot) && slot; at += 16)
		give(m, names[slot], pointer_at(m, at + 8));
	return true;
}

static void take_pointer(struct methods *m, const struct pointer *p)
{
	const char *name;

	if (is_code(m, p->to)) {
		if (p->at >= 8)
			take_slots(m, p->at - 8);
		return;
	}
	if (p->at >= 24 && take_type(m, p->at - 24))
		return;
	name = is_code(m, pointer_at(m, p->at + 8)) ? name_at(m, p->to, false) : NULL;
	if (name && !take_method(m, p->at, name))
		take_property(m, p->at, name);
}

void methods_each(Elf *elf, void (*each)(void *self, const char *name, uint64_t start, uint64_t end), void *self)
{
	struct methods m = { .each = each, .self = self };
	GElf_Ehdr mem, *head = gelf_getehdr(elf, &mem);

	if (!head || head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB)
		return;
	read_sections(&m, elf, false);
	read_sections(&m, elf, true);
	find_functions(&m, elf);
	if (m.pointers.n)
		qsort(m.pointers.at, m.pointers.n, sizeof *m.pointers.at, pointer_before);
	for (size_t i = 0; i < m.pointers.n; i++)
		take_pointer(&m, &m.pointers.at[i]);
	array_free(&m.pieces);
	array_free(&m.pointers);
}
