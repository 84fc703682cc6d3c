/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding_marks: what each mark, or each region, of the program brings of a leak
 *
 * On average over the windows that were judged; and exactly, where each brought the same: that is said of the whole
 * finding, or of the group that is most of it.
 */
#include "analyzer/findings/words/finding_words.h"

#define EVEN_PERCENT 50 /* of the growth, in what is said to come with each mark */

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

void finding_marks_why(const struct finding *f, char *buf, size_t cap)
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

/* What a mark brings: on average, and exactly where each brought the same. */
json_t *finding_marks_json(const struct finding *f)
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
