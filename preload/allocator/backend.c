/* SPDX-License-Identifier: Apache-2.0 */
/* backend: notes of libc's blocks, and jemalloc in its place. */
#include "preload/allocator/backend.h"
#include "preload/allocator/real.h"
#include "preload/base/os.h"
#include "preload/base/tracer.h"

#include <stdlib.h>
#include <string.h>

static bool is_on;

#ifdef PT_HAVE_JEMALLOC

enum { NOTES_MAX = 4096 };

static struct real libc;
static struct lock lock;
static void *notes[NOTES_MAX];
static size_t n_notes;
static bool too_many;
static uintptr_t lowest = UINTPTR_MAX, highest; /* of all blocks that were ever noted */

/* ---- notes ---- */

static void add_note(void *p)
{
	if (n_notes == NOTES_MAX) {
		too_many = true;
		return;
	}
	notes[n_notes++] = p;
	lowest = (uintptr_t)p < lowest ? (uintptr_t)p : lowest;
	highest = (uintptr_t)p > highest ? (uintptr_t)p : highest;
}

static void *note(void *p)
{
	if (p) {
		lock_take(&lock);
		add_note(p);
		lock_drop(&lock);
	}
	return p;
}

/* Whether a block was noted; then it is no more. The latest are given back first. */
static bool strike(void *p)
{
	bool found = false;

	lock_take(&lock);
	for (size_t i = n_notes; i-- > 0 && !found;) {
		found = notes[i] == p;
		if (found)
			notes[i] = notes[--n_notes];
	}
	lock_drop(&lock);
	return found;
}

static void *noted_malloc(size_t size) { return note(libc.malloc(size)); }
static void *noted_calloc(size_t n, size_t size) { return note(libc.calloc(n, size)); }
static void *noted_aligned_alloc(size_t align, size_t size) { return note(libc.aligned_alloc(align, size)); }
static void *noted_memalign(size_t align, size_t size) { return note(libc.memalign(align, size)); }
static void *noted_valloc(size_t size) { return note(libc.valloc(size)); }
static void *noted_pvalloc(size_t size) { return note(libc.pvalloc(size)); }

static int noted_posix_memalign(void **out, size_t align, size_t size)
{
	int ret = libc.posix_memalign(out, align, size);

	if (!ret)
		note(*out);
	return ret;
}

static void noted_free(void *p)
{
	strike(p);
	libc.free(p);
}

static void *noted_realloc(void *p, size_t size)
{
	void *q;

	strike(p);
	q = libc.realloc(p, size);
	if (!q && size)
		note(p);
	return note(q);
}

/* Everything that makes or takes a block; names that are NULL are done without (hooks/malloc.c). */
#define SERVE(prefix)                                          \
	do {                                                   \
		real.malloc = prefix##_malloc;                 \
		real.calloc = prefix##_calloc;                 \
		real.realloc = prefix##_realloc;               \
		real.free = prefix##_free;                     \
		real.posix_memalign = prefix##_posix_memalign; \
		real.aligned_alloc = prefix##_aligned_alloc;   \
		real.memalign = prefix##_memalign;             \
		real.free_sized = NULL;                        \
		real.free_aligned_sized = NULL;                \
		real.reallocarray = NULL;                      \
	} while (0)

void backend_watch(void)
{
	libc = real;
	SERVE(noted);
	real.valloc = libc.valloc ? noted_valloc : NULL;
	real.pvalloc = libc.pvalloc ? noted_pvalloc : NULL;
}

void backend_stay(void)
{
	if (libc.malloc)
		real = libc;
}

/* ---- jemalloc ---- */

void *jemalloc_malloc(size_t size);
void *jemalloc_calloc(size_t n, size_t size);
void *jemalloc_realloc(void *p, size_t size);
void jemalloc_free(void *p);
int jemalloc_posix_memalign(void **out, size_t align, size_t size);
void *jemalloc_aligned_alloc(size_t align, size_t size);
void *jemalloc_memalign(size_t align, size_t size);
void *jemalloc_valloc(size_t size);
size_t jemalloc_malloc_usable_size(void *p);
int jemalloc_mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes);

