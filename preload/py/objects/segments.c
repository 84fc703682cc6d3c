/* SPDX-License-Identifier: Apache-2.0 */
/* segments: tables of slices, lists of free blocks. Objects/mimalloc of CPython: segment.c, page.c, types.h. */
#include "preload/py/objects/segments.h"
#include "preload/py/parts.h"

#include <string.h>

enum {
	SLICE_BITS = 16,
	SLICE = 1 << SLICE_BITS,
	SEGMENT = 32 << 20,
	SLICES = SEGMENT / SLICE, /* of the table; a larger segment has one page */
	INFO_SLICES = 1,          /* that the table takes */
	SEGMENT_SLICES_MAX = 1 << 24,
	ALIGN = 16,
	BLOCKS_MAX = 1 << 16,
	LINKS_MAX = 1 << 20,
	HEAPS_MAX = 1 << 12,
	HEAP_WAITING = 2840, /* mi_heap_t: what other threads gave back of full pages */
	LIST_FLAGS = 3,
	FIRST_AT_SMALL = 64,   /* such blocks begin three of them behind a page's start, */
	FIRST_AT_MEDIUM = 512, /* such ones one */
	HUGE_BLOCK = INT32_MAX,
	/* which of a thread's heaps a page is of (Include/internal/pycore_mimalloc.h) */
	TAG_SHIFT = 3,
	TAG_MASK = 15,
	TAG_OBJECTS = 2,
	TAG_OBJECTS_BEHIND_WORDS = 3,
	WORDS = 16,
};
#define DEBUG_BYTES UINT64_C(0xfdfdfdfdfdfdfd)

/* mi_page_t: a page, or a run of free slices. */
struct slice {
	uint32_t n_slices, offset;
	uint8_t bits, debug;
	uint16_t capacity, reserved; /* blocks cut off, blocks that fit */
	uint8_t flags, more;
	uintptr_t free;
	uint32_t used, bytes; /* bytes 0: free slices */
	uintptr_t free_of_owner, free_of_others;
	uintptr_t heap; /* of a thread; 0: it ended */
	uintptr_t next, previous, waits[3];
};

/* mi_segment_t: what lies in front of its slices. */
struct segment {
	uint64_t memory[3], allow, bytes, expire, purge[8], commit[8], abandoned_next, next, abandoned, visits;
	uint64_t used, cookie, n_slices, n_info, kind, n_entries, thread;
};
_Static_assert(sizeof(struct slice) == 96 && sizeof(struct segment) == 264, "mimalloc's structures");

struct py_segments_found py_segments_found;
static uintptr_t heaps[HEAPS_MAX]; /* those that have pages */
static size_t n_heaps;
static uint64_t is_free[BLOCKS_MAX / 64]; /* blocks of the page in hand */

bool py_segments_exist(void) { return py_layout.free_threaded && py_layout.minor; }

uintptr_t py_segments_next(uintptr_t p) { return (p + SEGMENT - 1) & ~(uintptr_t)(SEGMENT - 1); }

/* ---- a page ---- */

struct page {
	const struct slice *slice;
	uintptr_t start, end; /* of all of it */
	uintptr_t first;      /* block */
	uint64_t bytes;       /* of each */
};

static uintptr_t first_at(uint64_t bytes)
{
	if (bytes <= FIRST_AT_SMALL)
		return 3 * bytes;
	return bytes <= FIRST_AT_MEDIUM ? bytes : 0;
}

/* A block that is larger than can be written there has all of its page. */
static struct page page_of(const struct slice *s, uintptr_t start)
{
	struct page p = { .slice = s, .start = start, .end = start + ((uintptr_t)s->n_slices << SLICE_BITS) };

	p.bytes = s->bytes > HUGE_BLOCK ? p.end - start : s->bytes;
	p.first = start + first_at(p.bytes);
	return p;
}

static bool is_sound(const struct page *p)
{
	const struct slice *s = p->slice;

	return p->bytes >= sizeof(void *) && (p->bytes == sizeof(void *) || !(p->bytes % ALIGN)) && s->capacity &&
	       s->capacity <= s->reserved && s->used <= s->capacity && s->capacity * p->bytes <= p->end - p->first;
}

/* The blocks of one list, noted. False: it leads out of the page, or to a block twice. */
static bool note_list(const struct page *p, uintptr_t at, uint32_t *n)
{
	for (; at; at = *(const uintptr_t *)at) {
		uint64_t i = (at - p->first) / p->bytes;

		if (at < p->first || i >= p->slice->capacity || (at - p->first) % p->bytes ||
		    is_free[i / 64] >> i % 64 & 1)
			return false;
		is_free[i / 64] |= UINT64_C(1) << i % 64;
		++*n;
	}
	return true;
}

/* What others gave back counts as used until the owner has seen it. */
static bool note_free(const struct page *p)
{
	const struct slice *s = p->slice;
	uint32_t n = 0, n_others = 0;

	memset(is_free, 0, (s->capacity / 64 + 1) * sizeof *is_free);
	return note_list(p, s->free, &n) && note_list(p, s->free_of_owner, &n) && n + s->used == s->capacity &&
	       note_list(p, s->free_of_others & ~(uintptr_t)LIST_FLAGS, &n_others) && n_others <= s->used;
}

