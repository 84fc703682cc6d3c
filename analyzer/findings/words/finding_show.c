/* SPDX-License-Identifier: Apache-2.0 */
/* finding_show: findings as text and as JSON */
#include "analyzer/findings/finding.h"

#include <stdlib.h>
#include <string.h>

#define CURVE_POINTS 5 /* moments at which the text shows how much was alive */
#define PARTS_SHOWN  4
#define PIDS_SHOWN   8
#define EVEN_PERCENT 50 /* of the growth, in what is said to come with each mark */

static const char *const verdict_names[] = {
	[GROWTH_FOUND] = "growth",
	[GROWTH_UNDECIDED] = "undecided",
	[GROWTH_HELD] = "held",
};

/* What each doubt means, and the run that would settle it. */
static const struct {
	const char *why, *decides;
} doubts[GROWTH_DOUBTS] = {
	[GROWTH_TOO_SHORT] = { "the run is too short to show whether it goes on growing",
			       "trace a run with several times the work" },
	[GROWTH_SLOWING] = { "it grew less and less, as a cache does that fills up",
			     "trace a run with twice the work: a cache stays as it is, a leak doubles" },
	[GROWTH_GAPS] = { "it grew in a part of the windows only", "trace a longer run with steady work" },
	[GROWTH_SAWTOOTH] = { "it fell in between, as garbage does that waits for its collection",
			      "trace a run with several times the work" },
	[GROWTH_IMPORTING] = { "it grew while modules were being imported, which ends when all are",
			       "trace a run that goes on after the last import" },
	[GROWTH_BUILDING] = { "nearly all that the program made came from one call, which may just build what it "
			      "returns",
			      "trace a run that goes on after that call" },
	[GROWTH_STOPPED] = { "it grew while the program worked, but then the program idled for much longer",
			     "trace a run in which the program goes on working" },
	[GROWTH_LITTLE] = { "it grew by too little to tell a leak from a small cache that fills up",
			    "trace a run with several times the work" },
	[GROWTH_WAITING] = { "nobody refers to it, and it may be dead tuples, lists or dicts that the interpreter "
			     "keeps for "
			     "the next ones, up to 2,000 of a size",
			     "trace a run with several times the work: free lists have a bound" },
	[GROWTH_GARBAGE] = { "nobody refers to it any more: it waits for the garbage collector, which is on",
			     "trace a run with several times the work: a full collection takes it" },
	[GROWTH_UNSEEN] = { "recording had been stopped, and while this came as many blocks went that were made "
			    "unseen, as "
			    "from a cache with a bound",
			    "record for longer, or a run from its start on" },
	[GROWTH_BOUNDED] = { "what holds it has a bound, which this run did not reach",
			     "trace a run with so many entries that old ones are thrown out" },
	[GROWTH_UNEVEN] = { "windows of the same work brought very different amounts, as in a program that builds "
			    "something of different inputs",
			    "mark each piece of work (libpytrace.mark) and trace a run with several times as many" },
	[GROWTH_GIVEN_BACK] = { "all of it was given back at once when the program ended, which may just have built "
				"it until then",
				"end the run in the middle of its work (by a signal, or os._exit), so that what grows "
				"is "
				"still there" },
	[GROWTH_EVICTING] = { "old blocks of it were given back while new ones came, as in a bounded cache",
			      "trace a run with several times the work: a bounded cache stops at its bound" },
};

const char *finding_verdict(const struct finding *f)
{
	if (f->cycle)
		return f->reason == REMAINS_UNCOLLECTABLE ? "cycle-uncollectable" : "cycle-garbage";
	if (f->pin && f->sum.verdict == GROWTH_FOUND)
		return "fragmentation";
	if (f->lost.kind && f->sum.verdict == GROWTH_FOUND)
		return "reference-leak";
	if (f->native.is && f->sum.verdict == GROWTH_FOUND)
		return "native-unreachable";
	return verdict_names[f->sum.verdict];
}

/* "2.50 MiB in 3,000 blocks"; no blocks when larger ones took the place of smaller. */
static void put_grown(char *buf, size_t cap, const struct growth_evidence *e)
{
	uint64_t bytes = e->grown_bytes > 0 ? (uint64_t)e->grown_bytes : 0;

	if (e->grown_blocks > 0)
		snprintf(buf, cap, "%s in %s", format_bytes(bytes).text,
			 format_plural((uint64_t)e->grown_blocks, "block", "blocks").text);
	else
		snprintf(buf, cap, "%s", format_bytes(bytes).text);
}

