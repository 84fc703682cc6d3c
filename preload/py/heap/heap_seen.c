/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_seen: what is known of addresses: objects met, memory of the program, data of loaded files
 *
 * Objects begin at least 16 bytes apart, so a bit for each 16 bytes tells them apart; two bits, in fact. A leaf covers
 * a GiB of addresses, in memory that costs nothing where nothing is met: 1 byte for 64 of the heap. What lies in which
 * mapping is kept there too, by 2 MiB, so that most words are told to be no pointers by one load.
 */
#include "preload/py/heap/heap_parts.h"

#include <elf.h>
#include <string.h>

#include "preload/base/os.h"

enum {
	LEAF_BITS = 30,
	LEAVES = 1 << (47 - LEAF_BITS),
	GRANULE_BITS = 4,
	GRANULES_PER_WORD = 32,
	PART_BITS = 21, /* 2 MiB */
	PARTS = 1 << (LEAF_BITS - PART_BITS),
	RANGES_MAX = 4096,
	MAPS_BYTES = 1 << 20,
	FIRST_REFS = 1 << 12,
};
enum { PART_DATA = 1, PART_BLOCKS = 2 };

struct heap_leaf {
	uint8_t parts[PARTS];
	uint64_t marks[(1 << (LEAF_BITS - GRANULE_BITS)) / GRANULES_PER_WORD];
};

/* Segments of loaded files, their zeroed data included; mappings that may have blocks. Sorted by address. */
struct range {
	uintptr_t start, end;
};
static struct ranges {
	struct range *at;
	unsigned n;
} files, blocks;

static struct heap_leaf *leaf_of(uintptr_t p)
{
	struct heap_leaf **leaf;

	if (p >> 47)
		return NULL;
	leaf = &heap.leaves[p >> LEAF_BITS];
	if (!*leaf)
		*leaf = out_memory(heap.out, sizeof **leaf);
	return *leaf;
}

bool heap_is_marked(const char *object, enum heap_mark mark)
{
	uintptr_t p = (uintptr_t)object, granule = (p & ((1 << LEAF_BITS) - 1)) >> GRANULE_BITS;
	const struct heap_leaf *leaf = p >> 47 ? NULL : heap.leaves[p >> LEAF_BITS];

	return leaf && leaf->marks[granule / GRANULES_PER_WORD] >> granule % GRANULES_PER_WORD * 2 & mark;
}

bool heap_mark(const char *object, enum heap_mark mark)
{
	uintptr_t p = (uintptr_t)object, granule = (p & ((1 << LEAF_BITS) - 1)) >> GRANULE_BITS;
	struct heap_leaf *leaf = leaf_of(p);
	uint64_t bit = (uint64_t)mark << granule % GRANULES_PER_WORD * 2, *word;

	if (!leaf) {
		heap.n_unreadable++;
		return false;
	}
	word = &leaf->marks[granule / GRANULES_PER_WORD];
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}

/* ---- mappings ---- */

static bool in_ranges(const struct ranges *r, uintptr_t p)
{
	unsigned low = 0, high = r->n;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (p >= r->at[middle].end)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->n && p >= r->at[low].start;
}

static unsigned part_of(uintptr_t p)
{
	const struct heap_leaf *leaf = p >> 47 ? NULL : heap.leaves[p >> LEAF_BITS];

	return leaf ? leaf->parts[(p & ((1 << LEAF_BITS) - 1)) >> PART_BITS] : 0;
}

bool heap_is_static(const char *p) { return (part_of((uintptr_t)p) & PART_DATA) && in_ranges(&files, (uintptr_t)p); }

bool heap_may_be_block(const char *p)
{
	return (part_of((uintptr_t)p) & PART_BLOCKS) && in_ranges(&blocks, (uintptr_t)p) && !heap_is_static(p);
}

bool heap_blocks_range(unsigned i, uintptr_t *ret_start, uintptr_t *ret_end)
{
	if (i >= blocks.n)
		return false;
	*ret_start = blocks.at[i].start;
	*ret_end = blocks.at[i].end;
	return true;
}

static void put_range(struct ranges *r, uintptr_t start, uintptr_t end, unsigned what)
{
	unsigned i = r->n;

	if (r->n == RANGES_MAX || start >= end)
		return;
	for (; i && r->at[i - 1].start > start; i--)
		r->at[i] = r->at[i - 1];
	r->at[i] = (struct range){ start, end };
	r->n++;
	for (uintptr_t p = start >> PART_BITS; p <= (end - 1) >> PART_BITS; p++) {
		struct heap_leaf *leaf = leaf_of(p << PART_BITS);

		if (leaf)
			leaf->parts[p & (PARTS - 1)] |= (uint8_t)what;
	}
}

/* A mapping that begins with a file's head: where all of the file lies, by its program headers. */
static void put_file(uintptr_t base)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *h = (const Elf64_Phdr *)(base + head->e_phoff);
	uintptr_t first = 0;

	if (memcmp(head->e_ident, ELFMAG, SELFMAG) || head->e_phoff + head->e_phnum * sizeof *h > OS_PAGE)
		return;
	for (int i = 0, seen = 0; i < head->e_phnum; i++) {
		if (h[i].p_type != PT_LOAD)
			continue;
		if (!seen++)
			first = h[i].p_vaddr & ~(OS_PAGE - 1);
		put_range(&files, base + h[i].p_vaddr - first, base + h[i].p_vaddr - first + h[i].p_memsz, PART_DATA);
	}
}

