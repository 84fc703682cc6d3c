/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/gate/gate.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What runs of the same program differ by: a block more or less in a small leak is no news. */
#define SLACK_BYTES 1024

static const struct {
	const char *name;
	bool counts;
} statuses[GATE_STATUSES] = {
	[GATE_NEW] = { "new", true },
	[GATE_WORSE] = { "worse", true },
	[GATE_KNOWN] = { "known", false },
	[GATE_SUPPRESSED] = { "suppressed", false },
	[GATE_OTHER] = { "other-verdict", false },
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

static uint64_t allowed(const struct known *k, uint64_t tolerance)
{
	uint64_t slack = k->bytes / 100 * tolerance;

	return k->bytes + (slack > SLACK_BYTES ? slack : SLACK_BYTES);
}

/* Several findings may have one fingerprint (two lines of a function): the baseline has their sum. */
static uint64_t bytes_of_all(const struct gate *g, const char *fingerprint)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < g->n; i++) {
		if (!strcmp(g->items[i].fingerprint, fingerprint))
			sum += g->items[i].finding->all.bytes;
	}
	return sum;
}

static enum gate_status status_of(const struct gate *g, struct gate_item *item, struct gate_rules *rules)
{
	if (rules->verdicts && !is_listed(rules->verdicts, finding_verdict(item->finding)))
		return GATE_OTHER;
	item->by = suppressions_find(&rules->suppressions, item->finding);
	if (item->by)
		return GATE_SUPPRESSED;
	item->known = baseline_find(&rules->baseline, item->fingerprint);
	if (!item->known)
		return GATE_NEW;
	return bytes_of_all(g, item->fingerprint) > allowed(item->known, rules->tolerance) ? GATE_WORSE : GATE_KNOWN;
}

static uint64_t counted_bytes(const struct gate_item *item)
{
	uint64_t bytes = item->finding->all.bytes;

	if (!gate_counts(item->status))
		return 0;
	return item->known && bytes > item->known->bytes ? bytes - item->known->bytes : bytes;
}

static bool is_there(const struct gate *g, const char *fingerprint)
{
	for (size_t i = 0; i < g->n; i++) {
		if (!strcmp(g->items[i].fingerprint, fingerprint))
			return true;
	}
	return false;
}

void gate_judge(struct gate *g, struct gate_rules *rules, const struct finding_list *list)
{
	*g = (struct gate){ .rules = rules, .n = list->n_found };
	g->items = mem_zero(g->n + 1, sizeof *g->items);
	for (size_t i = 0; i < g->n; i++) {
		g->items[i].finding = &list->at[i];
		finding_fingerprint(&list->at[i], g->items[i].fingerprint, sizeof g->items[i].fingerprint);
	}
	for (size_t i = 0; i < g->n; i++) {
		struct gate_item *item = &g->items[i];

		item->status = status_of(g, item, rules);
		item->over_bytes = counted_bytes(item);
		g->over_bytes += item->over_bytes;
		g->by_status[item->status]++;
	}
	for (size_t i = 0; i < rules->baseline.at.n; i++)
		g->n_fixed += !is_there(g, rules->baseline.at.at[i].fingerprint);
	g->fails = !rules->accepts && g->by_status[GATE_NEW] + g->by_status[GATE_WORSE] &&
		   g->over_bytes > rules->budget_bytes;
}

void gate_free(struct gate *g)
{
	free(g->items);
	*g = (struct gate){ 0 };
}

struct baseline gate_next_baseline(const struct gate *g)
{
	bool accept = g->rules->accepts;
	struct baseline next = { 0 };
	char where[4096];

	for (size_t i = 0; i < g->n; i++) {
		const struct gate_item *item = &g->items[i];
		const struct finding *f = item->finding;

		if (item->status == GATE_OTHER || item->status == GATE_SUPPRESSED || (!item->known && !accept))
			continue;
		snprintf(where, sizeof where, "%s in %s", finding_place(f)->short_file, finding_place(f)->function);
		baseline_put(&next, item->fingerprint, where, f->all.bytes, f->all.blocks);
	}
	for (size_t i = 0; !accept && i < next.at.n; i++) {
		struct known *row = &next.at.at[i];
		const struct known *before = baseline_find(&g->rules->baseline, row->fingerprint);

		row->bytes = row->bytes < before->bytes ? row->bytes : before->bytes;
		row->blocks = row->blocks < before->blocks ? row->blocks : before->blocks;
	}
	return next;
}

/* ---- texts ---- */

char *gate_title(const struct gate_item *item, char *buf, size_t cap)
{
	const struct finding *f = item->finding;
	char function[2048];

	snprintf(buf, cap, "%s: %s in %s in %.300s", finding_verdict(f), format_bytes(f->all.bytes).text,
		 format_plural(f->all.blocks, "block", "blocks").text,
		 place_function(finding_place(f), false, function, sizeof function));
	return buf;
}

char *gate_reason(const struct gate *g, char *buf, size_t cap)
{
	size_t new = g->by_status[GATE_NEW], worse = g->by_status[GATE_WORSE];
	int used;

	if (!new && !worse) {
		snprintf(buf, cap, "%s",
			 g->n ? "every finding is known, suppressed or not asked for" : "no leak was found");
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
	else
		snprintf(buf + used, cap - (size_t)used, ": %s", format_bytes(g->over_bytes).text);
	return buf;
}

/* Whether `path` lies in `folder`: what is behind the folder's name. */
static const char *inside(const char *path, const char *folder)
{
	size_t len = folder ? strlen(folder) : 0;

	while (len > 1 && folder[len - 1] == '/')
		len--;
	return len && !strncmp(path, folder, len) && path[len] == '/' ? path + len + 1 : NULL;
}

const char *gate_path(const struct finding *f, const struct place *p, char *buf, size_t cap)
{
	const char *relative;
	char here[4096];

	place_path(&f->trace->places, p, buf, cap);
	relative = inside(buf, getenv("GITHUB_WORKSPACE"));
	if (!relative && getcwd(here, sizeof here))
		relative = inside(buf, here);
	if (relative)
		memmove(buf, relative, strlen(relative) + 1);
	return buf;
}

const char *gate_file(const struct gate_item *item, char *buf, size_t cap)
{
	const struct place *p = finding_place(item->finding);

	if (!*p->file || *p->file == '<' || p->at.line <= 0)
		return NULL;
	return gate_path(item->finding, p, buf, cap);
}
