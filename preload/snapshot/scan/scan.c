/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan: heaps, then roots, then what they lead to, then what is left
 *
 * Only pages that are there are read. What a page table says is that of the copy: fork gave it all private pages that
 * were ever written. The loops run in steps (run()), so that a fault costs a step.
 */
#include "preload/snapshot/scan/scan.h"
#include "preload/base/os.h"
#include "preload/py/heap/heap.h"
#include "preload/py/objects/pools.h"
#include "preload/py/objects/segments.h"
#include "preload/snapshot/areas.h"
#include "preload/snapshot/out.h"
#include "preload/snapshot/scan/blocks.h"
#include "preload/snapshot/scan/chunks.h"
#include "preload/snapshot/scan/keepers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	OWN_MAX = 1 << 15,
	AREAS_MAX = 1 << 15,
	WORDS = 4 << 10,      /* of pagemap at a time: more would be more memory to touch, hardly any time less */
	LARGE = 64 << 10,     /* of a larger block only pages that are there are read */
	EDGES_MAX = 64 << 10, /* of one block */
	FAULTS_MAX = 1000,
	DIGIT_BITS = 30,       /* of an int of Python's */
	STEP_BYTES = 64 << 20, /* a sign of life for so many */
};
#define LOST_MAX     (UINT64_C(4) << 20) /* blocks that are written */
#define MAPPING_MAX  (UINT64_C(4) << 30)
#define LIFE_NS      (UINT64_C(60) * 1000000000)
#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_HERE    (UINT64_C(3) << 62) /* present, or swapped out */
#define PAGE_OF_FILE (UINT64_C(1) << 61)

struct range {
	uintptr_t start, end;
};

/* The words that may be pointers, and the ints that may. */
struct wanted {
	uint64_t low, span, int_low, int_span;
	uint32_t digit_span; /* 0: no heap lies that low */
};

static struct {
	struct out *out;
	const struct scan_order *order;
	struct range *own; /* sorted */
	size_t n_own;
	struct area *areas;
	size_t n_areas;
	struct area *parts; /* of them: what is looked at */
	size_t n_parts;
	int pagemap;
	uint64_t *words;    /* of it */
	uintptr_t *pending; /* blocks reached, not looked at yet */
	size_t n_pending, cap_pending;
	struct wanted wanted;
	uint64_t start_ns, read_bytes, told_bytes;
	unsigned faults;
	bool marking; /* heaps are known */
	bool keeps;   /* who keeps objects is of interest */
	bool cut;     /* something was left out */
} scan;

/* ---- steps ---- */

/* Does `step` until it says that nothing is left. It must have taken what it works on off its list when it faults.
 * While heaps are looked for a fault leaves one unknown; later it leaves pointers unread. */
static void run(bool (*step)(void))
{
	if (sigsetjmp(py_heap_fault, 0))
		scan.cut |= ++scan.faults > FAULTS_MAX || scan.marking;
	py_heap_fault_armed = 1;
	while (!scan.cut && step())
		;
	py_heap_fault_armed = 0;
}

/* While much is read: the program waits for signs of life, and not for ever. */
static void tell(uint64_t bytes)
{
	scan.read_bytes += bytes;
	if (scan.read_bytes - scan.told_bytes < STEP_BYTES)
		return;
	scan.told_bytes = scan.read_bytes;
	out_room(scan.out, 1);
	scan.cut |= os_mono_ns() - scan.start_ns > LIFE_NS;
}

/* ---- words ---- */

static void push(uintptr_t block)
{
	if (scan.n_pending == scan.cap_pending) {
		size_t cap = scan.cap_pending ? 2 * scan.cap_pending : 1 << 16;
		uintptr_t *more = out_memory(scan.out, cap * sizeof *more);

		if (!more) {
			scan.cut = true;
			return;
		}
		if (scan.n_pending)
			memcpy(more, scan.pending, scan.n_pending * sizeof *more);
		if (scan.pending)
			os_unmap(scan.pending, os_whole_pages(scan.cap_pending * sizeof *more));
		scan.pending = more;
		scan.cap_pending = cap;
	}
	scan.pending[scan.n_pending++] = block;
	__builtin_prefetch((const void *)block); /* it is looked into soon */
}

