/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunks: heads, bins, links
 *
 * A chunk has its size in front of the memory that it gives out, and is in use when the next one says so. The
 * structures of tcaches are themselves chunks, of a size that tells the version; what is taken for one has, in each bin
 * that is not empty, chunks of that bin's size, so that a block of the program's is none but by a miracle. Links of
 * single lists are XORed with their place from 2.32 on: both ways are tried, the one that leads to a chunk of the right
 * size holds.
 */
#include "preload/snapshot/scan/chunks.h"
#include "preload/base/os.h"
#include "preload/snapshot/areas.h"
#include "preload/snapshot/scan/blocks.h"

#include <string.h>

enum {
	HEAD = 16, /* of a chunk: two words */
	ALIGN = 16,
	CHUNK_LEAST = 32,
	PREVIOUS_IN_USE = 1,
	OWN_MAPPING = 2,
	FLAGS = 7,
	/* heaps of threads' arenas */
	HEAP_BYTES_MAX = 64 << 20,
	/* struct malloc_state */
	FASTBINS = 10,
	BINS = 126, /* that are used; each two words */
	BIN_BYTES = 16,
	/* lists */
	LINKS_MAX = 1 << 20,
	ARENAS_MAX = 4096,
	CACHES_MAX = 8192,
};

/* struct malloc_state: where its parts are. */
static const struct arena_form {
	unsigned fastbins; /* 0: it has none */
	unsigned top, memory, bytes;
} arena_forms[] = {
	{ .fastbins = 16, .top = 96, .memory = 2184, .bytes = 2200 }, /* 2.27 to 2.42 */
	{ .fastbins = 0, .top = 8, .memory = 2096, .bytes = 2112 },   /* 2.43 */
};
enum { ARENA_FORMS = 2, ARENA_LEAST = 2112 };

struct chunks_found chunks_found;
uintptr_t chunks_main_arena;
static uintptr_t main_arena_end;
static struct {
	uintptr_t start;
	const struct arena_form *form;
} arenas[ARENAS_MAX];
static uintptr_t caches[CACHES_MAX];
static unsigned n_arenas, n_caches;
static uintptr_t main_top, main_start;

static uint64_t word_at(uintptr_t p) { return *(const volatile uint64_t *)p; }
static uint64_t size_at(uintptr_t chunk) { return word_at(chunk + 8) & ~(uint64_t)FLAGS; }

/* ---- tcaches: what they look like ---- */

static const struct cache_form {
	uint64_t chunk_bytes;
	unsigned count_bytes, bins;
	bool counts_used; /* else what is left */
} forms[] = {
	{ 0x250, 1, 64, true },  /* 2.26 to 2.29 */
	{ 0x290, 2, 64, true },  /* 2.30 to 2.41 */
	{ 0x300, 2, 76, false }, /* 2.42, 2.43 */
};
enum { SMALL_BINS = 64 };

static const struct cache_form *form_of(uint64_t chunk_bytes)
{
	for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++)
		if (forms[i].chunk_bytes == chunk_bytes)
			return &forms[i];
	return NULL;
}

/* ---- a walk ---- */

/* Behind the last chunk of a heap that is no arena's last one lie two heads without memory. */
static bool is_fence(uintptr_t chunk, uintptr_t end)
{
	uint64_t size = end - chunk <= 2 * HEAD + CHUNK_LEAST ? size_at(chunk) : CHUNK_LEAST;

	return size < CHUNK_LEAST;
}

/* The chunk in which the walk ends; 0: what lies there are no chunks. */
static uintptr_t last_chunk(uintptr_t first, uintptr_t end)
{
	uintptr_t p = first, last = 0;

	while (p + HEAD <= end && !is_fence(p, end)) {
		uint64_t size = size_at(p);

		if (size < CHUNK_LEAST || size % ALIGN || size > end - p || word_at(p + 8) & OWN_MAPPING)
			return 0;
		last = p;
		p += size;
	}
	return p == end || (p + HEAD <= end && last && is_fence(p, end)) ? last : 0;
}

static void note_cache(uintptr_t chunk, uint64_t size)
{
	if (form_of(size) && n_caches < CACHES_MAX)
		caches[n_caches++] = chunk + HEAD;
}

/* The memory of a chunk reaches into the head of the next one by a word. What has no head behind it is the top, which
 * is free. */
