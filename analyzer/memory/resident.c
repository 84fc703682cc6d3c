/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resident: claims of holders, sorted and cut into segments that have one holder each; then one walk over segments,
 * resident pages and blocks together, all by address.
 */
#include "analyzer/memory/resident.h"

#include <stdlib.h>
#include <string.h>

#define PAGE         UINT64_C(4096)
#define HEAP_ALIGN   (UINT64_C(64) << 20) /* of libc's further heaps, each at most that large */
#define GAP_MAX      (UINT64_C(1) << 30)
#define HEAP_REACH   (UINT64_C(4) << 40)
#define LARGE_MIN    (UINT64_C(128) << 10) /* M_MMAP_THRESHOLD, to begin with */
#define SEGMENT      (UINT64_C(32) << 20)  /* of mimalloc, in ... */
#define SLICE        (UINT64_C(64) << 10)
#define BSS_MAX      (UINT64_C(4) << 20)
#define CHUNK_BEFORE 16 /* libc's header of a block */

struct claim {
	uint64_t start, end;
	enum resident_holder holder;
};

struct work {
	struct resident *r;
	const struct alive *a;
	const struct pools *p;
	const struct mapped *m; /* NULL: no snapshot */
	bool libc, free_threaded;
	ARRAY(struct claim) claims;
	ARRAY(struct claim) segments;     /* sorted, not overlapping */
	ARRAY(struct mapped_range) pages; /* resident, sorted */
};

static uint64_t page_down(uint64_t addr) { return addr & ~(PAGE - 1); }
static uint64_t page_up(uint64_t addr) { return (addr + PAGE - 1) & ~(PAGE - 1); }

static void claim(struct work *w, uint64_t start, uint64_t end, enum resident_holder holder)
{
	struct claim *last = w->claims.n ? &w->claims.at[w->claims.n - 1] : NULL;

	start = page_down(start);
	end = page_up(end);
	if (start >= end)
		return;
	if (last && last->holder == holder && start >= last->start && start <= last->end)
		last->end = end > last->end ? end : last->end;
	else
		*array_push(&w->claims) = (struct claim){ start, end, holder };
}

/* ---- what the replay knows ---- */

static void claim_ranges(struct work *w)
{
	static const uint8_t holders[PT_LAYERS] = {
		[PT_LAYER_MMAP] = RESIDENT_MMAP,
		[PT_LAYER_FILE] = RESIDENT_FILE_MAP,
		[PT_LAYER_RESERVE] = RESIDENT_MMAP, /* it may have been given access since */
		[PT_LAYER_HEAP] = RESIDENT_FOREIGN,
	};

	for (size_t i = 0; i < w->a->ranges.n; i++) {
		const struct alive_range *r = &w->a->ranges.at[i];

		if (r->layer != PT_LAYER_ARENA && (r->layer != PT_LAYER_RESERVE || w->m))
			claim(w, r->start, r->end, (enum resident_holder)holders[r->layer]);
	}
	for (size_t i = 0; i < w->p->arenas.n; i++) {
		const struct pools_arena *a = &w->p->arenas.at[i];

		claim(w, a->start, a->end, a->is_chunk ? RESIDENT_FRAMES : RESIDENT_ARENA);
	}
}

/* ---- what the kernel's list knows ---- */

static bool is_private_memory(const struct mapped_area *a)
{
	return !*a->file && !(a->flags & MAPPED_SHARED) && a->flags & MAPPED_WRITE;
}

static bool has_no_access(const struct mapped_area *a) { return !(a->flags & 7); }

static const struct alive_block *first_block(const struct work *w, uint64_t start, uint64_t end)
{
	size_t i = alive_first_beyond(w->a, start);

	return i < w->a->blocks.n && w->a->blocks.at[i].addr < end ? &w->a->blocks.at[i] : NULL;
}

/* The first range that the replay knows and that ends beyond addr; NULL. */
static const struct alive_range *next_range(const struct work *w, uint64_t addr)
{
	size_t low = 0, high = w->a->ranges.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->a->ranges.at[mid].end > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low < w->a->ranges.n ? &w->a->ranges.at[low] : NULL;
}