static void meet(uintptr_t block)
{
	if (blocks_reach(block))
		push(block);
}

/* The address that a word is; 0: none. An int of Python's has its value in two digits, each in half a word. */
static inline uintptr_t pointer_in(const struct wanted *wanted, uint64_t w)
{
	if (w - wanted->low < wanted->span)
		return w;
	if (w - wanted->int_low < wanted->int_span && (uint32_t)w >> DIGIT_BITS == 0)
		return (uint32_t)w | (uintptr_t)(w >> 32) << DIGIT_BITS;
	return 0;
}

static inline __attribute__((always_inline)) void look_at_word(const struct wanted *wanted, uint64_t word,
							       void (*found)(uintptr_t block))
{
	uintptr_t p = pointer_in(wanted, word), block;
	struct blocks_leaf *leaf = p ? blocks_leaf_of(p) : NULL;

	if (!leaf)
		return;
	if (!blocks_is_heap_in(leaf, p)) {
		blocks_touch_in(leaf, p);
		return;
	}
	block = blocks_find_in(leaf, p);
	if (block)
		found(block);
}

/* An int that is less than 2^30, as addresses in the heap of a program at a fixed place may be, has one digit, with
 * anything behind it. The block that it is an address in, or 0. */
static inline uintptr_t block_of_digit(const struct wanted *wanted, uint64_t word)
{
	return (uint32_t)word - (uint32_t)wanted->low < wanted->digit_span && word >> 32 ? blocks_find((uint32_t)word)
											 : 0;
}

/* Calls `found` for the block that each word is an address in. */
static inline __attribute__((always_inline)) void each_word(uintptr_t start, uintptr_t end,
							    void (*found)(uintptr_t block))
{
	const struct wanted wanted = scan.wanted; /* in registers */

	for (const uint64_t *at = (const uint64_t *)start, *last = (const uint64_t *)end; at < last; at++) {
		uintptr_t block = block_of_digit(&wanted, *at);

		look_at_word(&wanted, *at, found);
		if (__builtin_expect(block != 0, 0))
			found(block);
	}
	tell(end - start);
}

/* The same where words may keep objects: an address is to be the word itself then. */
static void each_native_word(uintptr_t start, uintptr_t end)
{
	const struct wanted wanted = scan.wanted;

	for (const uint64_t *at = (const uint64_t *)start, *last = (const uint64_t *)end; at < last; at++) {
		uintptr_t p = pointer_in(&wanted, *at), block = __builtin_expect(p != 0, 0) ? blocks_find(p) : 0;
		uintptr_t by_digit = block_of_digit(&wanted, *at);

		if (__builtin_expect(by_digit != 0, 0))
			meet(by_digit);
		if (!block)
			continue;
		if (blocks_reach(block))
			push(block);
		if (p == *at)
			keepers_word(p, block);
	}
	tell(end - start);
}

/* ---- pages ---- */

/* Whether a page can be read, asked of the kernel: it looks for a set of signals there. */
static bool can_be_read(uintptr_t page) { return os_call(SYS_rt_sigprocmask, ~0L, page, NULL, 8) != -EFAULT; }

/* Guards of stacks look as if they were swapped out (MADV_GUARD_INSTALL). */
static bool is_here(uint64_t entry, bool of_file, uintptr_t page)
{
	return entry & PAGE_HERE && !(of_file && entry & PAGE_OF_FILE) && (entry & PAGE_PRESENT || can_be_read(page));
}

