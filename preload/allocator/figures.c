/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures: each is a number with a name: "jemalloc/active", or of a row, "jemalloc/class 64/live". FORMAT.md lists
 * them.
 *
 * Tables of jemalloc's and tcmalloc's own names; what belongs to a row is asked for with the row's number in the name.
 */
#include "preload/allocator/figures.h"
#include "preload/allocator/backend.h"
#include "preload/allocator/real.h"
#include "preload/record/emit.h"
#include "preload/record/intern.h"
#include "preload/base/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NAMES_MAX = 1024,
	NAME_MAX_BYTES = 48,
	TICK_NS = 1000000000,
	RSS_TICK_NS = 200000000,
	ALL_ARENAS = 4096 /* in jemalloc's names */
};

static struct lock lock;
static char names[NAMES_MAX][NAME_MAX_BYTES]; /* the id of a name is its index + 1 */
static uint32_t n_names;
static _Atomic(uint64_t) last_ns, last_rss_ns;

static void put(struct thread *t, const char *name, uint64_t value)
{
	uint32_t i = 0;

	while (i < n_names && strcmp(names[i], name))
		i++;
	if (i == NAMES_MAX)
		return;
	if (i == n_names) {
		struct piece piece = { name, strlen(name) };

		strcpy(names[n_names++], name);
		define_bytes(t, PT_OP_STRING, i + 1, &piece, 1);
	}
	emit_pair(t, PT_OP_FIGURE, i + 1, value);
}

/* ---- the system ---- */

static void take_rss(struct thread *t)
{
	char text[128];
	const char *space;

	os_read_text("/proc/self/statm", text, sizeof text);
	space = strchr(text, ' ');
	if (space)
		emit_pair(t, PT_OP_RSS, 0, strtoull(space, NULL, 10) * OS_PAGE);
}

/* ---- jemalloc ---- */

static int (*mallctl)(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes);

/* The allocator answers at DEPTH_REAL: what it maps meanwhile is recorded as its own. */
static bool ask(struct thread *t, const char *name, void *value, size_t bytes)
{
	int saved = errno;
	bool ok;

	thread_depth(t, DEPTH_REAL);
	ok = !mallctl(name, value, &bytes, NULL, 0);
	thread_depth(t, DEPTH_OWN);
	errno = saved;
	return ok;
}

static uint64_t ask_size(struct thread *t, const char *format, unsigned a, unsigned b)
{
	char name[96];
	size_t value;

	snprintf(name, sizeof name, format, a, b);
	return ask(t, name, &value, sizeof value) ? value : 0;
}

static unsigned ask_number(struct thread *t, const char *name)
{
	unsigned value;

	return ask(t, name, &value, sizeof value) ? value : 0;
}

/* Of a row, when there is something. */
static void put_row(struct thread *t, const char *row, uint64_t number, const char *figure, uint64_t value)
{
	char name[NAME_MAX_BYTES];

	if (!value)
		return;
	snprintf(name, sizeof name, "jemalloc/%s %llu/%s", row, (unsigned long long)number, figure);
	put(t, name, value);
}

static void refresh(struct thread *t)
{
	uint64_t epoch = 1;
	size_t bytes = sizeof epoch;

	thread_depth(t, DEPTH_REAL);
	mallctl("epoch", &epoch, &bytes, &epoch, bytes);
	thread_depth(t, DEPTH_OWN);
}

static void take_totals(struct thread *t)
{
	static const char *const totals[] = { "allocated", "active", "metadata", "resident", "mapped", "retained" };
	char name[NAME_MAX_BYTES], ours[NAME_MAX_BYTES];
	size_t value;

	for (unsigned i = 0; i < sizeof totals / sizeof *totals; i++) {
		snprintf(name, sizeof name, "stats.%s", totals[i]);
		snprintf(ours, sizeof ours, "jemalloc/%s", totals[i]);
		if (ask(t, name, &value, sizeof value))
			put(t, ours, value);
	}
}

/* Blocks of one size lie in slabs; a slab with one block alive is all kept. */
static void take_classes(struct thread *t)
{
	unsigned n = ask_number(t, "arenas.nbins"), n_large = ask_number(t, "arenas.nlextents");

	for (unsigned i = 0; i < n; i++) {
		uint64_t size = ask_size(t, "arenas.bin.%u.size", i, 0);

		put_row(t, "class", size, "live", size * ask_size(t, "stats.arenas.%u.bins.%u.curregs", ALL_ARENAS, i));
		put_row(t, "class", size, "mapped",
			ask_size(t, "stats.arenas.%u.bins.%u.curslabs", ALL_ARENAS, i) *
				ask_size(t, "arenas.bin.%u.slab_size", i, 0));
	}
	for (unsigned i = 0; i < n_large; i++) {
		uint64_t size = ask_size(t, "arenas.lextent.%u.size", i, 0);
		uint64_t bytes = size * ask_size(t, "stats.arenas.%u.lextents.%u.curlextents", ALL_ARENAS, i);

		put_row(t, "class", size, "live", bytes);
		put_row(t, "class", size, "mapped", bytes);
	}
}

