/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup: what the files that are loaded into this process define, read from their own tables
 *
 * Why:   dlsym allocates when a name is missing, and the allocator that it would ask may be the one that just called us
 *        from the middle of its own start (jemalloc's first mmap). Nothing here allocates or calls anything.
 * Who:   real.c, foreign.c. The files are met with dl_iterate_phdr, in the order in which the linker searches them.
 */
#pragma once
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lookup_file {
	const char *name; /* path, borrowed from the linker; "" is the program itself */
	uintptr_t base, start, end;
	const ElfW(Phdr) * headers;
	int n_headers;
	const ElfW(Sym) * symbols;
	const char *strings;
	const uint32_t *gnu_hash, *plain_hash; /* one of them may be NULL */
	const uint16_t *versions;              /* NULL: it has none */
	const ElfW(Rela) * relocations[2];     /* of data and of the procedure linkage table */
	size_t n_relocations[2];
	uintptr_t relro_start, relro_end; /* pages that are read-only once relocated */
};

/* Reads a loaded file's tables. False when it has none that can be read. */
bool lookup_open(struct lookup_file *f, const struct dl_phdr_info *object);
/* The symbol that a search for `name` without a version would find in this file; NULL: it defines none. */
const ElfW(Sym) * lookup_symbol(const struct lookup_file *f, const char *name);
/* The same as an address. */
void *lookup_address(const struct lookup_file *f, const char *name);
/* The protection of the page that a symbol's entry lies in. */
int lookup_protection(const struct lookup_file *f, const ElfW(Sym) * s);
/* Whether an address lies in the file. */
static inline bool lookup_contains(const struct lookup_file *f, const void *p)
{
	return (uintptr_t)p - f->start < f->end - f->start;
}
