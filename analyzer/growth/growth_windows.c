/* SPDX-License-Identifier: Apache-2.0 */
/*
 * growth_windows: the windows over which growth is judged
 *
 * Where the program marks its work, windows have equal numbers of marks, else equal work. Marks must be enough of them,
 * and most of the work must lie between the first and the last: a label that comes up in a corner of the run measures
 * that corner only. The work by which a program closes is left out.
 *
 * What is left over when marks are dealt out to windows goes to the warm-up.
 */
#include "analyzer/growth/growth.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>

#define WINDOWS_MIN     11                    /* by work, fewer show no trend: 8 are left after the warm-up */
#define LEFT_MIN        4                     /* after a warm-up that was asked for, at least */
#define WORK_MIN        2000                  /* blocks of work: less is over before a trend can show */
#define WARM_SHARE      4                     /* the first quarter is warm-up */
#define WARM_WINDOWS    4                     /* into which the warm-up is divided, to show the curve */
#define COVER_PERCENT   50                    /* of the work must lie between marks */
#define CLOSING_PERCENT 2                     /* of the time, at the end ... */
#define CLOSING_NS      UINT64_C(10000000000) /* ... at most */
#define CLOSING_WORK    3 /* percent of the work done in it make it closing work: half as much again as its share */
#define CLOSED_WORK     3 /* percent of the work, at the end, after which nothing may be left of what grew */
#define CLOSING_RUN_NS  UINT64_C(1000000000) /* a shorter run has no time to close in */

/* ---- marks ---- */

/* The slices that end at marks of one family. */
struct ticks {
	const struct mark_family *family;
	uint32_t *slice;
	uint64_t *number;
	uint32_t n;
};

static struct ticks ticks_of(const struct curves *c, uint32_t family)
{
	struct ticks t = {
		.family = &c->marks.families.at[family],
		.slice = mem_alloc((c->marks.borders.n + 1) * sizeof *t.slice),
		.number = mem_alloc((c->marks.borders.n + 1) * sizeof *t.number),
	};

	for (size_t i = 0; i < c->marks.borders.n; i++) {
		const struct mark_border *b = &c->marks.borders.at[i];

		if (b->family != family)
			continue;
		t.slice[t.n] = b->slice;
		t.number[t.n++] = b->number;
	}
	return t;
}

static void ticks_free(struct ticks *t)
{
	free(t->slice);
	free(t->number);
}

static uint64_t work_between(const struct curves *c, uint32_t from, uint32_t to)
{
	uint64_t work = 0;

	for (uint32_t i = from + 1; i <= to; i++)
		work += c->slices.at[i].work;
	return work;
}

static bool are_a_measure(const struct curves *c, const struct ticks *t)
{
	return t->n && t->number[t->n - 1] >= MARKS_MIN &&
	       work_between(c, t->slice[0], t->slice[t->n - 1]) * 100 >= c->work * COVER_PERCENT;
}

/* Whether a family is a better measure: marks before regions, then the one with more. */
static bool is_better(const struct mark_family *f, const struct mark_family *than)
{
	return f->region != than->region ? !f->region : f->n > than->n;
}

/* The most frequent family; .family NULL: none is a measure. */
static struct ticks choose(const struct curves *c)
{
	struct ticks best = { .family = NULL };

	for (uint32_t i = 0; i < c->marks.families.n; i++) {
		const struct mark_family *f = &c->marks.families.at[i];
		struct ticks t;

		if (f->n < MARKS_MIN || !f->stride || (best.family && !is_better(f, best.family)))
			continue;
		t = ticks_of(c, i);
		if (are_a_measure(c, &t)) {
			ticks_free(&best);
			best = t;
		} else {
			ticks_free(&t);
		}
	}
	return best;
}

/* Index of the tick at which the warm-up is over. */
static uint32_t warm_tick(const struct ticks *t, uint64_t warmup)
{
	uint64_t marks = warmup ? warmup : t->number[t->n - 1] / WARM_SHARE;
	uint32_t i = 0;

	while (i < t->n && t->number[i] < marks)
		i++;
	return i;
}

