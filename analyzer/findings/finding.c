/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups become findings in two steps. First those with the same verdict whose innermost user function, with all its
 * callers, is the same. Then a smaller finding joins a larger one when the one's function called the other's, and the
 * same number of blocks came to both (or a whole multiple): they are made by the same work.
 */
#include "analyzer/findings/finding.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define NO_FINDING     UINT32_MAX
#define JOIN_PERCENT   40 /* a companion is smaller than this share of what it joins */
#define JOIN_MULTIPLE  16 /* blocks of the one for a block of the other, at most */
#define JOIN_EXACT     0.02
#define JOIN_RHYTHM    0.10 /* of their growth, by which windows may differ in all */
#define MOSTLY_CLAIMED 80   /* percent of a group that are garbage of another finding */
#define HOLDERS_MAX    20   /* findings for which one is looked for: each takes a search of the heap */
#define UNSEEN_TIMES   3    /* blocks that grew, for each that went unseen: from here on it is growth */
#define JOIN_DISTANCE  2    /* calls between a library's function and the caller that it shares with the leak */

/* ---- the list ---- */

static uint64_t weight(const struct finding *f)
{
	if (f->lost.kind == LOST_SHARED)
		return f->lost.references;
	return f->sum.verdict == GROWTH_FOUND && !finding_is_own(f) ? (uint64_t)f->sum.evidence.grown_bytes
								    : f->sum.bytes;
}

static int compare(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;

	if (a->sum.verdict != b->sum.verdict)
		return a->sum.verdict < b->sum.verdict ? -1 : 1;
	if (weight(a) != weight(b))
		return weight(a) > weight(b) ? -1 : 1;
	if (a->trace != b->trace)
		return a->trace->trace.front.pid < b->trace->trace.front.pid ? -1 : 1;
	return a->sum.node < b->sum.node ? -1 : a->sum.node > b->sum.node;
}

static uint64_t fingerprint_of(const struct finding *f) { return f->trace->growth.fingerprints[f->blame]; }

/* Whether the function at `caller` is among the callers of f's, at any distance. */
static bool is_caller(node_id caller, const struct finding *f)
{
	const struct defs *d = &f->trace->trace.defs;
	const uint64_t *fingerprints = f->trace->growth.fingerprints;

	for (node_id at = f->blame; at > NODE_UNKNOWN; at = defs_frame(d, at)->parent) {
		if (fingerprints[at] == fingerprints[caller])
			return true;
	}
	return false;
}

/* Whether one called the other; or a library made `f` for a caller that both share: no line of the user's is to blame
 * for it anyway. */
static bool are_related(const struct finding *leader, const struct finding *f)
{
	node_id at = f->blame;

	if (is_caller(leader->blame, f) || is_caller(at, leader))
		return true;
	if (finding_place(f)->origin == ORIGIN_USER)
		return false;
	for (int i = 0; i < JOIN_DISTANCE && at > NODE_UNKNOWN; i++) {
		at = place_caller(&f->trace->places, at);
		if (at > NODE_UNKNOWN && is_caller(at, leader))
			return true;
	}
	return false;
}

static bool in_step(const struct finding *a, const struct finding *b)
{
	double n = (double)a->sum.evidence.grown_blocks, m = (double)b->sum.evidence.grown_blocks, ratio, whole;

	if (n <= 0 || m <= 0)
		return false;
	ratio = n > m ? n / m : m / n;
	whole = (double)(uint64_t)(ratio + 0.5);
	return whole <= JOIN_MULTIPLE && ratio - whole <= JOIN_EXACT * whole && whole - ratio <= JOIN_EXACT * whole;
}

/* Whether both grew by the same share of their growth in each window, once both did: small numbers are shared, the
 * first of many are no blocks of their own. */