/* Calls `each` for every run of pages that are there; of a file only those that were written. */
static void each_run(uintptr_t start, uintptr_t end, bool of_file, void (*each)(uintptr_t start, uintptr_t end))
{
	uintptr_t p = start & ~(uintptr_t)(OS_PAGE - 1), run = 0;

	while (p < end && !scan.cut) {
		uint64_t want = (end - p + OS_PAGE - 1) / OS_PAGE;
		long n = os_pread(scan.pagemap, scan.words, (want < WORDS ? want : WORDS) * 8, p / OS_PAGE * 8);

		if (n == -EINTR)
			continue;
		scan.cut |= n < 8;
		tell(n > 0 ? (uint64_t)n : 0); /* of much address space this is what takes time */
		for (long i = 0; i < n / 8; i++, p += OS_PAGE) {
			bool here = is_here(scan.words[i], of_file, p);

			if (here && !run)
				run = p;
			if (!here && run)
				each(run, p);
			if (!here)
				run = 0;
		}
	}
	if (run && !scan.cut)
		each(run, p);
}

/* ---- areas ---- */

/* Memory of the program's that is its own alone, and may have pointers. */
static bool is_private(const struct area *a)
{
	return a->flags & AREA_READ && !(a->flags & AREA_SHARED) && strncmp(a->file, "[v", 2);
}

static bool is_anonymous(const struct area *a) { return is_private(a) && !a->inode && a->flags & AREA_WRITE; }

/* The kernel splits what madvise() was told of in part: a heap, a large block. */
static bool goes_on(const struct area *before, const struct area *a)
{
	return before->end == a->start && is_anonymous(before) && is_anonymous(a) && !strcmp(before->file, a->file);
}

static void take_area(void *self, const struct area *a)
{
	(void)self;
	if (scan.n_areas && goes_on(&scan.areas[scan.n_areas - 1], a))
		scan.areas[scan.n_areas - 1].end = a->end;
	else if (scan.n_areas == AREAS_MAX)
		scan.cut = true;
	else
		scan.areas[scan.n_areas++] = *a;
}

/* Of a file that is not written: the part that the linker wrote before it was closed (relro), which is its last. */
static bool may_be_written(const struct area *a, const struct area *next)
{
	if (a->flags & AREA_WRITE || !a->inode)
		return true;
	return !(a->flags & AREA_EXECUTE) &&
	       (!next || next->inode != a->inode || next->start != a->end || next->flags & AREA_WRITE);
}

static void take_own(void *self, uintptr_t start, size_t bytes)
{
	size_t i = scan.n_own;

	(void)self;
	if (scan.n_own == OWN_MAX) {
		scan.cut = true;
		return;
	}
	for (; i && scan.own[i - 1].start > start; i--)
		scan.own[i] = scan.own[i - 1];
	scan.own[i] = (struct range){ start, start + os_whole_pages(bytes) };
	scan.n_own++;
}

static void put_part(const struct area *a, uintptr_t start, uintptr_t end)
{
	if (start >= end)
		return;
	if (scan.n_parts == AREAS_MAX) {
		scan.cut = true;
		return;
	}
	scan.parts[scan.n_parts] = *a;
	scan.parts[scan.n_parts].start = start;
	scan.parts[scan.n_parts++].end = end;
}

/* What of the areas may have pointers or blocks, without the tracer's own memory. Both lists are sorted. */
static void cut_own(void)
{
	size_t own = 0;

	for (size_t i = 0; i < scan.n_areas; i++) {
		const struct area *a = &scan.areas[i];
		uintptr_t start = a->start;

		if (!is_private(a) || !may_be_written(a, i + 1 < scan.n_areas ? a + 1 : NULL))
			continue;
		while (own < scan.n_own && scan.own[own].end <= start)
			own++;
		for (size_t k = own; k < scan.n_own && scan.own[k].start < a->end; k++) {
			put_part(a, start, scan.own[k].start);
			start = scan.own[k].end;
		}
		put_part(a, start, a->end);
	}
}

/* ---- heaps ---- */

static size_t next_area;
static uintptr_t mapping_end; /* of the area in hand; of a block with a mapping of its own */
static uintptr_t behind_block;

static bool step_heaps(void)
{
	if (next_area == scan.n_parts)
		return false;
	if (is_anonymous(&scan.parts[next_area++]))
		chunks_heaps(&scan.parts[next_area - 1]);
	return true;
}

