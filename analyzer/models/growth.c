/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a leak differs from everything else that stays
 *
 *   It goes on.     Imports, interned strings and thread pools come once; a cache that is full stays as it is. So what
 *                   counts is growth after a warm-up, and growth up to the end.
 *   It never goes back. A bounded cache that throws out old entries for new ones always holds blocks made just now,
 *                   but its live bytes stay level. So the curve of live bytes is judged, not the age of blocks; and of
 *                   the curve its lower envelope (the least that is still to come), which no sawtooth of garbage that
 *                   waits for its collection can lift.
 *   It does not slow down. A cache that fills up with random keys grows less and less; a leak goes on with the work.
 *
 * Time is cut into windows of work: slices (models/curves.h) in which Python code other than imports made blocks. An
 * idle night between two requests is no evidence, and a start-up of a million events does not push the ten thousand
 * that matter into the last window.
 *
 * A stack may grow too rarely to be judged alone while its innermost function, called from many places, grows in every
 * window: groups that were not found are judged once more by function.
 *
 * Whatever is not clear is "undecided", with the doubt; it is never a finding.
 */
#include "analyzer/models/growth.h"
#include "analyzer/base/mem.h"
#include "formats/block.h"

#include <stdlib.h>
#include <string.h>

#define WINDOWS_MIN     11    /* fewer show no trend: 8 are left after the warm-up */
#define WARM_SHARE      4     /* the first quarter of the windows is warm-up */
#define WORK_SHARE      4     /* a slice is work when at least a quarter of its blocks are */
#define STEADY_PERCENT  75    /* of the windows in which a group of many blocks must grow */
#define STEADY_FEW      50    /* the same for a few large blocks, which can't grow in each window */
#define FEW_BYTES       65536 /* few blocks must be large to count */
#define SMALL_BYTES     1024  /* less is noise: a handful of interned names, a resized table */
#define UNDECIDED_BYTES 16384 /* doubtful growth below this is not worth a line */
#define SHARE_PERCENT   10    /* growth of less than this share of the group is noise on something that is held */
#define SLOWING_PERCENT 60    /* the last half must bring at least this much of what the first half brought */

/* A grouping under construction. */
struct grouping {
	struct growth *g;
	struct map by_key;
	uint32_t *group_of; /* by curve: index of its group, MAP_NONE */
	ARRAY(struct growth_group) groups;
};

/* ---- normalised stacks ---- */

static uint64_t code_hash(const struct defs *d, const struct code *code)
{
	const char *file = strings_text(&d->strings, code->file), *slash = strrchr(file, '/');
	const char *name = strings_text(&d->strings, code->name);

	file = slash ? slash + 1 : file;
	return map_mix(pt_xxh3(file, strlen(file))) ^ pt_xxh3(name, strlen(name));
}

/* The fingerprint of each node's stack. A function that calls itself counts once: recursion of any depth is one stack.
 */
static uint64_t *node_hashes(const struct defs *d)
{
	uint64_t *of_code = mem_zero(d->codes.n + 1, sizeof *of_code),
		 *hashes = mem_zero(d->nodes.n + 2, sizeof *hashes);

	for (size_t i = 0; i < d->codes.n; i++)
		of_code[i] = code_hash(d, &d->codes.at[i]);
	hashes[NODE_EMPTY] = 1;
	hashes[NODE_UNKNOWN] = 2;
	for (node_id i = NODE_UNKNOWN + 1; i < d->nodes.n; i++) {
		const struct node *node = &d->nodes.at[i], *parent = &d->nodes.at[node->parent];
		bool again = node->parent > NODE_UNKNOWN && of_code[parent->code] == of_code[node->code];

		hashes[i] = again ? hashes[node->parent] : map_mix(hashes[node->parent] * 31 + of_code[node->code]);
	}
	free(of_code);
	return hashes;
}

/* ---- windows ---- */

static void cut_windows(struct growth *g, const struct curves *c)
{
	uint32_t *work = mem_alloc((c->slices.n + 1) * sizeof *work), n = 0;
	bool any_work = false;

	for (size_t i = 0; i < c->slices.n; i++)
		any_work |= c->slices.at[i].work > 0;
	for (uint32_t i = 0; i < c->slices.n; i++) {
		const struct slice *s = &c->slices.at[i];

		if (any_work ? s->work && s->work * WORK_SHARE >= s->births : s->births > 0)
			work[n++] = i;
	}
	if (n >= WINDOWS_MIN) {
		g->n_windows = n < GROWTH_WINDOWS_MAX ? n : GROWTH_WINDOWS_MAX;
		g->n_warm = g->n_windows / WARM_SHARE;
		g->borders[0] = work[0] ? work[0] - 1 : 0;
		for (uint32_t w = 1; w <= g->n_windows; w++)
			g->borders[w] = work[(uint64_t)n * w / g->n_windows - 1];
		/* What came after the last work still counts as its end: blocks may have been given back there. */
		g->borders[g->n_windows] = (uint32_t)c->slices.n - 1;
	}
	free(work);
}