/* "100 cycles that hold only themselves (300 objects): the collector was off since 20 ms". */
static char *cycle_reason(const struct finding *f, char *buf, size_t cap)
{
	const struct cycles *c = &f->trace->remains->cycles;
	char why[300];
	int used = snprintf(buf, cap, "%s, held by nobody else: ", format_plural(f->cycles, "cycle", "cycles").text);

	switch (f->reason) {
	case REMAINS_OFF:
		if (c->gc_enabled)
			snprintf(buf + used, cap - (size_t)used, "no collection starts by itself (threshold 0)");
		else
			snprintf(buf + used, cap - (size_t)used, "the collector was off since %s",
				 format_seconds((double)c->disabled_ns / 1e9).text);
		break;
	case REMAINS_FROZEN:
		snprintf(buf + used, cap - (size_t)used,
			 "in the permanent generation (gc.freeze), where no collection looks");
		break;
	case REMAINS_GROWING:
		snprintf(buf + used, cap - (size_t)used,
			 "the collector is on, but did not come to them, and there are more and more");
		break;
	default:
		snprintf(buf + used, cap - (size_t)used, "no collection frees them, for %s",
			 cycle_why(f->cycle->row->why, why, sizeof why));
		break;
	}
	return buf;
}

/* Marks over which the evidence goes. */
static uint64_t marks_judged(const struct growth *g) { return g->window_marks * (g->n_windows - g->n_warm); }

static const char *mark_label(const struct growth *g)
{
	return strings_text(&g->curves->marks.labels, g->marks->label);
}

/* The group of a finding of which each mark brought exactly as much, and which is most of it; NULL: none is. */
static const struct growth_evidence *even_part(const struct finding *f)
{
	const struct growth *g = &f->trace->growth;

	if (f->sum.evidence.even_bytes)
		return &f->sum.evidence;
	for (size_t i = 0; i < f->n_groups; i++) {
		const struct growth_evidence *e = &g->groups.at[f->groups[i]].evidence;

		if (e->even_bytes && e->grown_bytes * 100 >= f->sum.evidence.grown_bytes * EVEN_PERCENT)
			return e;
	}
	return NULL;
}

static double per_mark(const struct finding *f, int64_t n)
{
	uint64_t marks = marks_judged(&f->trace->growth);

	return marks && n > 0 ? (double)n / (double)marks : 0;
}

static void why_marks(const struct finding *f, char *buf, size_t cap)
{
	const struct growth *g = &f->trace->growth;
	const struct growth_evidence *e = &f->sum.evidence, *even = even_part(f);
	const char *what = g->marks->region ? "region" : "mark", *label = mark_label(g);
	int used;

	if (even == e)
		used = snprintf(buf, cap, "%s bytes in %s per %s '%.100s', each time", format_count(e->even_bytes).text,
				format_plural(e->even_blocks, "block", "blocks").text, what, label);
	else
		used = snprintf(buf, cap, "about %.0f bytes per %s '%.100s'", per_mark(f, e->grown_bytes), what, label);
	if (even && even != e)
		used += snprintf(buf + used, cap - (size_t)used, ", %s of them in %s each time",
				 format_count(even->even_bytes).text,
				 format_plural(even->even_blocks, "block", "blocks").text);
	snprintf(buf + used, cap - (size_t)used,
		 ": it grew in %u of %u windows of %s, up to the end and without slowing down, after a warm-up of %s",
		 e->growing, e->windows,
		 format_plural(g->window_marks, what, g->marks->region ? "regions" : "marks").text,
		 format_count(g->warm_marks).text);
}