/* Libc makes a heap in 64 MiB of address space without access, of which it opens the first part, up to `end`. */
static bool is_further_heap(const struct work *w, size_t i, uint64_t start, uint64_t end)
{
	const struct mapped_area *a = &w->m->areas.at[i], *next = i + 1 < w->m->areas.n ? a + 1 : NULL;
	const struct alive_block *b = first_block(w, start, end);

	if (b && (b->addr - CHUNK_BEFORE) % PAGE)
		return b->layer <= PT_LAYER_RAW || !w->free_threaded;
	return !w->free_threaded && end == a->end && next && next->start == a->end && has_no_access(next) &&
	       next->end >= start + HEAP_ALIGN;
}

static void add_span(struct work *w, uint64_t start, uint64_t end, uint64_t unit, bool has_top)
{
	*array_push(&w->r->spans) = (struct resident_span){
		.start = start, .end = end, .unit_bytes = unit, .has_top = has_top, .top = start
	};
}

/* The kernel makes one mapping of neighbours, so that a heap may start in the middle of one. */
static void claim_heaps(struct work *w, size_t i)
{
	const struct mapped_area *a = &w->m->areas.at[i];
	uint64_t start = (a->start + HEAP_ALIGN - 1) & ~(HEAP_ALIGN - 1);

	for (; w->libc && start < a->end; start += HEAP_ALIGN) {
		uint64_t end = a->end < start + HEAP_ALIGN ? a->end : start + HEAP_ALIGN;
		const struct alive_range *known = next_range(w, start);

		if (known && known->start < end)
			end = known->start;
		if (end <= start || !is_further_heap(w, i, start, end))
			continue;
		claim(w, start, end, RESIDENT_HEAP);
		add_span(w, start, end, PAGE, true);
	}
}

/* Anonymous memory that nobody was seen to map: heaps, stacks, and variables that start as zeros. */
static void claim_memory(struct work *w, size_t i)
{
	const struct mapped_area *a = &w->m->areas.at[i], *before = i ? a - 1 : NULL;
	bool touches = before && before->end == a->start;

	claim_heaps(w, i);
	if (touches && has_no_access(before) && !first_block(w, a->start, a->end))
		claim(w, a->start, a->end, RESIDENT_STACK);
	else if (touches && *before->file == '/' && before->flags & MAPPED_WRITE && a->end - a->start <= BSS_MAX)
		claim(w, a->start, a->end, RESIDENT_DATA);
}

static void claim_area(struct work *w, size_t i)
{
	const struct mapped_area *a = &w->m->areas.at[i];

	if (!strcmp(a->file, "[heap]")) {
		claim(w, a->start, a->end, RESIDENT_HEAP);
		add_span(w, a->start, a->end, PAGE, true);
	} else if (!strncmp(a->file, "[stack", 6)) {
		claim(w, a->start, a->end, RESIDENT_STACK);
	} else if (*a->file == '[' && strncmp(a->file, "[anon", 5) != 0) {
		claim(w, a->start, a->end, RESIDENT_KERNEL);
	} else if (is_private_memory(a) || *a->file == '[') {
		claim_memory(w, i);
	} else if (*a->file) {
		claim(w, a->start, a->end,
		      a->flags & MAPPED_WRITE && !(a->flags & MAPPED_SHARED) ? RESIDENT_DATA : RESIDENT_CODE);
	}
}

static void claim_areas(struct work *w)
{
	const struct modules *m = &w->a->trace->defs.modules;

	for (size_t i = 0; i < w->m->areas.n; i++)
		claim_area(w, i);
	for (size_t i = 0; i < w->m->tracer.n; i++)
		claim(w, w->m->tracer.at[i].start, w->m->tracer.at[i].end, RESIDENT_TRACER);
	for (size_t i = 0; i < m->at.n; i++)
		if (m->at.at[i].end <= PT_ADDRESS_MASK)
			claim(w, m->at.at[i].start, m->at.at[i].end, RESIDENT_DATA);
}

/* ---- what blocks tell by their addresses ---- */

/* Without the kernel's list: libc's main heap lies behind the program, at a distance of a gigabyte at most; memory that
 * is mapped lies far away. */
static void find_heap_bounds(const struct work *w, uint64_t *start, uint64_t *end)
{
	const struct modules *m = &w->a->trace->defs.modules;

	*start = 0;
	*end = 0;
	for (size_t i = 0; i < m->at.n; i++)
		if (m->at.at[i].flags & PT_MODULE_MAIN)
			*start = m->at.at[i].end;
	*end = *start ? *start + HEAP_REACH : 0;
}