static void show_blocks(const struct page *p, const struct py_segments_visit *v)
{
	for (uint32_t i = 0; i < p->slice->capacity; i++) {
		uintptr_t at = p->first + i * p->bytes;

		v->block(v->self, at, at + p->bytes, is_free[i / 64] >> i % 64 & 1);
	}
}

/* Two of them lie in 16 bytes; the first one is the second of its pair. */
static void show_smallest(const struct page *p, const struct py_segments_visit *v)
{
	bool all_free = true;

	for (uint32_t i = 0; i < p->slice->capacity; i++) {
		uintptr_t at = p->first + i * p->bytes, end = at + p->bytes;

		all_free &= is_free[i / 64] >> i % 64 & 1;
		if (end % ALIGN && i + 1U < p->slice->capacity)
			continue;
		v->block(v->self, at & ~(uintptr_t)(ALIGN - 1), (end + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1), all_free);
		all_free = true;
	}
}

/* Objects that the collector may know lie in pages of their own. In front of some are two words for attributes and weak
 * references, in front of all, under debug hooks, the size and a letter with seven bytes of a kind. */
static void show_objects(const struct page *p, const struct py_segments_visit *v)
{
	unsigned tag = p->slice->bits >> TAG_SHIFT & TAG_MASK;

	if (tag != TAG_OBJECTS && tag != TAG_OBJECTS_BEHIND_WORDS)
		return;
	for (uint32_t i = 0; i < p->slice->capacity; i++) {
		const char *at = (const char *)(p->first + i * p->bytes);

		if (is_free[i / 64] >> i % 64 & 1)
			continue;
		if (p->bytes > 2 * WORDS && PY_AT(uint64_t, at, 8) >> 8 == DEBUG_BYTES)
			at += WORDS;
		v->object(v->self, at + (tag == TAG_OBJECTS ? 0 : WORDS));
	}
}

static void note_heap(uintptr_t heap)
{
	if (!heap || (n_heaps && heaps[n_heaps - 1] == heap))
		return;
	for (size_t i = 0; i < n_heaps; i++)
		if (heaps[i] == heap)
			return;
	if (n_heaps < HEAPS_MAX)
		heaps[n_heaps++] = heap;
}

static void show_page(const struct slice *s, uintptr_t start, const struct py_segments_visit *v)
{
	struct page p = page_of(s, start);

	if (!is_sound(&p) || !note_free(&p)) {
		py_segments_found.pages_unknown++;
		return;
	}
	note_heap(s->heap);
	if (v->pages)
		v->pages(v->self, p.start, p.end);
	if (v->object)
		show_objects(&p, v);
	if (!v->block)
		return;
	if (p.bytes < ALIGN)
		show_smallest(&p, v);
	else
		show_blocks(&p, v);
}

/* ---- a segment ---- */

static const struct slice *slices_of(uintptr_t segment) { return (const void *)(segment + sizeof(struct segment)); }

static bool is_segment(uintptr_t p, uintptr_t end)
{
	const struct segment *s = (const void *)p;
	const struct slice *slices = slices_of(p);
	uint64_t i = INFO_SLICES;

	if (end - p < SLICE || s->n_info != INFO_SLICES || s->bytes != s->n_slices << SLICE_BITS ||
	    s->n_slices > SEGMENT_SLICES_MAX || s->n_slices <= INFO_SLICES ||
	    s->n_entries != (s->n_slices < SLICES ? s->n_slices : SLICES) || slices[0].n_slices != INFO_SLICES)
		return false;
	while (i < s->n_entries && slices[i].n_slices && !slices[i].offset)
		i += slices[i].n_slices;
	return i == s->n_entries || i == s->n_slices;
}

uintptr_t py_segments_visit(uintptr_t p, uintptr_t end, const struct py_segments_visit *v)
{
	const struct segment *s = (const void *)p;
	const struct slice *slices = slices_of(p);

	if (!is_segment(p, end))
		return p + SEGMENT;
	py_segments_found.segments++;
	if (v->pages)
		v->pages(v->self, p, p + SLICE);
	for (uint64_t i = INFO_SLICES; i < s->n_entries; i += slices[i].n_slices) {
		uintptr_t start = p + (i << SLICE_BITS);

		if (slices[i].bytes)
			show_page(&slices[i], start, v);
		else if (v->pages)
			v->pages(v->self, start, start + ((uintptr_t)slices[i].n_slices << SLICE_BITS));
	}
	return py_segments_next(p + s->bytes);
}

/* ---- what waits ---- */

void py_segments_visit_waiting(const struct py_segments_visit *v)
{
	while (n_heaps) {
		uintptr_t at = PY_AT(uintptr_t, heaps[--n_heaps], HEAP_WAITING);

		for (unsigned i = 0; at && i < LINKS_MAX; i++, at = *(const uintptr_t *)at)
			v->free(v->self, at);
	}
}