char *finding_why(const struct finding *f, char *buf, size_t cap)
{
	const struct growth_evidence *e = &f->sum.evidence;
	char grown[160];

	if (f->cycle)
		return cycle_reason(f, buf, cap);
	if (f->native.is)
		return finding_native_why(f, buf, cap);
	if (f->pin)
		return finding_fragments_why(f, buf, cap);
	if (f->lost.kind)
		return finding_lost_why(f, buf, cap);
	put_grown(grown, sizeof grown, e);
	if (f->sum.verdict == GROWTH_FOUND && f->trace->growth.marks)
		why_marks(f, buf, cap);
	else if (f->sum.verdict == GROWTH_FOUND)
		snprintf(buf, cap,
			 "after the warm-up it grew in %u of %u windows of work, up to the end and without slowing "
			 "down, by %s",
			 e->growing, e->windows, grown);
	if (f->sum.verdict == GROWTH_FOUND && f->sum.given_bytes)
		snprintf(buf + strlen(buf), cap - strlen(buf), "; it was given back when the program ended");
	if (f->sum.verdict == GROWTH_FOUND)
		return buf;
	if (f->sum.verdict == GROWTH_HELD)
		snprintf(buf, cap, "it stays, but nothing shows that it grows without end");
	else if (f->sum.doubt == GROWTH_TOO_SHORT)
		snprintf(buf, cap, "%s", doubts[f->sum.doubt].why);
	else
		snprintf(buf, cap, "%s: it grew in %u of %u windows of work, by %s", doubts[f->sum.doubt].why,
			 e->growing, e->windows, grown);
	return buf;
}

/* A time between snapshots that gives several of them in a run as long as this one. */
static const char *lost_every(const struct finding *f)
{
	double run = (double)f->trace->remains->surplus.ns[f->trace->remains->surplus.n - 1] / 1e9;

	return run > 600 ? "60s" : run > 60 ? "10s" : run > 10 ? "1s" : run > 1 ? "100ms" : "10ms";
}

/* The run that would settle a doubt. */
static const char *decides(const struct finding *f, char *buf, size_t cap)
{
	char watch[600];

	if (f->native.is)
		return "trace a run with several times the work: a leak grows with it";
	if (f->pin)
		return finding_fragments_decides();
	if (!f->lost.kind)
		return doubts[f->sum.doubt].decides;
	if (f->trace->remains->surplus.n < 4)
		snprintf(buf, cap, "trace a run with several snapshots (PYTRACE_SNAPSHOT=exit,every=%s)",
			 lost_every(f));
	else
		snprintf(buf, cap, "trace a run with several times the work");
	if (*finding_watch(f, watch, sizeof watch))
		snprintf(buf + strlen(buf), cap - strlen(buf), ", or one with %.300s", watch);
	return buf;
}

static double seconds(uint64_t ns) { return (double)ns / 1e9; }

static const struct place *finding_site(const struct finding *f)
{
	return place_find(&f->trace->places, place_site(&f->trace->places, f->sum.node));
}

/* ---- JSON ---- */

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

/* Its type: of a cycle's first member that has a line; of growth the one of most bytes of the largest stack. */
bool finding_type(const struct finding *f, char *buf, size_t cap)
{
	const char *type = f->trace->has & REPORT_TYPES ? types_main(&f->trace->types, f->sum.node) : "";
	const struct cycles *c = f->cycle ? &f->trace->remains->cycles : NULL;

	if (f->lost.type) {
		snprintf(buf, cap, "%s", strings_text(&f->trace->remains->surplus.strings, f->lost.type));
		return true;
	}
	for (uint32_t i = 0; c && i < f->cycle->row->n_members; i++) {
		const struct cycle_member *m = &c->members.at[f->cycle->row->first_member + i];

		if (m->node == f->sum.node && !m->is_dict) {
			snprintf(buf, cap, "%s", strings_text(&c->strings, m->type));
			return true;
		}
	}
	snprintf(buf, cap, "%s", finding_is_own(f) ? "" : type);
	return *buf;
}

static json_t *type_json(const struct finding *f)
{
	char type[2048];

	return finding_type(f, type, sizeof type) ? json_text(type) : json_null();
}

static json_t *members_json(const struct finding *f)
{
	return f->cycle ? cycle_members_json(f->cycle->row, &f->trace->remains->cycles, f->trace) : json_null();
}

static void put_cycle(const struct finding *f, json_t *o)
{
	const struct cycles *c = &f->trace->remains->cycles;

	json_put(o, "edges", cycle_edges_json(f->cycle->row, c));
	json_put(o, "closing_edge", cycle_closing_json(f->cycle->row, c, f->trace));
}