static uintptr_t hexadecimal(const char **s)
{
	uintptr_t v = 0;

	for (;; ++*s) {
		unsigned c = (unsigned char)**s, digit = c - '0' < 10u ? c - '0' : (c | 32) - 'a' + 10;

		if (digit > 15)
			return v;
		v = v << 4 | digit;
	}
}

/* "7f12-7f34 rw-p 00000000 08:01 1234   /lib/libc.so.6" */
static void take_line(const char *s)
{
	uintptr_t start = hexadecimal(&s), end, offset;
	const char *flags;
	bool from_file;

	end = hexadecimal((s += *s == '-', &s));
	flags = s + 1;
	s += strlen(" rwxp ");
	offset = hexadecimal(&s);
	from_file = strchr(s, '/') != NULL;
	if (from_file && !offset && flags[0] == 'r' && flags[3] == 'p')
		put_file(start);
	if (!from_file && flags[0] == 'r' && flags[1] == 'w' && flags[3] == 'p' && !strstr(s, "[stack"))
		put_range(&blocks, start, end, PART_BLOCKS);
}

/* All that the kernel tells; a buffer on the copy's own account. */
static void read_maps(char *text, size_t cap)
{
	int fd = os_open("/proc/self/maps", O_RDONLY, 0);
	size_t n = 0;
	long got;

	if (fd < 0)
		return;
	while (n + 1 < cap && (got = os_read(fd, text + n, cap - 1 - n)) > 0)
		n += (size_t)got;
	os_close(fd);
	text[n] = 0;
}

static void take_maps(void)
{
	char *text = out_memory(heap.out, MAPS_BYTES), *line = text;

	if (!text)
		return;
	read_maps(text, MAPS_BYTES);
	while (line && *line) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = 0;
		take_line(line);
		line = end;
	}
}

bool heap_seen_start(void)
{
	heap.leaves = out_memory(heap.out, LEAVES * sizeof *heap.leaves);
	files = (struct ranges){ .at = out_memory(heap.out, RANGES_MAX * sizeof(struct range)) };
	blocks = (struct ranges){ .at = out_memory(heap.out, RANGES_MAX * sizeof(struct range)) };
	if (!heap.leaves || !files.at || !blocks.at)
		return false;
	take_maps();
	return true;
}

/* ---- arrays ---- */

void *heap_grown(void *old, size_t n, size_t *cap, size_t each)
{
	size_t more = *cap ? 2 * *cap : FIRST_REFS;
	void *p = out_memory(heap.out, more * each);

	if (!p)
		return NULL;
	if (n)
		memcpy(p, old, n * each);
	if (old)
		os_unmap(old, os_whole_pages(*cap * each));
	*cap = more;
	return p;
}

bool heap_refs_put(struct heap_refs *r, const char *object)
{
	if (r->n == r->cap) {
		const char **more = heap_grown(r->at, r->n, &r->cap, sizeof *more);

		if (!more)
			return false;
		r->at = more;
	}
	r->at[r->n++] = object;
	return true;
}

void heap_named_put(const char *target, uint32_t name, uint32_t flags, const char *called)
{
	struct heap_edges *e = &heap.named;

	if (!target)
		return;
	if (e->n == e->cap) {
		struct heap_edge *more = heap_grown(e->at, e->n, &e->cap, sizeof *more);

		if (!more)
			return;
		e->at = more;
	}
	e->at[e->n++] = (struct heap_edge){ target, called, name, flags };
}

/* ---- for the scan of native memory ---- */

/* Objects begin so far behind their blocks at most: heads of the collector, pointers of instances, debug hooks. */
enum { BEFORE_MOST = 64 };

/* Both marks of a place. */
static unsigned marks_at(uintptr_t p)
{
	uintptr_t granule = (p & ((1 << LEAF_BITS) - 1)) >> GRANULE_BITS;
	const struct heap_leaf *leaf = !heap.leaves || p >> 47 ? NULL : heap.leaves[p >> LEAF_BITS];

	return leaf ? leaf->marks[granule / GRANULES_PER_WORD] >> granule % GRANULES_PER_WORD * 2 & 3 : 0;
}

bool py_heap_is_walked(void) { return heap.leaves && heap.n_objects; }

bool py_heap_is_object(uintptr_t p) { return !(p & ((1 << GRANULE_BITS) - 1)) && marks_at(p) & HEAP_SEEN; }

/* Places of 512 bytes are marked in one word: most blocks take one look. */
bool py_heap_is_owned(uintptr_t start, uintptr_t end)
{
	uintptr_t most = end - start < BEFORE_MOST ? end : start + BEFORE_MOST;
	uintptr_t granule = (start & ((1 << LEAF_BITS) - 1)) >> GRANULE_BITS, place = granule % GRANULES_PER_WORD;
	const struct heap_leaf *leaf = !heap.leaves || start >> 47 ? NULL : heap.leaves[start >> LEAF_BITS];
	uint64_t marks = leaf ? leaf->marks[granule / GRANULES_PER_WORD] >> place * 2 : 0;
	uintptr_t n = (most - start) >> GRANULE_BITS;

	if (n < GRANULES_PER_WORD && marks & ((UINT64_C(1) << n * 2) - 1))
		return true;
	for (uintptr_t i = GRANULES_PER_WORD - place; i < n; i++)
		if (marks_at(start + (i << GRANULE_BITS)))
			return true;
	return false;
}

bool py_heap_is_like_object(uintptr_t p) { return heap_type_is_met(heap_word((const char *)p, py_layout.object_type)); }

bool py_heap_is_data(uintptr_t p) { return heap.leaves && heap_is_static((const char *)p); }