static bool in_rhythm(const struct finding *a, const struct finding *b)
{
	const struct growth *g = &a->trace->growth;
	const uint64_t *p = a->sum.curve_blocks, *q = b->sum.curve_blocks;
	uint32_t from = g->n_warm + (g->n_windows - g->n_warm) / 2;
	double n = (double)p[g->n_windows] - (double)p[from], m = (double)q[g->n_windows] - (double)q[from], off = 0;

	if (n <= 0 || m <= 0)
		return false;
	for (uint32_t w = from; w < g->n_windows; w++) {
		double by = ((double)p[w + 1] - (double)p[w]) / n - ((double)q[w + 1] - (double)q[w]) / m;

		off += by < 0 ? -by : by;
	}
	return off <= JOIN_RHYTHM;
}

static bool same_function(const struct finding *leader, const struct finding *f)
{
	return fingerprint_of(leader) == fingerprint_of(f);
}

/* Whether they have the same verdict, as far as they have one. */
static bool same_kind(const struct finding *a, const struct finding *b)
{
	return a->sum.verdict == b->sum.verdict && a->lost.kind == b->lost.kind && a->native.is == b->native.is &&
	       !a->cycle == !b->cycle && !a->pin == !b->pin;
}

static bool is_same(const struct finding *leader, const struct finding *f)
{
	return same_kind(leader, f) && same_function(leader, f);
}

static bool is_companion(const struct finding *leader, const struct finding *f)
{
	return f->sum.verdict == GROWTH_FOUND && same_kind(leader, f) &&
	       weight(f) * 100 < weight(leader) * JOIN_PERCENT && are_related(leader, f) &&
	       (in_step(leader, f) || in_rhythm(leader, f));
}

/* Before holders are known: what is too little to be found by itself. */
static bool is_little_companion(const struct finding *leader, const struct finding *f)
{
	struct growth_group alone = f->sum;

	if (!is_companion(leader, f))
		return false;
	growth_weigh(&f->trace->growth, &alone);
	return f->lost.kind || alone.verdict != GROWTH_FOUND;
}

/* Whether the holder of the one is on the chain to the holder of the other. */
static bool is_on(const struct finding *f, const struct finding *other)
{
	for (size_t i = 0; i < other->holder.chain.at.n; i++)
		if (other->holder.chain.at.at[i].object == f->holder.object)
			return true;
	return false;
}

/* Whether what was given back when the program ended was made in step with what is held still: the tasks that waited
 * for it, for one, whose stacks have nothing to do with it. */
static bool is_given_companion(const struct finding *leader, const struct finding *f)
{
	return finding_is_growth(leader) && finding_is_growth(f) && leader->sum.verdict == GROWTH_FOUND &&
	       leader->has_holder && !leader->sum.given_bytes && f->sum.given_bytes &&
	       (f->sum.verdict == GROWTH_FOUND || f->sum.doubt == GROWTH_GIVEN_BACK) &&
	       weight(f) * 100 < weight(leader) * JOIN_PERCENT && (in_step(leader, f) || in_rhythm(leader, f));
}

static bool has_group(const struct finding *f, uint32_t group)
{
	for (size_t i = 0; i < f->n_groups; i++)
		if (f->groups[i] == group)
			return true;
	return false;
}

/* Whether the table of the container that holds the one is a part of the other. */
static bool has_table_of(const struct finding *leader, const struct finding *f)
{
	const struct report_trace *t = f->trace;
	node_id adds = leader->has_holder ? leader->holder.adds : NODE_UNKNOWN;

	for (size_t i = 0; adds > NODE_UNKNOWN && i < t->curves.curves.n; i++)
		if (t->curves.curves.at[i].node == adds && t->growth.group_of[i] != MAP_NONE &&
		    has_group(f, t->growth.group_of[i]))
			return true;
	return false;
}

/* Afterwards: unless somebody else holds it. */
static bool is_held_companion(const struct finding *leader, const struct finding *f)
{
	if (is_given_companion(leader, f))
		return true;
	if (finding_is_growth(leader) && finding_is_growth(f) && leader->sum.verdict == GROWTH_FOUND &&
	    f->sum.verdict == GROWTH_FOUND && !f->has_holder && has_table_of(leader, f))
		return true;
	return is_companion(leader, f) &&
	       (!leader->has_holder || !f->has_holder || is_on(leader, f) || is_on(f, leader));
}

/* What stays without enough evidence of its own, beside what has it, made by the same function: what grew at all, and
 * what is of the same line. Not what waits for the collector: that goes. */