static void put_pool(void *self, uintptr_t start, uintptr_t end)
{
	(void)self;
	blocks_heap(start, end);
}

static void put_pool_block(void *self, uintptr_t start, uintptr_t end, bool is_free)
{
	(void)self;
	blocks_put(start, end, is_free);
	blocks_end(end);
}

static bool step_pools(void) { return py_pools_next(put_pool, put_pool_block, NULL); }

static void kill_block(void *self, uintptr_t start)
{
	(void)self;
	blocks_kill(start);
}

static const struct py_segments_visit segments = { .pages = put_pool, .block = put_pool_block, .free = kill_block };
static uintptr_t next_segment; /* of the area in hand */

static bool step_segments(void)
{
	const struct area *a = &scan.parts[next_area];
	uintptr_t p;

	if (next_area == scan.n_parts || !py_segments_exist())
		return false;
	p = py_segments_next(next_segment < a->start ? a->start : next_segment);
	next_segment = p + 1; /* where it goes on after a fault */
	if (is_anonymous(a) && p < a->end)
		next_segment = py_segments_visit(p, a->end, &segments);
	else
		next_area++;
	return true;
}

static bool step_waiting(void)
{
	if (py_segments_exist())
		py_segments_visit_waiting(&segments);
	return false;
}

static void look_for_mappings(uintptr_t start, uintptr_t end)
{
	for (uintptr_t p = start; p < end; p += OS_PAGE)
		if (p >= behind_block && !blocks_is_heap(p))
			behind_block = p + chunks_own_mapping(p, mapping_end);
}

static bool step_mappings(void)
{
	const struct area *a = &scan.parts[next_area];

	if (next_area++ == scan.n_parts)
		return false;
	if (!is_anonymous(a) || *a->file)
		return true;
	mapping_end = a->end;
	each_run(a->start, a->end, false, look_for_mappings);
	return true;
}

static bool step_main_arena(void)
{
	const struct area *a = &scan.parts[next_area];

	if (next_area++ == scan.n_parts || chunks_main_arena)
		return false;
	if (is_private(a) && a->flags & AREA_WRITE && a->inode && !strncmp(os_file_name(a->file), "libc", 4))
		chunks_find_main_arena(a->start, a->end);
	return true;
}

/* What the program mapped for itself: of much more than this it is not asked page by page. */
static bool step_own_mappings(void)
{
	const struct area *a = &scan.parts[next_area];

	if (next_area++ == scan.n_parts)
		return false;
	if (is_anonymous(a) && !*a->file && a->end - a->start <= MAPPING_MAX)
		blocks_mapping(a->start, a->end);
	return true;
}

static bool is_killing;

/* Again after a fault there: not. */
static bool step_kill(void)
{
	if (!is_killing) {
		is_killing = true;
		chunks_kill_free();
	}
	return false;
}

static void find_heaps(void)
{
	next_area = 0;
	if (scan.order->is_libc)
		run(step_heaps);
	run(step_pools);
	next_area = 0;
	run(step_segments);
	run(step_waiting);
	next_area = 0;
	if (scan.order->is_libc)
		run(step_mappings);
	next_area = 0;
	if (scan.order->is_libc && !chunks_found.unknown)
		run(step_own_mappings);
	next_area = 0;
	run(step_main_arena);
	run(step_kill);
}

/* ---- roots ---- */

static void look_at(uintptr_t start, uintptr_t end) { each_word(start, end, meet); }

/* In a page that is no heap. */
static void look_at_root(uintptr_t start, uintptr_t end)
{
	if (!scan.keeps || !py_heap_is_data(start)) {
		look_at(start, end);
		return;
	}
	keepers_begin(PT_KEEPER_DATA, start, end);
	each_native_word(start, end);
	keepers_end();
}