/* What a mark brings: on average, and exactly where each brought the same. */
static json_t *per_mark_json(const struct finding *f)
{
	const struct growth *g = &f->trace->growth;
	const struct growth_evidence *even = even_part(f);
	json_t *o, *exact;

	if (!g->marks || !g->window_marks)
		return json_null();
	o = json_object();
	json_put(o, "label", json_text(mark_label(g)));
	json_put(o, "kind", json_text(g->marks->region ? "region" : "mark"));
	json_put(o, "marks", json_bytes(marks_judged(g)));
	json_put(o, "warmup", json_bytes(g->warm_marks));
	json_put(o, "bytes", json_number(per_mark(f, f->sum.evidence.grown_bytes)));
	json_put(o, "blocks", json_number(per_mark(f, f->sum.evidence.grown_blocks)));
	exact = even ? json_object() : json_null();
	if (even) {
		json_put(exact, "bytes", json_bytes(even->even_bytes));
		json_put(exact, "blocks", json_bytes(even->even_blocks));
	}
	json_put(o, "exact", exact);
	return o;
}

static json_t *growth_json(const struct finding *f)
{
	json_t *o;

	if (f->sum.verdict == GROWTH_HELD || f->sum.doubt == GROWTH_TOO_SHORT ||
	    ((finding_is_own(f) || f->lost.kind) && f->all_rate <= 0))
		return json_null();
	o = json_object();
	json_put(o, "bytes_per_s", json_number(f->all_rate));
	json_put(o, "per_mark", per_mark_json(f));
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
		json_put(o, "decided_by", json_text(decides(f, why, sizeof why)));
	if (f->native.is)
		json_put(o, "unreachable", finding_native_json(f));
	if (f->lost.kind) {
		json_put(o, "surplus", finding_lost_json(f));
		json_put(o, "watch", *finding_watch(f, watch, sizeof watch) ? json_text(watch) : json_null());
	}
	json_put(o, "fingerprint", json_text(finding_fingerprint(f, fingerprint, sizeof fingerprint)));
	return o;
}

/* ---- text ---- */

void finding_print_pids(const struct output *o, const struct finding *f)
{
	fprintf(o->file, ", pid %u", f->pids[0]);
	for (size_t i = 1; i < f->n_pids && i < PIDS_SHOWN; i++)
		fprintf(o->file, " %u", f->pids[i]);
	if (f->n_pids > PIDS_SHOWN)
		fprintf(o->file, " and %zu more", f->n_pids - PIDS_SHOWN);
}

char *finding_extent(const struct finding *f, char *buf, size_t cap)
{
	struct format_text blocks = format_plural(f->all.blocks, "block", "blocks");

	if (f->lost.kind == LOST_SHARED)
		snprintf(buf, cap, "on %s of type %s", format_plural(f->lost.objects, "object", "objects").text,
			 strings_text(&f->trace->remains->surplus.strings, f->lost.type));
	else
		snprintf(buf, cap, "%s %s", f->pin ? "kept by" : "in", blocks.text);
	return buf;
}

static void print_head(struct report *r, const struct finding *f, size_t number)
{
	const struct output *o = &r->out;
	char amount[60], extent[600], safe[600];

	fprintf(o->file, "%s%zu. %s: %s%s", output_style(o, STYLE_STRONG), number, finding_verdict(f),
		finding_amount(f, amount, sizeof amount), output_style(o, STYLE_PLAIN));
	fprintf(o->file, " %s", format_printable(safe, sizeof safe, finding_extent(f, extent, sizeof extent)));
	if (f->all_rate > 0)
		fprintf(o->file, ", growing by %s", format_rate(f->all_rate).text);
	if (r->n_traces > 1)
		finding_print_pids(o, f);
	fputc('\n', o->file);
}

static void print_source(const struct output *o, const struct finding *f, const struct place *p, unsigned indent)
{
	char text[400];
	bool changed = false;

	if (!place_source(&f->trace->places, p, text, sizeof text, &changed))
		return;
	fprintf(o->file, "%*s%s", (int)indent, "", output_style(o, STYLE_CODE));
	format_elide(o->file, text, o->width - indent);
	fprintf(o->file, "%s%s\n", output_style(o, STYLE_PLAIN), changed ? "   (the file has changed since)" : "");
}

static char *printable_function(const struct place *p, bool full, char *buf, size_t cap)
{
	char function[2048];

	return format_printable(buf, cap, place_function(p, full, function, sizeof function));
}

/* Of a leak in C: the Python line that called it. */
static void print_python_caller(const struct output *o, const struct finding *f, bool full, unsigned indent)
{
	struct place_table *places = &f->trace->places;
	node_id at = f->blame;
	char where[4096], safe[4096];
	const struct place *p;

	while (at > NODE_UNKNOWN && place_find(places, at)->module)
		at = place_caller(places, at);
	if (at <= NODE_UNKNOWN)
		return;
	p = place_find(places, at);
	format_printable(safe, sizeof safe, place_where(p, full, where, sizeof where));
	fprintf(o->file, "%*scalled by %s", (int)indent, "", safe);
	fprintf(o->file, " in %s\n", printable_function(p, full, safe, sizeof safe));
	print_source(o, f, p, indent + 4);
}

