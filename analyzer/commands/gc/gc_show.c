/* SPDX-License-Identifier: Apache-2.0 */
/* gc_show: the report of `pytrace gc` for people. The first lines have the answer. */
#include "analyzer/commands/gc/gc.h"

#include <string.h>

static double seconds(uint64_t ns) { return (double)ns / 1e9; }

static size_t shown(size_t n, uint64_t top) { return top && top < n ? (size_t)top : n; }

static const char *where(struct report *r, struct gc_report *g, node_id node, char *buf, size_t cap)
{
	struct place_table *places = &g->t->places;
	struct place p = *place_find(places, place_site(places, node));

	p.at.column = -1;
	return node == NODE_EMPTY ? "(no Python line)" : place_where(&p, r->common.full, buf, cap);
}

static const char *function(struct report *r, struct gc_report *g, node_id node, char *buf, size_t cap)
{
	struct place_table *places = &g->t->places;

	return node == NODE_EMPTY ? "" : place_function_below(places, node, r->common.full, buf, cap);
}

static void title(struct report *r, const char *text, size_t n, size_t of)
{
	fprintf(r->out.file, "\n%s%s%s", output_style(&r->out, STYLE_TITLE), text, output_style(&r->out, STYLE_PLAIN));
	if (n < of)
		fprintf(r->out.file, " (top %zu of %s; --top 0 for all)", n, format_count(of).text);
	fputs("\n\n", r->out.file);
}

/* ---- the answer ---- */

static const char *trigger_text(const struct collection *c)
{
	return c->trigger == PT_GC_EXPLICIT ? "asked for" : c->trigger == PT_GC_SHUTDOWN ? "at the end" : "by itself";
}

static void print_answer(struct report *r, struct gc_report *g, const struct collections_sum *s)
{
	const struct collection *longest = &g->collections.at.at[s->longest];
	FILE *f = r->out.file;
	char buf[4096];

	fprintf(f, "%s%s took %s, %s of the run.%s The longest: %s, generation %u, %s, at %s.\n",
		output_style(&r->out, STYLE_STRONG), format_plural(s->n, "collection", "collections").text,
		format_seconds(seconds(s->pause_ns)).text, format_percent(s->pause_ns, g->collections.end_ns).text,
		output_style(&r->out, STYLE_PLAIN), format_seconds(seconds(s->longest_ns)).text, longest->generation,
		trigger_text(longest), where(r, g, longest->node, buf, sizeof buf));
	fprintf(f, "They collected %s and gave back %s in %s.", format_plural(s->collected, "object", "objects").text,
		format_bytes(s->freed.bytes).text, format_plural(s->freed.blocks, "block", "blocks").text);
	if (s->uncollectable)
		fprintf(f, " %s%s could not be collected (gc.garbage).%s", output_style(&r->out, STYLE_BAD),
			format_count(s->uncollectable).text, output_style(&r->out, STYLE_PLAIN));
	fputc('\n', f);
}

/* ---- tables ---- */

static void generation_row(struct table *t, const struct collections_sum *s, int generation)
{
	table_cell(t, generation < 0 ? "all" : "%d", generation);
	table_cell(t, "%s", format_count(s->n).text);
	table_count(t, s->n_explicit);
	table_cell(t, "%s", format_seconds(seconds(s->pause_ns)).text);
	table_cell(t, "%s", format_seconds(seconds(s->median_ns)).text);
	table_cell(t, "%s", format_seconds(seconds(s->p99_ns)).text);
	table_cell(t, "%s", format_seconds(seconds(s->longest_ns)).text);
	if (s->n_counted == s->n)
		table_cell(t, "%s", format_count(s->candidates).text);
	else
		table_cell(t, "?");
	table_cell(t, "%s", format_count(s->collected).text);
	table_count(t, s->uncollectable);
	table_cell(t, "%s", format_bytes(s->freed.bytes).text);
}

static void print_generations(struct report *r, struct gc_report *g, const struct collections_sum *all)
{
	static const struct table_column columns[] = {
		{ .title = "generation", .right = true },
		{ .title = "collections", .right = true, .style = STYLE_STRONG },
		{ .title = "explicit", .right = true },
		{ .title = "pauses", .right = true },
		{ .title = "median", .right = true },
		{ .title = "p99", .right = true },
		{ .title = "longest", .right = true },
		{ .title = "candidates", .right = true },
		{ .title = "collected", .right = true },
		{ .title = "uncollectable", .right = true },
		{ .title = "freed", .right = true },
	};
	struct table t;
	int n = 0;

	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (int i = 0; i < 3; i++) {
		struct collections_sum s = collections_sum(&g->collections, i);

		if (s.n)
			generation_row(&t, &s, i), n++;
	}
	if (n > 1)
		generation_row(&t, all, COLLECTIONS_ALL);
	fputc('\n', r->out.file);
	table_print(&t, &r->out, 0);
	table_free(&t);
}

static void print_lines(struct report *r, struct gc_report *g, uint64_t top)
{
	static const struct table_column columns[] = {
		{ .title = "freed", .right = true, .style = STYLE_STRONG },
		{ .title = "blocks", .right = true },
		{ .title = "collections", .right = true },
		{ .title = "type" },
		{ .title = "allocated at", .elastic = true },
		{ .title = "function", .elastic = true, .style = STYLE_FAINT },
	};
	size_t n = shown(g->lines.n, top);
	struct table t;
	char buf[4096];

	if (!n)
		return;
	title(r, "Lines whose objects were cyclic garbage", n, g->lines.n);
	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < n; i++) {
		const struct gc_line *line = &g->lines.at[i];

		table_cell(&t, "%s", format_bytes(line->freed.bytes).text);
		table_cell(&t, "%s", format_count(line->freed.blocks).text);
		table_cell(&t, "%s", format_count(line->collections).text);
		table_cell(&t, "%s", defs_type_name(&g->t->trace.defs, line->type));
		table_cell(&t, "%s", where(r, g, line->node, buf, sizeof buf));
		table_cell(&t, "%s", function(r, g, line->node, buf, sizeof buf));
	}
	table_print(&t, &r->out, 0);
	table_free(&t);
}

