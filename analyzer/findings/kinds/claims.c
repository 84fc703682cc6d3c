/* SPDX-License-Identifier: Apache-2.0 */
/* claims: a map from stack and layer to the curve. */
#include "analyzer/findings/kinds/claims.h"
#include "analyzer/base/mem.h"
#include "analyzer/findings/finding.h"

#include <string.h>

static uint64_t curve_key(node_id node, unsigned layer) { return (uint64_t)node << 8 | layer; }

void claims_init(struct claims *c, struct report_trace *t)
{
	const struct curves *curves = &t->curves;

	*c = (struct claims){ .t = t };
	for (uint32_t i = 0; i < curves->curves.n; i++)
		*map_at(&c->curve_of, curve_key(curves->curves.at[i].node, curves->curves.at[i].layer)) = i;
	if (!t->remains->claimed)
		t->remains->claimed = mem_zero(curves->curves.n + 1, sizeof *t->remains->claimed);
}

void claims_free(struct claims *c) { map_free(&c->curve_of); }

uint32_t claims_take(struct claims *c, node_id node, unsigned layer, uint64_t bytes)
{
	uint32_t at = map_find(&c->curve_of, curve_key(node, layer));
	struct amount *claimed = at == MAP_NONE ? NULL : &c->t->remains->claimed[at];

	if (!claimed || c->t->growth.group_of[at] == MAP_NONE ||
	    claimed->bytes + bytes > c->t->curves.curves.at[at].bytes ||
	    claimed->blocks + 1 > c->t->curves.curves.at[at].blocks)
		return MAP_NONE;
	claimed->bytes += bytes;
	claimed->blocks++;
	return at;
}

void claims_return(struct claims *c, uint32_t curve, uint64_t bytes)
{
	c->t->remains->claimed[curve].bytes -= bytes;
	c->t->remains->claimed[curve].blocks--;
}

struct amount claims_rest(const struct report_trace *t, uint32_t at)
{
	const struct curve *curve = &t->curves.curves.at[at];
	const struct amount *claimed = &t->remains->claimed[at];

	return (struct amount){ curve->bytes - claimed->bytes, curve->blocks - claimed->blocks };
}

void claims_add_rest(struct report_trace *t, struct finding *f, uint32_t at)
{
	const struct amount rest = claims_rest(t, at);

	amount_add(&t->remains->claimed[at], &rest);
	claims_add(t, f, at, t->curves.curves.at[at].node, &rest);
}

void claims_add(struct report_trace *t, struct finding *f, uint32_t at, node_id node, const struct amount *more)
{
	const struct growth *g = &t->growth;
	const struct curve *curve = &t->curves.curves.at[at];
	const struct growth_group *group = &g->groups.at[g->group_of[at]];

	if (node == NODE_UNKNOWN)
		node = f->sum.node;
	f->sum.bytes += more->bytes;
	f->sum.blocks += more->blocks;
	f->sum.n_stacks = 1;
	f->sum.layers |= (uint16_t)(1 << curve->layer);
	f->sum.first_ns = curve->first_ns < f->sum.first_ns ? curve->first_ns : f->sum.first_ns;
	f->sum.last_ns = curve->last_ns > f->sum.last_ns ? curve->last_ns : f->sum.last_ns;
	finding_add_part(&f->own_parts, &f->n_own_parts, place_find(&t->places, place_blame(&t->places, node)), node,
			 more);
	if (group->verdict != GROWTH_FOUND || group->evidence.grown_bytes <= f->sum.evidence.grown_bytes)
		return;
	f->sum.evidence = group->evidence; /* that it grows is known, too */
	memcpy(f->sum.curve_bytes, group->curve_bytes, sizeof f->sum.curve_bytes);
	memcpy(f->sum.curve_blocks, group->curve_blocks, sizeof f->sum.curve_blocks);
}
