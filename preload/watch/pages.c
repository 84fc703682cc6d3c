/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages: a stretch of address space, cut into runs of pages
 *
 *   page 0 of a run, protected while watched        page 1 and on, never protected
 *   [             unused | before | head of object ][ rest of object       unused ]
 *
 * A block is put so that the head (count and type) ends with a page. So what faults without being a change of the count
 * is the type word, once, and the collector's head in front of the object. Everything else that a program writes, or
 * has the kernel write (bytes that are read into, ctypes), lies behind. An object that turns out to begin further in
 * (`before` was wrong) has its head on page 1: that one is protected then, with what else is there.
 *
 * Free-threaded interpreters find objects by walking their allocator's memory, so there the block is the allocator's
 * own, with so many bytes that it begins a page which no other block touches. All of that page is protected.
 *
 * Objects that exist already share their page with others, whose insides the kernel may be told to write to: a read()
 * into one would fail. They are not watched by this means.
 */
#include "preload/watch/pages.h"
#include "preload/base/arena.h"
#include "preload/base/os.h"
#include "preload/py/objects/counts.h"
#include "preload/watch/faults.h"

#include <string.h>

enum {
	PAGES = 16 << 10, /* in all: 64 MiB of addresses, of which only what is used takes memory */
	RUN_MAX = 17,     /* pages; larger blocks are not served */
	IN_PLACE = 1024,  /* blocks in place that are remembered, a power of two */
	IN_PLACE_LOOKS = 16,
};

/* What a run's first page belongs to. */
struct run {
	void *shadow; /* the block of the allocator below; NULL: the run is free */
	uint32_t offset, bytes;
	uint16_t pages;
	uint16_t next; /* free: the next of its length, by number of page; 0: none */
};
static struct run runs[PAGES];
static uint16_t free_runs[RUN_MAX + 1]; /* by length; 0: none. Page 0 is never handed out */
static uint32_t fresh = 1;              /* pages from here on were never used */
static struct lock lock;
static uintptr_t area;

static bool in_place;
/* Pages of blocks that the allocator below was asked for, by a hash. They stay here when the block is gone: a thread
 * may fault there while another one opens the page. */
enum { LIVE = 1 };
static _Atomic(uintptr_t) placed[IN_PLACE];

/* ---- runs ---- */

static uint32_t run_of(const void *p) { return (uint32_t)(((uintptr_t)p - area) / OS_PAGE); }
static char *page_at(uint32_t page) { return (char *)area + page * OS_PAGE; }
static bool is_in_area(uintptr_t p) { return area && p - area < PAGES * OS_PAGE; }

static uint32_t take_run(unsigned pages)
{
	uint32_t run;

	lock_take(&lock);
	run = free_runs[pages];
	if (run) {
		free_runs[pages] = runs[run].next;
	} else if (fresh + pages <= PAGES) {
		run = fresh;
		fresh += pages;
	}
	lock_drop(&lock);
	return run;
}

static void give_run(uint32_t run)
{
	unsigned pages = runs[run].pages;

	lock_take(&lock);
	runs[run].shadow = NULL;
	runs[run].next = free_runs[pages];
	free_runs[pages] = (uint16_t)run;
	lock_drop(&lock);
}

/* ---- blocks of ours ---- */

static uint32_t head_bytes(void) { return py_object_type_offset() + (uint32_t)sizeof(void *); }

/* A block of which `in_front` bytes are to be protected. */
static unsigned pages_for(size_t size, size_t in_front)
{
	return 1 + (unsigned)(size > in_front ? os_whole_pages(size - in_front) / OS_PAGE : 0);
}

/* `shadow` is kept; NULL: there is no room. */
static void *put_block(void *shadow, size_t size, size_t in_front)
{
	unsigned pages = pages_for(size, in_front);
	uint32_t run = pages <= RUN_MAX ? take_run(pages) : 0;

	if (!run)
		return NULL;
	runs[run] = (struct run){ .shadow = shadow, .bytes = (uint32_t)size, .pages = (uint16_t)pages };
	runs[run].offset = (uint32_t)(OS_PAGE - in_front);
	return page_at(run) + runs[run].offset;
}

static void *malloc_apart(const struct py_allocator *below, size_t size, bool zero, size_t before)
{
	void *shadow = below->malloc(below->ctx, size), *p;

	if (!shadow)
		return NULL;
	p = put_block(shadow, size, before + head_bytes());
	if (!p)
		below->free(below->ctx, shadow);
	else /* what is in front shows what is made there; and the first count is to be a change */
		memset(p, 0, zero || size < before + head_bytes() ? size : before + head_bytes());
	return p;
}

static bool is_apart(const void *p)
{
	const struct run *r;

	if (!is_in_area((uintptr_t)p))
		return false;
	r = &runs[run_of(p)];
	return r->shadow && r->offset == ((uintptr_t)p & (OS_PAGE - 1));
}

/* ---- in place ---- */

static unsigned place_of(uintptr_t page) { return (unsigned)(page / OS_PAGE * UINT64_C(0x9e3779b97f4a7c15) >> 40); }