static bool is_large(const struct work *w, const struct alive_block *b)
{
	const struct mapped_area *area;
	uint64_t offset = b->addr % PAGE - (b->layer == PT_LAYER_MALLOC ? 0 : w->p->extra_bytes / 16 * 16);

	if (!w->libc || offset != CHUNK_BEFORE || b->bytes + PAGE < LARGE_MIN)
		return false;
	area = w->m ? mapped_find(w->m, b->addr) : NULL;
	return !area || !*area->file;
}

static void grow_span(struct work *w, uint64_t start, uint64_t end, uint64_t unit, bool has_top, uint64_t apart)
{
	struct resident_span *last = w->r->spans.n ? &w->r->spans.at[w->r->spans.n - 1] : NULL;

	if (last && last->unit_bytes == unit && start >= last->start && start / apart == last->start / apart)
		last->end = end > last->end ? end : last->end;
	else
		add_span(w, start, end, unit, has_top);
}

/* Without the kernel's list, what is free between two blocks of libc's main heap is taken to be its. */
static void claim_gap(struct work *w, uint64_t addr, bool is_main)
{
	const struct resident_span *last = w->r->spans.n ? &w->r->spans.at[w->r->spans.n - 1] : NULL;

	if (is_main && last && last->end <= addr && addr - last->end <= GAP_MAX)
		claim(w, last->end, addr, RESIDENT_HEAP);
}

/* A block that lies in no arena. */
static void place_block(struct work *w, const struct alive_block *b, uint64_t heap_start, uint64_t heap_end)
{
	uint64_t end = b->addr + (b->bytes ? b->bytes : 1);

	if (w->free_threaded && (b->layer == PT_LAYER_OBJECT || b->layer == PT_LAYER_MEM)) {
		claim(w, b->addr & ~(SEGMENT - 1), (end | (SEGMENT - 1)) + 1, RESIDENT_MIMALLOC);
		grow_span(w, b->addr & ~(SLICE - 1), (end | (SLICE - 1)) + 1, SLICE, false, SEGMENT);
	} else if (is_large(w, b)) {
		claim(w, b->addr - CHUNK_BEFORE, end, RESIDENT_LARGE);
		w->r->large_blocks++;
	} else if (w->m || !w->libc) {
		claim(w, b->addr, end, RESIDENT_ELSEWHERE);
	} else {
		bool is_main = b->addr >= heap_start && end <= heap_end;

		claim_gap(w, b->addr, is_main);
		claim(w, b->addr, end, RESIDENT_HEAP);
		grow_span(w, page_down(b->addr), page_up(end), PAGE, true, is_main ? UINT64_C(1) << 46 : HEAP_ALIGN);
	}
}

/* Whether a block is in memory that has an owner already: an arena, a heap. */
static bool is_placed(const struct work *w, const struct alive_block *b, size_t *arena, size_t *span, size_t n_spans)
{
	while (*arena < w->p->arenas.n && w->p->arenas.at[*arena].end <= b->addr)
		++*arena;
	while (*span < n_spans && w->r->spans.at[*span].end <= b->addr)
		++*span;
	return (*arena < w->p->arenas.n && w->p->arenas.at[*arena].start <= b->addr) ||
	       (*span < n_spans && w->r->spans.at[*span].start <= b->addr);
}

static void claim_blocks(struct work *w)
{
	size_t arena = 0, span = 0, n_spans = w->r->spans.n;
	uint64_t heap_start, heap_end;

	find_heap_bounds(w, &heap_start, &heap_end);
	for (size_t i = 0; i < w->a->blocks.n; i++)
		if (!is_placed(w, &w->a->blocks.at[i], &arena, &span, n_spans))
			place_block(w, &w->a->blocks.at[i], heap_start, heap_end);
}

/* ---- segments ---- */

struct edge {
	uint64_t at;
	enum resident_holder holder;
	int step;
};

static int edge_by_address(const void *left, const void *right)
{
	const struct edge *a = left, *b = right;

	return (a->at > b->at) - (a->at < b->at);
}

static enum resident_holder first_of(const size_t open[RESIDENT_HOLDERS])
{
	for (int i = 0; i < RESIDENT_NOBODY; i++)
		if (open[i])
			return (enum resident_holder)i;
	return RESIDENT_NOBODY;
}

