/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups become findings in two steps. First those with the same verdict whose innermost user function, with all its
 * callers, is the same. Then a smaller finding joins a larger one when the one's function called the other's, and the
 * same number of blocks came to both (or a whole multiple): they are made by the same work.
 */
#include "analyzer/commands/finding.h"
#include "analyzer/base/mem.h"
#include "analyzer/out/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NO_FINDING    UINT32_MAX
#define JOIN_PERCENT  40 /* a companion is smaller than this share of what it joins */
#define JOIN_MULTIPLE 16 /* blocks of the one for a block of the other, at most */
#define JOIN_EXACT    0.02
#define JOIN_DISTANCE 2 /* calls between a library's function and the caller that it shares with the leak */
#define CURVE_POINTS  5 /* moments at which the text shows how much was alive */
#define PARTS_SHOWN   4

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
	[GROWTH_IMPORTING] = { "it grew while modules were being imported, which ends when all are",
			       "trace a run that goes on after the last import" },
	[GROWTH_LITTLE] = { "it grew by too little to tell a leak from a small cache that fills up",
			    "trace a run with several times the work" },
	[GROWTH_EVICTING] = { "old blocks of it were given back while new ones came, as in a bounded cache",
			      "trace a run with several times the work: a bounded cache stops at its bound" },
};

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

	for (node_id at = f->blame; at > NODE_UNKNOWN; at = d->nodes.at[at].parent) {
		if (fingerprints[at] == fingerprints[caller])
			return true;
	}
	return false;
}

/* Whether one called the other; or a library made `f` for a caller that both share: no line of the user's is to blame
 * for it anyway. */
