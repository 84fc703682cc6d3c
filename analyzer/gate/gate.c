/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/gate/gate.h"

#include <stdlib.h>
#include <string.h>

/* What runs of the same program differ by: a block more or less in a small leak is no news. */
#define SLACK_BYTES      1024
#define SLACK_REFERENCES 16

static const struct {
	const char *name;
	bool counts;
} statuses[GATE_STATUSES] = {
	[GATE_NEW] = { "new", true },
	[GATE_WORSE] = { "worse", true },
	[GATE_KNOWN] = { "known", false },
	[GATE_SUPPRESSED] = { "suppressed", false },
	[GATE_OTHER] = { "other-verdict", false },
	[GATE_WITHIN] = { "within-budget", false },
};

static const char *const verdicts[] = {
	"native-unreachable", "cycle-garbage", "cycle-uncollectable", "reference-leak", "growth", "fragmentation",
};

const char *gate_status_name(enum gate_status status) { return statuses[status].name; }
bool gate_counts(enum gate_status status) { return statuses[status].counts; }

bool gate_is_verdict(const char *name)
{
	for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
		if (!strcmp(verdicts[i], name))
			return true;
	}
	return false;
}

/* ---- the judgement ---- */

/* Whether a word is in a list with commas. */
static bool is_listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		if (!strncmp(at, word, len) && (!at[len] || at[len] == ','))
			return true;
	}
	return false;
}

/* What the baseline keeps of a finding: bytes and blocks, or the references. */
static struct amount amount_of(const struct finding *f)
{
	return (struct amount){ f->all.bytes, f->lost.kind == LOST_SHARED ? f->lost.references : f->all.blocks };
}

/* A fingerprint has its verdict in front. */
static bool is_asked(const struct gate_rules *rules, const char *fingerprint)
{
	char verdict[64];
	const char *end = strrchr(fingerprint, '-');

	snprintf(verdict, sizeof verdict, "%.*s", end ? (int)(end - fingerprint) : 0, fingerprint);
	return !rules->verdicts || is_listed(rules->verdicts, verdict);
}

/* Whether one of the findings has this very fingerprint. */
static bool is_there(const struct gate *g, const char *fingerprint)
{
	for (size_t i = 0; i < g->n; i++) {
		if (!strcmp(g->items[i].fingerprint, fingerprint))
			return true;
	}
	return false;
}

/* The row of a finding: that with its fingerprint, else one with its stem that is of no other finding here. */
static const struct known *row_of(const struct gate *g, const char *fingerprint)
{
	const struct baseline *b = &g->rules->baseline;
	const struct known *row = baseline_find(b, fingerprint);
	size_t n;

	if (row)
		return row;
	row = baseline_rows(b, fingerprint, finding_stem(fingerprint), &n);
	for (; n && is_there(g, row->fingerprint); n--)
		row++;
	return n ? row : NULL;
}

/* Several findings may be of one row: it has their sum. */
static struct amount sum_of(const struct gate *g, const struct known *row)
{
	struct amount sum = { 0 };

	for (size_t i = 0; i < g->n; i++) {
		struct amount one = amount_of(g->items[i].finding);

		if (g->items[i].known != row)
			continue;
		amount_add(&sum, &one);
	}
	return sum;
}

/* How much of a row's amount may come from one run to the next. */
static uint64_t allowed(uint64_t amount, uint64_t tolerance, uint64_t least)
{
	uint64_t slack = (uint64_t)((double)amount * (double)tolerance / 100);

	return amount + (slack > least ? slack : least);
}

static bool is_worse(const struct gate *g, const struct gate_item *item)
{
	struct amount sum = sum_of(g, item->known);
	uint64_t tolerance = g->rules->tolerance;

	if (item->finding->lost.kind == LOST_SHARED &&
	    sum.blocks > allowed(item->known->blocks, tolerance, SLACK_REFERENCES))
		return true;
	return sum.bytes > allowed(item->known->bytes, tolerance, SLACK_BYTES);
}

