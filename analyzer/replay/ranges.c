/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/replay/ranges.h"

#include <string.h>

/* The first piece that ends beyond addr. */
static size_t first_beyond(const struct ranges *r, uint64_t addr)
{
	size_t low = 0, high = r->at.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->at.at[mid].end > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* Replaces n_old pieces at `i` by `n_new` ones. */
static void splice(struct ranges *r, size_t i, size_t n_old, const struct range *new, size_t n_new)
{
	array_reserve(&r->at, r->at.n + n_new);
	if (i + n_old < r->at.n)
		memmove(r->at.at + i + n_new, r->at.at + i + n_old, (r->at.n - i - n_old) * sizeof *r->at.at);
	for (size_t k = 0; k < n_new; k++)
		r->at.at[i + k] = new[k];
	r->at.n += n_new - n_old;
}

void ranges_add(struct ranges *r, uint64_t start, uint64_t end, const struct mapping *m)
{
	uint32_t i = r->first_free ? r->first_free - 1 : (uint32_t)r->mappings.n;

	if (r->first_free)
		r->first_free = r->mappings.at[i].next_free;
	else
		array_push(&r->mappings);
	r->mappings.at[i] = *m;
	r->mappings.at[i].pieces = 1;
	r->mappings.at[i].held = 0;
	splice(r, first_beyond(r, start), 0, &(struct range){ start, end, i }, 1);
}

void ranges_cut(struct ranges *r, uint64_t start, uint64_t end)
{
	size_t first = first_beyond(r, start), i = first, n_left = 0;
	struct range left[2];

	r->cuts.n = 0;
	for (; i < r->at.n && r->at.at[i].start < end; i++) {
		const struct range *p = &r->at.at[i];
		struct range gone = { p->start > start ? p->start : start, p->end < end ? p->end : end, p->mapping };
		struct mapping *m = &r->mappings.at[p->mapping];

		if (p->start < gone.start)
			left[n_left++] = (struct range){ p->start, gone.start, p->mapping };
		if (gone.end < p->end)
			left[n_left++] = (struct range){ gone.end, p->end, p->mapping };
		m->pieces += (uint32_t)(p->start < gone.start) + (uint32_t)(gone.end < p->end) - 1;
		m->held++;
		*array_push(&r->cuts) = (struct cut){ gone, m->pieces == 0 };
	}
	splice(r, first, i - first, left, n_left);
}

void ranges_forget(struct ranges *r, const struct cut *c)
{
	struct mapping *m = &r->mappings.at[c->range.mapping];

	if (--m->held || m->pieces)
		return;
	m->next_free = r->first_free;
	r->first_free = c->range.mapping + 1;
}

bool ranges_restore(struct ranges *r, const struct cut *c)
{
	size_t i = first_beyond(r, c->range.start);
	struct mapping *m = &r->mappings.at[c->range.mapping];

	if (i < r->at.n && r->at.at[i].start < c->range.end) {
		ranges_forget(r, c);
		return false;
	}
	splice(r, i, 0, &c->range, 1);
	m->pieces++;
	m->held--;
	return true;
}

void ranges_free(struct ranges *r)
{
	array_free(&r->at);
	array_free(&r->mappings);
	array_free(&r->cuts);
}
