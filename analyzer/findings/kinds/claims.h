/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claims: which blocks are part of a finding that is not on growth
 *
 * What:  blocks that are alive at the end are in the groups of growth. A finding of another kind takes its blocks out,
 *        curve by curve, so that every byte is in one finding: t->remains->claimed.
 * Who:   finding_native.c, finding_cycles.c, in this order.
 */
#pragma once
#include "analyzer/base/map.h"
#include "analyzer/report/report.h"

struct claims {
	struct report_trace *t;
	struct map curve_of; /* private */
};

/* t->remains must be there. */
void claims_init(struct claims *c, struct report_trace *t);
void claims_free(struct claims *c);
/* Takes a block out of the curve of its stack, if that still has as much. The curve, or MAP_NONE. */
uint32_t claims_take(struct claims *c, node_id node, unsigned layer, uint64_t bytes);
void claims_return(struct claims *c, uint32_t curve, uint64_t bytes);

struct finding;
/* Adds claimed blocks of a curve to a finding: their amounts, times, layer and line (NODE_UNKNOWN: those of the
 * finding's stack); and that they grow, where their group of growth was found to. */
void claims_add(struct report_trace *t, struct finding *f, uint32_t curve, node_id node, const struct amount *more);
/* What of a curve nobody claims. */
struct amount claims_rest(const struct report_trace *t, uint32_t curve);
/* Claims that, too, for a finding. */
void claims_add_rest(struct report_trace *t, struct finding *f, uint32_t curve);