static bool is_remainder(const struct finding *leader, const struct finding *f)
{
	if (leader->sum.verdict != GROWTH_FOUND || f->sum.verdict == GROWTH_FOUND || !same_function(leader, f) ||
	    f->lost.kind || (f->lost.dead && !f->lost.piece) || f->sum.doubt == GROWTH_IMPORTING)
		return false;
	return f->sum.doubt != GROWTH_NO_DOUBT || finding_place(leader)->at.line == finding_place(f)->at.line;
}

/* What is lost in one function is one finding; its type is that of most. */
static void take_lost(struct finding_lost *to, const struct finding_lost *from)
{
	if (from->kind != to->kind)
		return;
	if (from->objects > to->objects)
		to->type = from->type;
	to->found |= from->found;
	to->objects += from->objects;
	to->unknown += from->unknown;
	to->references += from->references;
	to->grown += from->grown;
	for (unsigned i = 0; i < SURPLUS_SNAPSHOTS; i++) {
		to->at[i].objects += from->at[i].objects;
		to->at[i].references += from->at[i].references;
	}
}

void finding_free_parts(struct finding *f)
{
	free(f->groups);
	free(f->pids);
	free(f->own_parts);
	if (f->has_holder)
		holder_free(&f->holder);
}

void finding_take_groups(struct finding *leader, const struct finding *f)
{
	leader->groups = mem_resize(leader->groups, leader->n_groups + f->n_groups, sizeof *leader->groups);
	memcpy(leader->groups + leader->n_groups, f->groups, f->n_groups * sizeof *f->groups);
	leader->n_groups += f->n_groups;
}

static void take_over(struct finding *leader, struct finding *f)
{
	take_lost(&leader->lost, &f->lost);
	finding_take_groups(leader, f);
	growth_merge(&leader->trace->growth, &leader->sum, &f->sum);
	free(f->groups);
}

/* Its bytes belong to the leak; the evidence stays that of the leader. */
static void take_shadow(struct finding *leader, struct finding *f)
{
	struct growth_group sum = leader->sum;

	take_lost(&leader->lost, &f->lost);
	finding_take_groups(leader, f);
	sum.bytes += f->sum.bytes;
	sum.blocks += f->sum.blocks;
	sum.layers |= f->sum.layers;
	sum.n_stacks += f->sum.n_stacks;
	leader->sum = sum;
	leader->all = (struct amount){ sum.bytes, sum.blocks };
	finding_free_parts(f);
}

/* Joins findings by a rule and sorts anew. Held groups, of which there may be very many, never lead. */
static void join(struct finding_list *l, bool (*belongs)(const struct finding *leader, const struct finding *f),
		 void (*take)(struct finding *leader, struct finding *f))
{
	size_t n = 0, leaders = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct finding f = l->at[i];
		size_t j = 0;

		while (j < leaders && (l->at[j].trace != f.trace || !belongs(&l->at[j], &f)))
			j++;
		if (j < leaders) {
			take(&l->at[j], &f);
			continue;
		}
		l->at[n++] = f;
		leaders += f.sum.verdict != GROWTH_HELD;
	}
	l->n = n;
	qsort(l->at, l->n, sizeof *l->at, compare);
}

/* What lost objects hold goes with them, whatever it weighs. */
static void join_below(struct finding_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct finding *f = &l->at[i], *leader = NULL;

		for (size_t k = 0; f->lost.kind == LOST_BELOW && k < l->n && !leader; k++)
			if (l->at[k].trace == f->trace &&
			    (l->at[k].lost.kind == LOST_OBJECTS || l->at[k].lost.kind == LOST_NOBODY) &&
			    has_group(&l->at[k], f->lost.leader))
				leader = &l->at[k];
		if (!leader)
			continue;
		take_over(leader, f);
		f->groups = NULL;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (!l->at[i].groups)
			continue;
		if (l->at[i].lost.kind == LOST_BELOW)
			l->at[i].lost.kind = LOST_NOTHING;
		l->at[n++] = l->at[i];
	}
	l->n = n;
}

/* Whether what no object holds is made in step with garbage, one of them by whom the other calls: it is the memory of
 * these objects. */
