/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object: libdwfl holds the file and its debug file together (with .gnu_debugdata and compressed sections), files.c
 * finds them, units.c answers from DWARF; where that knows nothing, a sorted table of the ELF symbols does.
 */
#include "analyzer/symbols/object.h"
#include "analyzer/base/arena.h"
#include "analyzer/base/array.h"
#include "analyzer/base/mem.h"
#include "analyzer/symbols/files.h"
#include "analyzer/symbols/methods.h"
#include "analyzer/symbols/units.h"

#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of symbols that only their file knows, that have no size, that no table has (methods.h). */
enum { LOCAL_RANK = 100, UNSIZED_RANK = 1000, METHOD_RANK = 10000 };

/* A function by the ELF symbol tables. */
struct elf_symbol {
	uint64_t start, end;
	bool sized; /* else it ends where the next one starts */
	const char *name;
	int rank; /* of several at one address the lowest is shown */
};

struct object {
	struct files *files;
	struct files_want want; /* texts borrowed from the module */
	Dwfl *dwfl;
	Dwfl_Module *module;
	uint64_t elf_bias, dwarf_bias; /* dwfl's addresses less the file's */
	bool symbols_read, units_read;
	unsigned exports;
	ARRAY(struct elf_symbol) symbols;
	struct arena names;  /* of symbols that no table has */
	struct units *units; /* NULL: no DWARF */
	Dwarf *alt;
	int alt_fd;
};

/* ---- opening ---- */

/* dwfl asks for the separate debug file here; a second time, without a checksum, for the file that dwz made, which
 * object.c finds by itself. */
static int find_debug(Dwfl_Module *module, void **self, const char *modname, Dwarf_Addr base, const char *file,
		      const char *link, GElf_Word crc, char **ret_name)
{
	struct object *o = *self;

	(void)module, (void)modname, (void)base, (void)file;
	if (!o || (link && !crc))
		return -1;
	o->want.link = link;
	o->want.link_crc = crc;
	return files_debug(o->files, &o->want, ret_name);
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = find_debug,
	.section_address = dwfl_offline_section_address,
};

