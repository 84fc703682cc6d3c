/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups become findings in two steps. First those with the same verdict whose innermost user function, with all its
 * callers, is the same. Then a smaller finding joins a larger one when the one's function called the other's, and the
 * same number of blocks came to both (or a whole multiple): they are made by the same work.
 */
#include "analyzer/commands/finding.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define NO_FINDING    UINT32_MAX
#define JOIN_PERCENT  40 /* a companion is smaller than this share of what it joins */
#define JOIN_MULTIPLE 16 /* blocks of the one for a block of the other, at most */
#define JOIN_EXACT    0.02
#define JOIN_DISTANCE 2 /* calls between a library's function and the caller that it shares with the leak */

/* ---- the list ---- */

static uint64_t weight(const struct finding *f)
{
	return f->sum.verdict == GROWTH_FOUND ? (uint64_t)f->sum.evidence.grown_bytes : f->sum.bytes;
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

static bool same_function(const struct finding *leader, const struct finding *f)
{
	return fingerprint_of(leader) == fingerprint_of(f);
}

static bool is_same(const struct finding *leader, const struct finding *f)
{
	return leader->sum.verdict == f->sum.verdict && same_function(leader, f);
}

static bool is_companion(const struct finding *leader, const struct finding *f)
{
	return f->sum.verdict == GROWTH_FOUND && leader->sum.verdict == GROWTH_FOUND &&
	       weight(f) * 100 < weight(leader) * JOIN_PERCENT && in_step(leader, f) && are_related(leader, f);
}

/* What stays without enough evidence of its own, beside what has it, made by the same function: what grew at all, and
 * what is of the same line. */
static bool is_remainder(const struct finding *leader, const struct finding *f)
{
	if (leader->sum.verdict != GROWTH_FOUND || f->sum.verdict == GROWTH_FOUND || !same_function(leader, f) ||
	    f->sum.doubt == GROWTH_IMPORTING)
		return false;
	return f->sum.doubt != GROWTH_NO_DOUBT || finding_place(leader)->at.line == finding_place(f)->at.line;
}

static void take_over(struct finding *leader, struct finding *f)
{
	leader->groups = mem_resize(leader->groups, leader->n_groups + f->n_groups, sizeof *leader->groups);
	memcpy(leader->groups + leader->n_groups, f->groups, f->n_groups * sizeof *f->groups);
	leader->n_groups += f->n_groups;
	growth_merge(&leader->trace->growth, &leader->sum, &f->sum);
	free(f->groups);
}

/* Joins findings by a rule and sorts anew. Held groups, of which there may be very many, never lead. */
static void join(struct finding_list *l, bool (*belongs)(const struct finding *leader, const struct finding *f))
{
	size_t n = 0, leaders = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct finding f = l->at[i];
		size_t j = 0;

		while (j < leaders && (l->at[j].trace != f.trace || !belongs(&l->at[j], &f)))
			j++;
		if (j < leaders) {
			take_over(&l->at[j], &f);
			continue;
		}
		l->at[n++] = f;
		leaders += f.sum.verdict != GROWTH_HELD;
	}
	l->n = n;
	qsort(l->at, l->n, sizeof *l->at, compare);
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

static void add_part(struct finding_part **parts, size_t *n, const struct place *place, const struct curve *curve)
{
	size_t i = 0;

	while (i < *n && !same_line((*parts)[i].place, place))
		i++;
	if (i == *n) {
		*parts = mem_resize(*parts, *n + 1, sizeof **parts);
		(*parts)[(*n)++] = (struct finding_part){ .place = place };
	}
	if (curve->bytes > (*parts)[i].node_bytes) {
		(*parts)[i].node = curve->node;
		(*parts)[i].node_bytes = curve->bytes;
	}
	(*parts)[i].live.bytes += curve->bytes;
	(*parts)[i].live.blocks += curve->blocks;
}

struct finding_part *finding_parts(const struct finding *f, size_t *ret_n)
{
	struct report_trace *t = f->trace;
	bool *mine = mem_zero(t->growth.groups.n + 1, sizeof *mine);
	struct finding_part *parts = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < f->n_groups; i++)
		mine[f->groups[i]] = true;
	for (size_t i = 0; i < t->curves.curves.n; i++) {
		const struct curve *curve = &t->curves.curves.at[i];
		uint32_t group = t->growth.group_of[i];

		if (group != MAP_NONE && mine[group] && curve->bytes)
			add_part(&parts, ret_n, place_find(&t->places, place_blame(&t->places, curve->node)), curve);
	}
	if (*ret_n)
		qsort(parts, *ret_n, sizeof *parts, compare_parts);
	free(mine);
	return parts;
}

