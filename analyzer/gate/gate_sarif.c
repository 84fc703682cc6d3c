/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_sarif: the findings for code scanning, as SARIF 2.1.0 (OASIS standard, 2020)
 *
 * A rule for each verdict and one for the budget per mark, a result for each finding: its line, its stack, its
 * fingerprint, how it stands to the baseline, who suppresses it. Paths in the repository are relative to SRCROOT.
 */
#include "analyzer/gate/gate.h"

#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 20

#define SARIF_SCHEMA "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

static const struct {
	const char *verdict, *says;
} rules[] = {
	{ "growth", "Reachable memory grows without end: a cache, registry, list or log handler without a bound." },
	{ "cycle-garbage", "Reference cycles that nobody holds are not collected." },
	{ "cycle-uncollectable", "The collector cannot free these reference cycles." },
	{ "reference-leak", "More references are counted than exist: C code did not give one back." },
	{ "native-unreachable", "Native memory that no pointer leads to." },
	{ "fragmentation", "Little is alive, yet the memory cannot go back: blocks pin arenas." },
	{ "budget-per-mark", "Each mark of the program leaves more behind than its budget allows." },
};

static json_t *message(const char *text)
{
	json_t *o = json_object();

	json_put(o, "text", json_text(text));
	return o;
}

static json_t *rules_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		json_t *o = json_object();

		json_put(o, "id", json_text(rules[i].verdict));
		json_put(o, "shortDescription", message(rules[i].says));
		json_add(list, o);
	}
	return list;
}

static json_t *tool_json(void)
{
	json_t *tool = json_object(), *driver = json_object();

	json_put(driver, "name", json_text("pytrace"));
	json_put(driver, "semanticVersion", json_text(PT_VERSION_TEXT));
	json_put(driver, "rules", rules_json());
	json_put(tool, "driver", driver);
	return tool;
}

/* A path as a URI: what is neither a letter, a digit nor harmless becomes %XX. */
static json_t *uri(const char *path)
{
	char text[3 * 4096 + 16];
	size_t n = *path == '/' ? (size_t)sprintf(text, "file://") : 0;

	for (; *path && n < sizeof text - 4; path++) {
		bool plain = (*path >= '0' && *path <= '9') || (*path >= 'a' && *path <= 'z') ||
			     (*path >= 'A' && *path <= 'Z') || strchr("/._-~", *path);

		n += (size_t)sprintf(text + n, plain ? "%c" : "%%%02X", (unsigned char)*path);
	}
	text[n] = 0;
	return json_text(text);
}

static json_t *location(const struct gate_where *where)
{
	const struct place *p = where->place;
	json_t *o = json_object(), *physical = json_object(), *artifact = json_object(), *region = json_object();

	json_put(artifact, "uri", uri(where->path));
	if (where->inside)
		json_put(artifact, "uriBaseId", json_text("SRCROOT"));
	json_put(region, "startLine", json_integer(p->at.line));
	if (p->at.column >= 0)
		json_put(region, "startColumn", json_integer(p->at.column + 1));
	json_put(physical, "artifactLocation", artifact);
	json_put(physical, "region", region);
	json_put(o, "physicalLocation", physical);
	return o;
}

/* A frame with a line has a location, one without has its function's name as a message. */
static json_t *frame_json(const struct gate *g, const struct finding *f, const struct place *p)
{
	struct gate_where where;
	json_t *frame = json_object(),
	       *at = gate_where(g, &f->trace->places, p, &where) ? location(&where) : json_object();

	json_put(at, "message", message(p->function));
	json_put(frame, "location", at);
	if (p->module)
		json_put(frame, "module", json_text(p->module));
	return frame;
}

