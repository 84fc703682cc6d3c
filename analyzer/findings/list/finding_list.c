/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/findings/list/finding_list.h"
#include "analyzer/base/mem.h"
#include "analyzer/findings/kinds/finding_kinds.h"
#include "analyzer/findings/list/finding_list_parts.h"

#include <stdlib.h>
#include <string.h>

#define MOSTLY_CLAIMED 80 /* percent of a group that are garbage of another finding */
#define HOLDERS_MAX    20 /* findings for which one is looked for: each takes a search of the heap */
#define UNSEEN_TIMES   3  /* blocks that grew, for each that went unseen: from here on it is growth */

/* ---- from groups of growth ---- */

/* By group: what of it is garbage that a finding is about. */
static struct amount *claimed_by_group(const struct report_trace *t)
{
	struct amount *sums = mem_zero(t->growth.groups.n + 1, sizeof *sums);

	for (size_t i = 0; t->remains && t->remains->claimed && i < t->curves.curves.n; i++) {
		uint32_t group = t->growth.group_of[i];

		if (group == MAP_NONE)
			continue;
		amount_add(&sums[group], &t->remains->claimed[i]);
	}
	return sums;
}

/* Whether what grew in the last half of the windows may have taken the place of what was made unseen. */
static bool may_replace_unseen(const struct report_trace *t, const struct growth_group *group)
{
	const struct growth_evidence *e = &group->evidence;
	const struct replay_counts *counts = &t->account.counts;
	double last = e->grown_bytes > 0 ? (double)e->last_half_bytes / (double)e->grown_bytes : 1;
	uint64_t from = counts->allocations - counts->allocations * 3 / 8; /* a quarter was warm-up, half of the rest */

	return (double)unseen_since(&counts->unseen, from, group->layers) * UNSEEN_TIMES >=
	       (double)e->grown_blocks * last;
}

/* `lost` may be NULL. */
static struct finding from_group(struct report_trace *t, uint32_t group, const struct amount *claimed,
				 const struct finding_lost *lost)
{
	struct finding f = { .trace = t, .sum = t->growth.groups.at[group], .n_groups = 1 };

	if (claimed->bytes * 100 >= f.sum.bytes * MOSTLY_CLAIMED && claimed->bytes) {
		f.sum.verdict = GROWTH_HELD; /* what grew has its finding */
		f.sum.doubt = GROWTH_NO_DOUBT;
	}
	if (lost && !claimed->bytes && !f.sum.given_bytes)
		f.lost = *lost;
	/* what nobody refers to, no call can be building to return it */
	if (f.lost.kind && (f.lost.found || f.sum.doubt == GROWTH_BUILDING)) {
		f.sum.verdict = GROWTH_FOUND;
		f.sum.doubt = GROWTH_NO_DOUBT;
	}
	if (!f.lost.kind && f.lost.waiting)
		growth_withdraw(&t->growth, &f.sum, GROWTH_WAITING);
	if (!f.lost.kind && f.lost.dead && !f.lost.piece)
		growth_withdraw(&t->growth, &f.sum, GROWTH_GARBAGE);
	if (!f.lost.kind && !t->spans.is_whole && may_replace_unseen(t, &f.sum))
		growth_withdraw(&t->growth, &f.sum, GROWTH_UNSEEN);
	f.sum.bytes -= claimed->bytes;
	f.sum.blocks -= claimed->blocks;
	f.added = NODE_UNKNOWN;
	f.blame = place_blame(&t->places, f.sum.node);
	f.groups = mem_alloc(sizeof *f.groups);
	f.groups[0] = group;
	return f;
}

/* Who keeps what was found to grow. */
static void find_holder(struct finding *f)
{
	struct report_trace *t = f->trace;
	bool *mine = mem_zero(t->trace.defs.stacks.nodes.n + 1, sizeof *mine); /* by node */
	size_t n;
	uint32_t *curves = finding_curves(f, &n);

	for (size_t i = 0; i < n; i++)
		mine[t->curves.curves.at[curves[i]].node] = true;
	f->has_holder = holder_find(&f->holder, &t->remains->view, mine, f->sum.evidence.warm_ns);
	if (finding_keeper_find(f, mine) && f->has_holder) {
		holder_free(&f->holder);
		f->has_holder = false;
	}
	free(curves);
	free(mine);
}

/* Fills what holds for one process. */
static void settle(struct finding *f, size_t place)
{
	if (f->sum.verdict != GROWTH_HELD && finding_is_growth(f) && (f->n_groups > 1 || f->sum.n_stacks > 1))
		finding_look_at_worst(f);
	f->all = (struct amount){ f->sum.bytes, f->sum.blocks };
	f->all_rate = finding_rate(f);
	f->pids = mem_alloc(sizeof *f->pids);
	f->pids[f->n_pids++] = f->trace->trace.front.pid;
	if (f->sum.verdict != GROWTH_HELD && finding_is_growth(f) && f->trace->remains && !f->sum.given_bytes &&
	    place < HOLDERS_MAX)
		find_holder(f);
}

