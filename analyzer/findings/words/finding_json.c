/* SPDX-License-Identifier: Apache-2.0 */
/* finding_json: findings as JSON */
#include "analyzer/findings/words/finding_words.h"
#include "analyzer/findings/kinds/finding_kinds.h"
#include "analyzer/findings/list/finding_list.h"

#include <stdlib.h>

void finding_put_alive(const struct report *r, json_t *o)
{
	report_put_alive(r, o);
	json_put(o, "exit_bytes", json_incref(json_object_get(o, "live_bytes")));
	json_put(o, "live_bytes", json_bytes(finding_alive(r).bytes));
}

static json_t *evidence_json(const struct finding *f)
{
	const struct growth_evidence *e = &f->sum.evidence;
	const struct growth *g = &f->trace->growth;
	json_t *o, *curve;

	if (f->pin)
		return finding_fragments_json(f);
	o = json_object();
	curve = json_array();
	json_put(o, "windows", json_integer(e->windows));
	json_put(o, "growing_windows", json_integer(e->growing));
	json_put(o, "growing_last_windows", json_integer(e->growing_last));
	json_put(o, "from_s", json_seconds(e->warm_ns));
	json_put(o, "to_s", json_seconds(e->end_ns));
	json_put(o, "warm_bytes", json_bytes(e->warm_bytes));
	json_put(o, "grown_bytes", json_integer(e->grown_bytes));
	json_put(o, "grown_blocks", json_integer(e->grown_blocks));
	json_put(o, "first_half_bytes", json_integer(e->first_half_bytes));
	json_put(o, "last_half_bytes", json_integer(e->last_half_bytes));
	json_put(o, "fall_bytes", json_integer(e->fall_bytes));
	json_put(o, "late_deaths", json_bytes(e->late_deaths));
	json_put(o, "spread_percent", json_integer(e->spread_percent));
	for (uint32_t w = 0; g->n_windows && w <= g->n_windows; w++)
		json_add(curve, json_bytes(f->sum.curve_bytes[w]));
	json_put(o, "live_bytes", curve);
	json_put(o, "first_s", json_seconds(f->sum.first_ns));
	json_put(o, "last_s", json_seconds(f->sum.last_ns));
	json_put(o, "stacks", json_integer(f->sum.n_stacks));
	if (!f->cycle)
		return o;
	json_put(o, "cycles", json_bytes(f->cycles));
	json_put(o, "objects", json_bytes(f->cycle_objects));
	json_put(o, "collector_enabled", json_boolean(f->trace->remains->cycles.gc_enabled));
	json_put(o, "snapshot", json_bytes(f->trace->remains->cycles.now));
	return o;
}

static json_t *type_json(const struct finding *f)
{
	char type[2048];

	return finding_type(f, type, sizeof type) ? json_text(type) : json_null();
}

static json_t *members_json(const struct finding *f)
{
	return f->cycle ? cycle_members_json(f->cycle->row, &f->trace->remains->cycles, &f->trace->places)
			: json_null();
}

static void put_cycle(const struct finding *f, json_t *o)
{
	const struct cycles *c = &f->trace->remains->cycles;

	json_put(o, "edges", cycle_edges_json(f->cycle->row, c));
	json_put(o, "closing_edge", cycle_closing_json(f->cycle->row, c, &f->trace->places));
}

static json_t *growth_json(const struct finding *f)
{
	json_t *o;

	if (f->sum.verdict == GROWTH_HELD || f->sum.doubt == GROWTH_TOO_SHORT ||
	    ((finding_is_own(f) || f->lost.kind) && f->all_rate <= 0))
		return json_null();
	o = json_object();
	json_put(o, "bytes_per_s", json_number(f->all_rate));
	json_put(o, "per_mark", finding_marks_json(f));
	return o;
}

static json_t *parts_json(const struct finding *f)
{
	json_t *list = json_array();
	size_t n;
	struct finding_part *parts = finding_parts(f, &n);

	for (size_t i = 0; i < n; i++) {
		struct place place = *parts[i].place;
		json_t *o = json_object();

		place.at.column = place.at.end_column = -1;
		json_put(o, "site", place_json(&place));
		json_put(o, "bytes", json_bytes(parts[i].live.bytes));
		json_put(o, "blocks", json_bytes(parts[i].live.blocks));
		json_add(list, o);
	}
	free(parts);
	return list;
}

static json_t *pids_json(const struct finding *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->n_pids; i++)
		json_add(list, json_integer(f->pids[i]));
	return list;
}

/* The expression of its holder; where C code has none of Python's, its memory. */
static json_t *held_by(const struct finding *f, char *buf, size_t cap)
{
	int used = snprintf(buf, cap, "native memory: ");

	if (f->has_holder)
		return json_text(f->holder.chain.expression);
	if (!f->keeper.kind)
		return json_null();
	finding_keeper_text(f, false, buf + used, cap - (size_t)used);
	return json_text(buf);
}

json_t *finding_json(const struct finding *f)
{
	json_t *o = json_object();
	char why[400], fingerprint[64], watch[800];

	json_put(o, "verdict", json_text(finding_verdict(f)));
	json_put(o, "bytes", json_bytes(f->all.bytes));
	json_put(o, "blocks", json_bytes(f->all.blocks));
	json_put(o, "type", type_json(f));
	json_put(o, "pids", pids_json(f));
	json_put(o, "site", place_json(finding_site(f)));
	json_put(o, "blame", place_json(finding_place(f)));
	json_put(o, "made_at", place_json(finding_maker(f)));
	json_put(o, "added_at", finding_adder(f) ? place_json(finding_adder(f)) : json_null());
	json_put(o, "added_stack", finding_adder(f) ? place_stack_json(&f->trace->places, f->added_node) : json_null());
	json_put(o, "below", place_below_json(&f->trace->places, f->sum.node));
	json_put(o, "stack", place_stack_json(&f->trace->places, f->sum.node));
	json_put(o, "layers", report_layers_json(f->sum.layers));
	json_put(o, "growth", growth_json(f));
	json_put(o, "holder", f->has_holder ? chain_json(&f->holder.chain, &f->trace->remains->view) : json_null());
	json_put(o, "held_by", held_by(f, why, sizeof why));
	json_put(o, "keeper", finding_keeper_json(f));
	json_put(o, "members", members_json(f));
	if (f->cycle)
		put_cycle(f, o);
	json_put(o, "evidence", evidence_json(f));
	json_put(o, "why", json_text(finding_why(f, why, sizeof why)));
	if (f->sum.verdict != GROWTH_HELD)
		json_put(o, "parts", parts_json(f));
	if (f->sum.verdict == GROWTH_UNDECIDED)
		json_put(o, "decided_by", json_text(finding_decides(f, why, sizeof why)));
	if (f->native.is)
		json_put(o, "unreachable", finding_native_json(f));
	if (f->lost.kind) {
		json_put(o, "surplus", finding_lost_json(f));
		json_put(o, "watch", *finding_watch(f, watch, sizeof watch) ? json_text(watch) : json_null());
	}
	json_put(o, "fingerprint", json_text(finding_fingerprint(f, fingerprint, sizeof fingerprint)));
	return o;
}
