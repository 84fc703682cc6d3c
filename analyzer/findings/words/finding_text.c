/* SPDX-License-Identifier: Apache-2.0 */
/* finding_text: findings as text */
#include "analyzer/findings/words/finding_words.h"
#include "analyzer/findings/kinds/finding_kinds.h"

#include <stdlib.h>
#include <string.h>

#define CURVE_POINTS 5 /* moments at which the text shows how much was alive */
#define PARTS_SHOWN  4
#define PIDS_SHOWN   8

static double seconds(uint64_t ns) { return (double)ns / 1e9; }

void finding_print_pids(const struct output *o, const struct finding *f)
{
	fprintf(o->file, ", pid %u", f->pids[0]);
	for (size_t i = 1; i < f->n_pids && i < PIDS_SHOWN; i++)
		fprintf(o->file, " %u", f->pids[i]);
	if (f->n_pids > PIDS_SHOWN)
		fprintf(o->file, " and %zu more", f->n_pids - PIDS_SHOWN);
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
		snprintf(text, sizeof text, "What would decide: %s.", finding_decides(f, why, sizeof why));
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
		cycle_print(f->cycle, &f->trace->remains->cycles, &f->trace->places, &r->out, r->common.full, 3);
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
