/* SPDX-License-Identifier: Apache-2.0 */
/* lifetimes_show: the report of `pytrace lifetimes` for people */
#include "analyzer/commands/lifetimes/lifetimes.h"

#include <string.h>

enum { BAR = 40 };

static double seconds(uint64_t ns) { return (double)ns / 1e9; }

static void title(struct report *r, const char *text)
{
	fprintf(r->out.file, "\n%s%s%s\n\n", output_style(&r->out, STYLE_TITLE), text,
		output_style(&r->out, STYLE_PLAIN));
}

/* ---- the answer ---- */

/* "half of them within 300 us and 100 allocations" */
static void print_half(struct report *r, const struct ages_row *all)
{
	uint64_t ns = ages_median(all->by_time, ages_time_bounds),
		 count = ages_median(all->by_count, ages_count_bounds);

	fputs(", half of them ", r->out.file);
	if (ns)
		fprintf(r->out.file, "before they were %s old", format_seconds(seconds(ns)).text);
	else
		fputs("after five minutes and more", r->out.file);
	if (count)
		fprintf(r->out.file, ", and before %s others had been made", format_count(count).text);
}

static void print_answer(struct report *r, const struct lifetimes *l)
{
	const struct ages_row *all = &l->total;
	uint64_t made = lifetimes_made(all);

	fprintf(r->out.file, "%sOf %s, %s died%s", output_style(&r->out, STYLE_STRONG),
		format_plural(made, "block", "blocks").text, format_percent(all->died.blocks, made).text,
		output_style(&r->out, STYLE_PLAIN));
	if (all->died.blocks)
		print_half(r, all);
	fprintf(r->out.file, ". %s were temporary, %s short-lived (fewer than %s others were made meanwhile).\n",
		format_percent(all->temporary.blocks, made).text, format_percent(all->churn.blocks, made).text,
		format_count(l->ages.churn_limit).text);
	fprintf(r->out.file, "%s in %s were alive at the end. Collections gave back %s of those that died.\n",
		format_bytes(all->alive.bytes).text, format_plural(all->alive.blocks, "block", "blocks").text,
		format_percent(all->collected, all->died.blocks).text);
	if (all->resurrected)
		fprintf(r->out.file, "%s undone by the objects' own finalizers.\n",
			format_plural(all->resurrected, "death was", "deaths were").text);
}

/* ---- histograms ---- */

static void print_bar(struct report *r, const char *label, uint64_t n, uint64_t most, uint64_t all)
{
	unsigned width = most ? (unsigned)((double)n / (double)most * BAR + 0.5) : 0;

	if (n && !width)
		width = 1;
	fprintf(r->out.file, "  %12s  %-*.*s  %7s  %s\n", label, BAR, (int)width,
		"########################################", format_percent(n, all).text, format_count(n).text);
}

static void label_of(char *buf, size_t cap, const uint64_t *bounds, unsigned i, bool time)
{
	bool last = i == AGES_BUCKETS - 1;
	uint64_t bound = bounds[last ? i - 1 : i];

	snprintf(buf, cap, "%s %s", last ? "more than" : "<",
		 time ? format_seconds(seconds(bound)).text : format_count(bound).text);
}

static void print_histogram(struct report *r, const uint64_t *buckets, const uint64_t *bounds, bool time)
{
	uint64_t most = 0, all = 0;
	unsigned first = AGES_BUCKETS, last = 0;
	char label[100];

	for (unsigned i = 0; i < AGES_BUCKETS; i++) {
		most = buckets[i] > most ? buckets[i] : most;
		all += buckets[i];
		if (buckets[i]) {
			first = first < i ? first : i;
			last = i;
		}
	}
	for (unsigned i = first; i <= last && i < AGES_BUCKETS; i++) {
		label_of(label, sizeof label, bounds, i, time);
		print_bar(r, label, buckets[i], most, all);
	}
}

static void print_survived(struct report *r, const struct ages_row *all)
{
	static const char *const labels[AGES_SURVIVED] = { "none", "1", "2", "3 to 9", "10 and more" };
	uint64_t sum = 0, most = 0;

	for (unsigned i = 0; i < AGES_SURVIVED; i++) {
		sum += all->survived[i];
		most = all->survived[i] > most ? all->survived[i] : most;
	}
	if (!sum || sum == all->survived[0])
		return;
	title(r, "Collections that they survived, those alive at the end included");
	for (unsigned i = 0; i < AGES_SURVIVED; i++)
		if (all->survived[i])
			print_bar(r, labels[i], all->survived[i], most, sum);
}

/* ---- rows ---- */

