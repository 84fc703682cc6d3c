/* SPDX-License-Identifier: Apache-2.0 */
/* lookup: ELF's dynamic section, hash tables and versions. */
#include "preload/allocator/lookup.h"

#include <string.h>
#include <sys/mman.h>

#define VERSION_HIDDEN 0x8000

/* glibc adds the base to the pointers of most files' dynamic sections, but not where these are read-only (the vDSO). */
static const void *pointer(const struct lookup_file *f, uintptr_t p)
{
	return (const void *)(p < f->base ? p + f->base : p);
}

static void take_entry(struct lookup_file *f, const ElfW(Dyn) * d)
{
	const void *p = pointer(f, d->d_un.d_ptr);

	switch (d->d_tag) {
	case DT_SYMTAB: f->symbols = p; break;
	case DT_STRTAB: f->strings = p; break;
	case DT_GNU_HASH: f->gnu_hash = p; break;
	case DT_HASH: f->plain_hash = p; break;
	case DT_VERSYM: f->versions = p; break;
	case DT_RELA: f->relocations[0] = p; break;
	case DT_RELASZ: f->n_relocations[0] = d->d_un.d_val / sizeof(ElfW(Rela)); break;
	case DT_JMPREL: f->relocations[1] = p; break;
	case DT_PLTRELSZ: f->n_relocations[1] = d->d_un.d_val / sizeof(ElfW(Rela)); break;
	}
}

bool lookup_open(struct lookup_file *f, const struct dl_phdr_info *object)
{
	const ElfW(Dyn) *dynamic = NULL;

	*f = (struct lookup_file){ .name = object->dlpi_name,
				   .base = object->dlpi_addr,
				   .start = UINTPTR_MAX,
				   .headers = object->dlpi_phdr,
				   .n_headers = object->dlpi_phnum };
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];
		uintptr_t start = f->base + h->p_vaddr, end = start + h->p_memsz;

		if (h->p_type == PT_LOAD && start < f->start)
			f->start = start;
		if (h->p_type == PT_LOAD && end > f->end)
			f->end = end;
		if (h->p_type == PT_DYNAMIC)
			dynamic = (const ElfW(Dyn) *)start;
		if (h->p_type == PT_GNU_RELRO) {
			f->relro_start = start;
			f->relro_end = end;
		}
	}
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++)
		take_entry(f, dynamic);
	return f->symbols && f->strings && (f->gnu_hash || f->plain_hash);
}

static bool is_it(const struct lookup_file *f, uint32_t i, const char *name)
{
	const ElfW(Sym) *s = &f->symbols[i];

	return s->st_shndx != SHN_UNDEF && s->st_value && ELF64_ST_BIND(s->st_info) != STB_LOCAL &&
	       !strcmp(f->strings + s->st_name, name);
}

/* Of a name's versions the default one; else any, as programs may be bound to it (libc_malloc_debug.so.0). */
static bool is_default(const struct lookup_file *f, uint32_t i)
{
	return !f->versions || !(f->versions[i] & VERSION_HIDDEN);
}

/* header: buckets, first symbol, words of the filter, shift; then filter, buckets, chains. */
static const ElfW(Sym) * find_gnu(const struct lookup_file *f, const char *name)
{
	const uint32_t *h = f->gnu_hash, *buckets, *chain;
	const ElfW(Addr) *filter = (const ElfW(Addr) *)(h + 4);
	const unsigned bits = sizeof *filter * 8;
	uint32_t hash = 5381, i, found = 0;
	ElfW(Addr) word;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	word = filter[hash / bits % h[2]];
	if (!(word >> hash % bits & word >> (hash >> h[3]) % bits & 1) || !h[0])
		return NULL;
	buckets = (const uint32_t *)(filter + h[2]);
	chain = buckets + h[0];
	i = buckets[hash % h[0]];
	if (i < h[1])
		return NULL;
	for (;; i++) {
		if ((chain[i - h[1]] | 1) == (hash | 1) && is_it(f, i, name))
			found = found && !is_default(f, i) ? found : i;
		if (chain[i - h[1]] & 1)
			return found ? &f->symbols[found] : NULL;
	}
}

/* The old table tells how many symbols there are, and they are gone through. */
static const ElfW(Sym) * find_plain(const struct lookup_file *f, const char *name)
{
	uint32_t found = 0;

	for (uint32_t i = 1; i < f->plain_hash[1]; i++)
		if (is_it(f, i, name))
			found = found && !is_default(f, i) ? found : i;
	return found ? &f->symbols[found] : NULL;
}

const ElfW(Sym) * lookup_symbol(const struct lookup_file *f, const char *name)
{
	return f->gnu_hash ? find_gnu(f, name) : find_plain(f, name);
}

void *lookup_address(const struct lookup_file *f, const char *name)
{
	const ElfW(Sym) *s = lookup_symbol(f, name);
	void *p = s ? (void *)(f->base + s->st_value) : NULL;

	return s && ELF64_ST_TYPE(s->st_info) == STT_GNU_IFUNC ? ((void *(*)(void))p)() : p;
}

int lookup_protection(const struct lookup_file *f, const ElfW(Sym) * s)
{
	for (int i = 0; i < f->n_headers; i++) {
		const ElfW(Phdr) *h = &f->headers[i];

		if (h->p_type == PT_LOAD && (uintptr_t)s - (f->base + h->p_vaddr) < h->p_memsz)
			return (h->p_flags & PF_R ? PROT_READ : 0) | (h->p_flags & PF_W ? PROT_WRITE : 0) |
			       (h->p_flags & PF_X ? PROT_EXEC : 0);
	}
	return PROT_READ;
}
