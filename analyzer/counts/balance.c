/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three steps. Each history is paired, its changes are counted to the rows of their lines, and those that may be to
 * blame are kept (candidates of a case, an object out of balance). Then the cases that leave no choice are decided;
 * then the others, by what the first ones told. Last, rows get their verdicts.
 */
#include "analyzer/counts/balance.h"
#include "analyzer/heap/garbage.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MANY_OF_ONE = 3,   /* references to one object that are no longer on purpose */
	MANY_OBJECTS = 10, /* objects, or ... */
	SOME_OBJECTS = 10, /* ... one in so many */
	NEAR = 64,         /* candidates around one that may be of its call */
	MOST_ROUNDS = 4,   /* of looking for functions that hand out */
	SOME_STORED = 20,  /* takes, one in so many of which other calls give back: its owner holds references */
};

/* A change that may be to blame. */
enum role {
	ROLE_TAKE,   /* an extension's, which no give of its call answers */
	ROLE_CAME,   /* Python's, inside a call by an extension: perhaps left to that */
	ROLE_GIVE,   /* an extension's, which answers no take of its call */
	ROLE_PAIRED, /* likewise, which does answer one */
};

struct candidate {
	uint64_t ns;
	uint64_t call; /* number of the call from Python that it is part of */
	uint32_t once; /* number of the time that it was called: equal for changes that follow each other */
	uint32_t row;
	node_id node;
	uint8_t role; /* enum role */
	uint8_t how;  /* enum pair_how */
	bool direct, blamed;
};

/* An object out of balance. */
struct object_case {
	int64_t surplus;
	size_t first, n; /* of candidates */
	uint32_t history;
	bool guessed;
	bool alone; /* nothing else refers to it */
};

/* What is known of a row from objects that leave no choice. */
struct record {
	uint64_t sure_bad, sure_fine;
	uint32_t last_object; /* index of the history counted last, + 1 */
	uint32_t last_bad;
	uint64_t bad_now; /* of that one */
};

struct partner {
	struct balance_partner is;
	uint32_t row;
};

/* The changes of a row with one stack. */
struct spot {
	uint32_t row;
	node_id node;
	uint64_t n[2], bad[2]; /* gives, takes */
};

struct judge {
	struct balance *b;
	const struct owners *o;
	const struct heap *heap;
	int32_t *surplus; /* by object of the heap */
	struct map by_line, by_partner, by_spot;
	struct map *handing;          /* lines of functions that hand out references: their callers are the owners */
	ARRAY(struct record) records; /* by row */
	ARRAY(struct partner) partners;
	ARRAY(struct spot) spots;
	ARRAY(struct candidate) candidates;
	ARRAY(struct object_case) cases;
};

/* ---- rows ---- */

/* The line that a frame's changes count to. */
static struct owner_level level_of(const struct judge *j, node_id frame)
{
	struct owner_level at = owners_level(j->o, frame), caller = at;

	while (j->handing->n && map_find(j->handing, owners_line(j->o, at)) != MAP_NONE && owners_caller(j->o, &caller))
		at = caller;
	return at;
}

static uint32_t row_of(struct judge *j, node_id frame, node_id node, uint32_t type)
{
	struct owner_level owner = level_of(j, frame);
	uint64_t line = owners_line(j->o, owner);
	uint32_t *at = map_at(&j->by_line, map_mix(line ^ map_mix(type + UINT64_C(1))));

	if (*at == MAP_NONE) {
		*at = (uint32_t)j->b->rows.n;
		*array_push(&j->b->rows) = (struct balance_row){
			.verdict = BALANCE_FINE, .type = type, .owner = owner, .node = node, .example = UINT32_MAX
		};
		*array_push(&j->records) = (struct record){ 0 };
	}
	return *at;
}

