/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the steps, which balance_parts.h names; and last the verdicts of rows. */
#include "analyzer/counts/balance_parts.h"
#include "analyzer/heap/garbage.h"

#include <stdlib.h>
#include <string.h>

enum {
	MANY_OF_ONE = 3,   /* references to one object that are no longer on purpose */
	MANY_OBJECTS = 10, /* objects, or ... */
	SOME_OBJECTS = 10, /* ... one in so many */
	MOST_ROUNDS = 4,   /* of looking for functions that hand out */
	SOME_STORED = 20,  /* takes, one in so many of which other calls give back: its owner holds references */
};

/* ---- verdicts ---- */

/* Greenlets: the stacks of those that wait are put aside, with the references that their frames hold. */
static bool has_greenlets(const struct defs *d)
{
	for (size_t i = 0; i < d->tasks.at.n; i++) {
		if (d->tasks.at.at[i].kind == PT_TASK_GREENLET)
			return true;
	}
	return false;
}

/* Whether what a row keeps is more than somebody would keep on purpose. */
static bool is_leak(const struct judge *j, const struct balance_row *r)
{
	bool greenlets = has_greenlets(j->o->defs);

	if (r->guessed * 2 > r->leaked)
		return false;
	if (r->how[PAIR_STORED] * SOME_STORED > r->takes)
		return r->alone >= MANY_OBJECTS && r->twice * 10 >= r->leaked * 9 && !greenlets;
	if (r->most >= MANY_OF_ONE && !greenlets)
		return true;
	return r->alone >= 2 && (r->leaked_objects >= MANY_OBJECTS || r->leaked_objects * SOME_OBJECTS >= r->objects);
}

static enum balance_verdict verdict_of(const struct judge *j, const struct balance_row *r)
{
	if (r->over > r->leaked)
		return BALANCE_OVER;
	if (!r->leaked)
		return BALANCE_FINE;
	return is_leak(j, r) && !owner_of(j->o, r->owner.node)->import ? BALANCE_LEAK : BALANCE_UNDECIDED;
}

static uint64_t how_bad(const struct balance_row *r) { return r->leaked > r->over ? r->leaked : r->over; }

static int worse_first(const void *a, const void *b)
{
	const struct balance_row *x = a, *y = b;
	uint64_t bad_x = how_bad(x), bad_y = how_bad(y);

	if (x->verdict != y->verdict)
		return x->verdict < y->verdict ? -1 : 1;
	if (bad_x != bad_y)
		return bad_x > bad_y ? -1 : 1;
	if (x->takes + x->gives != y->takes + y->gives)
		return x->takes + x->gives > y->takes + y->gives ? -1 : 1;
	return x->owner.node < y->owner.node ? -1 : x->owner.node > y->owner.node;
}

static int more_first(const void *a, const void *b)
{
	const struct partner *x = a, *y = b;

	return x->is.n != y->is.n ? (x->is.n > y->is.n ? -1 : 1) : x->is.at.node < y->is.at.node ? -1 : 1;
}

static void add_partners(struct judge *j)
{
	if (j->partners.n)
		qsort(j->partners.at, j->partners.n, sizeof *j->partners.at, more_first);
	for (size_t i = 0; i < j->partners.n; i++) {
		struct balance_row *row = &j->b->rows.at[j->partners.at[i].row];
		unsigned k = 0;

		while (k < BALANCE_PARTNERS && row->partners[k].n)
			k++;
		if (k < BALANCE_PARTNERS)
			row->partners[k] = j->partners.at[i].is;
	}
}

/* ---- all ---- */

/* Pointers in objects that are no known references may be some: in doubt they hold it. */
static int32_t *surplus_by_object(const struct heap *h)
{
	int32_t *surplus = garbage_surplus(h);

	for (size_t i = 0; i < h->raws.n; i++) {
		object_id target = h->raws.at[i].target;

		if (target != HEAP_NONE && surplus[target] > 0)
			surplus[target]--;
	}
	return surplus;
}

static void judge_free(struct judge *j)
{
	map_free(&j->by_line);
	map_free(&j->by_partner);
	map_free(&j->by_spot);
	array_free(&j->records);
	array_free(&j->partners);
	array_free(&j->spots);
	array_free(&j->candidates);
	array_free(&j->cases);
}

/* All, as far as it is known who hands out. Returns how many more that does. */
static unsigned judge_all(struct judge *j)
{
	unsigned n;

	for (uint32_t i = 0; i < j->b->histories->at.n; i++) {
		if (!history_is_none(&j->b->histories->at.at[i]))
			balance_take(j, i);
	}
	balance_decide(j);
	n = balance_find_handing(j);
	add_partners(j);
	for (size_t i = 0; i < j->b->rows.n; i++)
		j->b->rows.at[i].verdict = (uint8_t)verdict_of(j, &j->b->rows.at[i]);
	if (j->b->rows.n)
		qsort(j->b->rows.at, j->b->rows.n, sizeof *j->b->rows.at, worse_first);
	return n;
}

void balance_make(struct balance *b, const struct histories *h, const struct owners *o, const struct heap *heap)
{
	int32_t *surplus = heap ? surplus_by_object(heap) : NULL;
	struct map handing = { 0 };

	*b = (struct balance){ 0 };
	for (unsigned round = 1, more = 1; more && round <= MOST_ROUNDS; round++) {
		struct judge j = { .b = b, .o = o, .heap = heap, .surplus = surplus, .handing = &handing };

		balance_free(b);
		*b = (struct balance){ .histories = h, .owners = o };
		more = judge_all(&j);
		judge_free(&j);
	}
	map_free(&handing);
	free(surplus);
}

void balance_free(struct balance *b)
{
	array_free(&b->rows);
	*b = (struct balance){ 0 };
}