/* The other one of the two lines: that made most, that adds it to the holder. */
static void print_other(const struct output *o, const struct finding *f, bool full, unsigned indent)
{
	const struct place *maker = finding_maker(f), *adder = finding_adder(f), *other;
	bool blames_adder = finding_blames_adder(f);
	char where[4096], safe[4096];

	if (!adder || (maker->at.line == adder->at.line && !strcmp(maker->file, adder->file)))
		return;
	other = blames_adder ? maker : adder;
	format_printable(safe, sizeof safe, place_where(other, full, where, sizeof where));
	fprintf(o->file, "%*s%s %s", (int)indent, "", blames_adder ? "most of what it adds is made by" : "kept by",
		safe);
	fprintf(o->file, " in %s\n", printable_function(other, full, safe, sizeof safe));
	print_source(o, f, other, indent + 4);
}

void finding_print_place(const struct output *o, const struct finding *f, bool full, unsigned indent)
{
	node_id node = finding_blames_adder(f) ? f->added_node : f->sum.node;
	const struct place *blame = finding_place(f),
			   *site = place_find(&f->trace->places, place_site(&f->trace->places, node));
	char where[4096], safe[4096];

	format_printable(safe, sizeof safe, place_where(blame, full, where, sizeof where));
	fprintf(o->file, "%*s%s%s%s", (int)indent, "", output_style(o, STYLE_STRONG), safe,
		output_style(o, STYLE_PLAIN));
	if (blame->origin != ORIGIN_NONE)
		fprintf(o->file, " in %s", printable_function(blame, full, safe, sizeof safe));
	fputc('\n', o->file);
	print_source(o, f, blame, indent + 4);
	if (site != blame) {
		format_printable(safe, sizeof safe, place_where(site, full, where, sizeof where));
		fprintf(o->file, "%*sby way of %s", (int)indent, "", safe);
		fprintf(o->file, " in %s\n", printable_function(site, full, safe, sizeof safe));
	}
	if (blame->module)
		print_python_caller(o, f, full, indent);
	if (place_below_text(&f->trace->places, node, full, where, sizeof where))
		fprintf(o->file, "%*sby native code: %s\n", (int)indent, "",
			format_printable(safe, sizeof safe, where));
	print_other(o, f, full, indent);
}

static void print_curve(const struct output *o, const struct finding *f)
{
	const struct growth *g = &f->trace->growth;

	if (!g->n_windows || ((finding_is_own(f) || f->lost.kind) && !f->sum.evidence.windows))
		return;
	fputs("   Alive over the run: ", o->file);
	for (uint32_t i = 0; i < CURVE_POINTS; i++)
		fprintf(o->file, "%s%s", i ? ", " : "",
			format_bytes(f->sum.curve_bytes[g->n_windows * i / (CURVE_POINTS - 1)]).text);
	fputs(".\n", o->file);
}

static void print_times(const struct output *o, const struct finding *f)
{
	char layers[100];

	fprintf(o->file, "   Oldest made at %s, newest at %s; layer %s.\n",
		format_seconds(seconds(f->sum.first_ns)).text, format_seconds(seconds(f->sum.last_ns)).text,
		report_layers(f->sum.layers, layers, sizeof layers));
}

/* Which lines it comes from, when there are several. */
static void print_parts(struct report *r, const struct finding *f)
{
	const struct output *o = &r->out;
	size_t n;
	struct finding_part *parts = finding_parts(f, &n);
	size_t shown = 0;

	while (shown < n && shown < PARTS_SHOWN && parts[shown].live.bytes * 100 >= f->sum.bytes)
		shown++;
	if (!r->common.full && shown < 2)
		n = 0;
	if (n > 1)
		fputs("   By line:\n", o->file);
	for (size_t i = 0; n > 1 && i < n && (i < shown || r->common.full); i++) {
		struct place place = *parts[i].place;
		char where[4096], safe[4096];

		place.at.column = -1;
		format_printable(safe, sizeof safe, place_where(&place, r->common.full, where, sizeof where));
		fprintf(o->file, "      %10s  %8s  %s in %s\n", format_bytes(parts[i].live.bytes).text,
			format_count(parts[i].live.blocks).text, safe,
			printable_function(&place, r->common.full, where, sizeof where));
	}
	if (n > shown && !r->common.full)
		fprintf(o->file, "      and %s\n", format_plural(n - shown, "more line", "more lines").text);
	free(parts);
}