static void cut_by_marks(struct growth *g, const struct ticks *t, uint64_t warmup)
{
	uint32_t warm = warm_tick(t, warmup), left, n, each;

	g->marks = t->family;
	if (warm + LEFT_MIN >= t->n)
		return; /* too few */
	left = t->n - 1 - warm;
	n = left < GROWTH_WINDOWS_MAX - WARM_WINDOWS ? left : GROWTH_WINDOWS_MAX - WARM_WINDOWS;
	each = left / n;
	warm += left - each * n;
	g->n_warm = warm + 1 < WARM_WINDOWS ? warm + 1 : WARM_WINDOWS;
	g->n_windows = g->n_warm + n;
	for (uint32_t w = 1; w <= g->n_warm; w++)
		g->borders[w] = t->slice[(uint64_t)(warm + 1) * w / g->n_warm - 1];
	for (uint32_t w = 1; w <= n; w++)
		g->borders[g->n_warm + w] = t->slice[warm + w * each];
	g->warm_marks = t->number[warm];
	g->window_marks = t->number[warm + each] - t->number[warm];
}

/* ---- work ---- */

/* How many of the slices lie before the closing work: what a program does to end (it cancels its tasks, drains its
 * queues, prints what it found) may be much work in hardly any time, and nothing that it did before goes on there.
 * More than a third of the work is no closing. */
static uint32_t before_closing(const struct curves *c, const uint32_t *ends, uint32_t n)
{
	uint64_t end_ns = c->slices.at[ends[n - 1]].end_ns, share_ns = end_ns / 100 * CLOSING_PERCENT;
	uint64_t closing_ns = share_ns < CLOSING_NS ? share_ns : CLOSING_NS;
	uint32_t left = n;

	while (left > 1 && c->slices.at[ends[left - 2]].end_ns + closing_ns >= end_ns)
		left--;
	return end_ns >= CLOSING_RUN_NS && (n - left) * 100 >= n * CLOSING_WORK && (n - left) * 3 <= n ? left : n;
}

/* Slices are of equal work already, but for the last. */
static void cut_by_work(struct growth *g, const struct curves *c, uint64_t warmup)
{
	uint32_t *ends = mem_alloc((c->slices.n + 1) * sizeof *ends), n = 0;

	for (uint32_t i = 0; i < c->slices.n; i++)
		if (c->slices.at[i].by_work || i + 1 == c->slices.n)
			ends[n++] = i;
	if (n)
		n = before_closing(c, ends, n);
	if (n >= WINDOWS_MIN && c->work >= WORK_MIN) {
		g->n_windows = n < GROWTH_WINDOWS_MAX ? n : GROWTH_WINDOWS_MAX;
		g->n_warm = warmup ? (uint32_t)warmup : g->n_windows / WARM_SHARE;
		for (uint32_t w = 1; w <= g->n_windows; w++)
			g->borders[w] = ends[(uint64_t)n * w / g->n_windows - 1];
	}
	if (warmup + LEFT_MIN > g->n_windows)
		g->n_windows = g->n_warm = 0;
	free(ends);
}

/* ---- where the program closed ---- */

/* All that was alive at the end of a slice. */
static uint64_t alive_at(const struct curves *c, uint32_t slice)
{
	uint64_t bytes = 0, blocks = 0;

	for (size_t i = 0; i < c->curves.n; i++)
		curves_sum(c, &c->curves.at[i], &slice, 1, &bytes, &blocks);
	return bytes;
}

/* Of the slices of the last bit of work the one after which most was given back; or where the windows end, when the
 * work by which the program closed was left out. */
static uint32_t find_closing(const struct growth *g)
{
	const struct curves *c = g->curves;
	uint32_t end = (uint32_t)c->slices.n - 1, last = g->borders[g->n_windows], best = end;
	uint64_t most = 0, work = c->slices.at[end].work;

	if (!g->marks && last < end)
		return last;
	for (uint32_t at = end; at-- > 0 && work * 100 <= c->work * CLOSED_WORK; work += c->slices.at[at].work) {
		uint64_t alive = alive_at(c, at);

		if (alive > most) {
			most = alive;
			best = at;
		}
	}
	return best;
}

void growth_cut_windows(struct growth *g, uint64_t warmup)
{
	struct ticks t = choose(g->curves);

	if (t.family)
		cut_by_marks(g, &t, warmup);
	else
		cut_by_work(g, g->curves, warmup);
	g->closing = find_closing(g);
	ticks_free(&t);
}