static bool are_related(const struct finding *leader, const struct finding *f)
{
	const struct defs *d = &f->trace->trace.defs;
	node_id at = f->blame;

	if (is_caller(leader->blame, f) || is_caller(at, leader))
		return true;
	if (finding_place(f)->origin == ORIGIN_USER)
		return false;
	for (int i = 0; i < JOIN_DISTANCE && at > NODE_UNKNOWN; i++) {
		at = d->nodes.at[at].parent;
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

/* What stays without enough evidence of its own, beside what has it: made by the same function, on the same line when
 * it was not even doubtful. */
static bool is_remainder(const struct finding *leader, const struct finding *f)
{
	if (leader->sum.verdict != GROWTH_FOUND || f->sum.verdict == GROWTH_FOUND || !same_function(leader, f) ||
	    f->sum.doubt == GROWTH_IMPORTING)
		return false;
	return f->sum.verdict == GROWTH_UNDECIDED || finding_place(leader)->at.line == finding_place(f)->at.line;
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
	join(l, is_remainder);
	join(l, is_companion);
	for (size_t i = 0; i < l->n; i++)
		growth_weigh(&l->at[i].trace->growth, &l->at[i].sum);
	qsort(l->at, l->n, sizeof *l->at, compare);
	for (size_t i = 0; i < l->n; i++) {
		if (l->at[i].n_groups > 1 || l->at[i].sum.n_stacks > 1)
			look_at_worst_line(&l->at[i]);
		l->n_found += l->at[i].sum.verdict == GROWTH_FOUND;
		l->n_undecided += l->at[i].sum.verdict == GROWTH_UNDECIDED;
	}
}

void finding_list_free(struct finding_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->at[i].groups);
	free(l->at);
	*l = (struct finding_list){ 0 };
}

/* ---- what is said of one ---- */

const char *finding_verdict(const struct finding *f) { return verdict_names[f->sum.verdict]; }

const struct place *finding_place(const struct finding *f) { return place_find(&f->trace->places, f->blame); }

double finding_rate(const struct finding *f)
{
	const struct growth_evidence *e = &f->sum.evidence;

	if (f->sum.verdict == GROWTH_HELD || e->end_ns <= e->warm_ns || e->grown_bytes <= 0)
		return 0;
	return (double)e->grown_bytes * 1e9 / (double)(e->end_ns - e->warm_ns);
}

char *finding_fingerprint(const struct finding *f, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s-%016" PRIx64, finding_verdict(f), fingerprint_of(f));
	return buf;
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

char *finding_why(const struct finding *f, char *buf, size_t cap)
{
	const struct growth_evidence *e = &f->sum.evidence;
	char grown[160];

	put_grown(grown, sizeof grown, e);
	if (f->sum.verdict == GROWTH_FOUND)
		snprintf(buf, cap,
			 "after the warm-up it grew in %u of %u windows of work, up to the end and without slowing "
			 "down, by %s",
			 e->growing, e->windows, grown);
	else if (f->sum.verdict == GROWTH_HELD)
		snprintf(buf, cap, "it stays, but nothing shows that it grows without end");
	else if (f->sum.doubt == GROWTH_TOO_SHORT)
		snprintf(buf, cap, "%s", doubts[f->sum.doubt].why);
	else
		snprintf(buf, cap, "%s: it grew in %u of %u windows of work, by %s", doubts[f->sum.doubt].why,
			 e->growing, e->windows, grown);
	return buf;
}

static double seconds(uint64_t ns) { return (double)ns / 1e9; }

/* ---- JSON ---- */

static json_t *evidence_json(const struct finding *f)
{
	const struct growth_evidence *e = &f->sum.evidence;
	const struct growth *g = &f->trace->growth;
	json_t *o = json_object(), *curve = json_array();

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
	json_put(o, "late_deaths", json_bytes(e->late_deaths));
	for (uint32_t w = 0; g->n_windows && w <= g->n_windows; w++)
		json_add(curve, json_bytes(f->sum.curve_bytes[w]));
	json_put(o, "live_bytes", curve);
	json_put(o, "first_s", json_seconds(f->sum.first_ns));
	json_put(o, "last_s", json_seconds(f->sum.last_ns));
	json_put(o, "stacks", json_integer(f->sum.n_stacks));
	return o;
}

static json_t *growth_json(const struct finding *f)
{
	json_t *o;

	if (f->sum.verdict == GROWTH_HELD || f->sum.doubt == GROWTH_TOO_SHORT)
		return json_null();
	o = json_object();
	json_put(o, "bytes_per_s", json_number(finding_rate(f)));
	json_put(o, "per_mark", json_null());
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

json_t *finding_json(const struct finding *f)
{
	json_t *o = json_object();
	char why[400], fingerprint[64];

	json_put(o, "verdict", json_text(finding_verdict(f)));
	json_put(o, "bytes", json_bytes(f->sum.bytes));
	json_put(o, "blocks", json_bytes(f->sum.blocks));
	json_put(o, "type", json_null());
	json_put(o, "pid", json_integer(f->trace->trace.front.pid));
	json_put(o, "site", place_json(place_find(&f->trace->places, f->sum.node)));
	json_put(o, "blame", place_json(finding_place(f)));
	json_put(o, "stack", place_stack_json(&f->trace->places, f->sum.node));
	json_put(o, "layers", report_layers_json(f->sum.layers));
	json_put(o, "growth", growth_json(f));
	json_put(o, "holder", json_null());
	json_put(o, "members", json_null());
	json_put(o, "evidence", evidence_json(f));
	json_put(o, "why", json_text(finding_why(f, why, sizeof why)));
	if (f->sum.verdict != GROWTH_HELD)
		json_put(o, "parts", parts_json(f));
	if (f->sum.verdict == GROWTH_UNDECIDED)
		json_put(o, "decided_by", json_text(doubts[f->sum.doubt].decides));
	json_put(o, "fingerprint", json_text(finding_fingerprint(f, fingerprint, sizeof fingerprint)));
	return o;
}

/* ---- text ---- */

void finding_print_source(const struct output *o, const struct finding *f, unsigned indent)
{
	const struct place *p = finding_place(f);
	char path[4096], text[400];
	bool changed = false;

	place_path(&f->trace->places, p, path, sizeof path);
	if (!source_line(path, p->at.line, f->trace->trace.front.start_real_ns, text, sizeof text, &changed))
		return;
	fprintf(o->file, "%*s%s", (int)indent, "", output_style(o, STYLE_CODE));
	format_elide(o->file, text, o->width - indent);
	fprintf(o->file, "%s%s\n", output_style(o, STYLE_PLAIN), changed ? "   (the file has changed since)" : "");
}

static void print_head(struct report *r, const struct finding *f, size_t number)
{
	const struct output *o = &r->out;
	double rate = finding_rate(f);

	fprintf(o->file, "%s%zu. %s: %s%s in %s", output_style(o, STYLE_STRONG), number, finding_verdict(f),
		format_bytes(f->sum.bytes).text, output_style(o, STYLE_PLAIN),
		format_plural(f->sum.blocks, "block", "blocks").text);
	if (rate > 0)
		fprintf(o->file, ", growing by %s", format_rate(rate).text);
	if (r->n_traces > 1)
		fprintf(o->file, ", pid %u", f->trace->trace.front.pid);
	fputc('\n', o->file);
}

void finding_print_place(const struct output *o, const struct finding *f, bool full)
{
	const struct place *blame = finding_place(f), *inner = place_find(&f->trace->places, f->sum.node);
	char where[4096], safe[4096];

	format_printable(safe, sizeof safe, place_where(blame, full, where, sizeof where));
	fprintf(o->file, "%s%s%s", output_style(o, STYLE_STRONG), safe, output_style(o, STYLE_PLAIN));
	if (blame->origin != ORIGIN_NONE)
		fprintf(o->file, " in %s", format_printable(safe, sizeof safe, blame->function));
	if (f->blame == f->sum.node)
		return;
	format_printable(safe, sizeof safe, place_where(inner, full, where, sizeof where));
	fprintf(o->file, ", by %s", safe);
	fprintf(o->file, " %s", format_printable(safe, sizeof safe, inner->function));
}

static void print_curve(const struct output *o, const struct finding *f)
{
	const struct growth *g = &f->trace->growth;

	if (!g->n_windows)
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
			format_printable(where, sizeof where, place.function));
	}
	if (n > shown && !r->common.full)
		fprintf(o->file, "      and %s\n", format_plural(n - shown, "more line", "more lines").text);
	free(parts);
}

static void print_why(const struct output *o, const struct finding *f)
{
	char why[400];
	size_t len;

	finding_why(f, why, sizeof why - 1);
	if (*why >= 'a' && *why <= 'z')
		*why = (char)(*why - 'a' + 'A');
	len = strlen(why);
	memcpy(why + len, ".", 2);
	format_wrapped(o->file, why, 0, 3, o->width);
	if (f->sum.verdict == GROWTH_UNDECIDED)
		fprintf(o->file, "   What would decide: %s.\n", doubts[f->sum.doubt].decides);
}

void finding_print(struct report *r, const struct finding *f, size_t number)
{
	char fingerprint[64];

	print_head(r, f, number);
	fputs("   ", r->out.file);
	finding_print_place(&r->out, f, r->common.full);
	fputc('\n', r->out.file);
	finding_print_source(&r->out, f, 7);
	print_why(&r->out, f);
	print_curve(&r->out, f);
	print_times(&r->out, f);
	print_parts(r, f);
	fputs("   Stack of the largest part:\n", r->out.file);
	place_print_stack(&f->trace->places, f->sum.node, &r->out, 6, r->common.full);
	if (r->common.full)
		fprintf(r->out.file, "   Fingerprint: %s\n", finding_fingerprint(f, fingerprint, sizeof fingerprint));
}

void finding_cells(struct report *r, const struct finding *f, struct table *t)
{
	struct place p = *place_find(&f->trace->places, f->sum.node);
	char where[4096];

	p.at.column = -1;
	table_bytes(t, f->sum.bytes);
	table_count(t, f->sum.blocks);
	table_cell(t, "%s", format_seconds(seconds(f->sum.first_ns)).text);
	table_cell(t, "%s", format_seconds(seconds(f->sum.last_ns)).text);
	table_cell(t, "%s", place_where(&p, r->common.full, where, sizeof where));
	table_cell(t, "%s", p.origin == ORIGIN_NONE ? report_layers(f->sum.layers, where, sizeof where) : p.function);
}