/* ---- the verdict on one curve ---- */

/* The least that is still to come. */
static void lower_envelope(int64_t *level, uint32_t n)
{
	for (uint32_t w = n; w-- > 0;) {
		if (level[w] > level[w + 1])
			level[w] = level[w + 1];
	}
}

static void measure(struct growth_group *group, const struct growth *g, const uint64_t *blocks)
{
	struct growth_evidence *e = &group->evidence;
	uint32_t n = g->n_windows, warm = g->n_warm, half = warm + (n - warm) / 2, last = n - (n - warm) / WARM_SHARE;
	int64_t level[GROWTH_WINDOWS_MAX + 1];

	for (uint32_t w = 0; w <= n; w++)
		level[w] = (int64_t)group->curve[w];
	lower_envelope(level, n);
	e->windows = n - warm;
	for (uint32_t w = warm + 1; w <= n; w++) {
		e->growing += level[w] > level[w - 1];
		e->growing_last += w > last && level[w] > level[w - 1];
	}
	e->warm_bytes = group->curve[warm];
	e->grown_bytes = level[n] - level[warm];
	e->grown_blocks = (int64_t)blocks[n] - (int64_t)blocks[warm];
	e->first_half_bytes = level[half] - level[warm];
	e->last_half_bytes = level[n] - level[half];
	e->warm_ns = g->curves->slices.at[g->borders[warm]].end_ns;
	e->end_ns = g->curves->slices.at[g->borders[n]].end_ns;
}

static bool is_noise(const struct growth_group *group)
{
	const struct growth_evidence *e = &group->evidence;
	uint64_t grown = (uint64_t)e->grown_bytes;

	return e->grown_bytes < SMALL_BYTES || grown * 100 < group->bytes * SHARE_PERCENT;
}

/* Few blocks, or none but larger ones in their place, can't grow in each window. */
static enum growth_doubt doubt_of(const struct growth_evidence *e)
{
	bool many = e->grown_blocks >= (int64_t)e->windows;
	uint32_t percent = many ? STEADY_PERCENT : STEADY_FEW;

	if (e->growing * 100 < e->windows * percent || e->growing_last < (many ? 2u : 1u))
		return GROWTH_GAPS;
	if (!many && e->grown_bytes < FEW_BYTES)
		return GROWTH_GAPS;
	if (e->last_half_bytes * 100 < e->first_half_bytes * SLOWING_PERCENT)
		return GROWTH_SLOWING;
	return GROWTH_NO_DOUBT;
}

static void judge(struct growth_group *group, const struct growth *g, const uint64_t *blocks)
{
	bool importing = g->curves->importing[group->node];

	group->verdict = GROWTH_HELD;
	if (!g->n_windows) {
		group->doubt = GROWTH_TOO_SHORT;
		if (group->bytes >= UNDECIDED_BYTES && !importing && group->node > NODE_UNKNOWN)
			group->verdict = GROWTH_UNDECIDED;
		return;
	}
	measure(group, g, blocks);
	if (is_noise(group))
		return;
	group->doubt = doubt_of(&group->evidence);
	if (group->doubt == GROWTH_NO_DOUBT && importing)
		group->doubt = GROWTH_IMPORTING;
	if (group->doubt == GROWTH_NO_DOUBT)
		group->verdict = GROWTH_FOUND;
	else if (group->evidence.grown_bytes >= UNDECIDED_BYTES && group->evidence.growing_last &&
		 (group->doubt != GROWTH_GAPS || group->evidence.growing * 100 >= group->evidence.windows * STEADY_FEW))
		group->verdict = GROWTH_UNDECIDED;
}

/* ---- grouping ---- */

static void add_curve(struct grouping *p, uint32_t number, uint64_t key, uint64_t fingerprint)
{
	const struct curve *curve = &p->g->curves->curves.at[number];
	uint32_t *at = map_at(&p->by_key, key);
	struct growth_group *group;

	if (*at == MAP_NONE) {
		*at = (uint32_t)p->groups.n;
		*array_push(&p->groups) = (struct growth_group){.first_ns = UINT64_MAX};
	}
	p->group_of[number] = *at;
	group = &p->groups.at[*at];
	group->bytes += curve->bytes;
	group->blocks += curve->blocks;
	group->layers |= (uint16_t)(curve->bytes ? 1u << curve->layer : 0);
	if (curve->first_ns < group->first_ns)
		group->first_ns = curve->first_ns;
	if (curve->last_ns > group->last_ns)
		group->last_ns = curve->last_ns;
	group->n_stacks += curve->blocks > 0;
	if (curve->bytes >= group->node_bytes) {
		group->node = curve->node;
		group->node_bytes = curve->bytes;
		group->fingerprint = fingerprint;
	}
}

