/* SPDX-License-Identifier: Apache-2.0 */
/* gate_text: the judgement for people, and for programs */
#include "analyzer/gate/gate.h"

static const char *const titles[GATE_STATUSES] = {
	[GATE_NEW] = "New",
	[GATE_WORSE] = "Worse than in the baseline",
	[GATE_KNOWN] = "Known (in the baseline, and not worse)",
	[GATE_SUPPRESSED] = "Suppressed",
	[GATE_OTHER] = "With a verdict that was not asked for",
	[GATE_WITHIN] = "Within the budget per mark",
};

/* "fails: 1 new finding: 13.6 MiB." */
static void print_judgement(struct report *r, const struct gate *g)
{
	const struct output *o = &r->out;
	const char *reservation = finding_reservation(r);
	char why[600];

	fprintf(o->file, "\n%s%s%s: %s", output_style(o, g->fails ? STYLE_BAD : STYLE_GOOD), g->fails ? "FAIL" : "PASS",
		output_style(o, STYLE_PLAIN), gate_reason(g, why, sizeof why));
	if (!g->n && reservation)
		fprintf(o->file, ", but %s", reservation);
	fputs(".\n", o->file);
}

/* "512 KiB in 12 blocks", "6,000 references". */
static const char *known_amount(const struct gate_item *item, char *buf, size_t cap)
{
	if (item->finding->lost.kind == LOST_SHARED)
		snprintf(buf, cap, "%s", format_plural(item->known->blocks, "reference", "references").text);
	else
		snprintf(buf, cap, "%s in %s", format_bytes(item->known->bytes).text,
			 format_plural(item->known->blocks, "block", "blocks").text);
	return buf;
}

static void print_line(struct report *r, const struct gate_item *item)
{
	char title[1000], where[4096], safe[5000];

	format_printable(safe, sizeof safe,
			 place_where(finding_place(item->finding), r->common.full, where, sizeof where));
	fprintf(r->out.file, "  %s, %s\n", gate_title(item, title, sizeof title), safe);
	if (item->known)
		fprintf(r->out.file, "     the baseline has %s\n", known_amount(item, title, sizeof title));
	if (item->by)
		fprintf(r->out.file, "     by line %u: %s\n", item->by->line, item->by->text);
}

/* What fails is shown with its evidence, the rest in a line each. */
static void print_status(struct report *r, const struct gate *g, enum gate_status status)
{
	size_t number = 0;
	char amount[120];

	if (!g->by_status[status])
		return;
	fputc('\n', r->out.file);
	output_title(&r->out, titles[status]);
	for (size_t i = 0; i < g->n; i++) {
		if (g->items[i].status != status)
			continue;
		if (!gate_counts(status)) {
			print_line(r, &g->items[i]);
			continue;
		}
		fputc('\n', r->out.file);
		finding_print(r, g->items[i].finding, ++number);
		if (g->items[i].known)
			fprintf(r->out.file, "   The baseline has %s.\n",
				known_amount(&g->items[i], amount, sizeof amount));
		fprintf(r->out.file, "   Fingerprint: %s\n", g->items[i].fingerprint);
	}
}

static void print_unused(struct report *r, const struct gate *g)
{
	const struct suppressions *s = &g->rules->suppressions;

	for (size_t i = 0; i < s->at.n; i++) {
		if (!s->at.at[i].findings)
			fprintf(r->out.file, "\nThe suppression in line %u was of no use: %s\n", s->at.at[i].line,
				s->at.at[i].text);
	}
}

void gate_print(struct report *r, const struct gate *g)
{
	for (size_t i = 0; i < r->n_traces; i++)
		report_heading(r, r->traces[i]);
	print_judgement(r, g);
	if (g->over_mark)
		gate_marks_print(r, &g->marks);
	for (int status = 0; status < GATE_STATUSES; status++)
		print_status(r, g, (enum gate_status)status);
	print_unused(r, g);
	if (g->n_fixed)
		fprintf(r->out.file, "\n%s of the baseline %s gone: --update-baseline takes %s out.\n",
			format_plural(g->n_fixed, "finding", "findings").text, g->n_fixed == 1 ? "is" : "are",
			g->n_fixed == 1 ? "it" : "them");
}

/* ---- JSON ---- */

static json_t *item_json(const struct gate_item *item)
{
	json_t *o = finding_json(item->finding);

	json_put(o, "status", json_text(gate_status_name(item->status)));
	json_put(o, "baseline_bytes", item->known ? json_bytes(item->known->bytes) : json_null());
	json_put(o, "suppressed_by", item->by ? json_text(item->by->text) : json_null());
	return o;
}

static json_t *summary_json(const struct report *r, const struct gate *g, const struct finding_list *list)
{
	json_t *o = json_object();

	finding_put_alive(r, o);
	json_put(o, "findings", json_bytes(g->n));
	json_put(o, "undecided", json_bytes(list->n_undecided));
	json_put(o, "new", json_bytes(g->by_status[GATE_NEW]));
	json_put(o, "worse", json_bytes(g->by_status[GATE_WORSE]));
	json_put(o, "suppressed", json_bytes(g->by_status[GATE_SUPPRESSED]));
	json_put(o, "baseline", g->rules->has_baseline ? json_bytes(g->by_status[GATE_KNOWN]) : json_null());
	json_put(o, "fixed", json_bytes(g->n_fixed));
	json_put(o, "over_bytes", json_bytes(g->over_bytes));
	json_put(o, "budget_bytes", json_bytes(g->rules->budget_bytes));
	return o;
}

void gate_json(struct report *r, const struct gate *g, const struct finding_list *list)
{
	json_t *findings = json_array(), *undecided = json_array(), *reasons = json_array(), *unused = json_array();
	char why[600];

	for (size_t i = 0; i < g->n; i++)
		json_add(findings, item_json(&g->items[i]));
	for (size_t i = 0; i < list->n_undecided; i++)
		json_add(undecided, finding_json(&list->at[list->n_found + i]));
	if (g->fails)
		json_add(reasons, json_text(gate_reason(g, why, sizeof why)));
	for (size_t i = 0; i < g->rules->suppressions.at.n; i++) {
		if (!g->rules->suppressions.at.at[i].findings)
			json_add(unused, json_text(g->rules->suppressions.at.at[i].text));
	}
	json_put(r->json, "verdict", json_text(g->fails ? "fail" : "pass"));
	json_put(r->json, "reasons", reasons);
	json_put(r->json, "findings", findings);
	json_put(r->json, "undecided", undecided);
	json_put(r->json, "unused_suppressions", unused);
	json_put(r->json, "per_mark",
		 g->rules->by_mark ? gate_marks_json(&g->marks, g->rules->mark_budget_bytes) : json_null());
	json_put(r->json, "summary", summary_json(r, g, list));
}