static void note_chunks(uintptr_t first, uintptr_t last, uintptr_t end)
{
	uintptr_t next = first;

	for (uintptr_t p = first; p <= last; p = next) {
		uint64_t size = size_at(p);
		bool in_use;

		next = p + size;
		in_use = next < end && word_at(next + 8) & PREVIOUS_IN_USE;
		blocks_put(p + HEAD, next < end ? next + HEAD : end, !in_use);
		if (in_use)
			note_cache(p, size);
	}
	blocks_end(next < end ? next + HEAD : end);
}

/* ---- heaps ---- */

static void main_heap(const struct area *a)
{
	uintptr_t last = last_chunk(a->start, a->end);

	if (!last || last + size_at(last) != a->end) {
		chunks_found.unknown++;
		return;
	}
	blocks_heap(a->start, a->end);
	note_chunks(a->start, last, a->end);
	main_top = last;
	main_start = a->start;
	chunks_found.heaps++;
}

/* struct heap_info: arena, heap before, bytes, bytes that can be written, and from 2.35 on the size of pages. */
struct heap_info {
	uint64_t arena, before, bytes, writable;
};

static void note_arena(uintptr_t arena, const struct arena_form *form)
{
	for (unsigned i = 0; i < n_arenas; i++)
		if (arenas[i].start == arena)
			return;
	if (n_arenas == ARENAS_MAX)
		return;
	arenas[n_arenas].start = arena;
	arenas[n_arenas++].form = form;
}

/* Of a thread's arena: its top lies behind it, or in a later heap of its own. NULL: it has none that is known. */
static const struct arena_form *form_of_arena(uintptr_t start, const struct heap_info *h)
{
	for (unsigned i = 0; i < ARENA_FORMS; i++) {
		uintptr_t top = word_at(h->arena + arena_forms[i].top), base = top & ~(uintptr_t)(HEAP_BYTES_MAX - 1);

		if (!(top % ALIGN) &&
		    (base == start ? top >= h->arena + arena_forms[i].bytes : top && word_at(base) == h->arena))
			return &arena_forms[i];
	}
	return NULL;
}

/* Where the chunks of a thread's heap start; 0: it is none. Behind an arena, or, in its later heaps, behind the head,
 * which has become longer. */
