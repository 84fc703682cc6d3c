/* SPDX-License-Identifier: Apache-2.0 */
/* refs --surplus: objects whose count is above the references that exist, by type and line, over the snapshots */
#include "analyzer/commands/refs_surplus.h"
#include "analyzer/report/finding.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_TEXT 30

struct surplus_options {
	bool surplus, all;
	uint64_t top;
};

static const struct surplus_group *group_at(const struct surplus *s, size_t i) { return &s->groups.at[i]; }

static bool is_shown(const struct surplus *s, const struct surplus_group *g, const struct surplus_options *own)
{
	return s->n && (own->all || (g->exact && !g->healthy)) && g->at[s->n - 1].references;
}

/* ---- JSON ---- */

static json_t *points_json(const struct surplus *s, const struct surplus_group *g)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < s->n; i++) {
		json_t *o = json_object();

		json_put(o, "snapshot", json_bytes(s->numbers[i]));
		json_put(o, "t_s", json_seconds(s->ns[i]));
		json_put(o, "objects", json_bytes(g->at[i].objects));
		json_put(o, "references", json_bytes(g->at[i].references));
		json_add(list, o);
	}
	return list;
}

static json_t *group_json(struct report_trace *t, const struct surplus *s, const struct surplus_group *g)
{
	const char *type = strings_text(&s->strings, g->type), *name = strings_text(&s->strings, g->name), *why;
	json_t *o = json_object();
	uint64_t most;

	why = surplus_reason(type, name, s->minor, &most);
	json_put(o, "type", json_text(type));
	json_put(o, "name", *name ? json_text(name) : json_null());
	json_put(o, "site", view_node_json(t, g->node));
	json_put(o, "exact", json_boolean(g->exact));
	json_put(o, "objects", json_bytes(g->at[s->n - 1].objects));
	json_put(o, "references", json_bytes(g->at[s->n - 1].references));
	json_put(o, "most", json_bytes(g->most));
	json_put(o, "healthy", json_boolean(g->healthy));
	json_put(o, "why", why ? json_text(why) : json_null());
	json_put(o, "points", points_json(s, g));
	return o;
}

static void write_json(struct report *r, const struct surplus_options *own)
{
	json_t *list = json_array();

	for (size_t k = 0; k < r->n_traces; k++) {
		const struct surplus *s = &r->traces[k]->remains->surplus;

		for (size_t i = 0; i < s->groups.n; i++)
			if (is_shown(s, group_at(s, i), own))
				json_add(list, group_json(r->traces[k], s, group_at(s, i)));
	}
	json_put(r->json, "surplus", list);
}

/* ---- text ---- */

static void print_rows(struct report *r, struct report_trace *t, const struct surplus_options *own)
{
	static const struct table_column columns[] = {
		{ .title = "references", .right = true, .style = STYLE_STRONG },
		{ .title = "objects", .right = true },
		{ .title = "most", .right = true },
		{ .title = "type", .elastic = true },
		{ .title = "the one with most", .elastic = true },
		{ .title = "made at", .elastic = true },
	};
	const struct surplus *s = &t->remains->surplus;
	uint64_t rows = 0;
	char where[4096];
	struct table table;

	table_init(&table, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < s->groups.n; i++) {
		const struct surplus_group *g = group_at(s, i);

		if (!is_shown(s, g, own) || (own->top && rows++ >= own->top))
			continue;
		table_count(&table, g->at[s->n - 1].references);
		table_count(&table, g->at[s->n - 1].objects);
		table_count(&table, g->most);
		table_cell(&table, "%s", strings_text(&s->strings, g->type));
		table_cell(&table, "%s", strings_text(&s->strings, g->name));
		table_cell(&table, "%s", view_node_where(t, g->node, r->common.full, where, sizeof where));
	}
	if (table.n_cells)
		table_print(&table, &r->out, 2);
	else
		fprintf(r->out.file, "  none beyond what healthy programs have (--all shows those)\n");
	table_free(&table);
}

static void print_text(struct report *r, const struct surplus_options *own)
{
	for (size_t i = 0; i < r->n_traces; i++) {
		report_heading(r, r->traces[i]);
		view_heading(r, &r->traces[i]->remains->view);
		fputc('\n', r->out.file);
		output_title(&r->out, "References that nobody in the snapshot holds");
		print_rows(r, r->traces[i], own);
	}
}

/* ---- the command ---- */

static const struct option_row rows[] = {
	{ 0, "surplus", OPTION_FLAG, offsetof(struct surplus_options, surplus), NULL,
	  "counts above the references that exist, at the last snapshot" },
	{ 0, "all", OPTION_FLAG, offsetof(struct surplus_options, all), NULL,
	  "also what is healthy, and what can't be told exactly" },
	{ 'n', "top", OPTION_NUMBER, offsetof(struct surplus_options, top), "N", "rows (30), 0 for all" },
	{ 0 },
};

static const struct command command = {
	.page =
		{
			.name = "refs",
			.summary = "references that nobody in the snapshots holds",
			.operands = "TRACE...",
			.rows = rows,
			.groups = OPTIONS_REPORT | OPTIONS_FULL | OPTIONS_STACKS,
		},
};

int refs_surplus(int argc, char **argv)
{
	struct surplus_options own = { .top = ROWS_TEXT };
	struct report r;
	int code = report_begin(&r, &command, &own, REPORT_REMAINS, argc, argv);

	if (code != REPORT_GO)
		return code;
	if (r.json)
		write_json(&r, &own);
	else
		print_text(&r, &own);
	return report_end(&r);
}