__attribute__((format(printf, 1, 2))) static char *sentence(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

static bool load(struct object *o, int fd, const char *name)
{
	GElf_Addr bias;
	void **self;

	o->dwfl = dwfl_begin(&callbacks);
	if (o->dwfl)
		o->module = dwfl_report_offline(o->dwfl, name, name, fd);
	if (!o->module) {
		close(fd);
		return false;
	}
	dwfl_report_end(o->dwfl, NULL, NULL);
	dwfl_module_info(o->module, &self, NULL, NULL, NULL, NULL, NULL, NULL);
	*self = o;
	if (!dwfl_module_getelf(o->module, &bias))
		return false;
	o->elf_bias = bias;
	return true;
}

bool object_available(void) { return true; }

struct object *object_open(struct files *files, const struct symbols_module *m, char **ret_warning)
{
	struct object *o = mem_zero(1, sizeof *o);
	bool differs = false;
	char *name = NULL;
	int fd;

	*ret_warning = NULL;
	*o = (struct object){ .files = files, .alt_fd = -1 };
	o->want = (struct files_want){ .path = m->path, .build_id = m->build_id, .build_id_bytes = m->build_id_bytes };
	fd = files_module(files, &o->want, &name, &differs);
	if (fd < 0 && differs)
		*ret_warning =
			sentence("%s is not the file that was traced (another build id): no symbols of it", m->path);
	else if (fd >= 0 && !load(o, fd, name))
		*ret_warning = sentence("%s is damaged: no symbols of it", m->path);
	free(name);
	if (fd >= 0 && !*ret_warning)
		return o;
	object_close(o);
	return NULL;
}

void object_close(struct object *o)
{
	if (!o)
		return;
	units_free(o->units);
	array_free(&o->symbols);
	arena_free(&o->names);
	if (o->dwfl)
		dwfl_end(o->dwfl);
	if (o->alt)
		dwarf_end(o->alt);
	if (o->alt_fd >= 0)
		close(o->alt_fd);
	free(o);
}

/* ---- ELF symbols ---- */

static int symbol_before(const void *left, const void *right)
{
	const struct elf_symbol *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank - b->rank;
	return strcmp(a->name, b->name);
}

/* Of the names of one function the one that people use: "malloc" rather than "__libc_malloc". */
static int symbol_rank(const GElf_Sym *sym, const char *name)
{
	int underscores = (int)strspn(name, "_");

	return (sym->st_size ? 0 : UNSIZED_RANK) + (GELF_ST_BIND(sym->st_info) == STB_LOCAL ? LOCAL_RANK : 0) +
	       underscores;
}

static unsigned export_flag(const char *name)
{
	static const char *const eval[] = { "_PyEval_EvalFrameDefault", "PyEval_EvalCode" };

	if (!strncmp(name, "PyInit_", 7) || !strncmp(name, "PyInitU_", 8))
		return OBJECT_PYINIT;
	for (size_t i = 0; i < sizeof eval / sizeof *eval; i++)
		if (!strcmp(name, eval[i]))
			return OBJECT_EVAL;
	return 0;
}

/* Where the code ends that a symbol's section holds; 0: it holds none. */
static uint64_t code_end(Elf *elf, GElf_Word section)
{
	GElf_Shdr mem, *header = gelf_getshdr(elf_getscn(elf, section), &mem);

	return header && header->sh_flags & SHF_EXECINSTR ? header->sh_addr + header->sh_size : 0;
}

static void take_symbol(struct object *o, const GElf_Sym *sym, uint64_t start, uint64_t limit, const char *name)
{
	int type = GELF_ST_TYPE(sym->st_info);

	if (start >= limit)
		return;
	if (type != STT_FUNC && type != STT_GNU_IFUNC &&
	    (type != STT_NOTYPE || GELF_ST_BIND(sym->st_info) == STB_LOCAL))
		return;
	if (GELF_ST_BIND(sym->st_info) != STB_LOCAL)
		o->exports |= export_flag(name);
	*array_push(&o->symbols) = (struct elf_symbol){
		.start = start,
		.end = sym->st_size && sym->st_size <= limit - start ? start + sym->st_size : limit,
		.sized = sym->st_size,
		.name = name,
		.rank = symbol_rank(sym, name),
	};
}

/* Adds a function that is known by its name in Python. */
static void take_method(void *self, const char *name, uint64_t start, uint64_t end)
{
	struct object *o = self;

	*array_push(&o->symbols) = (struct elf_symbol){
		.start = start,
		.end = end,
		.sized = true,
		.name = arena_text(&o->names, name, strlen(name)),
		.rank = METHOD_RANK,
	};
}

/* Whether there is more than what the dynamic linker needs. */
static bool has_symtab(struct object *o)
{
	bool found = false;

	for (size_t i = 0; i < o->symbols.n && !found; i++)
		found = o->symbols.at[i].rank % 1000 >= LOCAL_RANK;
	return found;
}

static void read_methods(struct object *o)
{
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(o->module, &bias);

	if (elf && o->exports & OBJECT_PYINIT && !has_symtab(o))
		methods_each(elf, take_method, o);
}

static void read_symbols(struct object *o)
{
	int n;

	if (o->symbols_read)
		return;
	o->symbols_read = true;
	n = dwfl_module_getsymtab(o->module);
	for (int i = 1; i < n; i++) {
		GElf_Addr address;
		GElf_Word section;
		GElf_Sym sym;
		Elf *elf;
		Dwarf_Addr bias;
		const char *name = dwfl_module_getsym_info(o->module, i, &sym, &address, &section, &elf, &bias);

		if (name && *name && section != SHN_UNDEF && section < SHN_LORESERVE)
			take_symbol(o, &sym, address - o->elf_bias, code_end(elf, section), name);
	}
	read_methods(o);
	if (o->symbols.n)
		qsort(o->symbols.at, o->symbols.n, sizeof *o->symbols.at, symbol_before);
}

unsigned object_exports(struct object *o)
{
	read_symbols(o);
	return o->exports;
}

/* The name of the function that holds an address, NULL. Symbols of unknown size reach to the next one. */
static const char *symbol_at(struct object *o, uint64_t address)
{
	enum { MAX_STEPS = 64 };
	size_t low = 0, high;
	const struct elf_symbol *best = NULL;
	bool between = false;

	read_symbols(o);
	high = o->symbols.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (o->symbols.at[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (int step = 0; low-- > 0 && step < MAX_STEPS; step++) {
		const struct elf_symbol *s = &o->symbols.at[low];

		between |= step && s[1].start > s->start; /* another one, between it and the address */
		if (best && s->start != best->start)
			break;
		if (address < s->end && (s->sized || !between))
			best = s; /* of those that start together the last one seen has the lowest rank */
	}
	return best ? best->name : NULL;
}

/* ---- DWARF ---- */

/* The file that dwz moved common parts to. libdw looks for it by itself, but not below a sysroot. */
static void find_alt(struct object *o, Dwarf *dwarf)
{
	const char *name, *beside = NULL, *main_name = NULL;
	const void *build_id;
	ssize_t n = dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &build_id);
	char *found = NULL;

	if (n <= 0)
		return;
	dwfl_module_info(o->module, NULL, NULL, NULL, NULL, NULL, &main_name, &beside);
	beside = beside ? beside : main_name ? main_name : "";
	o->alt_fd = files_alt(o->files, name, beside, build_id, (unsigned)n, &found);
	free(found);
	o->alt = o->alt_fd < 0 ? NULL : dwarf_begin(o->alt_fd, DWARF_C_READ);
	if (o->alt)
		dwarf_setalt(dwarf, o->alt);
}

static void read_units(struct object *o)
{
	Dwarf_Addr bias;
	Dwarf *dwarf;

	if (o->units_read)
		return;
	o->units_read = true;
	dwarf = dwfl_module_getdwarf(o->module, &bias);
	if (!dwarf)
		return;
	o->dwarf_bias = bias;
	find_alt(o, dwarf);
	o->units = units_new(dwarf);
}

bool object_has_lines(struct object *o)
{
	read_units(o);
	return o->units && units_has_code(o->units);
}

void object_find(struct object *o, uint64_t address, struct object_frames *ret)
{
	struct symbol *outermost;

	ret->n = 0;
	read_units(o);
	if (o->units)
		units_find(o->units, address + o->elf_bias - o->dwarf_bias, ret);
	if (!ret->n)
		ret->at[ret->n++] = (struct symbol){ 0 };
	outermost = &ret->at[ret->n - 1];
	if (!outermost->function)
		outermost->function = symbol_at(o, address);
}