static void add_segment(struct work *w, uint64_t start, uint64_t end, enum resident_holder holder)
{
	struct claim *last = w->segments.n ? &w->segments.at[w->segments.n - 1] : NULL;

	if (start == end || holder == RESIDENT_NOBODY)
		return;
	if (last && last->end == start && last->holder == holder)
		last->end = end;
	else
		*array_push(&w->segments) = (struct claim){ start, end, holder };
	w->r->mapped[holder] += end - start;
}

static void cut_segments(struct work *w)
{
	size_t n = w->claims.n * 2, open[RESIDENT_HOLDERS] = { 0 };
	struct edge *edges = mem_alloc((n ? n : 1) * sizeof *edges);
	uint64_t at = 0;

	for (size_t i = 0; i < w->claims.n; i++) {
		edges[i * 2] = (struct edge){ w->claims.at[i].start, w->claims.at[i].holder, 1 };
		edges[i * 2 + 1] = (struct edge){ w->claims.at[i].end, w->claims.at[i].holder, -1 };
	}
	if (n)
		qsort(edges, n, sizeof *edges, edge_by_address);
	for (size_t i = 0; i < n; i++) {
		add_segment(w, at, edges[i].at, first_of(open));
		open[edges[i].holder] += (size_t)edges[i].step;
		at = edges[i].at;
	}
	free(edges);
}

/* ---- pages ---- */

/* Without the kernel's word, what holders took is resident. */
static void choose_pages(struct work *w)
{
	if (w->m) {
		array_reserve(&w->pages, w->m->resident.n);
		for (size_t i = 0; i < w->m->resident.n; i++)
			*array_push(&w->pages) = w->m->resident.at[i];
		return;
	}
	for (size_t i = 0; i < w->segments.n; i++)
		if (w->segments.at[i].holder != RESIDENT_FILE_MAP && w->segments.at[i].holder != RESIDENT_MIMALLOC)
			*array_push(&w->pages) =
				(struct mapped_range){ w->segments.at[i].start, w->segments.at[i].end };
}

/* Runs of pages with a block in them, one after the other. */
struct runs {
	const struct alive *a;
	size_t next; /* block */
	uint64_t start, end;
};

static bool next_run(struct runs *r)
{
	const struct alive *a = r->a;

	if (r->next == a->blocks.n) {
		r->start = r->end = UINT64_MAX;
		return false;
	}
	r->start = page_down(a->blocks.at[r->next].addr);
	r->end = r->start;
	for (; r->next < a->blocks.n; r->next++) {
		const struct alive_block *b = &a->blocks.at[r->next];
		uint64_t end = page_up(b->addr + (b->bytes ? b->bytes : 1));

		if (page_down(b->addr) > r->end)
			break;
		r->end = end > r->end ? end : r->end;
	}
	return true;
}

/* Of pages of an arena without a block: those with the header of a pool that is in use. */
static uint64_t head_bytes(const struct work *w, uint64_t start, uint64_t end)
{
	uint64_t pool = w->p->pool_bytes, bytes = 0;

	for (uint64_t at = (start + pool - 1) & ~(pool - 1); at < end; at += pool) {
		size_t i = alive_first_beyond(w->a, at);

		if (i < w->a->blocks.n && w->a->blocks.at[i].addr < at + pool)
			bytes += PAGE;
	}
	return bytes;
}

/* Pages of one holder, all resident. */
static void count_pages(struct work *w, struct runs *runs, uint64_t start, uint64_t end, enum resident_holder holder)
{
	struct resident_row *row = &w->r->rows[holder];

	row->pages_bytes += end - start;
	while (start < end) {
		uint64_t live, stop;

		while (runs->end <= start && next_run(runs))
			;
		live = runs->start > start ? runs->start : start;
		live = live < end ? live : end;
		stop = runs->end < end ? runs->end : end;
		stop = stop > live ? stop : live;
		if (holder == RESIDENT_ARENA)
			row->head_pages_bytes += head_bytes(w, start, live);
		row->live_pages_bytes += stop - live;
		start = stop;
	}
}

