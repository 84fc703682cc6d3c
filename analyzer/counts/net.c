/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/counts/net_parts.h"

#include <stdlib.h>

enum { STEADY_MAX = 12 /* times of a run after which the others must be like it */ };

/* ---- runs ---- */

/* Sums of activations that were open before a time of a run. */
struct before {
	uint64_t group;
	size_t part; /* counted from the group's first */
	int64_t sum;
};
struct befores {
	ARRAY(struct before) at;
};

static void each_part(struct work *w, void (*each)(void *self, const struct group *g, size_t i, struct net_part *p),
		      void *self)
{
	for (size_t t = 0; t < w->threads.n; t++) {
		struct open_lines *o = w->threads.at[t];

		for (size_t g = 0; g < o->groups.n; g++) {
			size_t end = g + 1 < o->groups.n ? o->groups.at[g + 1].parts : o->parts.n;

			for (size_t i = o->groups.at[g].parts; i < end; i++)
				each(self, &o->groups.at[g], i - o->groups.at[g].parts, &o->parts.at[i]);
		}
	}
}

static void note_sum(void *self, const struct group *g, size_t i, struct net_part *p)
{
	struct befores *b = self;

	*array_push(&b->at) = (struct before){ g->id, i, p->sum };
}

struct more {
	const struct befores *before;
	uint32_t times;
	int64_t grown; /* what open sums changed by */
};

static const struct before *find_before(const struct befores *b, const struct group *g, size_t part)
{
	for (size_t i = 0; i < b->at.n; i++)
		if (b->at.at[i].group == g->id && b->at.at[i].part == part)
			return &b->at.at[i];
	return NULL;
}

static bool was_open(const struct befores *b, const struct group *g)
{
	for (size_t i = 0; i < b->at.n; i++)
		if (b->at.at[i].group == g->id)
			return true;
	return false;
}

static void note_growth(void *self, const struct group *g, size_t i, struct net_part *p)
{
	struct more *m = self;
	const struct before *before = find_before(m->before, g, i);

	if (was_open(m->before, g))
		m->grown += p->sum - (before ? before->sum : 0);
}

static void add_times(void *self, const struct group *g, size_t i, struct net_part *p)
{
	struct more *m = self;
	const struct before *before = find_before(m->before, g, i);

	if (was_open(m->before, g))
		p->sum += (p->sum - (before ? before->sum : 0)) * m->times;
}

static void feed_time(struct work *w, const struct history_change *run, uint32_t time)
{
	for (unsigned i = 0; i < run->period; i++) {
		struct history_change c = run[i];

		c.ns = time ? c.last_ns : c.ns;
		c.times = c.period = 1;
		c.place = 0;
		net_feed(w, &c);
	}
}

/* Whether one more time closes as much as the last one did, and adds as much to what stays open: then all will. */
static bool is_steady(struct work *w, const struct history_change *run, size_t first, struct more *more)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < run->period; i++)
		sum -= run[i].delta;
	for (size_t i = first; i < w->entries.n; i++)
		sum += w->entries.at[i].dropped ? 0 : w->entries.at[i].c.delta;
	more->grown = 0;
	each_part(w, note_growth, more);
	return sum + more->grown == 0;
}

static void weigh(struct work *w, size_t first, struct more *more)
{
	each_part(w, add_times, more);
	w->runs++;
	for (size_t i = first; i < w->entries.n; i++) {
		w->entries.at[i].c.times = more->times + 1;
		w->entries.at[i].run = w->runs;
	}
}

/* What comes out different each time is left as it is. */
static void emit_raw(struct work *w, const struct history_change *run, uint32_t times)
{
	w->runs++;
	for (unsigned i = 0; i < run->period; i++) {
		struct history_change c = run[i];

		c.ns = c.last_ns;
		c.times = times;
		net_emit(w, &c, ++w->key);
		w->entries.at[w->entries.n - 1].run = w->runs;
	}
}

/* The first times close what was open before; soon each one is like the one before: the same activations open, go on
 * and close. Then the rest are so many of these. */
static void feed_run(struct work *w, const struct history_change *run)
{
	uint32_t time = 0;

	for (; time + 1 < NET_STEADY && time < run->times; time++)
		feed_time(w, run, time);
	while (time < run->times) {
		struct befores before = { 0 };
		struct more more = { .before = &before, .times = run->times - ++time };
		size_t first = w->entries.n;
		bool steady;

		each_part(w, note_sum, &before);
		w->floor = more.times ? first : w->floor;
		feed_time(w, run, NET_STEADY);
		steady = more.times && is_steady(w, run, first, &more);
		if (steady)
			weigh(w, first, &more);
		else if (more.times && time > STEADY_MAX)
			emit_raw(w, run, more.times);
		w->floor = more.times ? w->entries.n : w->floor;
		if (steady || time > STEADY_MAX)
			time = run->times;
		array_free(&before.at);
	}
}

/* ---- all ---- */

void net_make(struct net *ret, struct net_lines *lines, const struct history *h)
{
	struct work w = { .lines = lines, .net = ret };

	*ret = (struct net){ 0 };
	for (size_t i = 0; i < h->n; i += h->changes[i].period)
		feed_run(&w, &h->changes[i]);
	for (size_t i = 0; i < w.threads.n; i++) {
		while (w.threads.at[i]->groups.n)
			net_close_group(&w, w.threads.at[i]);
		array_free(&w.threads.at[i]->groups);
		array_free(&w.threads.at[i]->parts);
		array_free(&w.threads.at[i]->variables);
		free(w.threads.at[i]);
	}
	net_order(&w);
	array_free(&w.threads);
	array_free(&w.entries);
}

void net_free(struct net *n)
{
	free(n->changes);
	*n = (struct net){ 0 };
}
