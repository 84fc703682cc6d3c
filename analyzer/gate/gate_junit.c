/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_junit: a test suite whose tests are the findings
 *
 * A finding that fails is a failed test, one that is known, suppressed or not asked for a skipped one that says so;
 * without findings there is one test that passes, as a suite without tests looks like a mistake. A test's name has no
 * line in it, so that it keeps its history. Elements and attributes are what both schemas in use allow and demand
 * (Jenkins' junit-10.xsd, and JUnit.xsd of Ant's task): so the line is in the failure's text only.
 */
#include "analyzer/gate/gate.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

/* Text of an element or an attribute. What XML 1.0 can't hold was made printable before. */
static void put_xml(FILE *f, const char *text)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" } };
	char safe[8192];

	for (const char *c = format_printable(safe, sizeof safe, text); *c; c++) {
		size_t i = 0;

		while (i < sizeof entities / sizeof *entities && entities[i].c != *c)
			i++;
		if (i < sizeof entities / sizeof *entities)
			fputs(entities[i].entity, f);
		else
			fputc(*c, f);
	}
}

static void put_stack(const struct finding *f, FILE *to)
{
	struct place_table *places = &f->trace->places;
	char where[4096];

	for (node_id at = f->sum.node; at > NODE_UNKNOWN; at = defs_frame(&f->trace->trace.defs, at)->parent) {
		const struct place *p = place_find(places, at);

		if (p->origin == ORIGIN_INTERNAL)
			continue;
		put_xml(to, place_where(p, false, where, sizeof where));
		fputs("  ", to);
		put_xml(to, p->function);
		fputc('\n', to);
	}
}

static void put_outcome(const struct gate *g, const struct gate_item *item, FILE *f)
{
	struct gate_where where;
	char text[4096];

	if (!g->fails || !gate_counts(item->status)) {
		fputs("   <skipped message=\"", f);
		put_xml(f, item->by                    ? item->by->text
			   : gate_counts(item->status) ? "within the budget"
						       : gate_status_name(item->status));
		fputs("\"/>\n", f);
		return;
	}
	fputs("   <failure type=\"", f);
	put_xml(f, finding_verdict(item->finding));
	fputs("\" message=\"", f);
	put_xml(f, gate_title(item, text, sizeof text));
	fputs("\">", f);
	if (gate_line(g, item->finding, &where)) {
		put_xml(f, where.path);
		fprintf(f, ":%d\n", where.place->at.line);
	}
	put_xml(f, finding_why(item->finding, text, sizeof text));
	fputc('\n', f);
	put_stack(item->finding, f);
	fputs("</failure>\n", f);
}

static void put_item(const struct gate *g, const struct gate_item *item, FILE *f)
{
	const struct place *p = finding_place(item->finding);
	char function[4096];

	fputs("  <testcase classname=\"pytrace.", f);
	put_xml(f, finding_verdict(item->finding));
	fputs("\" name=\"", f);
	put_xml(f, *p->short_file ? p->short_file : p->module ? p->module : "?");
	fputs(": ", f);
	put_xml(f, place_function(p, false, function, sizeof function));
	fputs("\" time=\"0\">\n", f);
	put_outcome(g, item, f);
	fputs("  </testcase>\n", f);
}

/* The budget per mark is a test of its own. */
static void put_marks(const struct gate *g, FILE *f)
{
	struct gate_where where;
	char text[600];
	bool fails = g->fails && g->over_mark;

	fputs("  <testcase classname=\"pytrace\" name=\"budget per mark\" time=\"0\"", f);
	if (fails) {
		fputs(">\n   <failure type=\"budget-per-mark\" message=\"", f);
		put_xml(f, gate_marks_text(&g->marks, g->rules->mark_budget_bytes, text, sizeof text));
		fputs("\">", f);
		if (gate_marks_where(g, &where)) {
			put_xml(f, where.path);
			fprintf(f, ":%d\n", where.place->at.line);
		}
	}
	fputs(fails ? "</failure>\n  </testcase>\n" : "/>\n", f);
}

/* The attributes of the suite but for its numbers: when and where the program ran. */
static void put_head(const struct report *r, FILE *f)
{
	time_t start = r->n_traces ? (time_t)(r->traces[0]->trace.front.start_real_ns / 1000000000u) : 0;
	char host[256] = "";
	struct tm tm;

	gethostname(host, sizeof host - 1);
	gmtime_r(&start, &tm);
	fprintf(f,
		" <testsuite name=\"pytrace check\" package=\"pytrace\" id=\"0\" "
		"timestamp=\"%04d-%02d-%02dT%02d:%02d:%02d\" "
		"hostname=\"",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	put_xml(f, *host ? host : "localhost");
}

bool gate_junit(const struct gate *g, const struct report *r, FILE *f)
{
	size_t failed = g->fails ? g->by_status[GATE_NEW] + g->by_status[GATE_WORSE] : 0,
	       tests = g->n + g->rules->by_mark;
	double seconds = 0;

	for (size_t i = 0; i < r->n_traces; i++)
		seconds += trace_duration_s(&r->traces[i]->trace);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", f);
	put_head(r, f);
	fprintf(f, "\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" time=\"%.3f\">\n  <properties/>\n",
		tests ? tests : 1, failed + (g->fails && g->over_mark), g->n - failed, seconds);
	if (g->rules->by_mark)
		put_marks(g, f);
	if (!tests)
		fputs("  <testcase classname=\"pytrace\" name=\"no leak was found\" time=\"0\"/>\n", f);
	for (size_t i = 0; i < g->n; i++)
		put_item(g, &g->items[i], f);
	fputs("  <system-out/>\n  <system-err/>\n </testsuite>\n</testsuites>\n", f);
	return !ferror(f);
}
