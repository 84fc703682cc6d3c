/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_cycles: garbage that stays, as findings
 *
 * The blocks of such garbage are in the groups of growth, too, like all that is alive at the end. They are claimed
 * here, curve by curve, so that every byte is in one finding: what is not claimed stays where it was.
 */
#include "analyzer/base/mem.h"
#include "analyzer/findings/finding.h"

#include <stdlib.h>
#include <string.h>

#define MOSTLY         50 /* percent of a row's bytes in groups that grow */
#define GROWING_CYCLES 20 /* of a row that grows, at least; and its bytes */
#define GROWING_BYTES  (UINT64_C(64) << 10)

/* What a row of cycles comes to. */
struct row_sum {
	struct amount live;
	uint64_t growing; /* bytes in groups that were found to grow */
	enum remains_reason reason;
	size_t finding; /* index in ret */
};

struct making {
	struct report_trace *t;
	struct remains *r;
	struct map curve_of;  /* node and layer to a curve */
	uint32_t *curves;     /* by block: its curve; MAP_NONE: it is not alive at the end */
	struct row_sum *rows; /* by row shown */
};

static uint64_t curve_key(node_id node, unsigned layer) { return (uint64_t)node << 8 | layer; }

static void list_curves(struct making *m)
{
	const struct curves *c = &m->t->curves;

	for (uint32_t i = 0; i < c->curves.n; i++)
		*map_at(&m->curve_of, curve_key(c->curves.at[i].node, c->curves.at[i].layer)) = i;
}

/* Takes a block out of the curve of its stack, if that still has as much. */
static uint32_t claim(struct making *m, const struct cycle_block *b)
{
	uint32_t at = map_find(&m->curve_of, curve_key(b->maker, b->layer));
	struct amount *claimed = at == MAP_NONE ? NULL : &m->r->claimed[at];

	if (!claimed || m->t->growth.group_of[at] == MAP_NONE ||
	    claimed->bytes + b->bytes > m->t->curves.curves.at[at].bytes ||
	    claimed->blocks + 1 > m->t->curves.curves.at[at].blocks)
		return MAP_NONE;
	claimed->bytes += b->bytes;
	claimed->blocks++;
	return at;
}

static struct row_sum *row_of(struct making *m, size_t block)
{
	return &m->rows[m->r->list.shown_of.at[m->r->cycles.blocks.at[block].row]];
}

static void claim_all(struct making *m)
{
	const struct cycles *c = &m->r->cycles;

	m->r->claimed = mem_zero(m->t->curves.curves.n + 1, sizeof *m->r->claimed);
	for (size_t i = 0; i < c->blocks.n; i++) {
		struct row_sum *row = row_of(m, i);
		uint32_t curve = claim(m, &c->blocks.at[i]);
		const struct growth *g = &m->t->growth;

		m->curves[i] = curve;
		if (curve == MAP_NONE)
			continue;
		row->live.bytes += c->blocks.at[i].bytes;
		row->live.blocks++;
		if (g->groups.at[g->group_of[curve]].verdict == GROWTH_FOUND)
			row->growing += c->blocks.at[i].bytes;
	}
}

/* Gives back what is no finding after all. */
static void judge_all(struct making *m)
{
	const struct cycles *c = &m->r->cycles;

	for (size_t i = 0; i < m->r->list.at.n; i++) {
		struct row_sum *row = &m->rows[i];
		bool growing = row->growing * 100 > row->live.bytes * MOSTLY && row->live.bytes >= GROWING_BYTES &&
			       m->r->list.at.at[i].count >= GROWING_CYCLES;

		row->reason = row->live.bytes ? remains_judge(m->r, &m->r->list.at.at[i], growing) : REMAINS_NONE;
	}
	for (size_t i = 0; i < c->blocks.n; i++) {
		if (m->curves[i] == MAP_NONE || row_of(m, i)->reason != REMAINS_NONE)
			continue;
		m->r->claimed[m->curves[i]].bytes -= c->blocks.at[i].bytes;
		m->r->claimed[m->curves[i]].blocks--;
		m->curves[i] = MAP_NONE;
	}
}

