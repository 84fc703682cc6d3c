/* SPDX-License-Identifier: Apache-2.0 */
/* areas: lines of /proc/self/maps, each with its words of /proc/PID/pagemap made into runs. */
#include "preload/snapshot/areas.h"
#include "preload/base/arena.h"
#include "preload/base/os.h"
#include "preload/record/sink.h"
#include "preload/snapshot/out.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	TEXT_BYTES =
		1 << 20, /* of a list: some 10,000 mappings. It lies in .bss, of which only what is used takes memory */
	WORDS = 4 << 10, /* of pagemap at a time: more would be more memory to touch, hardly any time less */
};
#define PAGES_MAX  (UINT64_C(64) << 20) /* of one area: 256 GiB. What is larger is address space, not memory */
#define PAGES_IDLE (UINT64_C(64) << 10) /* the same of an area without access rights */
#define PRESENT    (UINT64_C(1) << 63)

struct walk {
	struct out *o;
	int copy, program; /* page tables: descriptors; < 0: not to be had */
	uint64_t *words;   /* of a page table */
	uint8_t *resident; /* a bit a page of this area */
	uint64_t sink_inode;
};

/* The list, as it was before the copy mapped anything. Its own pages are not the program's. */
static char list[TEXT_BYTES] __attribute__((aligned(4096)));
static size_t n_list;

/* ---- lists ---- */

static int open_of(uint32_t pid, const char *what)
{
	char name[64];

	snprintf(name, sizeof name, "/proc/%u/%s", pid, what);
	return os_open(name, O_RDONLY, 0);
}

/* What there is of a process's list, in whole lines. */
static size_t read_list(uint32_t pid, char *text, size_t cap)
{
	int fd = open_of(pid, "maps");
	size_t n = 0;
	long got = 0;

	while (fd >= 0 && n < cap && ((got = os_read(fd, text + n, cap - n)) > 0 || got == -EINTR))
		n += got > 0 ? (size_t)got : 0;
	if (fd >= 0)
		os_close(fd);
	while (n && text[n - 1] != '\n')
		n--;
	return n;
}

/* "7f00-7f10 rw-p 00000000 fe:00 1234      /path" */
static bool read_line(char *line, struct area *a)
{
	char *p, rights[5] = "";

	a->start = strtoull(line, &p, 16);
	if (*p++ != '-')
		return false;
	a->end = strtoull(p, &p, 16);
	if (*p++ != ' ' || strlen(p) < 5)
		return false;
	memcpy(rights, p, 4);
	a->flags = (rights[0] == 'r' ? AREA_READ : 0) | (rights[1] == 'w' ? AREA_WRITE : 0) |
		   (rights[2] == 'x' ? AREA_EXECUTE : 0) | (rights[3] == 's' ? AREA_SHARED : 0);
	p += 5;
	p += strcspn(p, " ") + (p[strcspn(p, " ")] != 0); /* the offset */
	p += strcspn(p, " ") + (p[strcspn(p, " ")] != 0); /* the device */
	a->inode = strtoull(p, &p, 10);
	a->file = p + strspn(p, " ");
	return a->end > a->start && !(a->start % OS_PAGE);
}

/* ---- pages ---- */

static void note_pages(struct walk *w, int table, const struct area *a, uint64_t n_pages)
{
	for (uint64_t i = 0; i < n_pages;) {
		uint64_t want = n_pages - i < WORDS ? n_pages - i : WORDS;
		long n =
			os_pread(table, w->words, want * sizeof *w->words, (a->start / OS_PAGE + i) * sizeof *w->words);

		if (n == -EINTR)
			continue;
		n /= (long)sizeof *w->words;
		if (n <= 0)
			return;
		for (uint64_t k = 0; k < (uint64_t)n; k++)
			w->resident[(i + k) / 8] |= (uint8_t)((w->words[k] >> 63) << ((i + k) % 8));
		i += (uint64_t)n;
	}
}

/* The list's own pages were taken by the copy. */
static void leave_out_list(struct walk *w, const struct area *a)
{
	uint64_t start = (uintptr_t)list, end = start + os_whole_pages(n_list);

	for (; start < end && start >= a->start && start < a->end; start += OS_PAGE) {
		uint64_t page = (start - a->start) / OS_PAGE;

		w->resident[page / 8] &= (uint8_t) ~(1 << page % 8);
	}
}

/* Memory of the process that was written is in both tables, as it was in the copy's; a page of a file that was only
 * read is in the program's alone. */
static void find_pages(struct walk *w, const struct area *a, uint64_t n_pages)
{
	bool is_file = a->inode || a->flags & AREA_SHARED,
	     may_be_written = a->flags & AREA_WRITE && !(a->flags & AREA_SHARED);

	memset(w->resident, 0, (n_pages + 7) / 8);
	if (w->copy >= 0 && (!is_file || may_be_written || w->program < 0))
		note_pages(w, w->copy, a, n_pages);
	if (w->program >= 0 && (is_file || w->copy < 0))
		note_pages(w, w->program, a, n_pages);
	leave_out_list(w, a);
}

static bool is_resident(const struct walk *w, uint64_t page) { return w->resident[page / 8] >> page % 8 & 1; }

/* The first page from `i` on that is not as page i is. */
static uint64_t run_end(const struct walk *w, uint64_t i, uint64_t n_pages)
{
	bool resident = is_resident(w, i);

	for (i++; i < n_pages && is_resident(w, i) == resident; i++)
		;
	return i;
}

