/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/growth/marks.h"
#include "analyzer/base/mem.h"
#include "formats/block.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_FAMILIES 4 /* when borders become too many */
#define LABEL_BYTES   200

/* Runs of digits become one '#'. */
static void family_label(const char *label, bool region, char *buf, size_t cap)
{
	size_t n = 0;

	for (; *label && n + 2 < cap; label++) {
		bool digit = *label >= '0' && *label <= '9';

		if (digit && n && buf[n - 1] == '#')
			continue;
		buf[n++] = digit ? '#' : *label;
	}
	buf[n++] = region ? 'r' : 'm'; /* a region and a mark of one label are two families */
	buf[n] = 0;
}

static uint32_t family_of(struct marks *m, const char *label, bool region)
{
	char text[LABEL_BYTES];
	uint32_t *at;
	size_t len;

	family_label(label, region, text, sizeof text);
	len = strlen(text);
	at = map_at(&m->by_label, pt_xxh3(text, len));
	if (*at == MAP_NONE) {
		*at = (uint32_t)m->families.n;
		*array_push(&m->families) = (struct mark_family){ .label = strings_add(&m->labels, text, len - 1),
								  .region = region,
								  .stride = 1 };
	}
	return *at;
}

bool marks_note(struct marks *m, const char *label, bool region, struct mark_border **ret_border)
{
	uint32_t i = family_of(m, label, region);
	struct mark_family *f = &m->families.at[i];

	f->n++;
	if (!f->stride || f->n % f->stride)
		return false;
	*ret_border = array_push(&m->borders);
	**ret_border = (struct mark_border){ .family = i, .number = f->n };
	return true;
}

static int by_number(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a < b) - (a > b);
}

/* Marks that a family must have to be among those with most; families with as many are all kept. */
static uint64_t enough(const struct marks *m)
{
	uint64_t *n = mem_alloc((m->families.n + 1) * sizeof *n), least;

	for (size_t i = 0; i < m->families.n; i++)
		n[i] = m->families.at[i].n;
	qsort(n, m->families.n, sizeof *n, by_number);
	least = m->families.n > KEPT_FAMILIES ? n[KEPT_FAMILIES - 1] : 2;
	free(n);
	return least > 2 ? least : 2;
}

void marks_thin(struct marks *m)
{
	uint64_t least = enough(m);
	size_t n = 0;

	for (size_t i = 0; i < m->families.n; i++) {
		struct mark_family *f = &m->families.at[i];

		f->stride = f->n >= least ? f->stride * 2 : 0;
	}
	for (size_t i = 0; i < m->borders.n; i++) {
		const struct mark_border *b = &m->borders.at[i];
		uint64_t stride = m->families.at[b->family].stride;

		if (stride && b->number % stride == 0)
			m->borders.at[n++] = *b;
	}
	m->borders.n = n;
}

void marks_free(struct marks *m)
{
	strings_free(&m->labels);
	array_free(&m->families);
	array_free(&m->borders);
	map_free(&m->by_label);
}
