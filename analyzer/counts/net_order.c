/* SPDX-License-Identifier: Apache-2.0 */
/* net_order: net changes in the order of a history, with its runs, and the count after each */
#include "analyzer/counts/net_parts.h"

#include <stdlib.h>
#include <string.h>

static int by_key(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->c.delta > b->c.delta ? -1 : a->c.delta < b->c.delta;
}

/* x (s t x) (s t x) is (x s t) (x s t) x: the run then starts where it started, and its rest may be one more time. */
static unsigned rotate(struct net *n, struct history_change *run, unsigned period)
{
	unsigned turned = 0;

	while (turned < NET_STEADY * period && n->n && n->changes[n->n - 1].times == 1 &&
	       history_is_same(&n->changes[n->n - 1], &run[period - 1])) {
		struct history_change last = run[period - 1];

		last.ns = n->changes[--n->n].ns;
		memmove(run + 1, run, (period - 1) * sizeof *run);
		run[0] = last;
		for (unsigned i = 0; i < period; i++)
			run[i].place = (uint8_t)i;
		turned++;
	}
	return turned;
}

static void push(struct net *n, uint8_t *matched, const struct history_change *c)
{
	history_push(&n->changes, &n->n, &n->cap, matched, c);
}

/* Entries of a run stand together, unless another thread came between them: then each is on its own. */
static void push_run(struct net *n, uint8_t *matched, const struct entry *e, unsigned period)
{
	struct history_change run[HISTORY_PERIOD];
	unsigned turned;

	for (unsigned i = 0; i < period; i++) {
		run[i] = e[i].c;
		run[i].period = (uint8_t)period;
		run[i].place = (uint8_t)i;
	}
	turned = rotate(n, run, period);
	memset(matched, 0, HISTORY_PERIOD + 1);
	for (unsigned i = 0; i < period; i++) {
		push(n, matched, &run[i]);
		memset(matched, 0, HISTORY_PERIOD + 1);
	}
	for (unsigned i = 0; i < turned; i++) {
		struct history_change c = run[i % period];

		c.times = c.period = 1;
		c.place = 0;
		c.ns = c.last_ns;
		push(n, matched, &c);
	}
}

static unsigned run_length(const struct entry *e, size_t left)
{
	unsigned n = 1;

	while (e->run && n < left && e[n].run == e->run && !e[n].dropped)
		n++;
	return n <= HISTORY_PERIOD ? n : 1;
}

static void number(struct net *n)
{
	int64_t count = 0;

	for (size_t i = 0; i < n->n; i += n->changes[i].period) {
		int64_t sum = 0, before = count;

		for (unsigned k = 0; k < n->changes[i].period; k++) {
			struct history_change *c = &n->changes[i + k];

			count = c->flags & PT_COUNT_START ? c->count : count + c->delta;
			sum += c->delta;
			c->count = (int32_t)net_clamp(count);
		}
		if (n->changes[i].times > 1)
			count = before + sum * n->changes[i].times;
	}
}

void net_order(struct work *w)
{
	uint8_t matched[HISTORY_PERIOD + 1] = { 0 };

	if (w->entries.n)
		qsort(w->entries.at, w->entries.n, sizeof *w->entries.at, by_key);
	for (size_t i = 0; i < w->entries.n;) {
		unsigned n = run_length(&w->entries.at[i], w->entries.n - i);

		if (w->entries.at[i].dropped) {
			i++;
			continue;
		}
		if (w->entries.at[i].c.times == 1 && n == 1)
			push(w->net, matched, &w->entries.at[i].c);
		else
			push_run(w->net, matched, &w->entries.at[i], n);
		i += n;
	}
	number(w->net);
}
