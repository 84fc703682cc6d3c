/* SPDX-License-Identifier: Apache-2.0 */
/* refs --surplus: objects whose count is above the references that exist, by type and line, over the snapshots;
 * refs --suspects: whose counts to watch in a second run */
#include "analyzer/commands/refs/refs_surplus.h"
#include "analyzer/findings/words/suspects.h"
#include "analyzer/report/report.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_TEXT  30
#define NAMES_JSON 40

struct surplus_options {
	bool surplus, all;
	const char *suspects;
	uint64_t top;
};

static const struct surplus_group *group_at(const struct surplus *s, size_t i) { return &s->groups.at[i]; }

static bool is_shown(const struct surplus *s, const struct surplus_group *g, const struct surplus_options *own)
{
	return s->n && (own->all || (g->exact && !g->healthy && !g->types)) && g->at[s->n - 1].references;
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

/* What people call the objects of a group that have surplus, as far as they have names: some of them. */
static json_t *names_json(const struct report_trace *t, const struct surplus *s, const struct surplus_group *g,
			  const int32_t *surplus)
{
	const struct view *v = &t->remains->view;
	const char *type = strings_text(&s->strings, g->type);
	json_t *list = json_array();

	for (object_id o = 0; o < v->heap.n && json_array_size(list) < NAMES_JSON; o++)
		if (surplus[o] > 0 && v->join.node[o] == g->node && heap_name(&v->heap, o) &&
		    !strcmp(heap_type_name(&v->heap, o), type))
			json_add(list, json_text(heap_name(&v->heap, o)));
	return list;
}

static json_t *group_json(struct report_trace *t, const struct surplus *s, const struct surplus_group *g,
			  const int32_t *surplus)
{
	const char *type = strings_text(&s->strings, g->type), *name = strings_text(&s->strings, g->name);
	const struct surplus_reason *reason = surplus_reason(type, name, s->minor);
	json_t *o = json_object();

	json_put(o, "type", json_text(type));
	json_put(o, "name", *name ? json_text(name) : json_null());
	json_put(o, "site", place_site_json(&t->places, g->node));
	json_put(o, "exact", json_boolean(g->exact));
	json_put(o, "objects", json_bytes(g->at[s->n - 1].objects));
	json_put(o, "references", json_bytes(g->at[s->n - 1].references));
	json_put(o, "most", json_bytes(g->most));
	json_put(o, "healthy", json_boolean(g->healthy));
	json_put(o, "is_type", json_boolean(g->types));
	json_put(o, "why", reason ? json_text(reason->why) : json_null());
	json_put(o, "names", names_json(t, s, g, surplus));
	json_put(o, "points", points_json(s, g));
	return o;
}

static void write_json(struct report *r, const struct surplus_options *own)
{
	json_t *list = json_array();

	for (size_t k = 0; k < r->n_traces; k++) {
		const struct surplus *s = &r->traces[k]->remains->surplus;
		const struct view *v = &r->traces[k]->remains->view;
		int32_t *surplus = surplus_of(&v->heap, &v->join);

		for (size_t i = 0; i < s->groups.n; i++)
			if (is_shown(s, group_at(s, i), own))
				json_add(list, group_json(r->traces[k], s, group_at(s, i), surplus));
		free(surplus);
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
		table_cell(&table, "%s", place_site_where(&t->places, g->node, r->common.full, where, sizeof where));
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
		view_heading(&r->traces[i]->remains->view, &r->out);
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
	{ 0, "suspects", OPTION_TEXT, offsetof(struct surplus_options, suspects), "FILE",
	  "write the rules that watch who loses references, for PYTRACE_WATCH=suspects:FILE" },
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

static void print_suspects(struct report *r, const struct suspects *s, const char *file)
{
	char safe[4096];

	if (s->at.n)
		fprintf(r->out.file,
			"%s written to %s. To see who takes the references: run it again with\n"
			"PYTRACE_WATCH=suspects:%s, then 'pytrace refs'.\n",
			format_plural(s->at.n, "suspect", "suspects").text, format_printable(safe, sizeof safe, file),
			safe);
	else
		fprintf(r->out.file,
			"No suspects: every count is explained by references that exist, or is healthy.\n");
}

static json_t *suspects_json(const struct suspects *s)
{
	static const char *const ranks[] = { "found", "undecided", "perhaps" };
	json_t *list = json_array();

	for (size_t i = 0; i < s->at.n; i++) {
		json_t *o = json_object();

		json_put(o, "rule", json_text(s->at.at[i].rule));
		json_put(o, "rank", json_text(ranks[s->at.at[i].rank]));
		json_put(o, "references", json_bytes(s->at.at[i].references));
		json_put(o, "why", json_text(s->at.at[i].why));
		json_add(list, o);
	}
	return list;
}

static bool give_suspects(struct report *r, const char *file)
{
	struct finding_list findings;
	struct suspects suspects;
	bool good;

	finding_list_init(&findings, r);
	suspects_find(&suspects, r, &findings);
	good = suspects_write(&suspects, r, file, r->common.force);
	if (r->json)
		json_put(r->json, "suspects", suspects_json(&suspects));
	else if (good)
		print_suspects(r, &suspects, file);
	suspects_free(&suspects);
	finding_list_free(&findings);
	return good;
}

int refs_surplus(int argc, char **argv)
{
	struct surplus_options own = { .top = ROWS_TEXT };
	struct report r;
	int code;
	bool good = true;

	code = report_parse(&r, &command, &own, argc, argv);
	if (code == REPORT_GO)
		code = report_open(&r, REPORT_REMAINS | (own.suspects ? REPORT_GROWTH : 0));
	if (code != REPORT_GO)
		return code;
	if (own.suspects)
		good = give_suspects(&r, own.suspects);
	if (own.surplus && r.json)
		write_json(&r, &own);
	else if (own.surplus)
		print_text(&r, &own);
	code = report_end(&r);
	return good ? code : EXIT_USAGE;
}