static uintptr_t first_of(uintptr_t start, const struct heap_info *h)
{
	uintptr_t behind = h->arena - start;
	const struct arena_form *form;

	if (h->before)
		return last_chunk(start + 32, start + h->bytes) ? start + 32 : start + 48;
	if (behind != 32 && behind != 48)
		return 0;
	form = form_of_arena(start, h);
	if (!form)
		return 0;
	note_arena(h->arena, form);
	return (h->arena + form->bytes + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
}

static bool looks_like_heap(uintptr_t start, uintptr_t end, const struct heap_info *h)
{
	return !(h->bytes % OS_PAGE) && h->bytes > ARENA_LEAST && h->bytes <= h->writable &&
	       h->writable <= HEAP_BYTES_MAX && h->bytes <= end - start && h->arena && !(h->arena % 8) &&
	       !(h->before % HEAP_BYTES_MAX);
}

/* Its head is no root: what it points to are chunks of lists. */
static void thread_heap(uintptr_t start, uintptr_t end)
{
	struct heap_info h;
	uintptr_t first, last;

	memcpy(&h, (const void *)start, sizeof h);
	if (!looks_like_heap(start, end, &h))
		return;
	first = first_of(start, &h);
	last = first ? last_chunk(first, start + h.bytes) : 0;
	if (!last) {
		chunks_found.unknown++;
		return;
	}
	blocks_heap(start, start + h.bytes);
	note_chunks(first, last, start + h.bytes);
	chunks_found.heaps++;
}

void chunks_heaps(const struct area *a)
{
	uintptr_t start = (a->start + HEAP_BYTES_MAX - 1) & ~(uintptr_t)(HEAP_BYTES_MAX - 1);

	if (!strncmp(a->file, "[heap]", 6))
		main_heap(a);
	else
		for (; start < a->end; start += HEAP_BYTES_MAX)
			thread_heap(start, a->end);
}

uint64_t chunks_own_mapping(uintptr_t page, uintptr_t end_of_area)
{
	uint64_t size = word_at(page + 8);

	if (word_at(page) || (size & FLAGS) != OWN_MAPPING)
		return 0;
	size &= ~(uint64_t)FLAGS;
	size += (size + HEAD) % OS_PAGE ? 0 : HEAD; /* from 2.42 on the head is not in it */
	if (!size || size % OS_PAGE || size > end_of_area - page)
		return 0;
	blocks_heap(page, page + size);
	blocks_put(page + HEAD, page + size, false);
	blocks_end(page + size);
	return size;
}

/* ---- what is free though it looks in use ---- */

static bool is_chunk_of(uintptr_t memory, uint64_t size)
{
	return blocks_has(memory) && size_at(memory - HEAD) == size;
}

/* The memory that a list goes on with behind `memory`; 0: nothing, or nothing that makes sense. `to_chunk`: links lead
 * to heads. */
static uintptr_t next_of(uintptr_t memory, uint64_t size, bool to_chunk)
{
	uint64_t v = word_at(memory), hidden = v ^ memory >> 12, head = to_chunk ? HEAD : 0;

	if (!hidden || is_chunk_of(hidden + head, size))
		return hidden ? hidden + head : 0;
	return is_chunk_of(v + head, size) ? v + head : 0;
}

static void kill_list(uintptr_t memory, uint64_t size, bool to_chunk)
{
	for (unsigned i = 0; i < LINKS_MAX && is_chunk_of(memory, size); i++) {
		uintptr_t next = next_of(memory, size, to_chunk);

		blocks_kill(memory);
		memory = next;
	}
}

static uint64_t size_of_bin(unsigned bin) { return CHUNK_LEAST + (uint64_t)bin * ALIGN; }

static uintptr_t entry_of(uintptr_t cache, const struct cache_form *f, unsigned bin)
{
	return word_at(cache + ((f->bins * f->count_bytes + 7) & ~7U) + (uintptr_t)bin * 8);
}

static unsigned count_of(uintptr_t cache, const struct cache_form *f, unsigned bin)
{
	return f->count_bytes == 1 ? *(const uint8_t *)(cache + bin) : *(const uint16_t *)(cache + 2 * (uintptr_t)bin);
}

/* A bin above the small ones has chunks of several sizes. */
static bool is_good_bin(uintptr_t cache, const struct cache_form *f, unsigned bin)
{
	uintptr_t memory = entry_of(cache, f, bin);

	if (f->counts_used && !count_of(cache, f, bin) != !memory)
		return false;
	return !memory || (bin < SMALL_BINS ? is_chunk_of(memory, size_of_bin(bin)) : blocks_has(memory));
}

static void kill_cache(uintptr_t cache, const struct cache_form *f)
{
	for (unsigned bin = 0; bin < f->bins; bin++)
		if (!is_good_bin(cache, f, bin))
			return;
	for (unsigned bin = 0; bin < f->bins; bin++) {
		uintptr_t memory = entry_of(cache, f, bin);

		if (memory)
			kill_list(memory, bin < SMALL_BINS ? size_of_bin(bin) : size_at(memory - HEAD), false);
	}
}

static void kill_fastbins(uintptr_t arena, const struct arena_form *form)
{
	for (unsigned bin = 0; form->fastbins && bin < FASTBINS; bin++) {
		uintptr_t chunk = word_at(arena + form->fastbins + bin * 8);

		if (chunk)
			kill_list(chunk + HEAD, size_of_bin(bin), true);
	}
}

/* Each list of free chunks is empty, and leads to itself, or leads to chunks of the heap. */
static bool has_bins(uintptr_t arena, const struct arena_form *form)
{
	uintptr_t bin = arena + form->top;

	for (unsigned i = 0; i < BINS; i++, bin += BIN_BYTES)
		for (unsigned way = HEAD; way < HEAD + 16; way += 8)
			if (word_at(bin + way) != bin && !blocks_is_heap(word_at(bin + way)))
				return false;
	return true;
}

static bool is_main_arena(uintptr_t p, const struct arena_form *form)
{
	uint64_t bytes = main_top + size_at(main_top) - main_start, memory = word_at(p + form->memory);

	return memory && memory <= bytes + OS_PAGE && has_bins(p, form);
}

void chunks_find_main_arena(uintptr_t start, uintptr_t end)
{
	for (uintptr_t at = start; main_top && at < end; at += 8) {
		if (word_at(at) != main_top)
			continue;
		for (unsigned i = 0; i < ARENA_FORMS && !chunks_main_arena; i++) {
			const struct arena_form *form = &arena_forms[i];
			uintptr_t p = at - form->top;

			if (p < start || p + form->bytes > end || !is_main_arena(p, form))
				continue;
			note_arena(p, form);
			chunks_main_arena = p;
			main_arena_end = p + form->bytes;
		}
	}
}

uintptr_t chunks_main_arena_end(void) { return main_arena_end; }

void chunks_kill_free(void)
{
	for (unsigned i = 0; i < n_caches; i++)
		kill_cache(caches[i], form_of(size_at(caches[i] - HEAD)));
	for (unsigned i = 0; i < n_arenas; i++)
		kill_fastbins(arenas[i].start, arenas[i].form);
}
