/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/commands/finding.h"
#include "analyzer/base/mem.h"
#include "analyzer/out/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CURVE_POINTS 5 /* moments at which the text shows how much was alive */

static const char *const verdict_names[] = {
	[GROWTH_FOUND] = "growth",
	[GROWTH_UNDECIDED] = "undecided",
	[GROWTH_HELD] = "held",
};

/* What each doubt means, and the run that would settle it. */
static const struct {
	const char *why, *decides;
} doubts[GROWTH_DOUBTS] = {
	[GROWTH_TOO_SHORT] = {"the run is too short to show whether it goes on growing",
			      "trace a run with several times the work"},
	[GROWTH_SLOWING] = {"it grew less and less, as a cache does that fills up",
			    "trace a run with twice the work: a cache stays as it is, a leak doubles"},
	[GROWTH_GAPS] = {"it grew in a part of the windows only", "trace a longer run with steady work"},
	[GROWTH_IMPORTING] = {"it grew while modules were being imported, which ends when all are",
			      "trace a run that goes on after the last import"},
};

/* ---- the list ---- */

/* Groups are sorted within a trace; over several traces the same order is made anew. */
static int compare(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;
	bool found = a->group->verdict == GROWTH_FOUND;
	uint64_t worse_a = found ? (uint64_t)a->group->evidence.grown_bytes : a->group->bytes;
	uint64_t worse_b = found ? (uint64_t)b->group->evidence.grown_bytes : b->group->bytes;

	if (a->group->verdict != b->group->verdict)
		return a->group->verdict < b->group->verdict ? -1 : 1;
	if (worse_a != worse_b)
		return worse_a > worse_b ? -1 : 1;
	if (a->group->fingerprint != b->group->fingerprint)
		return a->group->fingerprint < b->group->fingerprint ? -1 : 1;
	return a->trace->trace.front.pid < b->trace->trace.front.pid ? -1 : 1;
}

void finding_list_init(struct finding_list *l, const struct report *r)
{
	size_t n = 0;

	*l = (struct finding_list){0};
	for (size_t i = 0; i < r->n_traces; i++)
		n += r->traces[i]->growth.groups.n;
	l->at = mem_zero(n + 1, sizeof *l->at);
	for (size_t i = 0; i < r->n_traces; i++) {
		const struct growth *g = &r->traces[i]->growth;

		for (size_t j = 0; j < g->groups.n; j++)
			l->at[l->n++] = (struct finding){r->traces[i], &g->groups.at[j]};
		l->n_found += g->n_found;
		l->n_undecided += g->n_undecided;
	}
	qsort(l->at, l->n, sizeof *l->at, compare);
}

void finding_list_free(struct finding_list *l)
{
	free(l->at);
	*l = (struct finding_list){0};
}

/* ---- what is said of one ---- */

const char *finding_verdict(const struct finding *f)
{
	return verdict_names[f->group->verdict];
}

double finding_rate(const struct finding *f)
{
	const struct growth_evidence *e = &f->group->evidence;

	if (f->group->verdict == GROWTH_HELD || e->end_ns <= e->warm_ns || e->grown_bytes <= 0)
		return 0;
	return (double)e->grown_bytes * 1e9 / (double)(e->end_ns - e->warm_ns);
}

char *finding_why(const struct finding *f, char *buf, size_t cap)
{
	const struct growth_evidence *e = &f->group->evidence;
	uint64_t blocks = e->grown_blocks > 0 ? (uint64_t)e->grown_blocks : 0;
	char grown[160];

	snprintf(grown, sizeof grown, "%s in %s", format_bytes((uint64_t)e->grown_bytes).text,
		 format_plural(blocks, "block", "blocks").text);
	if (f->group->verdict == GROWTH_FOUND)
		snprintf(buf, cap,
			 "after the warm-up it grew in %u of %u windows of work, up to the end and without slowing "
			 "down, by %s",
			 e->growing, e->windows, blocks ? grown : format_bytes((uint64_t)e->grown_bytes).text);
	else if (f->group->doubt == GROWTH_NO_DOUBT)
		snprintf(buf, cap, "it stays, but does not grow");
	else if (f->group->doubt == GROWTH_TOO_SHORT || f->group->verdict == GROWTH_HELD)
		snprintf(buf, cap, "%s", doubts[f->group->doubt].why);
	else
		snprintf(buf, cap, "%s: it grew in %u of %u windows of work, by %s", doubts[f->group->doubt].why,
			 e->growing, e->windows, grown);
	return buf;
}