/* The entry of a page, or a free one for it; NULL: there is none. */
static _Atomic(uintptr_t) *entry_of(uintptr_t page, bool make)
{
	for (unsigned i = 0; i < IN_PLACE_LOOKS; i++) {
		_Atomic(uintptr_t) *e = &placed[(place_of(page) + i) % IN_PLACE];
		uintptr_t there = atomic_load(e);

		if (make && !there && atomic_compare_exchange_strong(e, &there, page))
			return e;
		if ((there & ~(uintptr_t)LIVE) == page)
			return e;
	}
	return NULL;
}

static bool is_placed(uintptr_t page) { return entry_of(page, false); }
static bool lives_in_place(uintptr_t page)
{
	_Atomic(uintptr_t) *e = entry_of(page, false);

	return e && atomic_load(e) & LIVE;
}

static void set_placed(uintptr_t page, bool lives)
{
	_Atomic(uintptr_t) *e = entry_of(page, lives);

	if (e)
		atomic_store(e, page | (lives ? LIVE : 0));
}

/* The allocator has lists of blocks by size, and those of so many bytes begin at whole pages. */
static void *malloc_in_place(const struct py_allocator *below, size_t size, bool zero, size_t before)
{
	size_t bytes = size < 2 * OS_PAGE ? 2 * OS_PAGE : size;
	void *p = zero ? below->calloc(below->ctx, 1, bytes) : below->malloc(below->ctx, bytes);

	if (p && !zero)
		memset(p, 0, before + head_bytes()); /* as above */
	if (p && !((uintptr_t)p & (OS_PAGE - 1)))
		set_placed((uintptr_t)p, true);
	return p;
}

/* ---- both ---- */

/* Nothing is watched in it any more. Returns what the allocator below knows the block by. */
static void *let_go(void *p)
{
	struct run *r;

	if (in_place) {
		faults_forget(p, OS_PAGE);
		set_placed((uintptr_t)p, false);
		return p;
	}
	r = &runs[run_of(p)];
	faults_forget(p, r->bytes);
	return r->shadow;
}

void pages_free(const struct py_allocator *below, void *p)
{
	void *block = let_go(p);

	if (!in_place)
		give_run(run_of(p));
	below->free(below->ctx, block);
}

/* The same run where it has room, another one, or the block of the allocator below. */
static void *move(void *p, void *shadow, size_t size)
{
	struct run *r = &runs[run_of(p)];
	size_t in_front = OS_PAGE - r->offset, old = r->bytes;
	void *q;

	r->shadow = shadow;
	if (pages_for(size, in_front) == r->pages) {
		r->bytes = (uint32_t)size;
		return p;
	}
	q = put_block(shadow, size, in_front);
	q = q ? q : shadow;
	memcpy(q, p, size < old ? size : old);
	give_run(run_of(p));
	return q;
}

/* One that fails leaves the block as it was, though not watched. */
void *pages_realloc(const struct py_allocator *below, void *p, size_t size)
{
	void *q = below->realloc(below->ctx, let_go(p), size);

	return in_place || !q ? q : move(p, q, size);
}

void *pages_malloc(const struct py_allocator *below, size_t size, bool zero, size_t before)
{
	if (size > (RUN_MAX - 1) * OS_PAGE)
		return NULL;
	return in_place ? malloc_in_place(below, size, zero, before) : malloc_apart(below, size, zero, before);
}

/* Asked about every block that is given back. */
bool pages_owns(const void *p)
{
	return in_place ? !((uintptr_t)p & (OS_PAGE - 1)) && lives_in_place((uintptr_t)p) : is_apart(p);
}

static bool owns_address(uintptr_t address)
{
	return in_place ? is_placed(address & ~(uintptr_t)(OS_PAGE - 1)) : is_in_area(address);
}

void pages_open(void)
{
	if (!(atomic_load(&objects_wanted) & OBJECTS_PAGES))
		return;
	faults_after_fork();
	lock_drop(&lock);
}

/* ---- means ---- */

static bool start(const char **ret_why)
{
	const struct py_count_part *parts;

	in_place = py_count_parts(&parts) > 1;
	if (!in_place && !area)
		area = (uintptr_t)arena_map(PAGES * OS_PAGE);
	if (!in_place && !area) {
		*ret_why = "no memory for pages of their own";
		return false;
	}
	if (!faults_start(owns_address, ret_why))
		return false;
	os_advise((void *)area, PAGES * OS_PAGE, MADV_NOHUGEPAGE);
	atomic_fetch_or(&objects_wanted, OBJECTS_PAGES);
	return true;
}

static unsigned room(void) { return FAULTS_PLACES; }

static bool suits(const char *object) { return !in_place || !py_object_is_buffer(object); }

static bool arm(unsigned place, const void *address, unsigned bytes, uint32_t round)
{
	uintptr_t page = (uintptr_t)address & ~(uintptr_t)(OS_PAGE - 1);

	return (in_place ? lives_in_place(page) : is_in_area(page)) && faults_arm(place, address, bytes, round);
}

static void end(void) {}

const struct means means_pages = {
	.name = "pages",
	.instead = "so objects are watched by write protecting their pages, from their birth on (not by "
		   "libpytrace.watch())",
	.start = start,
	.suits = suits,
	.room = room,
	.arm = arm,
	.disarm = faults_disarm,
	.holds = faults_holds,
	.trap = faults_trap,
	.after_fork = pages_open,
	.end = end,
};
