/* SPDX-License-Identifier: Apache-2.0 */
/* report_trace: one trace opened and replayed, with all that a report needs of it; and what is missing in it */
#include "analyzer/report/report.h"
#include "analyzer/base/mem.h"
#include "analyzer/views/remains.h"
#include "analyzer/places/symbolise.h"
#include "analyzer/out/progress.h"
#include "formats/block.h"

#include <stdlib.h>
#include <string.h>

#define LISTENERS_MAX 3 /* of a command; the rest of ACCOUNT_MAX_MORE is for the models that it needs */

/* ---- opening ---- */

struct lines {
	struct place_table *places;
	struct map by_key;
};

static void on_progress(void *self, uint64_t done, uint64_t total) { progress_update(self, done, total); }

/* By the line that people look at first. */
static uint32_t line_of(void *self, node_id node)
{
	struct lines *l = self;
	const struct place *p = place_find(l->places, place_blame(l->places, node));
	uint64_t key =
		pt_xxh3(p->file, strlen(p->file)) + (uint64_t)(uint32_t)p->at.line + (p->module ? p->address : 0);
	uint32_t *at = map_at(&l->by_key, map_mix(key) ^ pt_xxh3(p->function, strlen(p->function)));

	if (*at == MAP_NONE)
		*at = (uint32_t)l->by_key.n - 1;
	return *at;
}

static void find_fragments(struct report_trace *t)
{
	struct lines lines = { .places = &t->places };
	const struct fragments_options options = { line_of, &lines };

	fragments_finish(&t->fragments, &options);
	map_free(&lines.by_key);
}

/* The models that a report needs, into `more`. Returns how many. */
static size_t add_models(struct report_trace *t, unsigned needs, struct model **more)
{
	size_t n = 0;

	spans_init(&t->spans, &t->trace);
	more[n++] = &t->spans.model;
	if (needs & REPORT_GROWTH) {
		curves_init(&t->curves, &t->trace);
		more[n++] = &t->curves.model;
	}
	if (needs & REPORT_MOMENTS) {
		moments_init(&t->moments, &t->trace);
		more[n++] = &t->moments.collections.model;
	}
	if (needs & REPORT_FRAGMENTS) {
		fragments_init(&t->fragments, &t->trace);
		more[n++] = t->fragments.models[0];
		more[n++] = t->fragments.models[1];
		more[n++] = t->fragments.models[2];
	}
	if (needs & REPORT_REMAINS) {
		t->remains = remains_new(&t->trace, &t->places);
		more[n++] = &t->remains->cycles.model;
		more[n++] = &t->remains->surplus.model;
		more[n++] = &t->remains->unreached.model;
	}
	if (needs & REPORT_TYPES) {
		types_init(&t->types, &t->trace, true, needs & REPORT_REMAINS ? &t->remains->cycles : NULL);
		more[n++] = &t->types.model;
	}
	return n;
}

/* What the models say, once they have seen all. */
static void conclude(struct report_trace *t, unsigned needs, const struct options_common *common)
{
	struct growth_natives natives = { place_native_function, &t->places };

	if (needs & REPORT_GROWTH) {
		curves_finish(&t->curves);
		growth_judge(&t->growth, &t->curves, &natives, common->warmup);
	}
	if (needs & REPORT_FRAGMENTS)
		find_fragments(t);
	if (needs & REPORT_REMAINS)
		remains_finish(t->remains, needs & REPORT_GROWTH ? t->curves.importing : NULL);
}

/* `more`: the command's own models; there is room for those that the report needs behind them. */
static void replay(struct report_trace *t, unsigned needs, const struct options_common *common, struct model **more,
		   size_t n_more)
{
	struct progress progress;
	struct account_options options = {
		.replay = { .n_workers = -1,
			    .progress = on_progress,
			    .progress_self = &progress,
			    .region = common->region,
			    .mark = common->mark },
		.by_thread = needs & REPORT_THREADS,
		.by_task = needs & REPORT_TASKS,
		.more = more,
		.n_more = n_more + add_models(t, needs, more + n_more),
	};

	progress_start(&progress, "reading");
	account_run(&t->account, &t->trace, &options);
	progress_end(&progress);
	t->has |= needs;
	conclude(t, needs, common);
}