/* First which findings are looked at at all; then how they stand to the baseline, where several may be of one row. */
static void look_up(struct gate *g, struct gate_item *item, struct gate_rules *rules)
{
	if (!is_asked(rules, item->fingerprint)) {
		item->status = GATE_OTHER;
		return;
	}
	item->by = suppressions_find(&rules->suppressions, item->finding);
	item->status = item->by ? GATE_SUPPRESSED : GATE_NEW;
	item->known = item->by ? NULL : row_of(g, item->fingerprint);
	if (!item->by && rules->by_mark && !g->over_mark && !strcmp(finding_verdict(item->finding), "growth"))
		item->status = GATE_WITHIN;
}

/* Of a row that got worse the difference counts, once. */
static uint64_t counted_bytes(const struct gate *g, const struct gate_item *item)
{
	struct amount sum;

	if (!gate_counts(item->status))
		return 0;
	if (!item->known)
		return item->finding->all.bytes;
	for (const struct gate_item *before = g->items; before < item; before++) {
		if (before->known == item->known)
			return 0;
	}
	sum = sum_of(g, item->known);
	return sum.bytes > item->known->bytes ? sum.bytes - item->known->bytes : 0;
}

static bool is_used(const struct gate *g, const struct known *row)
{
	for (size_t i = 0; i < g->n; i++) {
		if (g->items[i].known == row)
			return true;
	}
	return false;
}

/* Whether a row was not met, and must be kept all the same: this run does not show that its leak is gone. */
static bool is_kept(const struct gate *g, const struct known *row)
{
	const char *number = strrchr(row->fingerprint, '-');
	char fingerprint[64];

	if (!g->whole || !is_asked(g->rules, row->fingerprint))
		return true;
	for (size_t i = 0; i < g->n; i++) {
		if (g->items[i].by && !strcmp(g->items[i].fingerprint, row->fingerprint))
			return true;
	}
	for (size_t i = 0; number && i < g->list->n_undecided; i++) {
		finding_fingerprint(&g->list->at[g->list->n_found + i], fingerprint, sizeof fingerprint);
		if (!strcmp(strrchr(fingerprint, '-'), number))
			return true;
	}
	return false;
}

static bool are_whole(const struct report *r)
{
	bool whole = !r->unreadable;

	for (size_t i = 0; i < r->n_traces; i++)
		whole &= trace_is_complete(&r->traces[i]->trace);
	return whole;
}

static void judge_items(struct gate *g, struct gate_rules *rules)
{
	for (size_t i = 0; i < g->n; i++)
		look_up(g, &g->items[i], rules);
	for (size_t i = 0; i < g->n; i++) {
		struct gate_item *item = &g->items[i];

		if (item->known && item->status != GATE_WITHIN)
			item->status = is_worse(g, item) ? GATE_WORSE : GATE_KNOWN;
		item->over_bytes = counted_bytes(g, item);
		g->over_bytes += item->over_bytes;
		g->by_status[item->status]++;
	}
}

void gate_judge(struct gate *g, struct gate_rules *rules, const struct report *r, const struct finding_list *list)
{
	size_t n_over;

	*g = (struct gate){ .rules = rules, .n = list->n_found, .list = list, .whole = are_whole(r) };
	gate_find_root(g);
	if (rules->by_mark && gate_weigh_marks(&g->marks, r))
		g->over_mark = g->marks.bytes > (double)rules->mark_budget_bytes;
	g->items = mem_zero(g->n + 1, sizeof *g->items);
	for (size_t i = 0; i < g->n; i++) {
		g->items[i].finding = &list->at[i];
		finding_fingerprint(&list->at[i], g->items[i].fingerprint, sizeof g->items[i].fingerprint);
	}
	judge_items(g, rules);
	for (size_t i = 0; i < rules->baseline.at.n; i++) {
		const struct known *row = &rules->baseline.at.at[i];

		g->n_fixed += !is_used(g, row) && !is_kept(g, row);
	}
	n_over = g->by_status[GATE_NEW] + g->by_status[GATE_WORSE];
	g->fails = !rules->accepts && n_over && (g->over_bytes > rules->budget_bytes || !rules->budget_bytes);
	g->fails |= !rules->accepts && g->over_mark;
}