static void print_callers(struct report *r, struct gc_report *g, uint64_t top)
{
	static const struct table_column columns[] = {
		{ .title = "times", .right = true, .style = STYLE_STRONG },
		{ .title = "found nothing", .right = true },
		{ .title = "took", .right = true },
		{ .title = "longest", .right = true },
		{ .title = "collected", .right = true },
		{ .title = "freed", .right = true },
		{ .title = "by", .elastic = true },
		{ .title = "function", .elastic = true, .style = STYLE_FAINT },
	};
	size_t n = shown(g->callers.n, top);
	struct table t;
	char buf[4096];

	if (!n)
		return;
	title(r, "Collections that were asked for", n, g->callers.n);
	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < n; i++) {
		const struct gc_caller *c = &g->callers.at[i];

		table_cell(&t, "%s", format_count(c->n).text);
		table_count(&t, c->n_useless);
		table_cell(&t, "%s", format_seconds(seconds(c->pause_ns)).text);
		table_cell(&t, "%s", format_seconds(seconds(c->longest_ns)).text);
		table_cell(&t, "%s", format_count(c->collected).text);
		table_cell(&t, "%s", format_bytes(c->freed.bytes).text);
		table_cell(&t, "%s", where(r, g, c->node, buf, sizeof buf));
		table_cell(&t, "%s", function(r, g, c->node, buf, sizeof buf));
	}
	table_print(&t, &r->out, 0);
	table_free(&t);
}

/* ---- what steered it ---- */

static void print_at(struct report *r, struct gc_report *g, const struct collections_setting *s, const char *text)
{
	char buf[4096];

	fprintf(r->out.file, "  %8s  %s", s->first ? "start" : format_seconds(seconds(s->ns)).text, text);
	if (!s->first)
		fprintf(r->out.file, "  %s",
			s->node == NODE_EMPTY ? "by C code" : where(r, g, s->node, buf, sizeof buf));
	fputc('\n', r->out.file);
}

static bool is_threshold(const struct collections_setting *s)
{
	return s->what >= PT_GC_SET_THRESHOLD_0 && s->what <= PT_GC_SET_THRESHOLD_2;
}

/* Whether the next setting belongs to the same call of gc.set_threshold(). */
static bool goes_on(const struct collections *c, size_t i)
{
	const struct collections_setting *s = &c->settings.at[i], *next = s + 1;

	return i + 1 < c->settings.n && is_threshold(next) && next->what > s->what && next->node == s->node;
}

static void print_setting(struct report *r, struct gc_report *g, size_t i, int32_t threshold[3])
{
	const struct collections_setting *s = &g->collections.settings.at[i];
	char text[200];

	if (is_threshold(s)) {
		threshold[s->what - PT_GC_SET_THRESHOLD_0] = (int32_t)s->value;
		if (goes_on(&g->collections, i))
			return;
		snprintf(text, sizeof text, "thresholds %d, %d, %d", threshold[0], threshold[1], threshold[2]);
	} else if (s->what == PT_GC_SET_ENABLED && (!s->first || !s->value)) {
		snprintf(text, sizeof text, "%s", s->value ? "enabled" : "disabled");
	} else if (s->what == PT_GC_SET_FROZEN && !s->first) {
		snprintf(text, sizeof text, "%s frozen", format_plural(s->value, "object", "objects").text);
	} else if (s->what == PT_GC_SET_DEBUG && (!s->first || s->value)) {
		snprintf(text, sizeof text, "debug flags %u", (unsigned)s->value);
	} else {
		return;
	}
	print_at(r, g, s, text);
}

static void print_settings(struct report *r, struct gc_report *g, uint64_t top)
{
	const struct collections *c = &g->collections;
	size_t n = shown(c->settings.n, top ? top + 6 : 0);
	int32_t threshold[3] = { 0 };
	uint64_t off = 0;

	if (!c->settings.n)
		return;
	title(r, "Settings", n, c->settings.n);
	for (size_t i = 0; i < n; i++)
		print_setting(r, g, i, threshold);
	for (size_t i = 0; i < c->disabled.n; i++)
		off += c->disabled.at[i].end_ns - c->disabled.at[i].begin_ns;
	if (off)
		fprintf(r->out.file, "  It was disabled %s, for %s in all%s.\n",
			c->disabled.n == 1 ? "once" : format_plural(c->disabled.n, "time", "times").text,
			format_seconds(seconds(off)).text,
			c->disabled.at[c->disabled.n - 1].ended ? "" : ", at last to the end");
}

void gc_print(struct report *r, struct gc_report *g, uint64_t top)
{
	struct collections_sum all = collections_sum(&g->collections, COLLECTIONS_ALL);
	const char *off = defs_meta(&g->t->trace.defs, "python.gc_off", NULL);

	report_heading(r, g->t);
	fputc('\n', r->out.file);
	if (off && *off)
		fprintf(r->out.file, "Collections were not recorded: %s.\n", off);
	else if (!g->collections.at.n)
		fprintf(r->out.file, "No collection%s.\n",
			defs_meta(&g->t->trace.defs, "python.implementation", NULL) ? "" : ": no Python ran here");
	if (g->collections.at.n) {
		print_answer(r, g, &all);
		print_generations(r, g, &all);
	}
	print_lines(r, g, top);
	print_callers(r, g, top);
	print_settings(r, g, top);
}
