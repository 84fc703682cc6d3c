/* SPDX-License-Identifier: Apache-2.0 */
/* balance_cases: objects out of balance, each with the changes that may be to blame for it */
#include "analyzer/counts/balance_parts.h"

/* ---- how an object ended ---- */

enum ended { ENDED_DIED, ENDED_KNOWN, ENDED_GUESSED, ENDED_UNKNOWN };

/* What is left of an object at the end. */
struct left_over {
	enum ended ended;
	int64_t surplus;
	bool exact; /* no container can hold it that the snapshot does not show */
	bool alone;
};

static struct left_over left_over_of(const struct judge *j, const struct history *h)
{
	bool to_the_end = h->end == PT_UNWATCH_END || h->end == 0;
	struct left_over r = { .ended = ENDED_UNKNOWN };
	object_id object;

	if (h->block.moved) {
		r.ended = ENDED_UNKNOWN; /* it went on elsewhere */
	} else if (history_died(h) || h->block.died_ns != UINT64_MAX) {
		r.ended = ENDED_DIED; /* perhaps at the interpreter's end: what is lost does not die then either */
	} else if (!j->heap || h->ns > j->heap->ns) {
		r.ended = to_the_end ? ENDED_GUESSED : ENDED_UNKNOWN;
	} else if (h->end == PT_UNWATCH_IMMORTAL) {
		r.ended = ENDED_UNKNOWN;
	} else if ((object = heap_find(j->heap, h->object)) != HEAP_NONE) {
		r.ended = j->heap->flags[object] & (PT_OBJECT_UNREADABLE | PT_OBJECT_IMMORTAL) ? ENDED_UNKNOWN
											       : ENDED_KNOWN;
		r.surplus = j->surplus[object];
		r.exact = j->heap->flags[object] & PT_OBJECT_TRACKED;
		r.alone = r.surplus >= (int64_t)j->heap->refcount[object];
	} else if (j->heap->complete && h->count > 0 && h->block.address) {
		/* the collector does not know it, and nothing that is known refers to it */
		r = (struct left_over){ .ended = ENDED_KNOWN, .surplus = h->count, .alone = true };
	}
	return r;
}

/* ---- candidates ---- */

/* What a change could be guilty of; false: of nothing. */
static bool role_of(const struct pair_change *c, const struct owner *w, uint8_t *ret)
{
	bool firm = pair_is_firm(c->how);

	if (w->frame)
		*ret = c->take ? ROLE_TAKE : firm ? ROLE_PAIRED : ROLE_GIVE;
	else
		*ret = ROLE_CAME;
	return w->frame ? !firm || (!c->take && w->direct) : c->take && !firm && w->outer;
}

/* The call from Python that a change is part of; of Python's own inside an extension's call, that. */
static uint64_t call_of(const struct judge *j, const struct owner *w)
{
	return owners_call(j->o, w->frame ? w->entry : w->outer);
}

static void add_candidate(struct judge *j, const struct pair_change *c, uint32_t row, uint32_t once)
{
	const struct owner *w = owner_of(j->o, c->node);
	uint8_t role;

	if (!role_of(c, w, &role))
		return;
	if (role == ROLE_CAME)
		row = balance_row_of(j, w->outer, c->node, j->b->rows.at[row].type);
	*array_push(&j->candidates) = (struct candidate){
		.ns = c->ns,
		.call = call_of(j, w),
		.once = once,
		.row = row,
		.node = c->node,
		.role = role,
		.how = c->how,
		.direct = w->direct,
	};
}

/* Takes of an object that is in balance: what they left open was all right. */
static void acquit(struct judge *j, size_t first)
{
	for (size_t i = first; i < j->candidates.n; i++)
		j->records.at[j->candidates.at[i].row].sure_fine++;
	j->candidates.n = first;
}

/* Without a snapshot: what has found no give at all. */
static int64_t guess(const struct judge *j, size_t first)
{
	int64_t n = 0;

	for (size_t i = first; i < j->candidates.n; i++)
		n += j->candidates.at[i].role == ROLE_TAKE && j->candidates.at[i].how == PAIR_NONE;
	return n;
}

/* How many of Python's takes may be what an object without exact surplus is still held by: those that moved. Of any
 * object those count that were there before it was watched. */
static int64_t moved(const struct judge *j, const struct pairs *p, bool exact)
{
	int64_t n = 0;

	for (size_t i = 0; i < p->at.n; i++) {
		const struct pair_change *c = &p->at.at[i];

		if (c->take && !pair_is_firm(c->how) && !owner_of(j->o, c->node)->frame)
			n += c->node == NODE_EMPTY ? c->how == PAIR_NONE : !exact;
	}
	return n;
}

static int64_t surplus_left(const struct judge *j, const struct left_over *r, const struct pairs *p, size_t first)
{
	int64_t left = r->surplus;

	if (r->ended == ENDED_GUESSED)
		return guess(j, first);
	if (left > 0)
		left -= moved(j, p, r->exact);
	return r->surplus > 0 && left < 0 ? 0 : left;
}

void balance_take(struct judge *j, uint32_t index)
{
	const struct history *h = &j->b->histories->at.at[index];
	struct object_case is = { .first = j->candidates.n, .history = index };
	struct left_over r = left_over_of(j, h);
	uint64_t last = 0;
	uint32_t once = 0;
	struct pairs p;

	pairs_make(&p, h, j->o);
	for (size_t i = 0; i < p.at.n; i++) {
		uint32_t row = balance_count(j, &p, &p.at.at[i], index);
		uint64_t call = call_of(j, owner_of(j->o, p.at.at[i].node));

		once += call != last;
		last = call;
		if (r.ended != ENDED_UNKNOWN)
			add_candidate(j, &p.at.at[i], row, once);
	}
	is.surplus = surplus_left(j, &r, &p, is.first);
	pairs_free(&p);
	is.n = j->candidates.n - is.first;
	is.guessed = r.ended == ENDED_GUESSED;
	is.alone = r.alone;
	j->b->objects++;
	j->b->died += r.ended == ENDED_DIED;
	j->b->alive += r.ended != ENDED_DIED;
	j->b->judged += r.ended == ENDED_KNOWN;
	if (is.surplus)
		*array_push(&j->cases) = is;
	else
		acquit(j, is.first);
}
