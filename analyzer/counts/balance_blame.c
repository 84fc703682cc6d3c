/* SPDX-License-Identifier: Apache-2.0 */
/* balance_blame: which candidates of a case were to blame for it */
#include "analyzer/counts/balance_parts.h"

#include <stdlib.h>

enum { NEAR = 64 /* candidates around one that may be of its call */ };

/* Whether a call that it is part of took more than one reference that it did not give: who keeps two references to one
 * object keeps one too many. */
static bool is_one_of_several(const struct judge *j, const struct object_case *is, size_t i)
{
	const struct candidate *c = &j->candidates.at[i];

	for (size_t k = i; k-- > is->first && j->candidates.at[k].once == c->once;) {
		if (j->candidates.at[k].role == ROLE_TAKE)
			return c->role == ROLE_TAKE;
	}
	for (size_t k = i + 1; k < is->first + is->n && j->candidates.at[k].once == c->once; k++) {
		if (j->candidates.at[k].role == ROLE_TAKE)
			return c->role == ROLE_TAKE;
	}
	return false;
}

static void blame(struct judge *j, const struct object_case *is, struct candidate *c)
{
	struct balance_row *row = &j->b->rows.at[c->row];
	struct record *record = &j->records.at[c->row];
	bool take = is->surplus > 0, again = record->last_bad == is->history + 1;

	c->blamed = true;
	balance_spot(j, c->row, c->node)->bad[c->role <= ROLE_CAME]++;
	record->last_bad = is->history + 1;
	row->first_ns = row->leaked + row->over ? row->first_ns : c->ns;
	row->last_ns = c->ns;
	row->example = row->example == UINT32_MAX ? is->history : row->example;
	row->node = c->node;
	row->leaked += take;
	row->over += !take;
	row->leaked_objects += take && !again;
	row->over_objects += !take && !again;
	row->guessed += take && is->guessed;
	row->called |= c->role == ROLE_CAME;
	row->twice += take && is_one_of_several(j, is, (size_t)(c - j->candidates.at));
	record->bad_now = again ? record->bad_now + 1 : 1;
	row->most = take && record->bad_now > row->most ? record->bad_now : row->most;
	row->alone += take && !again && is->alone;
}

static int64_t count_role(const struct judge *j, const struct object_case *is, enum role role)
{
	int64_t n = 0;

	for (size_t i = is->first; i < is->first + is->n; i++)
		n += j->candidates.at[i].role == role && !j->candidates.at[i].blamed;
	return n;
}

/* Rates a candidate: the one with the most is the first to blame. */
static int rate(const struct judge *j, const struct object_case *is, size_t i)
{
	static const uint8_t by_how[PAIR_HOWS] = {
		[PAIR_NONE] = 5,  [PAIR_LATER] = 4,   [PAIR_HOLDER] = 4,
		[PAIR_TAKEN] = 3, [PAIR_DROPPED] = 2, [PAIR_STORED] = 1,
	};
	const struct candidate *c = &j->candidates.at[i];
	const struct record *r = &j->records.at[c->row];
	int known = r->sure_bad && !r->sure_fine ? 2 : r->sure_bad || !r->sure_fine ? 1 : 0;

	return known * 16 + is_one_of_several(j, is, i) * 8 + by_how[c->how];
}

/* A candidate in the order in which they are blamed. */
struct suspect {
	int rated;
	size_t index; /* of a take; of a give the number that makes the last one the first */
	size_t candidate;
};

static int likelier_first(const void *a, const void *b)
{
	const struct suspect *x = a, *y = b;

	if (x->rated != y->rated)
		return x->rated > y->rated ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Those of a role that are not blamed yet, the likeliest first: of equal ones the first take, the last give. Returns
 * how many; the caller frees. */
static size_t line_up(const struct judge *j, const struct object_case *is, enum role role, struct suspect **ret)
{
	struct suspect *list = mem_alloc((is->n + 1) * sizeof *list);
	size_t n = 0;

	for (size_t i = is->first; i < is->first + is->n; i++) {
		const struct candidate *c = &j->candidates.at[i];

		if (c->role == role && !c->blamed)
			list[n++] = (struct suspect){ rate(j, is, i), role >= ROLE_GIVE ? SIZE_MAX - i : i, i };
	}
	if (n)
		qsort(list, n, sizeof *list, likelier_first);
	*ret = list;
	return n;
}

/* Within one call an explicit take is more likely one too many than a new reference from a function; not so where
 * objects without a choice show that such are given back in other calls. */
static struct candidate *more_direct(const struct judge *j, const struct object_case *is, size_t than)
{
	struct candidate *c = &j->candidates.at[than];
	size_t first = than - is->first > NEAR ? than - NEAR : is->first;
	size_t end = is->first + is->n - than > NEAR ? than + NEAR : is->first + is->n;

	for (size_t i = first; !c->direct && i < end; i++) {
		struct candidate *d = &j->candidates.at[i];

		if (d->role == c->role && d->direct && !d->blamed && d->call == c->call &&
		    (d->how != PAIR_STORED || !j->records.at[d->row].sure_fine))
			return d;
	}
	return c;
}

/* Blames `n` of a role, or all when there are no more. Returns how many are still to be blamed. */
static int64_t blame_some(struct judge *j, const struct object_case *is, enum role role, int64_t n)
{
	struct suspect *list;
	size_t n_list = n > 0 ? line_up(j, is, role, &list) : 0;

	if (n <= 0)
		return 0;
	for (size_t i = 0; i < n_list && n > 0; i++) {
		struct candidate *c = &j->candidates.at[list[i].candidate];

		if (c->blamed)
			continue;
		blame(j, is, role == ROLE_TAKE ? more_direct(j, is, list[i].candidate) : c);
		n--;
		i -= !c->blamed; /* another one took its place: it is still to be looked at */
	}
	free(list);
	return n;
}

/* Whether a case leaves no choice; if so it is decided. */
static bool decide_sure(struct judge *j, const struct object_case *is)
{
	enum role role = is->surplus > 0 ? ROLE_TAKE : ROLE_GIVE;
	int64_t wanted = is->surplus > 0 ? is->surplus : -is->surplus;

	if (count_role(j, is, role) > wanted)
		return false;
	for (size_t i = is->first; i < is->first + is->n; i++)
		j->records.at[j->candidates.at[i].row].sure_bad += j->candidates.at[i].role == role;
	return true;
}

static void decide(struct judge *j, const struct object_case *is)
{
	if (is->surplus > 0) {
		int64_t left = blame_some(j, is, ROLE_TAKE, is->surplus);

		j->b->surplus += (uint64_t)is->surplus;
		j->b->unexplained += (uint64_t)blame_some(j, is, ROLE_CAME, left);
	} else {
		int64_t left = blame_some(j, is, ROLE_GIVE, -is->surplus);

		j->b->missing += (uint64_t)-is->surplus;
		left = blame_some(j, is, ROLE_PAIRED, left);
		blame_some(j, is, ROLE_TAKE, left);
	}
}

void balance_decide(struct judge *j)
{
	uint8_t *sure = mem_zero(j->cases.n + 1, 1);

	for (size_t i = 0; i < j->cases.n; i++)
		sure[i] = decide_sure(j, &j->cases.at[i]);
	for (int pass = 1; pass >= 0; pass--) {
		for (size_t i = 0; i < j->cases.n; i++) {
			if (sure[i] == pass)
				decide(j, &j->cases.at[i]);
		}
	}
	free(sure);
}