static void count_all_pages(struct work *w)
{
	struct runs runs = { .a = w->a };
	size_t s = 0;

	next_run(&runs);
	for (size_t i = 0; i < w->pages.n; i++) {
		uint64_t at = w->pages.at[i].start, end = w->pages.at[i].end;

		for (; s < w->segments.n && w->segments.at[s].end <= at; s++)
			;
		for (size_t k = s; at < end; k++) {
			const struct claim *c = k < w->segments.n ? &w->segments.at[k] : NULL;
			uint64_t until = c && c->start < end ? c->start : end;

			if (at < until) {
				count_pages(w, &runs, at, until, RESIDENT_NOBODY);
				at = until;
			}
			if (at == end)
				break;
			until = c->end < end ? c->end : end;
			count_pages(w, &runs, at, until, c->holder);
			at = until;
		}
	}
}

/* ---- bytes ---- */

static uint64_t resident_part(const struct work *w, uint64_t start, uint64_t end, size_t *at)
{
	uint64_t bytes = 0;

	for (; *at < w->pages.n && w->pages.at[*at].end <= start; ++*at)
		;
	for (size_t i = *at; i < w->pages.n && w->pages.at[i].start < end; i++) {
		uint64_t from = w->pages.at[i].start > start ? w->pages.at[i].start : start;
		uint64_t to = w->pages.at[i].end < end ? w->pages.at[i].end : end;

		bytes += to - from;
	}
	return bytes;
}

static void count_bytes(struct work *w)
{
	size_t page = 0, s = 0;

	for (size_t i = 0; i < w->a->blocks.n; i++) {
		const struct alive_block *b = &w->a->blocks.at[i];
		enum resident_holder holder;

		while (s < w->segments.n && w->segments.at[s].end <= b->addr)
			s++;
		holder = s < w->segments.n && w->segments.at[s].start <= b->addr ? w->segments.at[s].holder
										 : RESIDENT_NOBODY;
		w->r->rows[holder].live_bytes += resident_part(w, b->addr, b->addr + b->bytes, &page);
	}
}

static void fill_spans(struct resident *r, const struct alive *a)
{
	for (size_t i = 0; i < r->spans.n; i++) {
		struct resident_span *s = &r->spans.at[i];

		for (size_t k = alive_first_beyond(a, s->start); k < a->blocks.n && a->blocks.at[k].addr < s->end;
		     k++) {
			s->live_bytes += a->blocks.at[k].bytes;
			s->live_blocks++;
			s->top = a->blocks.at[k].addr + a->blocks.at[k].bytes;
		}
	}
}

/* ---- outside ---- */

static int span_by_start(const void *left, const void *right)
{
	const struct resident_span *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static void explain(struct resident *r)
{
	int64_t sum = 0;

	for (int i = 0; i < RESIDENT_NOBODY; i++)
		sum += (int64_t)r->rows[i].pages_bytes;
	r->unexplained = (int64_t)r->rss_bytes - sum;
}

void resident_count(struct resident *r, const struct alive *a, const struct pools *p,
		    const struct resident_options *options)
{
	const char *allocator = defs_meta(&a->trace->defs, "allocator", NULL);
	struct work w = { .r = r, .a = a, .p = p, .libc = !allocator || !strcmp(allocator, "libc") };

	*r = (struct resident){ .rss_bytes = a->rss_bytes };
	if (options->mapped && options->mapped->areas.n) {
		w.m = options->mapped;
		r->exact = true;
		if (a->pages_rss_bytes)
			r->rss_bytes = a->pages_rss_bytes;
	}
	r->rss_bytes &= PT_ADDRESS_MASK; /* a file may say anything */
	r->has_rss = r->rss_bytes != 0;
	w.free_threaded = defs_meta_is_true(&a->trace->defs, "python.free_threaded");
	claim_ranges(&w);
	if (w.m)
		claim_areas(&w);
	claim_blocks(&w);
	if (r->spans.n)
		qsort(r->spans.at, r->spans.n, sizeof *r->spans.at, span_by_start);
	fill_spans(r, a);
	cut_segments(&w);
	choose_pages(&w);
	count_all_pages(&w);
	count_bytes(&w);
	if (!r->exact && options->foreign_bytes)
		r->rows[RESIDENT_FOREIGN].pages_bytes = options->foreign_bytes;
	explain(r);
	array_free(&w.claims);
	array_free(&w.segments);
	array_free(&w.pages);
}

void resident_free(struct resident *r) { array_free(&r->spans); }