/* Sums the curves of each group at the windows' borders and judges it. */
static void judge_groups(struct grouping *p)
{
	const struct curves *c = p->g->curves;
	size_t row = GROWTH_WINDOWS_MAX + 1;
	uint64_t *blocks = mem_zero(p->groups.n * row + 1, sizeof *blocks);

	for (uint32_t i = 0; p->g->n_windows && i < c->curves.n; i++) {
		uint32_t group = p->group_of[i];

		if (group != MAP_NONE)
			curves_sum(c, &c->curves.at[i], p->g->borders, p->g->n_windows + 1, p->groups.at[group].curve,
				   blocks + group * row);
	}
	for (size_t i = 0; i < p->groups.n; i++) {
		if (p->groups.at[i].blocks)
			judge(&p->groups.at[i], p->g, blocks + i * row);
		else
			p->groups.at[i].verdict = GROWTH_HELD;
	}
	free(blocks);
}

static void begin(struct grouping *p, struct growth *g)
{
	*p = (struct grouping){.g = g};
	p->group_of = mem_alloc((g->curves->curves.n + 1) * sizeof *p->group_of);
	memset(p->group_of, 0xff, g->curves->curves.n * sizeof *p->group_of);
}

static void end(struct grouping *p)
{
	map_free(&p->by_key);
	array_free(&p->groups);
	free(p->group_of);
}

/* Stacks by the functions in them; curves of `taken` groups are passed over. */
static void group_by_stack(struct grouping *p, const uint64_t *hashes, const struct grouping *taken)
{
	const struct curves *c = p->g->curves;

	for (uint32_t i = 0; i < c->curves.n; i++) {
		uint64_t hash = hashes[c->curves.at[i].node];
		uint32_t in = taken ? taken->group_of[i] : MAP_NONE;

		if (in == MAP_NONE || taken->groups.at[in].verdict != GROWTH_FOUND)
			add_curve(p, i, hash, hash);
	}
	judge_groups(p);
}

/* What `stacks` did not find, by the innermost function alone. Imports come by many paths: they are left out. */
static void group_by_function(struct grouping *p, const uint64_t *hashes, const struct grouping *stacks)
{
	const struct curves *c = p->g->curves;
	const struct defs *d = &c->trace->defs;

	for (uint32_t i = 0; i < c->curves.n; i++) {
		node_id node = c->curves.at[i].node;

		if (stacks->groups.at[stacks->group_of[i]].verdict == GROWTH_FOUND || node <= NODE_UNKNOWN ||
		    c->importing[node])
			continue;
		add_curve(p, i, map_mix(code_hash(d, &d->codes.at[d->nodes.at[node].code])), hashes[node]);
	}
	judge_groups(p);
	for (size_t i = 0; i < p->groups.n; i++) {
		p->groups.at[i].by_function = true;
		p->groups.at[i].fingerprint = code_hash(d, &d->codes.at[d->nodes.at[p->groups.at[i].node].code]);
	}
}

static int compare(const void *left, const void *right)
{
	const struct growth_group *a = left, *b = right;
	int64_t grown_a = a->verdict == GROWTH_FOUND ? a->evidence.grown_bytes : (int64_t)a->bytes;
	int64_t grown_b = b->verdict == GROWTH_FOUND ? b->evidence.grown_bytes : (int64_t)b->bytes;

	if (a->verdict != b->verdict)
		return a->verdict < b->verdict ? -1 : 1;
	if (grown_a != grown_b)
		return grown_a > grown_b ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

static void collect(struct growth *g, const struct grouping *p, bool found_only)
{
	for (size_t i = 0; i < p->groups.n; i++) {
		const struct growth_group *group = &p->groups.at[i];

		if (!group->blocks || (found_only && group->verdict != GROWTH_FOUND))
			continue;
		*array_push(&g->groups) = *group;
		g->n_found += group->verdict == GROWTH_FOUND;
		g->n_undecided += group->verdict == GROWTH_UNDECIDED;
	}
}

void growth_judge(struct growth *g, const struct curves *c)
{
	uint64_t *hashes = node_hashes(&c->trace->defs);
	struct grouping stacks, functions, rest;

	*g = (struct growth){.curves = c};
	cut_windows(g, c);
	begin(&stacks, g);
	group_by_stack(&stacks, hashes, NULL);
	begin(&functions, g);
	group_by_function(&functions, hashes, &stacks);
	begin(&rest, g);
	group_by_stack(&rest, hashes, &functions);
	collect(g, &functions, true);
	collect(g, &rest, false);
	if (g->groups.n)
		qsort(g->groups.at, g->groups.n, sizeof *g->groups.at, compare);
	end(&stacks);
	end(&functions);
	end(&rest);
	free(hashes);
}

void growth_free(struct growth *g)
{
	array_free(&g->groups);
	*g = (struct growth){0};
}
