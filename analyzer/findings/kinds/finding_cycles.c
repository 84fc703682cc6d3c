/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_cycles: garbage that stays, as findings
 *
 * The blocks of such garbage are in the groups of growth, too, like all that is alive at the end. They are claimed
 * here, curve by curve, so that every byte is in one finding: what is not claimed stays where it was.
 */
#include "analyzer/base/mem.h"
#include "analyzer/findings/kinds/claims.h"
#include "analyzer/findings/kinds/finding_kinds.h"

#include <stdlib.h>
#include <string.h>

#define MOSTLY         50 /* percent of a row's bytes in groups that grow */
#define GROWING_CYCLES 20 /* of a row that grows, at least; and its bytes */
#define GROWING_BYTES  (UINT64_C(64) << 10)
#define NO_FINDING     SIZE_MAX

/* What a row of cycles comes to. */
struct row_sum {
	struct amount live;
	uint64_t growing; /* bytes in groups that were found to grow */
	enum remains_reason reason;
	size_t finding; /* index in ret; NO_FINDING */
};

struct making {
	struct report_trace *t;
	struct remains *r;
	struct claims claims;
	uint32_t *curves;     /* by block: its curve; MAP_NONE: it is not alive at the end */
	struct row_sum *rows; /* by row shown */
};

static struct row_sum *row_of(struct making *m, size_t block)
{
	return &m->rows[m->r->list.shown_of.at[m->r->cycles.blocks.at[block].row]];
}

static void claim_all(struct making *m)
{
	const struct cycles *c = &m->r->cycles;

	for (size_t i = 0; i < c->blocks.n; i++) {
		struct row_sum *row = row_of(m, i);
		const struct cycle_block *b = &c->blocks.at[i];
		uint32_t curve = claims_take(&m->claims, b->maker, b->layer, b->bytes);
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

static void judge_all(struct making *m)
{
	for (size_t i = 0; i < m->r->list.at.n; i++) {
		struct row_sum *row = &m->rows[i];
		bool growing = row->growing * 100 > row->live.bytes * MOSTLY && row->live.bytes >= GROWING_BYTES &&
			       m->r->list.at.at[i].count >= GROWING_CYCLES;

		row->reason = row->live.bytes ? remains_judge(m->r, &m->r->list.at.at[i], growing) : REMAINS_NONE;
		row->finding = NO_FINDING;
	}
}

/* Gives back what is no finding after all. */
static void return_rest(struct making *m)
{
	const struct cycles *c = &m->r->cycles;

	for (size_t i = 0; i < c->blocks.n; i++) {
		if (m->curves[i] == MAP_NONE || row_of(m, i)->finding != NO_FINDING)
			continue;
		claims_return(&m->claims, m->curves[i], c->blocks.at[i].bytes);
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

/* What waits for its collection beside such garbage, made by the same function, comes to the same end: its bytes go
 * with the finding, its cycles are not counted. */
static void add_waiting(struct making *m, size_t row, const struct finding *ret, size_t from, size_t n)
{
	const struct cycle_shown *shown = &m->r->list.at.at[row];
	uint64_t maker = fingerprint_of(m->t, place_blame(&m->t->places, remains_node(m->r, shown)));

	for (size_t i = from; shown->row->state == CYCLE_UNCOLLECTED && i < n; i++)
		if (fingerprint_of(m->t, ret[i].blame) == maker)
			m->rows[row].finding = i;
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
	claims_init(&m.claims, t);
	claim_all(&m);
	judge_all(&m);
	for (size_t i = 0; i < r->list.at.n; i++) {
		if (m.rows[i].reason != REMAINS_NONE)
			add_row(&m, i, ret, from, n);
	}
	for (size_t i = 0; i < r->list.at.n; i++) {
		if (m.rows[i].reason == REMAINS_NONE)
			add_waiting(&m, i, ret, from, *n);
	}
	return_rest(&m);
	for (size_t i = 0; i < r->cycles.blocks.n; i++) {
		if (m.curves[i] != MAP_NONE)
			claims_add(t, &ret[row_of(&m, i)->finding], m.curves[i], r->cycles.blocks.at[i].node,
				   &(struct amount){ r->cycles.blocks.at[i].bytes, 1 });
	}
	claims_free(&m.claims);
	free(m.curves);
	free(m.rows);
}