/* The stack to show is that of the line that holds most, not of the group that does. */
static void look_at_worst_line(struct finding *f)
{
	size_t n;
	struct finding_part *parts = finding_parts(f, &n);

	if (n) {
		f->sum.node = parts[0].node;
		f->blame = place_blame(&f->trace->places, f->sum.node);
	}
	free(parts);
}

static struct finding from_group(struct report_trace *t, uint32_t group)
{
	struct finding f = { .trace = t, .sum = t->growth.groups.at[group], .n_groups = 1 };

	f.blame = place_blame(&t->places, f.sum.node);
	f.groups = mem_alloc(sizeof *f.groups);
	f.groups[0] = group;
	return f;
}

/* Fills what holds for one process. */
static void settle(struct finding *f)
{
	if (f->sum.verdict != GROWTH_HELD && (f->n_groups > 1 || f->sum.n_stacks > 1))
		look_at_worst_line(f);
	f->all = (struct amount){ f->sum.bytes, f->sum.blocks };
	f->all_rate = finding_rate(f);
	f->pids = mem_alloc(sizeof *f->pids);
	f->pids[f->n_pids++] = f->trace->trace.front.pid;
}

/* Takes in the same finding of another process. */
static void add_twin(struct finding *f, struct finding *twin)
{
	f->all.bytes += twin->all.bytes;
	f->all.blocks += twin->all.blocks;
	f->all_rate += twin->all_rate;
	f->pids = mem_resize(f->pids, f->n_pids + 1, sizeof *f->pids);
	f->pids[f->n_pids++] = twin->pids[0];
	free(twin->groups);
	free(twin->pids);
}

static void join_twins(struct finding_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct finding f = l->at[i];
		size_t j = f.sum.verdict == GROWTH_HELD ? n : 0;

		while (j < n && (l->at[j].sum.verdict != f.sum.verdict || l->at[j].trace == f.trace ||
				 fingerprint_of(&l->at[j]) != fingerprint_of(&f)))
			j++;
		if (j < n)
			add_twin(&l->at[j], &f);
		else
			l->at[n++] = f;
	}
	l->n = n;
}

void finding_list_init(struct finding_list *l, const struct report *r)
{
	size_t n = 0;

	*l = (struct finding_list){ 0 };
	for (size_t i = 0; i < r->n_traces; i++)
		n += r->traces[i]->growth.groups.n;
	l->at = mem_zero(n + 1, sizeof *l->at);
	for (size_t i = 0; i < r->n_traces; i++) {
		for (uint32_t j = 0; j < r->traces[i]->growth.groups.n; j++)
			l->at[l->n++] = from_group(r->traces[i], j);
	}
	qsort(l->at, l->n, sizeof *l->at, compare);
	join(l, is_same);
	join(l, is_companion);
	for (size_t i = 0; i < l->n; i++)
		growth_weigh(&l->at[i].trace->growth, &l->at[i].sum);
	qsort(l->at, l->n, sizeof *l->at, compare);
	join(l, is_remainder); /* last: what has no evidence must not weigh */
	for (size_t i = 0; i < l->n; i++)
		settle(&l->at[i]);
	join_twins(l);
	for (size_t i = 0; i < l->n; i++) {
		l->n_found += l->at[i].sum.verdict == GROWTH_FOUND;
		l->n_undecided += l->at[i].sum.verdict == GROWTH_UNDECIDED;
	}
}

void finding_list_free(struct finding_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].groups);
		free(l->at[i].pids);
	}
	free(l->at);
	*l = (struct finding_list){ 0 };
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
