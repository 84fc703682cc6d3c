/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balance_handing: lines that hand out references, of which their callers are the owners
 *
 * What such a line takes is lost for some of its callers and never for others.
 */
#include "analyzer/counts/balance_parts.h"

#include <stdlib.h>

/* What a row's changes are when told apart by the lines that called it. */
struct group {
	uint64_t line, n, bad;
};

enum { MOST_GROUPS = 64, MOST_CALLERS = 8 };

struct climb {
	struct judge *j;
	const struct spot *spots; /* of the row */
	size_t n_spots;
	bool take;
	unsigned n_groups;
	struct group groups[MOST_GROUPS];
};

static bool add_to_group(struct climb *c, uint64_t line, const struct spot *s)
{
	unsigned i = 0;

	while (i < c->n_groups && c->groups[i].line != line)
		i++;
	if (i == MOST_GROUPS)
		return false;
	if (i == c->n_groups)
		c->groups[c->n_groups++] = (struct group){ .line = line };
	c->groups[i].n += s->n[c->take];
	c->groups[i].bad += s->bad[c->take];
	return true;
}

/* Puts the changes of the row into groups by the line that is `up` calls outwards. False: not all have one. */
static bool group_by_caller(struct climb *c, unsigned up)
{
	c->n_groups = 0;
	for (size_t i = 0; i < c->n_spots; i++) {
		const struct spot *s = &c->spots[i];
		struct owner_level at;

		if (!s->n[c->take])
			continue;
		at = balance_level(c->j, balance_owner_frame(owner_of(c->j->o, s->node)));
		for (unsigned k = 0; k < up; k++) {
			if (!owners_caller(c->j->o, &at))
				return false;
		}
		if (!add_to_group(c, owners_line(c->j->o, at), s))
			return false;
	}
	return true;
}

/* Whether some groups lose nearly all and the others nothing. */
static bool tells_apart(const struct climb *c)
{
	bool clean = false;

	for (unsigned i = 0; i < c->n_groups; i++) {
		if (c->groups[i].bad * 10 < c->groups[i].n * 9 && c->groups[i].bad)
			return false;
		clean |= !c->groups[i].bad;
	}
	return clean;
}

/* The lines of the row, up to the callers that are to be told apart, hand out. */
static void add_handing(struct climb *c, unsigned up)
{
	for (size_t i = 0; i < c->n_spots; i++) {
		const struct spot *s = &c->spots[i];
		struct owner_level at;

		if (!s->n[c->take])
			continue;
		at = balance_level(c->j, balance_owner_frame(owner_of(c->j->o, s->node)));
		for (unsigned k = 0; k < up; k++) {
			*map_at(c->j->handing, owners_line(c->j->o, at)) = 1;
			owners_caller(c->j->o, &at);
		}
	}
}

/* Whether a row turns out not to be the owner of what it takes or gives. */
static bool hands_out(struct climb *c)
{
	for (unsigned up = 1; up <= MOST_CALLERS && group_by_caller(c, up); up++) {
		if (c->n_groups < 2)
			continue;
		if (!tells_apart(c))
			return false;
		add_handing(c, up);
		return true;
	}
	return false;
}

static int by_row(const void *a, const void *b)
{
	const struct spot *x = a, *y = b;

	return x->row != y->row ? (x->row < y->row ? -1 : 1) : x->node < y->node ? -1 : x->node > y->node;
}

/* Finds rows that hand out. Returns how many. */
unsigned balance_find_handing(struct judge *j)
{
	unsigned n = 0;

	if (j->spots.n)
		qsort(j->spots.at, j->spots.n, sizeof *j->spots.at, by_row);
	for (size_t i = 0, end; i < j->spots.n; i = end) {
		const struct balance_row *r = &j->b->rows.at[j->spots.at[i].row];
		struct climb c = { .j = j, .spots = &j->spots.at[i], .take = r->leaked >= r->over };

		for (end = i; end < j->spots.n && j->spots.at[end].row == j->spots.at[i].row; end++)
			c.n_spots++;
		n += r->leaked + r->over && hands_out(&c);
	}
	return n;
}