static void take_arenas(struct thread *t)
{
	unsigned n = ask_number(t, "arenas.narenas");

	for (unsigned i = 0; i < n; i++) {
		put_row(t, "arena", i, "live",
			ask_size(t, "stats.arenas.%u.small.allocated", i, 0) +
				ask_size(t, "stats.arenas.%u.large.allocated", i, 0));
		put_row(t, "arena", i, "mapped", ask_size(t, "stats.arenas.%u.mapped", i, 0));
		put_row(t, "arena", i, "resident", ask_size(t, "stats.arenas.%u.resident", i, 0));
		put_row(t, "arena", i, "dirty", OS_PAGE * ask_size(t, "stats.arenas.%u.pdirty", i, 0));
	}
}

/* ---- tcmalloc ---- */

static int (*get_property)(const char *name, size_t *value);

static void take_tcmalloc(struct thread *t)
{
	static const struct {
		const char *ours, *its;
	} figures[] = {
		{ "tcmalloc/allocated", "generic.current_allocated_bytes" },
		{ "tcmalloc/mapped", "generic.heap_size" },
		{ "tcmalloc/free in page heap", "tcmalloc.pageheap_free_bytes" },
		{ "tcmalloc/returned to the system", "tcmalloc.pageheap_unmapped_bytes" },
		{ "tcmalloc/free in thread caches", "tcmalloc.current_total_thread_cache_bytes" },
		{ "tcmalloc/free in central cache", "tcmalloc.central_cache_free_bytes" },
		{ "tcmalloc/free in transfer cache", "tcmalloc.transfer_cache_free_bytes" },
	};
	size_t values[sizeof figures / sizeof *figures];
	bool ok[sizeof figures / sizeof *figures];

	thread_depth(t, DEPTH_REAL);
	for (unsigned i = 0; i < sizeof figures / sizeof *figures; i++)
		ok[i] = get_property(figures[i].its, &values[i]);
	thread_depth(t, DEPTH_OWN);
	for (unsigned i = 0; i < sizeof figures / sizeof *figures; i++)
		if (ok[i])
			put(t, figures[i].ours, values[i]);
}

/* ---- all ---- */

/* Who can be asked. An allocator inside the program may be in the middle of anything. */
static void find_allocator(void)
{
	const struct lookup_file *f = &real_allocator.file;

	if (backend_is_on()) {
		mallctl = backend_mallctl();
	} else if (!real_allocator.is_libc && *f->name) {
		void *p = lookup_address(f, "mallctl"), *q = lookup_address(f, "MallocExtension_GetNumericProperty");

		memcpy(&mallctl, &p, sizeof p);
		memcpy(&get_property, &q, sizeof q);
	}
}

void figures_take(struct thread *t)
{
	if (t->inner || !lock_try(&lock))
		return;
	atomic_store(&last_ns, UINT64_MAX); /* no tick meanwhile */
	find_allocator();
	take_rss(t);
	if (mallctl) {
		refresh(t);
		take_totals(t);
		take_classes(t);
		take_arenas(t);
	}
	if (get_property)
		take_tcmalloc(t);
	atomic_store(&last_ns, t->clock_ns);
	lock_drop(&lock);
}

/* Whether it is time again, for one of the threads that ask. */
static bool is_due(_Atomic(uint64_t) *last_ns, uint64_t now, uint64_t after_ns)
{
	uint64_t last = atomic_load_explicit(last_ns, memory_order_relaxed);

	return now >= last && now - last >= after_ns && atomic_compare_exchange_strong(last_ns, &last, now);
}

void figures_tick(struct thread *t)
{
	uint64_t now = t->clock_ns; /* read just now */

	if (t->inner || t->fork_serial)
		return;
	if (is_due(&last_rss_ns, now, RSS_TICK_NS))
		take_rss(t);
	if (!backend_is_on() || !is_due(&last_ns, now, TICK_NS) || !lock_try(&lock))
		return;
	find_allocator();
	refresh(t);
	take_totals(t);
	lock_drop(&lock);
}

void figures_after_fork(void)
{
	n_names = 0;
	lock_drop(&lock);
}