void gate_free(struct gate *g)
{
	free(g->items);
	*g = (struct gate){ 0 };
}

/* ---- the next baseline ---- */

static void put_item(struct baseline *next, const struct gate_item *item)
{
	const struct place *p = finding_place(item->finding);
	struct amount amount = amount_of(item->finding);
	char where[4096];

	snprintf(where, sizeof where, "%s in %s", p->short_file, p->function);
	baseline_put(next, item->fingerprint, where, amount.bytes, amount.blocks);
}

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* A row keeps its own fingerprint and text, also when another Python gives the finding other ones. */
static void put_row(struct baseline *next, const struct gate *g, const struct known *row)
{
	struct amount sum = sum_of(g, row);

	if (!is_used(g, row) && !is_kept(g, row))
		return;
	if (!is_used(g, row))
		sum = (struct amount){ row->bytes, row->blocks };
	else if (!g->rules->accepts)
		sum = (struct amount){ smaller(sum.bytes, row->bytes), smaller(sum.blocks, row->blocks) };
	baseline_put(next, row->fingerprint, row->where, sum.bytes, sum.blocks);
}

struct baseline gate_next_baseline(const struct gate *g)
{
	struct baseline next = { 0 };

	for (size_t i = 0; i < g->rules->baseline.at.n; i++)
		put_row(&next, g, &g->rules->baseline.at.at[i]);
	for (size_t i = 0; g->rules->accepts && i < g->n; i++) {
		if (g->items[i].status == GATE_NEW)
			put_item(&next, &g->items[i]);
	}
	return next;
}

/* ---- texts ---- */

char *gate_title(const struct gate_item *item, char *buf, size_t cap)
{
	const struct finding *f = item->finding;
	char function[2048], amount[200], extent[600];

	snprintf(buf, cap, "%s: %s %s in %.300s", finding_verdict(f), finding_amount(f, amount, sizeof amount),
		 finding_extent(f, extent, sizeof extent),
		 place_function(finding_place(f), false, function, sizeof function));
	return buf;
}

static char *findings_reason(const struct gate *g, char *buf, size_t cap)
{
	size_t new = g->by_status[GATE_NEW], worse = g->by_status[GATE_WORSE];
	int used;

	if (!new && !worse) {
		snprintf(buf, cap, "%s",
			 g->n ? "every finding is known, suppressed, within the budget or not asked for"
			      : "no leak was found");
		return buf;
	}
	used = snprintf(buf, cap, "%s", new ? format_plural(new, "new finding", "new findings").text : "");
	if (worse)
		used += snprintf(buf + used, cap - (size_t)used, "%s%s worse than in the baseline", new ? ", " : "",
				 format_plural(worse, "finding", "findings").text);
	if (g->rules->accepts)
		snprintf(buf + used, cap - (size_t)used, ": into the baseline");
	else if (g->rules->budget_bytes)
		snprintf(buf + used, cap - (size_t)used, ": %s, the budget is %s", format_bytes(g->over_bytes).text,
			 format_bytes(g->rules->budget_bytes).text);
	else if (g->over_bytes) /* references have no bytes */
		snprintf(buf + used, cap - (size_t)used, ": %s", format_bytes(g->over_bytes).text);
	return buf;
}

char *gate_reason(const struct gate *g, char *buf, size_t cap)
{
	return g->over_mark ? gate_marks_text(&g->marks, g->rules->mark_budget_bytes, buf, cap)
			    : findings_reason(g, buf, cap);
}