/* Settings that are above the user's MALLOC_CONF. */
extern const char *jemalloc_conf_harder;
const char *jemalloc_conf_harder = "background_thread:false";

static inline bool may_be_libcs(const void *p) { return unlikely((uintptr_t)p - lowest <= highest - lowest); }

static void backend_free(void *p)
{
	if (may_be_libcs(p) && strike(p))
		libc.free(p);
	else
		jemalloc_free(p);
}

static void *move_here(void *p, size_t size)
{
	void *q = jemalloc_malloc(size);
	size_t had = libc.malloc_usable_size(p);

	if (!q) {
		note(p);
		return NULL;
	}
	memcpy(q, p, had < size ? had : size);
	libc.free(p);
	return q;
}

static void *backend_realloc(void *p, size_t size)
{
	return may_be_libcs(p) && strike(p) ? move_here(p, size) : jemalloc_realloc(p, size);
}

static size_t backend_malloc_usable_size(void *p)
{
	if (may_be_libcs(p) && strike(p)) {
		note(p);
		return libc.malloc_usable_size(p);
	}
	return jemalloc_malloc_usable_size(p);
}

#define backend_malloc         jemalloc_malloc
#define backend_calloc         jemalloc_calloc
#define backend_posix_memalign jemalloc_posix_memalign
#define backend_aligned_alloc  jemalloc_aligned_alloc
#define backend_memalign       jemalloc_memalign

bool backend_switch(const char **ret_why)
{
	*ret_why = !real_allocator.is_libc ? "the program brings an allocator of its own"
		   : too_many              ? "too many blocks were made before it could start"
		   : os_threads() > 1      ? "threads run already"
					   : NULL;
	if (!*ret_why) {
		void *p = jemalloc_malloc(1); /* starts it: its fork handlers come before ours */

		if (!p)
			*ret_why = "it has no memory";
		jemalloc_free(p);
	}
	if (*ret_why) {
		backend_stay();
		return false;
	}
	real.free = backend_free;
	real.malloc_usable_size = backend_malloc_usable_size;
	SERVE(backend);
	real.valloc = jemalloc_valloc;
	real.pvalloc = NULL;
	is_on = true;
	return true;
}

int (*backend_mallctl(void))(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes)
{
	return jemalloc_mallctl;
}

/* ---- what jemalloc asks of the system (jemalloc/names.in) ---- */

void *jemalloc_sbrk(intptr_t increment);
char *jemalloc_getenv(const char *name);
ssize_t jemalloc_readlink(const char *path, char *buf, size_t cap);
void *jemalloc_sbrk(intptr_t increment)
{
	(void)increment;
	return (void *)-1; /* the break is libc's */
}

/* Settings by MALLOC_CONF are welcome, but for its profiler: we are one. */
char *jemalloc_getenv(const char *name)
{
	char *text = secure_getenv(name);

	return text && strstr(text, "prof") ? NULL : text;
}

/* /etc/malloc.conf is meant for the machine's own jemalloc. */
ssize_t jemalloc_readlink(const char *path, char *buf, size_t cap)
{
	(void)path;
	(void)buf;
	(void)cap;
	return -1;
}

/* Threads of its own, and what only its profiler needs. */
#define NONE(result, name, value) \
	result name(void);        \
	result name(void) { return value; }
NONE(int, jemalloc_pthread_create, EAGAIN)
NONE(int, jemalloc_pthread_join, EINVAL)
NONE(int, jemalloc_pthread_getname_np, ENOSYS)
NONE(int, jemalloc_pthread_setname_np, ENOSYS)
NONE(void *, jemalloc_dlsym, NULL)
NONE(int, jemalloc_unwind, 0)
NONE(uintptr_t, jemalloc_unwind_ip, 0)
NONE(double, jemalloc_exp, 0)
NONE(double, jemalloc_log, 0)
NONE(double, jemalloc_round, 0)

#else

void backend_watch(void) {}
void backend_stay(void) {}

bool backend_switch(const char **ret_why)
{
	*ret_why = "this libpytrace.so was built without it";
	return false;
}

int (*backend_mallctl(void))(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes)
{
	return NULL;
}

#endif

bool backend_is_on(void) { return is_on; }
