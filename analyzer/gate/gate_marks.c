/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_marks: what a mark of the program leaves behind, against a budget
 *
 * The whole process is weighed: all that was alive at the last mark, less what was alive at the end of the warm-up,
 * over the marks in between. Whether it is one leak, ten small ones, or none that could be called so, is the same to a
 * service that handles a request at each mark. The worst of several processes counts; the lines that grew most are
 * named.
 */
#include "analyzer/gate/gate.h"

#include <string.h>

static bool measure(struct gate_marks *m, const struct report_trace *t)
{
	const struct growth *g = &t->growth;
	uint64_t warm, last, marks = g->window_marks * (g->n_windows - g->n_warm);
	double bytes;

	if (!g->marks || !marks)
		return false;
	growth_total(g, &warm, &last);
	bytes = ((double)last - (double)warm) / (double)marks;
	if (!m->trace || bytes > m->bytes) {
		m->trace = t;
		m->bytes = bytes;
		m->marks = marks;
	}
	return true;
}

static double grown(const struct gate_marks *m, const struct growth_group *group)
{
	const struct growth *g = &m->trace->growth;

	return ((double)group->curve_bytes[g->n_windows] - (double)group->curve_bytes[g->n_warm]) / (double)m->marks;
}

/* Keeps the lines that grew most, in order. */
static void add_line(struct gate_marks *m, const struct growth_group *group)
{
	struct gate_line line = { .bytes = grown(m, group), .group = group };
	size_t at = m->n_lines;

	if (line.bytes <= 0)
		return;
	while (at && m->lines[at - 1].bytes < line.bytes)
		at--;
	if (at == GATE_LINES)
		return;
	m->n_lines += m->n_lines < GATE_LINES;
	memmove(&m->lines[at + 1], &m->lines[at], (m->n_lines - at - 1) * sizeof line);
	m->lines[at] = line;
}

bool gate_weigh_marks(struct gate_marks *m, const struct report *r)
{
	*m = (struct gate_marks){ .trace = NULL };
	for (size_t i = 0; i < r->n_traces; i++)
		measure(m, r->traces[i]);
	for (size_t i = 0; m->trace && i < m->trace->growth.groups.n; i++)
		add_line(m, &m->trace->growth.groups.at[i]);
	return m->trace;
}

static const struct place *line_place(const struct gate_marks *m, const struct gate_line *line)
{
	struct place_table *places = (struct place_table *)&m->trace->places;

	return place_find(places, place_blame(places, line->group->node));
}

/* "1,073 bytes" or "-12 bytes". */
static void put_bytes(char *buf, size_t cap, double bytes)
{
	snprintf(buf, cap, "%s%s bytes", bytes <= -0.5 ? "-" : "",
		 format_count((uint64_t)(bytes < 0 ? -bytes + 0.5 : bytes + 0.5)).text);
}

char *gate_marks_text(const struct gate_marks *m, uint64_t budget, char *buf, size_t cap)
{
	const struct growth *g = &m->trace->growth;
	char bytes[80];

	put_bytes(bytes, sizeof bytes, m->bytes);
	snprintf(buf, cap, "%s per %s '%.100s' after a warm-up of %s, the budget is %s", bytes,
		 g->marks->region ? "region" : "mark", strings_text(&g->curves->marks.labels, g->marks->label),
		 format_count(g->warm_marks).text, format_count(budget).text);
	return buf;
}

bool gate_marks_where(const struct gate *g, struct gate_where *ret)
{
	const struct gate_marks *m = &g->marks;

	return m->n_lines && gate_where(g, &m->trace->places, line_place(m, &m->lines[0]), ret);
}

void gate_marks_print(struct report *r, const struct gate_marks *m)
{
	char bytes[80], where[4096], function[2048], safe[8000];

	if (!m->n_lines)
		return;
	fputc('\n', r->out.file);
	output_title(&r->out, "What grew most, per mark");
	for (size_t i = 0; i < m->n_lines; i++) {
		struct place p = *line_place(m, &m->lines[i]);

		p.at.column = -1;
		put_bytes(bytes, sizeof bytes, m->lines[i].bytes);
		place_where(&p, r->common.full, where, sizeof where);
		fprintf(r->out.file, "  %16s  %s", bytes, format_printable(safe, sizeof safe, where));
		fprintf(r->out.file, " in %s\n",
			format_printable(safe, sizeof safe,
					 place_function(&p, r->common.full, function, sizeof function)));
	}
}

json_t *gate_marks_json(const struct gate_marks *m, uint64_t budget)
{
	const struct growth *g = &m->trace->growth;
	json_t *o = json_object(), *lines = json_array();

	json_put(o, "label", json_text(strings_text(&g->curves->marks.labels, g->marks->label)));
	json_put(o, "kind", json_text(g->marks->region ? "region" : "mark"));
	json_put(o, "pid", json_integer(m->trace->trace.front.pid));
	json_put(o, "marks", json_bytes(m->marks));
	json_put(o, "warmup", json_bytes(g->warm_marks));
	json_put(o, "bytes", json_number(m->bytes));
	json_put(o, "budget_bytes", json_bytes(budget));
	for (size_t i = 0; i < m->n_lines; i++) {
		json_t *line = json_object();

		json_put(line, "bytes", json_number(m->lines[i].bytes));
		json_put(line, "blame", place_json(line_place(m, &m->lines[i])));
		json_add(lines, line);
	}
	json_put(o, "lines", lines);
	return o;
}