static bool is_of_garbage(const struct finding *garbage, const struct finding *f)
{
	return garbage->cycle && garbage->trace == f->trace && finding_is_growth(f) && f->sum.verdict == GROWTH_FOUND &&
	       !f->has_holder && are_related(garbage, f) && (in_step(garbage, f) || in_rhythm(garbage, f));
}

/* It goes with that, whatever it weighs. */
static void join_garbage(struct finding_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct finding f = l->at[i];
		size_t k = 0;

		while (k < l->n && (k == i || !l->at[k].trace || !is_of_garbage(&l->at[k], &f)))
			k++;
		if (k < l->n) {
			take_shadow(&l->at[k], &f);
			l->at[i].trace = NULL;
		}
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->at[i].trace)
			l->at[n++] = l->at[i];
	l->n = n;
}

static int compare_parts(const void *left, const void *right)
{
	const struct finding_part *a = left, *b = right;

	if (a->live.bytes != b->live.bytes)
		return a->live.bytes > b->live.bytes ? -1 : 1;
	return a->place->at.line < b->place->at.line ? -1 : a->place->at.line > b->place->at.line;
}

static bool same_line(const struct place *a, const struct place *b)
{
	return a->at.line == b->at.line && !strcmp(a->file, b->file) && !strcmp(a->function, b->function);
}

void finding_add_part(struct finding_part **parts, size_t *n, const struct place *place, node_id node,
		      const struct amount *live)
{
	size_t i = 0;

	while (i < *n && !same_line((*parts)[i].place, place))
		i++;
	if (i == *n) {
		*parts = mem_resize(*parts, *n + 1, sizeof **parts);
		(*parts)[(*n)++] = (struct finding_part){ .place = place };
	}
	if (live->bytes > (*parts)[i].node_bytes) {
		(*parts)[i].node = node;
		(*parts)[i].node_bytes = live->bytes;
	}
	amount_add(&(*parts)[i].live, live);
}

/* What of a curve is no garbage that another finding is about. */
static struct amount unclaimed(const struct report_trace *t, size_t curve)
{
	const struct amount *claimed = t->remains && t->remains->claimed ? &t->remains->claimed[curve] : NULL;
	struct amount live;

	growth_alive(&t->growth, curve, &live.bytes, &live.blocks);
	if (!claimed)
		return live;
	return (struct amount){ live.bytes - claimed->bytes, live.blocks - claimed->blocks };
}

static struct finding_part *copy_of(const struct finding_part *parts, size_t n)
{
	struct finding_part *copy = mem_alloc((n + 1) * sizeof *copy);

	memcpy(copy, parts, n * sizeof *copy);
	return copy;
}

struct finding_part *finding_parts(const struct finding *f, size_t *ret_n)
{
	struct report_trace *t = f->trace;
	struct finding_part *parts = f->own_parts ? copy_of(f->own_parts, f->n_own_parts) : NULL;
	bool *mine = mem_zero(t->growth.groups.n + 1, sizeof *mine);

	*ret_n = f->n_own_parts;
	for (size_t i = 0; i < f->n_groups; i++)
		mine[f->groups[i]] = true;
	for (size_t i = 0; !f->own_parts && i < t->curves.curves.n; i++) {
		const struct curve *curve = &t->curves.curves.at[i];
		uint32_t group = t->growth.group_of[i];
		struct amount live = unclaimed(t, i);

		if (group != MAP_NONE && mine[group] && live.bytes)
			finding_add_part(&parts, ret_n, place_find(&t->places, place_blame(&t->places, curve->node)),
					 curve->node, &live);
	}
	if (*ret_n)
		qsort(parts, *ret_n, sizeof *parts, compare_parts);
	free(mine);
	return parts;
}

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
	bool *mine = mem_zero(t->trace.defs.stacks.nodes.n + 1, sizeof *mine), *groups;

	groups = mem_zero(t->growth.groups.n + 1, sizeof *groups);
	for (size_t i = 0; i < f->n_groups; i++)
		groups[f->groups[i]] = true;
	for (size_t i = 0; i < t->curves.curves.n; i++) {
		uint32_t group = t->growth.group_of[i];

		if (group != MAP_NONE && groups[group])
			mine[t->curves.curves.at[i].node] = true;
	}
	f->has_holder = holder_find(&f->holder, &t->remains->view, mine, f->sum.evidence.warm_ns);
	if (finding_keeper_find(f, mine) && f->has_holder) {
		holder_free(&f->holder);
		f->has_holder = false;
	}
	free(groups);
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