static void count_partner(struct judge *j, uint32_t row, node_id frame, uint8_t how)
{
	struct owner_level level = level_of(j, frame);
	uint64_t key = map_mix(owners_line(j->o, level) ^ map_mix((uint64_t)row << 8 | how));
	uint32_t *at = map_at(&j->by_partner, key);

	if (*at == MAP_NONE) {
		*at = (uint32_t)j->partners.n;
		*array_push(&j->partners) = (struct partner){ .is = { .at = level, .how = how }, .row = row };
	}
	j->partners.at[*at].is.n++;
}

static struct spot *spot_of(struct judge *j, uint32_t row, node_id node)
{
	uint32_t *at = map_at(&j->by_spot, (uint64_t)row << 32 | node);

	if (*at == MAP_NONE) {
		*at = (uint32_t)j->spots.n;
		*array_push(&j->spots) = (struct spot){ .row = row, .node = node };
	}
	return &j->spots.at[*at];
}

static node_id owner_frame(const struct owner *w) { return w->frame ? w->frame : w->python; }

/* Counts a change. Returns its row. */
static uint32_t count_change(struct judge *j, const struct pairs *p, const struct pair_change *c, uint32_t history)
{
	const struct owner *w = owner_of(j->o, c->node);
	uint32_t at = row_of(j, owner_frame(w), c->node, j->b->histories->at.at[history].type);
	struct balance_row *row = &j->b->rows.at[at];
	struct record *record = &j->records.at[at];

	row->takes += c->take;
	row->gives += !c->take;
	row->direct |= w->direct;
	row->how[c->how]++;
	spot_of(j, at, c->node)->n[c->take]++;
	row->objects += record->last_object != history + 1;
	record->last_object = history + 1;
	if (c->mate != PAIR_ALONE)
		count_partner(j, at, owner_frame(owner_of(j->o, p->at.at[c->mate].node)), c->how);
	return at;
}

/* ---- how an object ended ---- */

enum ended { ENDED_DIED, ENDED_KNOWN, ENDED_GUESSED, ENDED_UNKNOWN };

/* What is left of an object at the end. */
struct remains {
	enum ended ended;
	int64_t surplus;
	bool exact; /* no container can hold it that the snapshot does not show */
	bool alone;
};

static struct remains remains_of(const struct judge *j, const struct history *h)
{
	bool to_the_end = h->end == PT_UNWATCH_END || h->end == 0;
	struct remains r = { .ended = ENDED_UNKNOWN };
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
		r = (struct remains){ .ended = ENDED_KNOWN, .surplus = h->count, .alone = true };
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
		row = row_of(j, w->outer, c->node, j->b->rows.at[row].type);
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

static int64_t surplus_left(const struct judge *j, const struct remains *r, const struct pairs *p, size_t first)
{
	int64_t left = r->surplus;

	if (r->ended == ENDED_GUESSED)
		return guess(j, first);
	if (left > 0)
		left -= moved(j, p, r->exact);
	return r->surplus > 0 && left < 0 ? 0 : left;
}

static void take_history(struct judge *j, uint32_t index)
{
	const struct history *h = &j->b->histories->at.at[index];
	struct object_case is = { .first = j->candidates.n, .history = index };
	struct remains r = remains_of(j, h);
	uint64_t last = 0;
	uint32_t once = 0;
	struct pairs p;

	pairs_make(&p, h, j->o);
	for (size_t i = 0; i < p.at.n; i++) {
		uint32_t row = count_change(j, &p, &p.at.at[i], index);
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

/* ---- who it was ---- */

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
	spot_of(j, c->row, c->node)->bad[c->role <= ROLE_CAME]++;
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

static void decide_all(struct judge *j)
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

/* ---- who hands out ---- */

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
		at = level_of(c->j, owner_frame(owner_of(c->j->o, s->node)));
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
		at = level_of(c->j, owner_frame(owner_of(c->j->o, s->node)));
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
static unsigned find_handing(struct judge *j)
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
			take_history(j, i);
	}
	decide_all(j);
	n = find_handing(j);
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