/* Lengths of runs, the first of them resident. Returns how many; their bytes go to `p` when there is one. */
static uint64_t put_runs(const struct walk *w, uint64_t n_pages, uint8_t **p, uint64_t *ret_resident)
{
	uint64_t n_runs = 0, i = 0, end;

	*ret_resident = 0;
	if (n_pages && !is_resident(w, 0)) {
		n_runs++;
		if (p)
			*p = pt_put_varint(*p, 0);
	}
	for (; i < n_pages; i = end, n_runs++) {
		end = run_end(w, i, n_pages);
		if (is_resident(w, i))
			*ret_resident += end - i;
		else if (end == n_pages)
			break;
		if (p)
			*p = pt_put_varint(*p, end - i);
	}
	return n_runs;
}

/* ---- records ---- */

/* The kernel's own pages are in no count of resident memory. */
static bool is_memory(const struct area *a)
{
	uint64_t pages = (a->end - a->start) / OS_PAGE;

	return strncmp(a->file, "[vvar", 5) && strcmp(a->file, "[vsyscall]") &&
	       pages <= (a->flags & ~AREA_SHARED ? PAGES_MAX : PAGES_IDLE);
}

static void write_area(struct walk *w, const struct area *a)
{
	uint32_t file = out_string(w->o, a->file, strlen(a->file));
	uint64_t n_pages = is_memory(a) ? (a->end - a->start) / OS_PAGE : 0, n_runs, resident;
	uint8_t *p;

	find_pages(w, a, n_pages);
	n_runs = put_runs(w, n_pages, NULL, &resident);
	if (n_runs * PT_VARINT_MAX + 100 > out_longest(w->o)) /* no program's memory is in so many pieces */
		n_runs = 0;
	p = out_room(w->o, n_runs * PT_VARINT_MAX + 100);
	*p++ = PT_RECORD_AREA;
	p = pt_put_varint(p, a->start);
	p = pt_put_varint(p, (a->end - a->start) / OS_PAGE);
	p = pt_put_varint(p, a->flags);
	p = pt_put_varint(p, file);
	p = pt_put_varint(p, resident);
	p = pt_put_varint(p, n_runs);
	if (n_runs)
		put_runs(w, n_pages, &p, &resident);
	out_record(w->o, p);
}

static void write_own(void *self, uintptr_t start, size_t bytes)
{
	const struct walk *w = self;
	char key[40];

	snprintf(key, sizeof key, "tracer %llx", (unsigned long long)start);
	out_fact(w->o, key, bytes);
}

/* Rings, and the front page: the file that we write. */
static bool is_sink(const struct walk *w, const struct area *a)
{
	return a->flags & AREA_SHARED && a->inode &&
	       (a->inode == w->sink_inode
			? !strncmp(os_file_name(a->file), os_file_name(sink_path()), strlen(os_file_name(sink_path())))
			: !strcmp(a->file, sink_path()));
}

extern const char __ehdr_start[] __attribute__((visibility("hidden"))), _end[] __attribute__((visibility("hidden")));

void areas_each_own(void (*each)(void *self, uintptr_t start, size_t bytes), void *self)
{
	uintptr_t start = (uintptr_t)__ehdr_start;

	each(self, start, os_whole_pages((uintptr_t)_end - start));
	arena_each(each, self);
}

/* ---- outside ---- */

static void open_all(struct walk *w, uint32_t pid)
{
	uint64_t dev;
	int fd = os_open(sink_path(), O_RDONLY, 0);

	if (fd >= 0) {
		os_identify(fd, &dev, &w->sink_inode);
		os_close(fd);
	}
	w->copy = open_of(os_pid(), "pagemap");
	w->program = open_of(pid, "pagemap");
}

static void write_line(struct walk *w, char *line, bool rings)
{
	struct area a;
	bool is_ring;

	if (!read_line(line, &a))
		return;
	is_ring = is_sink(w, &a);
	if (is_ring != rings)
		return;
	write_area(w, &a);
	if (is_ring)
		write_own(w, a.start, a.end - a.start);
}

static void write_lines(struct walk *w, char *text, size_t n, bool rings)
{
	char *end;

	for (char *line = text; line < text + n; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + n - line));
		*end = 0;
		write_line(w, line, rings);
	}
}

void areas_begin(void) { n_list = read_list(os_pid(), list, sizeof list); }

bool areas_are_all(void) { return n_list && n_list + OS_PAGE < sizeof list; }

void areas_each(void (*each)(void *self, const struct area *a), void *self)
{
	struct area a;

	for (char *line = list; line < list + n_list; line += strcspn(line, "\n") + 1) {
		line[strcspn(line, "\n")] = 0;
		if (read_line(line, &a))
			each(self, &a);
	}
}

void areas_write(struct out *o, uint32_t pid)
{
	struct walk w = { .o = o };
	char *text = out_memory(o, TEXT_BYTES);

	w.words = out_memory(o, WORDS * sizeof *w.words);
	w.resident = out_memory(o, PAGES_MAX / 8);
	if (!text || !w.words || !w.resident)
		return;
	open_all(&w, pid);
	areas_each_own(write_own, &w);
	write_lines(&w, list, n_list, false);
	write_lines(&w, text, read_list(pid, text, TEXT_BYTES), true);
	if (w.copy >= 0)
		os_close(w.copy);
	if (w.program >= 0)
		os_close(w.program);
}
