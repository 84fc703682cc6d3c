/* SPDX-License-Identifier: Apache-2.0 */
/* pages: from the address of an object to its number: parts.h */
#include "analyzer/heap/parts.h"

static uint32_t slot_of(const struct heap_page *at, const uint32_t *table, uint32_t mask, uint64_t number)
{
	uint32_t slot = (uint32_t)map_mix(number) & mask;

	while (table[slot] && at[table[slot] - 1].number != number)
		slot = (slot + 1) & mask;
	return slot;
}

static void build_table(struct heap_pages *p)
{
	free(p->table);
	p->table = mem_zero((size_t)p->mask + 1, sizeof *p->table);
	for (size_t i = 0; i < p->at.n; i++)
		p->table[slot_of(p->at.at, p->table, p->mask, p->at.at[i].number)] = (uint32_t)i + 1;
}

static struct heap_page *page_for(struct heap_pages *p, uint64_t number)
{
	uint32_t slot;

	if (p->at.n * 2 >= p->mask) {
		p->mask = p->mask * 2 + 1 > 1023 ? p->mask * 2 + 1 : 1023;
		build_table(p);
	}
	slot = slot_of(p->at.at, p->table, p->mask, number);
	if (!p->table[slot]) {
		*array_push(&p->at) = (struct heap_page){ .number = number };
		p->table[slot] = (uint32_t)p->at.n;
	}
	return &p->at.at[p->table[slot] - 1];
}

bool heap_pages_add(struct heap_pages *p, uint64_t address)
{
	struct heap_page *page = page_for(p, address >> HEAP_PAGE_BITS);
	unsigned place = (unsigned)(address >> 3) % (64 * HEAP_WORDS);
	uint64_t *word = &page->places[place / 64], bit = UINT64_C(1) << place % 64;

	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}

static int by_number(const void *a, const void *b)
{
	const struct heap_page *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

uint32_t heap_pages_finish(struct heap_pages *p, struct heap *h)
{
	uint32_t n = 0;

	if (p->at.n)
		qsort(p->at.at, p->at.n, sizeof *p->at.at, by_number);
	for (size_t i = 0; i < p->at.n; i++) {
		struct heap_page *page = &p->at.at[i];

		page->base = n;
		for (unsigned w = 0; w < HEAP_WORDS; w++) {
			page->before[w] = (uint16_t)(n - page->base);
			n += (uint32_t)__builtin_popcountll(page->places[w]);
		}
	}
	if (p->mask)
		build_table(p);
	h->pages = p->at.at;
	h->n_pages = (uint32_t)p->at.n;
	h->page_table = p->table;
	h->page_mask = p->mask;
	*p = (struct heap_pages){ 0 };
	return n;
}

void heap_pages_free(struct heap_pages *p)
{
	array_free(&p->at);
	free(p->table);
}

/* The object at a place of a page. */
static object_id find_in(const struct heap_page *page, uint64_t address)
{
	unsigned place = (unsigned)(address >> 3) % (64 * HEAP_WORDS);
	uint64_t word = page->places[place / 64];

	if (address % 8 || !(word >> place % 64 & 1))
		return HEAP_NONE;
	word &= (UINT64_C(1) << place % 64) - 1;
	return page->base + page->before[place / 64] + (uint32_t)__builtin_popcountll(word);
}

static uint32_t page_of(const struct heap *h, uint64_t address)
{
	return h->page_table[slot_of(h->pages, h->page_table, h->page_mask, address >> HEAP_PAGE_BITS)];
}

object_id heap_find(const struct heap *h, uint64_t address)
{
	uint32_t index = h->n_pages ? page_of(h, address) : 0;

	return index ? find_in(&h->pages[index - 1], address) : HEAP_NONE;
}

void heap_find_all(const struct heap *h, uint32_t n, const uint64_t *address, object_id *ret)
{
	if (!h->n_pages)
		memset(ret, 0xff, n * sizeof *ret);
	if (!h->n_pages)
		return;
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(&h->page_table[(uint32_t)map_mix(address[i] >> HEAP_PAGE_BITS) & h->page_mask]);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = h->page_table[(uint32_t)map_mix(address[i] >> HEAP_PAGE_BITS) & h->page_mask];
		const struct heap_page *page = &h->pages[index ? index - 1 : 0];

		__builtin_prefetch(page);
		__builtin_prefetch(&page->before);
	}
	for (uint32_t i = 0; i < n; i++)
		ret[i] = heap_find(h, address[i]);
}

/* ---- sorting ---- */

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

static uint32_t key_of(const char *element, size_t offset)
{
	uint32_t key;

	memcpy(&key, element + offset, sizeof key);
	return key;
}

static void sort_pass(const char *from, char *to, size_t n, size_t each, size_t offset, unsigned shift)
{
	size_t count[DIGITS] = { 0 }, at = 0;

	for (size_t i = 0; i < n; i++)
		count[key_of(from + i * each, offset) >> shift & (DIGITS - 1)]++;
	for (size_t d = 0; d < DIGITS; d++) {
		size_t here = count[d];

		count[d] = at;
		at += here;
	}
	for (size_t i = 0; i < n; i++)
		memcpy(to + count[key_of(from + i * each, offset) >> shift & (DIGITS - 1)]++ * each, from + i * each,
		       each);
}

void heap_sort(void *at, size_t n, size_t each, size_t offset)
{
	char *from = at, *to;
	bool sorted = true;

	for (size_t i = 1; i < n && sorted; i++)
		sorted = key_of(from + (i - 1) * each, offset) <= key_of(from + i * each, offset);
	if (sorted)
		return;
	to = mem_alloc(n * each);
	for (unsigned shift = 0; shift < 32; shift += DIGIT_BITS) {
		char *swap = from;

		sort_pass(from, to, n, each, offset, shift);
		from = to;
		to = swap;
	}
	memcpy(at, from, n * each); /* three passes: the last one ended in the other half */
	free(from);
}