/* Takes in the same finding of another process. */
static void add_twin(struct finding *f, struct finding *twin)
{
	amount_add(&f->all, &twin->all);
	f->all_rate += twin->all_rate;
	f->pids = mem_resize(f->pids, f->n_pids + 1, sizeof *f->pids);
	f->pids[f->n_pids++] = twin->pids[0];
	amount_add(&f->native.direct, &twin->native.direct);
	amount_add(&f->native.indirect, &twin->native.indirect);
	amount_add(&f->native.beside, &twin->native.beside);
	f->cycles += twin->cycles;
	f->cycle_objects += twin->cycle_objects;
	f->lost.objects += twin->lost.objects;
	f->lost.references += twin->lost.references;
	finding_free_parts(twin);
}

/* Of references on objects without a stack the type is all that is known. */
static bool are_alike(const struct finding *a, const struct finding *b)
{
	return a->lost.kind != LOST_SHARED || !strcmp(strings_text(&a->trace->remains->surplus.strings, a->lost.type),
						      strings_text(&b->trace->remains->surplus.strings, b->lost.type));
}

static bool are_twins(const struct finding *a, const struct finding *b)
{
	return same_kind(a, b) && a->trace != b->trace && a->reason == b->reason && !a->cycle == !b->cycle &&
	       !a->pin == !b->pin && fingerprint_of(a) == fingerprint_of(b) && are_alike(a, b);
}

static void join_twins(struct finding_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct finding f = l->at[i];
		size_t j = f.sum.verdict == GROWTH_HELD ? n : 0;

		while (j < n && !are_twins(&l->at[j], &f))
			j++;
		if (j < n)
			add_twin(&l->at[j], &f);
		else
			l->at[n++] = f;
	}
	l->n = n;
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

static void join_groups(struct finding_list *l)
{
	join_below(l);
	qsort(l->at, l->n, sizeof *l->at, compare);
	join(l, is_same, take_over);
	join(l, is_little_companion, take_over);
	for (size_t i = 0; i < l->n; i++)
		if (l->at[i].lost.kind != LOST_OBJECTS) /* exact, however little */
			growth_weigh(&l->at[i].trace->growth, &l->at[i].sum);
	for (size_t i = 0; i < l->n; i++)
		doubt_lost(&l->at[i]);
	qsort(l->at, l->n, sizeof *l->at, compare);
	finding_doubts_note(l);
	join(l, is_remainder, take_shadow); /* last: what has no evidence must not weigh */
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
	join_groups(l);
	memcpy(l->at + l->n, others, n_others * sizeof *others);
	l->n += n_others;
	free(others);
	qsort(l->at, l->n, sizeof *l->at, compare);
	for (size_t i = 0; i < l->n; i++)
		settle(&l->at[i], i);
	finding_doubts_holder(l);
	qsort(l->at, l->n, sizeof *l->at, compare);
	finding_join_held(l, r);
	join_garbage(l);
	join(l, is_held_companion, take_shadow);
	join_twins(l);
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

/* ---- what is known of one ---- */

const struct place *finding_place(const struct finding *f) { return place_find(&f->trace->places, f->blame); }

double finding_rate(const struct finding *f)
{
	const struct growth_evidence *e = &f->sum.evidence;

	if (f->sum.verdict == GROWTH_HELD || e->end_ns <= e->warm_ns || e->grown_bytes <= 0)
		return 0;
	return (double)e->grown_bytes * 1e9 / (double)(e->end_ns - e->warm_ns);
}

bool finding_is_in(const struct finding *f, uint32_t pid)
{
	for (size_t i = 0; i < f->n_pids; i++) {
		if (f->pids[i] == pid)
			return true;
	}
	return false;
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
