/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_github: annotations on the lines of a pull request
 *
 *     ::error file=app.py,line=53,col=38,title=growth: 13.6 MiB in 6,138 blocks in Pages.get::After the warm-up ...
 *
 * A message ends at the line's end, so line ends and % are escaped; in a property also : and , (GitHub, "Workflow
 * commands").
 */
#include "analyzer/gate/gate.h"

#include <stdlib.h>
#include <string.h>

#define PART_PERCENT 25 /* of a finding's bytes: a line with less is not worth an annotation */

static void put_escaped(const char *text, const char *special, FILE *f)
{
	for (; *text; text++) {
		if (strchr(special, *text))
			fprintf(f, "%%%02X", (unsigned char)*text);
		else
			fputc(*text, f);
	}
}

static void put_line(const struct gate_where *where, FILE *f)
{
	fputs("file=", f);
	put_escaped(where->path, "%\r\n:,", f);
	fprintf(f, ",line=%d,", where->place->at.line);
	if (where->place->at.column >= 0)
		fprintf(f, "col=%d,", where->place->at.column + 1);
}

/* The other lines that have a good part of it: a function that leaks on one line already gets its next leak here. */
static void put_parts(const struct gate *g, const struct gate_item *item, int main_line, FILE *f)
{
	const struct finding *found = item->finding;
	struct gate_where where;
	char text[1200];
	size_t n;
	struct finding_part *parts = finding_parts(found, &n);

	for (size_t i = 0; i < n; i++) {
		if (parts[i].live.bytes * 100 < found->sum.bytes * PART_PERCENT ||
		    parts[i].place->at.line == main_line ||
		    !gate_where(g, &found->trace->places, parts[i].place, &where) || !where.inside)
			continue;
		fputs("::warning ", f);
		put_line(&where, f);
		fputs("title=", f);
		put_escaped("a part of ", "", f);
		put_escaped(gate_title(item, text, sizeof text), "%\r\n:,", f);
		fprintf(f, "::%s in %s of it\n", format_bytes(parts[i].live.bytes).text,
			format_plural(parts[i].live.blocks, "block", "blocks").text);
	}
	free(parts);
}

/* At the line that grew most. */
static void put_marks(const struct gate *g, FILE *f)
{
	struct gate_where where;
	char text[600];

	fputs("::error ", f);
	if (gate_marks_where(g, &where))
		put_line(&where, f);
	fputs("title=budget per mark::", f);
	put_escaped(gate_marks_text(&g->marks, g->rules->mark_budget_bytes, text, sizeof text), "%\r\n", f);
	fputc('\n', f);
}

static void put_item(const struct gate *g, const struct gate_item *item, FILE *f)
{
	struct gate_where where;
	char text[4096];
	bool has_line = gate_line(g, item->finding, &where);

	fputs("::error ", f);
	if (has_line)
		put_line(&where, f);
	fputs("title=", f);
	put_escaped(gate_title(item, text, sizeof text), "%\r\n:,", f);
	fputs("::", f);
	put_escaped(finding_why(item->finding, text, sizeof text), "%\r\n", f);
	fputc('\n', f);
	put_parts(g, item, has_line ? where.place->at.line : 0, f);
}

void gate_github(const struct gate *g, FILE *f)
{
	if (g->fails && g->over_mark)
		put_marks(g, f);
	for (size_t i = 0; g->fails && i < g->n; i++) {
		if (gate_counts(g->items[i].status))
			put_item(g, &g->items[i], f);
	}
}