/* What stays of a trace's groups when garbage has its own findings, which go to the end of the list, as do those on few
 * objects with many references. */
static void list_trace(struct finding_list *l, struct report_trace *t, struct finding *others, size_t *n_others)
{
	struct finding_lost *lost;
	struct amount *claimed;

	if (t->remains)
		finding_native(t, others, n_others);
	if (t->remains)
		finding_cycles(t, others, n_others);
	lost = finding_lost_judge(t);
	if (lost)
		finding_lost_shared(t, lost, others, n_others);
	finding_fragments(t, others, n_others);
	claimed = claimed_by_group(t);
	for (uint32_t j = 0; j < t->growth.groups.n; j++) {
		if (claimed[j].bytes < t->growth.groups.at[j].bytes || !claimed[j].bytes)
			l->at[l->n++] = from_group(t, j, &claimed[j], lost ? &lost[j] : NULL);
	}
	free(lost);
	free(claimed);
}

/* What is lost must grow steadily taken together, too, unless snapshots show that it does. */
static void doubt_lost(struct finding *f)
{
	if (!f->lost.kind || f->lost.found || f->sum.verdict != GROWTH_FOUND || growth_is_steady(&f->sum.evidence))
		return;
	f->sum.verdict = GROWTH_HELD;
	f->lost.kind = LOST_NOTHING;
}

/* What each comes to with all that joined it. */
static void weigh(struct finding_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->at[i].lost.kind != LOST_OBJECTS) /* exact, however little */
			growth_weigh(&l->at[i].trace->growth, &l->at[i].sum);
	for (size_t i = 0; i < l->n; i++)
		doubt_lost(&l->at[i]);
	finding_join_sort(l);
}

/* Findings from the groups of growth, none of them settled. */
static void join_and_weigh(struct finding_list *l)
{
	finding_join_groups(l);
	weigh(l);
	finding_doubts_note(l);
	finding_join_remainders(l); /* last: what has no evidence must not weigh */
	finding_doubts_judge(l);
}

void finding_list_init(struct finding_list *l, const struct report *r)
{
	struct finding *others; /* not from groups of growth */
	size_t n = 0, n_others = 0;

	*l = (struct finding_list){ 0 };
	for (size_t i = 0; i < r->n_traces; i++) {
		n += r->traces[i]->growth.groups.n;
		n_others += finding_native_most(r->traces[i]);
		n_others += r->traces[i]->remains ? r->traces[i]->remains->list.at.n : 0;
		n_others += r->traces[i]->remains ? r->traces[i]->remains->surplus.groups.n : 0;
		n_others += r->traces[i]->fragments.pins.n;
	}
	l->at = mem_zero(n + n_others + 1, sizeof *l->at);
	others = mem_zero(n_others + 1, sizeof *others);
	n_others = 0;
	for (size_t i = 0; i < r->n_traces; i++)
		list_trace(l, r->traces[i], others, &n_others);
	join_and_weigh(l);
	memcpy(l->at + l->n, others, n_others * sizeof *others);
	l->n += n_others;
	free(others);
	finding_join_sort(l);
	for (size_t i = 0; i < l->n; i++)
		settle(&l->at[i], i);
	finding_doubts_holder(l);
	finding_join_sort(l);
	finding_join_held(l, r);
	finding_join_companions(l);
	finding_join_twins(l);
	for (size_t i = 0; i < l->n; i++) {
		l->n_found += l->at[i].sum.verdict == GROWTH_FOUND;
		l->n_undecided += l->at[i].sum.verdict == GROWTH_UNDECIDED;
	}
}

void finding_list_free(struct finding_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		finding_free_parts(&l->at[i]);
	free(l->at);
	*l = (struct finding_list){ 0 };
}

struct amount finding_alive(const struct report *r)
{
	struct amount live = { 0 };

	for (size_t i = 0; i < r->n_traces; i++) {
		live.bytes += r->traces[i]->growth.live_bytes;
		live.blocks += r->traces[i]->growth.live_blocks;
	}
	return live;
}

const char *finding_reservation(const struct report *r)
{
	bool any_blocks = false, any_windows = false;

	for (size_t i = 0; i < r->n_traces; i++) {
		any_blocks |= r->traces[i]->account.total.blocks > 0;
		any_windows |= r->traces[i]->growth.n_windows > 0;
	}
	if (!any_blocks)
		return "no allocation is in the trace";
	return any_windows ? NULL : "the run is too short to show growth";
}