static json_t *stacks_json(const struct gate *g, const struct finding *f)
{
	json_t *stacks = json_array(), *stack = json_object(), *frames = json_array();

	for (node_id at = f->sum.node; at > NODE_UNKNOWN; at = defs_frame(&f->trace->trace.defs, at)->parent) {
		const struct place *p = place_find(&f->trace->places, at);

		if (p->origin != ORIGIN_INTERNAL)
			json_add(frames, frame_json(g, f, p));
	}
	json_put(stack, "frames", frames);
	json_add(stacks, stack);
	return stacks;
}

/* The lines that have parts of it. */
static json_t *parts_json(const struct gate *g, const struct finding *f)
{
	json_t *list = json_array();
	struct gate_where where;
	char text[200];
	size_t n;
	struct finding_part *parts = finding_parts(f, &n);

	for (size_t i = 0; i < n && i < PARTS_MAX; i++) {
		json_t *o;

		if (!gate_where(g, &f->trace->places, parts[i].place, &where))
			continue;
		o = location(&where);
		snprintf(text, sizeof text, "%s in %s", format_bytes(parts[i].live.bytes).text,
			 format_plural(parts[i].live.blocks, "block", "blocks").text);
		json_put(o, "message", message(text));
		json_add(list, o);
	}
	free(parts);
	return list;
}

static json_t *suppressions_json(const struct suppression *by)
{
	json_t *list = json_array(), *o = json_object();

	json_put(o, "kind", json_text("external"));
	json_put(o, "justification", json_text(by->text));
	json_add(list, o);
	return list;
}

static json_t *result_json(const struct gate *g, const struct gate_item *item)
{
	const struct finding *f = item->finding;
	bool fails = g->fails && gate_counts(item->status);
	json_t *o = json_object(), *locations = json_array(), *fingerprints = json_object();
	char why[600], text[1200], title[1000];
	struct gate_where where;

	snprintf(text, sizeof text, "%.500s: %.600s.", gate_title(item, title, sizeof title),
		 finding_why(f, why, sizeof why));
	json_put(o, "ruleId", json_text(finding_verdict(f)));
	json_put(o, "level", json_text(fails ? "error" : "note"));
	json_put(o, "message", message(text));
	if (gate_line(g, f, &where))
		json_add(locations, location(&where));
	json_put(o, "locations", locations);
	json_put(o, "relatedLocations", parts_json(g, f));
	json_put(o, "stacks", stacks_json(g, f));
	json_put(fingerprints, "pytrace/1", json_text(item->fingerprint));
	json_put(o, "partialFingerprints", fingerprints);
	if (g->rules->has_baseline)
		json_put(o, "baselineState",
			 json_text(!item->known                 ? "new"
				   : item->status == GATE_WORSE ? "updated"
								: "unchanged"));
	if (item->by)
		json_put(o, "suppressions", suppressions_json(item->by));
	return o;
}

static json_t *marks_json(const struct gate *g)
{
	json_t *o = json_object(), *locations = json_array();
	struct gate_where where;
	char text[600];

	json_put(o, "ruleId", json_text("budget-per-mark"));
	json_put(o, "level", json_text(g->fails ? "error" : "note"));
	json_put(o, "message", message(gate_marks_text(&g->marks, g->rules->mark_budget_bytes, text, sizeof text)));
	if (gate_marks_where(g, &where))
		json_add(locations, location(&where));
	json_put(o, "locations", locations);
	return o;
}

bool gate_sarif(const struct gate *g, FILE *f)
{
	json_t *document = json_object(), *runs = json_array(), *run = json_object(), *results = json_array();

	if (g->over_mark)
		json_add(results, marks_json(g));
	for (size_t i = 0; i < g->n; i++) {
		if (g->items[i].status != GATE_OTHER)
			json_add(results, result_json(g, &g->items[i]));
	}
	json_put(run, "tool", tool_json());
	json_put(run, "columnKind", json_text("utf16CodeUnits"));
	json_put(run, "results", results);
	json_add(runs, run);
	json_put(document, "version", json_text("2.1.0"));
	json_put(document, "$schema", json_text(SARIF_SCHEMA));
	json_put(document, "runs", runs);
	return json_write(document, f);
}