/* Of a run of pages what is no heap. */
static void look_at_pages(uintptr_t start, uintptr_t end)
{
	uintptr_t next, arena = chunks_main_arena;

	for (uintptr_t p = start; p < end && !scan.cut; p = next) {
		next = (p | (OS_PAGE - 1)) + 1;
		if (blocks_is_heap(p))
			continue;
		if (arena && arena < next && chunks_main_arena_end() > p) {
			look_at_root(p, arena > p ? arena : p);
			p = chunks_main_arena_end() < next ? chunks_main_arena_end() : next;
		}
		look_at_root(p, next);
	}
}

/* Stacks grow down: what lies below the stack pointer is left over. */
static bool step_roots(void)
{
	const struct area *a = &scan.parts[next_area];
	uintptr_t start = a->start, sp = scan.order->registers[CPU_SP] & ~(uintptr_t)7;

	if (next_area++ == scan.n_parts)
		return false;
	if (sp > start && sp < a->end && !a->inode) {
		each_word(sp, (sp | (OS_PAGE - 1)) + 1, meet);
		start = (sp | (OS_PAGE - 1)) + 1;
	}
	each_run(start, a->end, a->inode != 0, look_at_pages);
	return true;
}

/* The first and the last page of a block in part. */
static uintptr_t block_start, block_end;
static void (*block_words)(uintptr_t start, uintptr_t end);

static void look_at_run(uintptr_t start, uintptr_t end)
{
	block_words(start > block_start ? start : block_start, end < block_end ? end : block_end);
}

static void look_into(uintptr_t start, uintptr_t end, void (*words)(uintptr_t start, uintptr_t end))
{
	if (end - start < LARGE) {
		words(start, end);
		return;
	}
	block_start = start;
	block_end = end;
	block_words = words;
	each_run(start, end, false, look_at_run);
}

static bool step_pending(void)
{
	uintptr_t block, end;

	if (!scan.n_pending)
		return false;
	block = scan.pending[--scan.n_pending];
	end = blocks_end_of(block);
	if (!scan.keeps || py_heap_is_owned(block, end)) {
		look_into(block, end, look_at);
		return true;
	}
	keepers_begin(PT_KEEPER_BLOCK, block, end);
	look_into(block, end, each_native_word);
	keepers_end();
	return true;
}

static void mark(void)
{
	const uintptr_t *r = (const uintptr_t *)scan.order->registers;

	scan.marking = true;
	scan.wanted.low = blocks_lowest;
	scan.wanted.span = blocks_highest - blocks_lowest;
	scan.wanted.int_low = blocks_lowest >> DIGIT_BITS << 32;
	scan.wanted.int_span = (((blocks_highest >> DIGIT_BITS) + 1) << 32) - scan.wanted.int_low;
	if (blocks_lowest >> DIGIT_BITS == 0)
		scan.wanted.digit_span = (uint32_t)(blocks_highest_below((uintptr_t)1 << DIGIT_BITS) - blocks_lowest);
	look_at((uintptr_t)r, (uintptr_t)(r + CPU_REGISTERS));
	next_area = 0;
	run(step_roots);
	run(step_pending);
}

/* ---- what is left ---- */

static struct {
	uint64_t blocks, bytes, edges;
	uintptr_t *edge; /* of the block in hand */
	size_t n;
	uintptr_t block, end;
} lost;

static void note_edge(uintptr_t to)
{
	if (to == lost.block || blocks_is_reached(to) || (lost.n && lost.edge[lost.n - 1] == to))
		return;
	if (lost.n == EDGES_MAX) {
		scan.cut = true;
		return;
	}
	lost.edge[lost.n++] = to;
}

static void note_edges(uintptr_t start, uintptr_t end) { each_word(start, end, note_edge); }

static bool step_edges(void)
{
	uintptr_t end = lost.end;

	lost.end = 0;
	if (end)
		look_into(lost.block, end, note_edges);
	return false;
}