static void print_wrapped(const struct output *o, const char *text)
{
	fputs("   ", o->file);
	format_wrapped(o->file, text, 3, 3, o->width);
}

static void print_why(const struct output *o, const struct finding *f)
{
	char why[800], text[900];
	size_t len;

	finding_why(f, why, sizeof why - 1);
	if (*why >= 'a' && *why <= 'z')
		*why = (char)(*why - 'a' + 'A');
	len = strlen(why);
	memcpy(why + len, ".", 2);
	format_wrapped(o->file, why, 0, 3, o->width);
	if (f->sum.verdict == GROWTH_UNDECIDED) {
		snprintf(text, sizeof text, "What would decide: %s.", decides(f, why, sizeof why));
		print_wrapped(o, text);
	} else if (*finding_watch(f, why, sizeof why)) {
		snprintf(text, sizeof text, "Who takes them: run it with %s, then 'pytrace refs'.", why);
		print_wrapped(o, text);
	}
}

static void print_holder(struct report *r, const struct finding *f)
{
	struct view *v;
	char text[9000], what[600], where[4200];

	if (f->keeper.kind) {
		finding_keeper_text(f, r->common.full, where, sizeof where);
		snprintf(text, sizeof text, "Held by native memory: %.4000s, in which %s %s of objects.", where,
			 format_plural(f->keeper.words, "word is", "words are").text,
			 f->keeper.words == 1 ? "the address" : "addresses");
		format_printable(where, sizeof where, text);
		fputs("   ", r->out.file);
		format_wrapped(r->out.file, where, 3, 3, r->out.width);
	}
	if (!f->has_holder)
		return;
	v = &f->trace->remains->view;
	view_where(v, f->holder.object, r->common.full, where, sizeof where);
	snprintf(text, sizeof text, "Held by %.3000s (%s)%s%s.", f->holder.chain.expression,
		 view_describe(v, f->holder.object, what, sizeof what), *where ? ", made at " : "", where);
	format_printable(where, sizeof where, text);
	fputs("   ", r->out.file);
	format_wrapped(r->out.file, where, 3, 3, r->out.width);
}

void finding_print(struct report *r, const struct finding *f, size_t number)
{
	char fingerprint[64];

	print_head(r, f, number);
	finding_print_place(&r->out, f, r->common.full, 3);
	if (f->n_pids > 1)
		fprintf(r->out.file, "   The same in %zu processes; what follows is of pid %u.\n", f->n_pids,
			f->pids[0]);
	print_why(&r->out, f);
	print_holder(r, f);
	if (f->cycle)
		cycle_print(f->cycle, &f->trace->remains->cycles, f->trace, r, 3);
	if (f->native.is)
		finding_native_print(&r->out, f);
	print_curve(&r->out, f);
	if (f->lost.kind != LOST_SHARED && !f->pin)
		print_times(&r->out, f);
	print_parts(r, f);
	fputs("   Stack of the largest part:\n", r->out.file);
	place_print_stack(&f->trace->places, f->sum.node, &r->out, 6, r->common.full);
	if (r->common.full)
		fprintf(r->out.file, "   Fingerprint: %s\n", finding_fingerprint(f, fingerprint, sizeof fingerprint));
}

void finding_cells(struct report *r, const struct finding *f, struct table *t)
{
	struct place p = *finding_site(f);
	char where[4096];

	p.at.column = -1;
	table_bytes(t, f->sum.bytes);
	table_count(t, f->sum.blocks);
	table_cell(t, "%s", format_seconds(seconds(f->sum.first_ns)).text);
	table_cell(t, "%s", format_seconds(seconds(f->sum.last_ns)).text);
	table_cell(t, "%s", place_where(&p, r->common.full, where, sizeof where));
	if (p.origin == ORIGIN_NONE)
		table_cell(t, "%s", report_layers(f->sum.layers, where, sizeof where));
	else
		table_cell(t, "%s",
			   place_function_below(&f->trace->places, f->sum.node, r->common.full, where, sizeof where));
}