const struct place *finding_place(const struct finding *f)
{
	return place_find(&f->trace->places, place_blame(&f->trace->places, f->group->node));
}

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* ---- JSON ---- */

static json_t *evidence_json(const struct finding *f)
{
	const struct growth_evidence *e = &f->group->evidence;
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
	for (uint32_t w = 0; g->n_windows && w <= g->n_windows; w++)
		json_add(curve, json_bytes(f->group->curve[w]));
	json_put(o, "live_bytes", curve);
	json_put(o, "first_s", json_seconds(f->group->first_ns));
	json_put(o, "last_s", json_seconds(f->group->last_ns));
	json_put(o, "stacks", json_integer(f->group->n_stacks));
	return o;
}

static json_t *growth_json(const struct finding *f)
{
	json_t *o;

	if (f->group->verdict == GROWTH_HELD || f->group->doubt == GROWTH_TOO_SHORT)
		return json_null();
	o = json_object();
	json_put(o, "bytes_per_s", json_number(finding_rate(f)));
	json_put(o, "per_mark", json_null());
	return o;
}

static json_t *layers_json(unsigned layers)
{
	json_t *list = json_array();

	for (unsigned layer = 0; layer < PT_LAYERS; layer++) {
		if (layers >> layer & 1)
			json_add(list, json_text(pt_layer_name((enum pt_layer)layer)));
	}
	return list;
}

json_t *finding_json(struct report *r, const struct finding *f)
{
	const struct growth_group *g = f->group;
	json_t *o = json_object();
	char why[400], fingerprint[64];

	(void)r;
	snprintf(fingerprint, sizeof fingerprint, "%s-%016" PRIx64, finding_verdict(f), g->fingerprint);
	json_put(o, "verdict", json_text(finding_verdict(f)));
	json_put(o, "bytes", json_bytes(g->bytes));
	json_put(o, "blocks", json_bytes(g->blocks));
	json_put(o, "type", json_null());
	json_put(o, "pid", json_integer(f->trace->trace.front.pid));
	json_put(o, "site", place_json(place_find(&f->trace->places, g->node)));
	json_put(o, "blame", place_json(finding_place(f)));
	json_put(o, "stack", place_stack_json(&f->trace->places, g->node));
	json_put(o, "layers", layers_json(g->layers));
	json_put(o, "first_s", json_seconds(g->first_ns));
	json_put(o, "last_s", json_seconds(g->last_ns));
	json_put(o, "growth", growth_json(f));
	json_put(o, "holder", json_null());
	json_put(o, "members", json_null());
	json_put(o, "evidence", evidence_json(f));
	json_put(o, "why", json_text(finding_why(f, why, sizeof why)));
	if (g->verdict == GROWTH_UNDECIDED)
		json_put(o, "decided_by", json_text(doubts[g->doubt].decides));
	json_put(o, "fingerprint", json_text(fingerprint));
	return o;
}

/* ---- text ---- */

static void print_source(const struct output *o, const struct finding *f, const struct place *p)
{
	char path[4096], text[400];
	bool changed = false;
	const struct pt_front *front = &f->trace->trace.front;

	place_path(&f->trace->places, p, path, sizeof path);
	if (!source_line(path, p->at.line, front->start_real_ns, text, sizeof text, &changed))
		return;
	fprintf(o->file, "       %s", output_style(o, STYLE_CODE));
	format_elide(o->file, text, o->width - 8);
	fprintf(o->file, "%s%s\n", output_style(o, STYLE_PLAIN), changed ? "   (the file has changed since)" : "");
}