struct report_trace *report_load(const char *file, unsigned needs, const struct options_common *common,
				 const struct report_listener *listener, struct fault *ret_fault)
{
	const struct trace_options options = { .internals = common->internals,
					       .raw_stacks = needs & REPORT_RAW,
					       .since = common->since };
	struct report_trace *t = mem_zero(1, sizeof *t);
	struct model *more[ACCOUNT_MAX_MORE];
	size_t n_more = 0;

	if (trace_open_with(&t->trace, file, &options, ret_fault)) {
		report_unload(t);
		return NULL;
	}
	t->spans.is_whole = true; /* as far as anybody has looked */
	t->symbols = symbolise_new(&t->trace, common, true);
	place_table_init(&t->places, &t->trace, t->symbols, common->sysroot);
	if (listener && listener->listen)
		n_more = listener->listen(listener->self, t, more, LISTENERS_MAX);
	if (needs & ~(unsigned)REPORT_RAW || n_more)
		replay(t, needs | REPORT_ACCOUNT, common, more, n_more);
	return t;
}

void report_unload(struct report_trace *t)
{
	if (!t)
		return;
	remains_free(t->remains);
	growth_free(&t->growth);
	if (t->has & REPORT_GROWTH)
		curves_free(&t->curves);
	if (t->has & REPORT_TYPES)
		types_free(&t->types);
	if (t->has & REPORT_MOMENTS)
		moments_free(&t->moments);
	if (t->has & REPORT_FRAGMENTS)
		fragments_free(&t->fragments);
	if (t->has) {
		account_free(&t->account);
		spans_free(&t->spans);
	}
	place_table_free(&t->places);
	symbols_free(t->symbols);
	trace_close(&t->trace);
	free(t);
}

/* ---- what is missing ---- */

static void missing_count(uint64_t n, const char *what, void (*each)(const char *sentence, void *arg), void *arg)
{
	char sentence[160];

	if (!n)
		return;
	snprintf(sentence, sizeof sentence, "%s %s", format_count(n).text, what);
	each(sentence, arg);
}

void report_missing(const struct report_trace *t, void (*each)(const char *sentence, void *arg), void *arg)
{
	const struct replay_counts *c = &t->account.counts;
	const char *ended = trace_ended(&t->trace), *stacks_off = defs_meta(&t->trace.defs, "python.stacks_off", NULL);
	char sentence[400];

	if (!strcmp(ended, "killed"))
		each("the process was killed: the trace holds all that was recorded up to that moment", arg);
	else if (!strcmp(ended, "running"))
		each("the process is still running: the trace is read as of now", arg);
	else if (!strncmp(ended, "stopped: ", 9)) {
		snprintf(sentence, sizeof sentence, "recording stopped before the process ended: %.200s", ended + 9);
		each(sentence, arg);
	}
	missing_count(t->trace.lost_events, "events were lost by the tracer", each, arg);
	for (size_t i = 0; i < t->trace.troubles.n; i++)
		each(t->trace.troubles.at[i].text, arg);
	missing_count(c->lost_frees, "blocks were given back unseen", each, arg);
	if (c->parent_missing) {
		snprintf(sentence, sizeof sentence,
			 "this process was forked, and its parent's trace '%.200s' is not beside it",
			 t->trace.front.parent_file);
		each(sentence, arg);
	}
	if (stacks_off && *stacks_off) {
		snprintf(sentence, sizeof sentence, "Python stacks were not recorded: %.300s", stacks_off);
		each(sentence, arg);
	}
}

static void add_sentence(const char *sentence, void *arg) { json_add(arg, json_text(sentence)); }

json_t *report_trace_list(struct report_trace *const traces[], size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct trace *t = &traces[i]->trace;
		json_t *entry = json_object(), *missing = json_array();

		report_missing(traces[i], add_sentence, missing);
		json_put(entry, "file", json_text(t->file));
		json_put(entry, "pid", json_integer(t->front.pid));
		json_put(entry, "complete", json_boolean(trace_is_complete(t)));
		json_put(entry, "lost_events", json_bytes(t->lost_events));
		json_put(entry, "program", json_text(t->front.program));
		json_put(entry, "missing", missing);
		json_put(entry, "recorded", recorded_json(&traces[i]->spans));
		json_add(list, entry);
	}
	return list;
}