/* The clock is not read at every event: less than a bucket is not known. */
static void age_cell(struct table *t, const struct ages_row *row)
{
	uint64_t mean = row->died.blocks ? row->time_sum_ns / row->died.blocks : 0;

	if (!row->died.blocks)
		table_cell(t, "-");
	else if (mean < ages_time_bounds[0])
		table_cell(t, "< %s", format_seconds(seconds(ages_time_bounds[0])).text);
	else
		table_cell(t, "%s", format_seconds(seconds(mean)).text);
}

static void others_cell(struct table *t, const struct ages_row *row)
{
	uint64_t bound = ages_median(row->by_count, ages_count_bounds);

	if (!row->died.blocks)
		table_cell(t, "-");
	else if (bound)
		table_cell(t, "< %s", format_count(bound).text);
	else
		table_cell(t, "more");
}

static const char *where(struct report *r, struct lifetimes *l, node_id node, char *buf, size_t cap)
{
	struct place_table *places = &l->t->places;
	struct place p = *place_find(places, place_site(places, node));

	p.at.column = -1;
	return node == NODE_EMPTY ? "?" : place_where(&p, r->common.full, buf, cap);
}

/* "app.py:12", "app.py:12 and 3 more" */
static void end_cell(struct table *t, struct report *r, struct lifetimes *l, const struct lifetimes_row *row)
{
	char buf[4096];

	if (!row->n_ends)
		table_cell(t, "-");
	else if (row->n_ends == 1)
		table_cell(t, "%s", where(r, l, l->ends.at[row->ends].node, buf, sizeof buf));
	else
		table_cell(t, "%s and %zu more", where(r, l, l->ends.at[row->ends].node, buf, sizeof buf),
			   row->n_ends - 1);
}

static void print_row(struct table *t, struct report *r, struct lifetimes *l, const struct lifetimes_row *row,
		      enum lifetimes_by by)
{
	char buf[4096];

	table_cell(t, "%s", format_count(lifetimes_made(&row->sum)).text);
	table_count(t, row->sum.churn.blocks);
	age_cell(t, &row->sum);
	others_cell(t, &row->sum);
	table_count(t, row->sum.alive.blocks);
	table_cell(t, "%s", defs_type_name(&l->t->trace.defs, row->sum.type));
	if (by == LIFETIMES_TYPE)
		return;
	table_cell(t, "%s", where(r, l, row->sum.node, buf, sizeof buf));
	end_cell(t, r, l, row);
}

static void print_rows(struct report *r, struct lifetimes *l, const struct lifetimes_options *own)
{
	static const struct table_column columns[] = {
		{ .title = "made", .right = true, .style = STYLE_STRONG },
		{ .title = "short-lived", .right = true },
		{ .title = "mean age", .right = true },
		{ .title = "median, others", .right = true },
		{ .title = "alive", .right = true },
		{ .title = "type" },
		{ .title = "made at", .elastic = true },
		{ .title = "gone at", .elastic = true, .style = STYLE_FAINT },
	};
	size_t n = own->top && own->top < l->rows.n ? (size_t)own->top : l->rows.n;
	struct table t;

	fprintf(r->out.file, "\n%sBy %s%s", output_style(&r->out, STYLE_TITLE),
		own->by == LIFETIMES_TYPE    ? "type"
		: own->by == LIFETIMES_STACK ? "stack and type"
					     : "line and type",
		output_style(&r->out, STYLE_PLAIN));
	if (n < l->rows.n)
		fprintf(r->out.file, " (top %zu of %s; --top 0 for all)", n, format_count(l->rows.n).text);
	fputs("\n\n", r->out.file);
	table_init(&t, columns, own->by == LIFETIMES_TYPE ? 6 : sizeof columns / sizeof *columns);
	for (size_t i = 0; i < n; i++)
		print_row(&t, r, l, &l->rows.at[i], (enum lifetimes_by)own->by);
	table_print(&t, &r->out, 0);
	table_free(&t);
}

void lifetimes_print(struct report *r, struct lifetimes *l, const struct lifetimes_options *own)
{
	report_heading(r, l->t);
	fputc('\n', r->out.file);
	if (!lifetimes_made(&l->total)) {
		fputs("No block was made.\n", r->out.file);
		return;
	}
	print_answer(r, l);
	if (l->total.died.blocks) {
		title(r, "Age at the end, in time");
		print_histogram(r, l->total.by_time, ages_time_bounds, true);
		title(r, "Age at the end, in blocks that were made meanwhile");
		print_histogram(r, l->total.by_count, ages_count_bounds, false);
	}
	print_survived(r, &l->total);
	print_rows(r, l, own);
}