/* ---- findings ---- */

static uint64_t fingerprint_of(const struct report_trace *t, node_id blame) { return t->growth.fingerprints[blame]; }

/* Rows whose members one function made, for one reason, are one finding. */
static struct finding *finding_of(struct making *m, size_t row, struct finding *ret, size_t from, size_t *n)
{
	const struct cycle_shown *shown = &m->r->list.at.at[row];
	node_id node = remains_node(m->r, shown), blame = place_blame(&m->t->places, node);
	size_t i = from;

	while (i < *n && (ret[i].reason != m->rows[row].reason ||
			  fingerprint_of(m->t, ret[i].blame) != fingerprint_of(m->t, blame)))
		i++;
	m->rows[row].finding = i;
	if (i < *n) {
		if (shown->bytes > ret[i].cycle->bytes)
			ret[i].cycle = shown;
		return &ret[i];
	}
	ret[(*n)++] = (struct finding){
		.trace = m->t,
		.sum = { .verdict = GROWTH_FOUND, .node = node, .first_ns = UINT64_MAX },
		.blame = blame,
		.cycle = shown,
		.reason = m->rows[row].reason,
	};
	return &ret[i];
}

static void add_row(struct making *m, size_t row, struct finding *ret, size_t from, size_t *n)
{
	struct finding *f = finding_of(m, row, ret, from, n);
	const struct cycle_shown *shown = &m->r->list.at.at[row];

	f->cycles += shown->count;
	f->cycle_objects += shown->objects;
}

static void add_block(struct making *m, struct finding *f, const struct cycle_block *b, uint32_t at)
{
	const struct growth *g = &m->t->growth;
	const struct curve *curve = &m->t->curves.curves.at[at];
	const struct growth_group *group = &g->groups.at[g->group_of[at]];
	const struct amount one = { b->bytes, 1 };
	node_id node = b->node == NODE_UNKNOWN ? f->sum.node : b->node;

	f->sum.bytes += b->bytes;
	f->sum.blocks++;
	f->sum.n_stacks = 1;
	f->sum.layers |= (uint16_t)(1 << curve->layer);
	f->sum.first_ns = curve->first_ns < f->sum.first_ns ? curve->first_ns : f->sum.first_ns;
	f->sum.last_ns = curve->last_ns > f->sum.last_ns ? curve->last_ns : f->sum.last_ns;
	finding_add_part(&f->own_parts, &f->n_own_parts, place_find(&m->t->places, place_blame(&m->t->places, node)),
			 node, &one);
	if (group->verdict != GROWTH_FOUND || group->evidence.grown_bytes <= f->sum.evidence.grown_bytes)
		return;
	f->sum.evidence = group->evidence; /* that it grows is known, too */
	memcpy(f->sum.curve_bytes, group->curve_bytes, sizeof f->sum.curve_bytes);
	memcpy(f->sum.curve_blocks, group->curve_blocks, sizeof f->sum.curve_blocks);
}

void finding_cycles(struct report_trace *t, struct finding *ret, size_t *n)
{
	struct remains *r = t->remains;
	struct making m = { .t = t, .r = r };
	size_t from = *n;

	if (!r->list.at.n)
		return;
	m.curves = mem_alloc((r->cycles.blocks.n + 1) * sizeof *m.curves);
	m.rows = mem_zero(r->list.at.n + 1, sizeof *m.rows);
	list_curves(&m);
	claim_all(&m);
	judge_all(&m);
	for (size_t i = 0; i < r->list.at.n; i++) {
		if (m.rows[i].reason != REMAINS_NONE)
			add_row(&m, i, ret, from, n);
	}
	for (size_t i = 0; i < r->cycles.blocks.n; i++) {
		if (m.curves[i] != MAP_NONE)
			add_block(&m, &ret[row_of(&m, i)->finding], &r->cycles.blocks.at[i], m.curves[i]);
	}
	map_free(&m.curve_of);
	free(m.curves);
	free(m.rows);
}
