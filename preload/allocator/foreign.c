/* SPDX-License-Identifier: Apache-2.0 */
/* foreign: binding anew. */
#include "preload/allocator/foreign.h"
#include "preload/allocator/real.h"
#include "preload/base/os.h"

#include <string.h>

/* What the linker writes addresses of functions for. */
#if defined(__x86_64__)
enum { RELOCATION_ADDRESS = R_X86_64_64, RELOCATION_DATA = R_X86_64_GLOB_DAT, RELOCATION_CALL = R_X86_64_JUMP_SLOT };
#elif defined(__aarch64__)
enum {
	RELOCATION_ADDRESS = R_AARCH64_ABS64,
	RELOCATION_DATA = R_AARCH64_GLOB_DAT,
	RELOCATION_CALL = R_AARCH64_JUMP_SLOT
};
#endif

enum { REDIRECTS_MAX = 96 };

static struct redirect {
	const char *name;
	void *from, *to;
} redirects[REDIRECTS_MAX];
static size_t n_redirects;

/* Ours that an allocator may define as well. */
static const char *const memory_names[] = {
	"malloc",
	"calloc",
	"realloc",
	"reallocarray",
	"free",
	"posix_memalign",
	"aligned_alloc",
	"memalign",
	"valloc",
	"pvalloc",
	"malloc_usable_size",
	"free_sized",
	"free_aligned_sized",
	"mmap",
	"mmap64",
	"munmap",
	"mremap",
	"sbrk",
	"brk",
};
enum { MEMORY_NAMES = sizeof memory_names / sizeof *memory_names };

/* tcmalloc's and mimalloc's second names for the same functions, for who wants them and no other's. */
static const struct {
	const char *its, *ours;
} synonyms[] = {
#define BOTH(name) \
	{ "tc_" #name, #name }, { "mi_" #name, #name }
	BOTH(malloc),
	BOTH(calloc),
	BOTH(realloc),
	BOTH(free),
	BOTH(memalign),
	BOTH(posix_memalign),
	BOTH(valloc),
	BOTH(pvalloc),
	{ "mi_reallocarray", "reallocarray" },
	{ "tc_cfree", "free" },
	{ "mi_cfree", "free" },
#undef BOTH
};
enum { SYNONYMS = sizeof synonyms / sizeof *synonyms };

static void add(const char *name, void *from, void *to)
{
	if (from && to && n_redirects < REDIRECTS_MAX)
		redirects[n_redirects++] = (struct redirect){ name, from, to };
}

/* One function may have several names (tcmalloc's free and operator delete): the plain ones, added last, are taken. */
static void *replacement_of(const void *p)
{
	for (size_t i = n_redirects; i-- > 0;)
		if (redirects[i].from == p)
			return redirects[i].to;
	return NULL;
}

/* Stores a word in a page that may be read-only, which it is again afterwards. */
static void store(void **slot, void *value, bool read_only, int protection)
{
	uintptr_t page = (uintptr_t)slot & ~(uintptr_t)(OS_PAGE - 1);

	if (read_only && os_call(SYS_mprotect, page, OS_PAGE, protection | PROT_WRITE))
		return;
	__atomic_store_n(slot, value, __ATOMIC_RELEASE);
	if (read_only)
		os_call(SYS_mprotect, page, OS_PAGE, protection);
}

/* ---- what is bound already ---- */

static void redirect_slot(const struct lookup_file *f, const ElfW(Rela) * r)
{
	unsigned type = (unsigned)ELF64_R_TYPE(r->r_info);
	void **slot = (void **)(f->base + r->r_offset), *to;

	if (type != RELOCATION_CALL && type != RELOCATION_DATA && type != RELOCATION_ADDRESS)
		return;
	to = replacement_of(*slot);
	if (to)
		store(slot, to, (uintptr_t)slot >= f->relro_start && (uintptr_t)slot < f->relro_end, PROT_READ);
}

static int redirect_file(struct dl_phdr_info *object, size_t size, void *arg)
{
	struct lookup_file f;

	(void)size;
	(void)arg;
	if (!lookup_open(&f, object) || f.base == real_us.base || f.base == real_allocator.file.base)
		return 0;
	for (int table = 0; table < 2; table++)
		for (size_t i = 0; i < f.n_relocations[table]; i++)
			redirect_slot(&f, &f.relocations[table][i]);
	return 0;
}

/* ---- what will be bound ---- */

static void redirect_symbol(const struct redirect *r)
{
	const struct lookup_file *f = &real_allocator.file;
	const ElfW(Sym) *s = lookup_symbol(f, r->name);

	if (s && ELF64_ST_TYPE(s->st_info) == STT_FUNC)
		store((void **)&s->st_value, (void *)((uintptr_t)r->to - f->base), true, lookup_protection(f, s));
}

/* ---- all of it ---- */

void foreign_add(const struct foreign_hook *hooks, size_t n)
{
	if (real_allocator.is_libc)
		return;
	for (size_t i = 0; i < n; i++) {
		*hooks[i].real = lookup_address(&real_allocator.file, hooks[i].name);
		add(hooks[i].name, *hooks[i].real, hooks[i].hook);
	}
}

/* By the names that all allocators have only where these do not lead to us anyway. */
void foreign_start(void)
{
	const struct lookup_file *f = &real_allocator.file;

	if (real_allocator.is_libc)
		return;
	for (int i = 0; i < MEMORY_NAMES && real_allocator.first; i++)
		add(memory_names[i], lookup_address(f, memory_names[i]), lookup_address(&real_us, memory_names[i]));
	for (int i = 0; i < SYNONYMS; i++)
		add(synonyms[i].its, lookup_address(f, synonyms[i].its), lookup_address(&real_us, synonyms[i].ours));
	dl_iterate_phdr(redirect_file, NULL);
	for (size_t i = 0; i < n_redirects; i++)
		redirect_symbol(&redirects[i]);
}

const char *foreign_name(void)
{
	return real_allocator.is_libc      ? "libc"
	       : *real_allocator.file.name ? os_file_name(real_allocator.file.name)
					   : "program";
}

const char *foreign_order(void)
{
	return !*real_allocator.file.name ? "inside" : real_allocator.first ? "redirected" : "behind";
}
