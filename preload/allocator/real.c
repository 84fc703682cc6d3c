/* SPDX-License-Identifier: Apache-2.0 */
/* real: the search, and the functions that serve until it is done. */
#include "preload/allocator/real.h"
#include "preload/allocator/backend.h"
#include "preload/base/os.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum { EARLY_ALIGN = 16 };

_Alignas(EARLY_ALIGN) char real_buffer[REAL_BUFFER];
static _Atomic(size_t) used;
static atomic_flag looking = ATOMIC_FLAG_INIT;

/* Each block has its size in the 16 bytes before it. Nothing is ever given back; a few hundred bytes are usual. */
static void *early_alloc(size_t align, size_t size)
{
	size_t at = atomic_load(&used), start;

	align = align < EARLY_ALIGN ? EARLY_ALIGN : align;
	do {
		if (size > REAL_BUFFER || align > REAL_BUFFER)
			return NULL;
		start = (((uintptr_t)real_buffer + at + EARLY_ALIGN + align - 1) & ~(align - 1)) -
			(uintptr_t)real_buffer;
		if (start + size > REAL_BUFFER)
			return NULL;
	} while (!atomic_compare_exchange_weak(&used, &at, start + size));
	memcpy(real_buffer + start - EARLY_ALIGN, &size, sizeof size);
	return real_buffer + start;
}

size_t real_early_size(const void *p)
{
	size_t size;

	memcpy(&size, (const char *)p - EARLY_ALIGN, sizeof size);
	return size;
}

static void *or_enomem(void *p)
{
	if (!p)
		errno = ENOMEM;
	return p;
}

static void *first_malloc(size_t size) { return real_start() ? real.malloc(size) : or_enomem(early_alloc(0, size)); }

static void *first_calloc(size_t n, size_t size)
{
	if (real_start())
		return real.calloc(n, size);
	return or_enomem(__builtin_mul_overflow(n, size, &size) ? NULL : early_alloc(0, size));
}

static void *first_realloc(void *p, size_t size)
{
	void *q;

	if (real_start())
		return real.realloc(p, size);
	q = or_enomem(early_alloc(0, size));
	if (p && q)
		memcpy(q, p, real_early_size(p) < size ? real_early_size(p) : size);
	return q;
}

static void first_free(void *p)
{
	if (real_start())
		real.free(p);
}

static int first_posix_memalign(void **out, size_t align, size_t size)
{
	if (real_start())
		return real.posix_memalign(out, align, size);
	*out = early_alloc(align, size);
	return *out ? 0 : ENOMEM;
}

static void *first_aligned_alloc(size_t align, size_t size)
{
	return real_start() ? real.aligned_alloc(align, size) : or_enomem(early_alloc(align, size));
}

static void *first_memalign(size_t align, size_t size)
{
	return real_start() ? real.memalign(align, size) : or_enomem(early_alloc(align, size));
}

static size_t first_malloc_usable_size(void *p) { return real_start() ? real.malloc_usable_size(p) : 0; }

static void *first_mmap(void *p, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	if (real_start())
		return real.mmap(p, bytes, prot, flags, fd, offset);
	return (void *)syscall(SYS_mmap, p, bytes, prot, flags, fd, offset);
}

static int first_munmap(void *p, size_t bytes)
{
	return real_start() ? real.munmap(p, bytes) : (int)syscall(SYS_munmap, p, bytes);
}

struct real real = {
#define REAL(name, ...) .name = first_##name,
#include "preload/allocator/real.def"
};

static const struct wanted {
	const char *name;
	size_t at;  /* in struct real */
	bool maybe; /* may be missing */
} wanted[] = {
#define REAL(name, ...)       { #name, offsetof(struct real, name), false },
#define REAL_MAYBE(name, ...) { #name, offsetof(struct real, name), true },
#include "preload/allocator/real.def"
};
enum { WANTED = sizeof wanted / sizeof *wanted };

struct real_allocator real_allocator;
struct lookup_file real_us;

/* The functions that make or take blocks: they have to be those of one allocator. */
static bool is_of_allocator(const struct wanted *w) { return w->at <= offsetof(struct real, free_aligned_sized); }

struct search {
	void *next[WANTED]; /* the first definition behind ours */
	bool past_us;
};

static int search_file(struct dl_phdr_info *object, size_t size, void *arg)
{
	struct search *s = arg;
	struct lookup_file f;

	(void)size;
	if (!lookup_open(&f, object))
		return 0;
	if (lookup_contains(&f, &real)) {
		real_us = f;
		s->past_us = true;
		return 0;
	}
	if (!real_allocator.file.end && lookup_symbol(&f, "malloc")) {
		real_allocator.file = f;
		real_allocator.first = !s->past_us;
	}
	for (int i = 0; i < WANTED && s->past_us; i++)
		if (!s->next[i])
			s->next[i] = lookup_address(&f, wanted[i].name);
	return 0;
}

/* A block that one allocator made must not be given to another: what this one lacks is done without where we can. */
static void *choose(const struct search *s, int i)
{
	void *p = is_of_allocator(&wanted[i]) ? lookup_address(&real_allocator.file, wanted[i].name) : s->next[i];

	return p || wanted[i].maybe ? p : s->next[i];
}

static bool is_libc(const char *path)
{
	const char *name = os_file_name(path);

	return !strncmp(name, "libc.so", 7) || !strncmp(name, "libc-", 5);
}

bool real_start(void)
{
	struct search s = { 0 };
	struct real found;

	if (real.malloc != first_malloc)
		return true;
	if (atomic_flag_test_and_set(&looking))
		return false;
	dl_iterate_phdr(search_file, &s);
	for (int i = 0; i < WANTED; i++) {
		void *p = choose(&s, i);

		memcpy((char *)&found + wanted[i].at, &p, sizeof p);
	}
	real_allocator.is_libc = is_libc(real_allocator.file.name);
	real = found;
	if (real_allocator.is_libc)
		backend_watch();
	return true;
}
