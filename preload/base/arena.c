/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena: bump allocation from pieces. The whole state is one word, the next free address: pieces lie at multiples of
 * their size, so the address alone says how much is left, and taking some is one compare-and-swap.
 *
 * Mappings are noted in a table, so that they can be told from the program's (arena_each). It lies in .bss, of which
 * only what is used takes memory.
 *
 * What a process needs at first are many small tables, of which nearly every page is touched. So they come from one
 * huge page, the nursery: 2 MiB for the price of some hundred small faults. What is given back of it is not used again,
 * which is 2 MiB at most.
 */
#include "preload/base/arena.h"
#include "preload/base/os.h"

#include <stdatomic.h>
#include <stdint.h>

enum { PIECE = 256 << 10, ALIGN = 64, HUGE = 2 << 20, NOTES_MAX = 16 << 10 };

struct note {
	_Atomic(uintptr_t) start; /* 0: free; NOTE_TAKEN: being written */
	size_t bytes;
};
#define NOTE_TAKEN ((uintptr_t)1)

static _Atomic(uintptr_t) nursery, nursery_next; /* where it begins; what is free of it. 0: there is none */
static bool huge_at_hand;
static _Atomic(uintptr_t) next_free; /* at a multiple of PIECE: none yet, or the piece is full */

static struct note notes[NOTES_MAX];
static _Atomic(unsigned) n_notes; /* none is used beyond */

/* ---- what is mapped ---- */

static bool take_note(struct note *n, uintptr_t start, size_t bytes)
{
	uintptr_t none = 0;

	if (!atomic_compare_exchange_strong(&n->start, &none, NOTE_TAKEN))
		return false;
	n->bytes = bytes;
	atomic_store(&n->start, start);
	return true;
}

static void note(void *p, size_t bytes)
{
	unsigned i = 0, n = atomic_load(&n_notes);

	while (i < NOTES_MAX && !take_note(&notes[i], (uintptr_t)p, bytes))
		i++;
	while (i < NOTES_MAX && n <= i && !atomic_compare_exchange_weak(&n_notes, &n, i + 1))
		;
}

static void forget(const void *p)
{
	unsigned n = atomic_load(&n_notes);

	for (unsigned i = 0; i < n; i++) {
		uintptr_t start = (uintptr_t)p;

		if (atomic_compare_exchange_strong(&notes[i].start, &start, 0))
			return;
	}
}

void arena_each(void (*each)(void *self, uintptr_t start, size_t bytes), void *self)
{
	unsigned n = atomic_load(&n_notes);

	for (unsigned i = 0; i < n; i++) {
		uintptr_t start = atomic_load(&notes[i].start);

		if (start > NOTE_TAKEN)
			each(self, start, notes[i].bytes);
	}
}

/* ---- mapping ---- */

static void *map(size_t bytes) { return os_map(bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); }

/* So many bytes of the nursery, at a multiple of `to`; 0: it has no room. */
static uintptr_t take_of_nursery(size_t bytes, size_t to)
{
	uintptr_t at = atomic_load(&nursery_next), start;

	do {
		start = (at + to - 1) & ~(uintptr_t)(to - 1);
		if (!at || bytes > HUGE || start + bytes > atomic_load(&nursery) + HUGE)
			return 0;
	} while (!atomic_compare_exchange_weak(&nursery_next, &at, start + bytes));
	return start;
}

static bool is_in_nursery(const void *p)
{
	uintptr_t start = atomic_load(&nursery);

	return start && (uintptr_t)p - start < HUGE;
}

void *arena_map(size_t bytes)
{
	void *p = (void *)take_of_nursery(os_whole_pages(bytes), OS_PAGE);

	if (p)
		return p;
	p = map(bytes);
	if (p)
		note(p, bytes);
	return p;
}

void arena_unmap(void *p, size_t bytes)
{
	if (is_in_nursery(p))
		return;
	forget(p);
	os_unmap(p, bytes);
}

/* So many bytes at a multiple of a power of two, cut out of a mapping that is larger by as much. 0: no memory. */
static uintptr_t map_aligned(size_t bytes, size_t to)
{
	char *p = map(bytes + to);
	uintptr_t start = ((uintptr_t)p + to - 1) & ~(uintptr_t)(to - 1);

	if (!p)
		return 0;
	if (start > (uintptr_t)p)
		os_unmap(p, start - (uintptr_t)p);
	os_unmap((void *)(start + bytes), (uintptr_t)p + to - start);
	note((void *)start, bytes);
	return start;
}

bool arena_nurse(void)
{
	uintptr_t start = map_aligned(HUGE, HUGE);
	unsigned char second = 0;

	if (!start)
		return false;
	os_advise((void *)start, HUGE, MADV_HUGEPAGE);
	*(volatile char *)start = 0;
	huge_at_hand = !os_call(SYS_mincore, start + OS_PAGE, OS_PAGE, &second) && second & 1;
	if (!huge_at_hand) {
		forget((void *)start);
		os_unmap((void *)start, HUGE);
		return false;
	}
	atomic_store(&nursery_next, 0);
	atomic_store(&nursery, start);
	atomic_store(&nursery_next, start);
	return true;
}

size_t arena_huge(void) { return huge_at_hand ? HUGE : 0; }

/* Where huge pages lie: elsewhere the first 2 MiB would be small ones, which for many a table is all of it. */
void *arena_map_large(size_t bytes)
{
	void *p;

	if (bytes < HUGE)
		return arena_map(bytes);
	bytes = os_whole_pages(bytes);
	p = (void *)map_aligned(bytes, HUGE);
	if (p)
		os_advise(p, bytes, MADV_HUGEPAGE);
	return p;
}

void *arena_alloc(size_t bytes)
{
	uintptr_t at, fresh;

	bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (bytes > PIECE / 4)
		return arena_map(bytes);
	at = atomic_load(&next_free);
	while (at & (PIECE - 1) && (at & (PIECE - 1)) + bytes <= PIECE)
		if (atomic_compare_exchange_weak(&next_free, &at, at + bytes))
			return (void *)at;
	/* Full or none yet. Losing the race for the new piece wastes what is left of the other's: nothing else. */
	fresh = take_of_nursery(PIECE, PIECE);
	if (!fresh)
		fresh = map_aligned(PIECE, PIECE);
	if (fresh)
		atomic_store(&next_free, fresh + bytes);
	return (void *)fresh;
}