static void print_head(struct report *r, const struct finding *f, size_t number)
{
	const struct output *o = &r->out;
	const struct growth_group *g = f->group;
	double rate = finding_rate(f);

	fprintf(o->file, "%s%zu. %s: %s%s in %s", output_style(o, STYLE_STRONG), number, finding_verdict(f),
		format_bytes(g->bytes).text, output_style(o, STYLE_PLAIN),
		format_plural(g->blocks, "block", "blocks").text);
	if (rate > 0)
		fprintf(o->file, ", growing by %s", format_rate(rate).text);
	if (r->n_traces > 1)
		fprintf(o->file, ", pid %u", f->trace->trace.front.pid);
	fputc('\n', o->file);
}

static void print_blame(struct report *r, const struct finding *f)
{
	const struct output *o = &r->out;
	const struct place *p = finding_place(f);
	char where[4096], safe[4096], function[1000];

	format_printable(safe, sizeof safe, place_where(p, r->common.full, where, sizeof where));
	format_printable(function, sizeof function, p->function);
	fprintf(o->file, "   %s%s%s", output_style(o, STYLE_STRONG), safe, output_style(o, STYLE_PLAIN));
	fprintf(o->file, p->origin == ORIGIN_NONE ? "\n" : " in %s\n", function);
	print_source(o, f, p);
}

static void print_curve(const struct output *o, const struct finding *f)
{
	const struct growth *g = &f->trace->growth;

	if (!g->n_windows)
		return;
	fputs("   Alive over the run: ", o->file);
	for (uint32_t i = 0; i < CURVE_POINTS; i++)
		fprintf(o->file, "%s%s", i ? ", " : "",
			format_bytes(f->group->curve[g->n_windows * i / (CURVE_POINTS - 1)]).text);
	fputs(".\n", o->file);
}

static void print_times(const struct output *o, const struct finding *f)
{
	char layers[100];

	fprintf(o->file, "   Oldest made at %s, newest at %s", format_seconds(seconds(f->group->first_ns)).text,
		format_seconds(seconds(f->group->last_ns)).text);
	fprintf(o->file, "; layer %s", report_layers(f->group->layers, layers, sizeof layers));
	if (f->group->n_stacks > 1)
		fprintf(o->file, "; %s", format_plural(f->group->n_stacks, "stack", "stacks").text);
	fputs(".\n", o->file);
}

void finding_print(struct report *r, const struct finding *f, size_t number)
{
	const struct output *o = &r->out;
	char why[400];

	print_head(r, f, number);
	print_blame(r, f);
	finding_why(f, why, sizeof why);
	why[0] = (char)(why[0] >= 'a' && why[0] <= 'z' ? why[0] - 'a' + 'A' : why[0]);
	strncat(why, ".", sizeof why - strlen(why) - 1);
	format_wrapped(o->file, why, 0, 3, o->width);
	if (f->group->verdict == GROWTH_UNDECIDED)
		fprintf(o->file, "   What would decide: %s.\n", doubts[f->group->doubt].decides);
	print_curve(o, f);
	print_times(o, f);
	place_print_stack(&f->trace->places, f->group->node, o, 6, r->common.full);
	if (r->common.full)
		fprintf(o->file, "   Fingerprint %s-%016" PRIx64 "\n", finding_verdict(f), f->group->fingerprint);
}

void finding_cells(struct report *r, const struct finding *f, struct table *t)
{
	const struct place *p = place_find(&f->trace->places, f->group->node);
	char where[4096], layers[100];

	table_bytes(t, f->group->bytes);
	table_count(t, f->group->blocks);
	table_cell(t, "%s", format_seconds(seconds(f->group->first_ns)).text);
	table_cell(t, "%s", format_seconds(seconds(f->group->last_ns)).text);
	if (p->origin == ORIGIN_NONE)
		table_cell(t, "%s, layer %s", p->function, report_layers(f->group->layers, layers, sizeof layers));
	else
		table_cell(t, "%s", place_where(p, r->common.full, where, sizeof where));
	table_cell(t, "%s", p->origin == ORIGIN_NONE ? "" : p->function);
}
