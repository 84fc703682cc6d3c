/* SPDX-License-Identifier: Apache-2.0 */
/* mapped: the records of interest come before the first object, so no more is unpacked. */
#include "analyzer/memory/mapped.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_BITS = 12, STRINGS_MAX = 1 << 20 };

struct loading {
	struct mapped *m;
	ARRAY(const char *) strings; /* [0] is "" */
};

static const char *string_at(const struct loading *l, uint64_t n) { return n < l->strings.n ? l->strings.at[n] : ""; }

static void add_string(struct loading *l, const struct snapshot_record *r)
{
	if (l->strings.n < STRINGS_MAX)
		*array_push(&l->strings) = arena_text(&l->m->texts, r->text, r->text_bytes);
}

/* A number of pages from `addr` on, within the address space. */
static uint64_t end_of(uint64_t addr, uint64_t pages)
{
	uint64_t room = (PT_ADDRESS_MASK >> PAGE_BITS) - (addr >> PAGE_BITS);

	return addr + ((pages < room ? pages : room) << PAGE_BITS);
}

static void add_area(struct loading *l, const struct snapshot_record *r)
{
	uint64_t start = r->address & PT_ADDRESS_MASK & ~UINT64_C(0xfff), at = start, run_end;
	struct pt_reader runs = r->at_edges;
	struct mapped_area area = { .start = start, .end = end_of(start, r->bytes), .flags = (unsigned)r->flags };

	area.file = string_at(l, r->string);
	for (uint64_t i = 0; i < r->n_edges && at < area.end; i++, at = run_end) {
		run_end = end_of(at, pt_get_varint(&runs));
		if (run_end > area.end)
			run_end = area.end;
		if (i % 2 || run_end == at)
			continue;
		*array_push(&l->m->resident) = (struct mapped_range){ at, run_end };
		area.resident_bytes += run_end - at;
	}
	if (area.end > area.start)
		*array_push(&l->m->areas) = area;
}

static void add_fact(struct loading *l, const struct snapshot_record *r)
{
	const char *key = string_at(l, r->string);
	uint64_t start;

	if (strncmp(key, "tracer ", 7) != 0) {
		*array_push(&l->m->facts) = (struct mapped_fact){ key, r->number };
		return;
	}
	start = strtoull(key + 7, NULL, 16) & PT_ADDRESS_MASK & ~UINT64_C(0xfff);
	*array_push(&l->m->tracer) =
		(struct mapped_range){ start, end_of(start, (r->number >> PAGE_BITS) + !!(r->number & 0xfff)) };
}

/* False when there is no more to come. */
static bool read_piece(struct loading *l, const uint8_t *data, size_t len)
{
	struct snapshot_cursor c = { .r = { .at = data, .end = data + len } };
	struct snapshot_record r;
	int ret;

	while ((ret = snapshot_next(&c, &r)) > 0) {
		switch (r.kind) {
		case PT_RECORD_STRING: add_string(l, &r); break;
		case PT_RECORD_AREA: add_area(l, &r); break;
		case PT_RECORD_FACT: add_fact(l, &r); break;
		case PT_RECORD_OBJECT: return false;
		default: break;
		}
	}
	return ret == 0;
}

static int by_start(const void *left, const void *right)
{
	const struct mapped_range *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static int area_by_start(const void *left, const void *right)
{
	const struct mapped_area *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

/* Drops what overlaps: the kernel has no such areas. */
static void sort_areas(struct mapped *m)
{
	size_t n = 0;

	if (m->areas.n)
		qsort(m->areas.at, m->areas.n, sizeof *m->areas.at, area_by_start);
	for (size_t i = 0; i < m->areas.n; i++)
		if (!n || m->areas.at[i].start >= m->areas.at[n - 1].end)
			m->areas.at[n++] = m->areas.at[i];
	m->areas.n = n;
}

/* Sorted, and each page once. */
static void sort_resident(struct mapped *m)
{
	size_t n = 0;

	if (m->resident.n)
		qsort(m->resident.at, m->resident.n, sizeof *m->resident.at, by_start);
	for (size_t i = 0; i < m->resident.n; i++) {
		struct mapped_range r = m->resident.at[i];

		if (n && r.start <= m->resident.at[n - 1].end) {
			if (r.end > m->resident.at[n - 1].end)
				m->resident.at[n - 1].end = r.end;
			continue;
		}
		m->resident.at[n++] = r;
	}
	m->resident.n = n;
}

void mapped_load(struct mapped *m, const struct trace *t, const struct snapshot *s)
{
	struct unpacker *u = unpack_new();
	struct loading l = { .m = m };
	const uint8_t *data;
	size_t len;

	*m = (struct mapped){ 0 };
	*array_push(&l.strings) = "";
	for (size_t i = 0; i < s->n_pieces; i++)
		if (unpack_payload(u, t, s->pieces[i], &data, &len) || !read_piece(&l, data, len))
			break;
	sort_areas(m);
	sort_resident(m);
	m->snapshot = m->areas.n ? s->number : 0;
	array_free(&l.strings);
	unpack_free(u);
}

void mapped_free(struct mapped *m)
{
	array_free(&m->areas);
	array_free(&m->resident);
	array_free(&m->tracer);
	array_free(&m->facts);
	arena_free(&m->texts);
}

const struct mapped_area *mapped_find(const struct mapped *m, uint64_t addr)
{
	size_t low = 0, high = m->areas.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->areas.at[mid].end > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low < m->areas.n && m->areas.at[low].start <= addr ? &m->areas.at[low] : NULL;
}

bool mapped_fact(const struct mapped *m, const char *key, uint64_t *ret_value)
{
	for (size_t i = 0; i < m->facts.n; i++) {
		if (!strcmp(m->facts.at[i].key, key)) {
			*ret_value = m->facts.at[i].value;
			return true;
		}
	}
	return false;
}
