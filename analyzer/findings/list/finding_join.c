/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_join: what is of one leak becomes one finding
 *
 * Groups become findings in two steps. First those with the same verdict whose innermost user function, with all its
 * callers, is the same. Then a smaller finding joins a larger one when the one's function called the other's, and the
 * same number of blocks came to both (or a whole multiple): they are made by the same work.
 *
 * Once holders are known, what grows in step with garbage, or with what a container holds, joins that, too; and last
 * the same finding of other processes.
 */
#include "analyzer/findings/list/finding_list_parts.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define JOIN_PERCENT  40 /* a companion is smaller than this share of what it joins */
#define JOIN_MULTIPLE 16 /* blocks of the one for a block of the other, at most */
#define JOIN_EXACT    0.02
#define JOIN_RHYTHM   0.10 /* of their growth, by which windows may differ in all */
#define JOIN_DISTANCE 2    /* calls between a library's function and the caller that it shares with the leak */

/* ---- which belong together ---- */

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

void finding_join_sort(struct finding_list *l) { qsort(l->at, l->n, sizeof *l->at, compare); }

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

/* ---- joining ---- */

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
	finding_join_sort(l);
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

/* Whether gc.garbage holds it. */
static bool is_listed(const struct finding *f)
{
	const struct chain *c = &f->holder.chain;

	return f->has_holder && c->at.n && !strcmp(c->expression, "gc.garbage");
}

/* Whether what no object holds is made in step with garbage, one of them by whom the other calls: it is the memory of
 * these objects. Or it is in the list of them: a table of that, what its cycles were freed of. */
static bool is_of_garbage(const struct finding *garbage, const struct finding *f)
{
	if (!garbage->cycle || garbage->trace != f->trace || !finding_is_growth(f) || f->sum.verdict != GROWTH_FOUND)
		return false;
	if (is_listed(f))
		return garbage->reason == REMAINS_UNCOLLECTABLE;
	return !f->has_holder && are_related(garbage, f) && (in_step(garbage, f) || in_rhythm(garbage, f));
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

void finding_join_groups(struct finding_list *l)
{
	join_below(l);
	finding_join_sort(l);
	join(l, is_same, take_over);
	join(l, is_little_companion, take_over);
}

void finding_join_remainders(struct finding_list *l) { join(l, is_remainder, take_shadow); }

void finding_join_companions(struct finding_list *l)
{
	join_garbage(l);
	join(l, is_held_companion, take_shadow);
}

/* ---- the same in several processes ---- */

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

void finding_join_twins(struct finding_list *l)
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