static void write_lost(void *self, uintptr_t start, uintptr_t end)
{
	uint8_t *p;

	(void)self;
	if (scan.cut || lost.blocks++ == LOST_MAX) {
		scan.cut = true;
		return;
	}
	lost.bytes += end - start;
	lost.block = start;
	lost.end = end;
	lost.n = 0;
	run(step_edges);
	p = out_room(scan.out, 1 + (3 + lost.n) * PT_VARINT_MAX);
	*p++ = PT_RECORD_LOST;
	p = out_address(scan.out, PT_RECORD_LOST, p, start);
	p = pt_put_varint(p, end - start);
	p = pt_put_varint(p, lost.n);
	for (size_t i = 0; i < lost.n; i++)
		p = pt_put_delta(p, lost.edge[i], start);
	out_record(scan.out, p);
}

/* Whole pages; what block they are of the reader knows. */
static void write_untouched(void *self, uintptr_t start, uintptr_t end)
{
	uint8_t *p;

	(void)self;
	p = out_room(scan.out, 1 + 3 * PT_VARINT_MAX);
	*p++ = PT_RECORD_LOST;
	p = out_address(scan.out, PT_RECORD_LOST, p, start);
	p = pt_put_varint(p, end - start);
	p = pt_put_varint(p, 0);
	out_record(scan.out, p);
}

/* ---- outside ---- */

static unsigned threads_of(uint32_t pid)
{
	char name[32];
	struct stat st;

	snprintf(name, sizeof name, "/proc/%u/task", pid);
	return os_call(SYS_newfstatat, AT_FDCWD, name, &st, 0) || st.st_nlink < 3 ? 1 : (unsigned)st.st_nlink - 2;
}

static bool start(struct out *o, const struct scan_order *order)
{
	scan.out = o;
	scan.order = order;
	scan.start_ns = os_mono_ns();
	scan.own = out_memory(o, OWN_MAX * sizeof *scan.own);
	scan.areas = out_memory(o, AREAS_MAX * sizeof *scan.areas);
	scan.parts = out_memory(o, AREAS_MAX * sizeof *scan.parts);
	scan.words = out_memory(o, WORDS * sizeof *scan.words);
	lost.edge = out_memory(o, EDGES_MAX * sizeof *lost.edge);
	scan.pagemap = os_open("/proc/self/pagemap", O_RDONLY, 0);
	if (!scan.own || !scan.areas || !scan.parts || !scan.words || !lost.edge || scan.pagemap < 0 ||
	    !areas_are_all() || !blocks_start(o))
		return false;
	areas_each(take_area, NULL);
	areas_each_own(take_own, NULL);
	if (order->own_end > order->own)
		take_own(NULL, order->own, order->own_end - order->own);
	cut_own();
	return true;
}

static void write_facts(uint64_t cpu_ns)
{
	const struct {
		const char *key;
		uint64_t value;
	} facts[] = {
		{ "native.blocks", blocks_count.blocks },
		{ "native.bytes", blocks_count.bytes },
		{ "native.lost", lost.blocks },
		{ "native.lost_bytes", lost.bytes },
		{ "native.heaps", chunks_found.heaps },
		{ "native.segments", py_segments_found.segments },
		{ "native.heaps_unknown", chunks_found.unknown + py_segments_found.pages_unknown },
		{ "native.arena", chunks_main_arena != 0 },
		{ "native.libc", scan.order->is_libc },
		{ "native.kept", keepers_words() },
		{ "native.threads", threads_of(scan.order->pid) },
		{ "native.read_bytes", scan.read_bytes },
		{ "native.faults", scan.faults },
		{ "native.cpu_ns", os_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns },
		{ "native.complete", !scan.cut && !blocks_short },
	};

	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
		out_fact(scan.out, facts[i].key, facts[i].value);
}

void scan_write(struct out *o, const struct scan_order *order)
{
	uint64_t cpu_ns = os_clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	if (start(o, order) && !scan.cut) {
		find_heaps();
		scan.keeps = keepers_start(o);
		mark();
		if (!scan.cut && !blocks_short)
			blocks_each_lost(write_lost, NULL);
		if (!scan.cut && !blocks_short)
			blocks_each_untouched(write_untouched, NULL);
	} else
		scan.cut = true;
	write_facts(cpu_ns);
	if (scan.pagemap >= 0)
		os_close(scan.pagemap);
}
