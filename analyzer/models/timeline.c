/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/models/timeline.h"

#include <stdlib.h>
#include <string.h>

/* ---- samples ---- */

static uint64_t time_of(const struct timeline *t, size_t i)
{
	return t->from_ns + (uint64_t)((double)(t->to_ns - t->from_ns) * (double)(i + 1) / (double)t->n);
}

size_t timeline_index(const struct timeline *t, uint64_t ns)
{
	double part = ns <= t->from_ns ? 0 : (double)(ns - t->from_ns) / (double)(t->to_ns - t->from_ns);
	size_t i = part >= 1 ? t->n : (size_t)(part * (double)t->n);

	while (i && time_of(t, i - 1) > ns)
		i--;
	while (i < t->n && time_of(t, i) <= ns)
		i++;
	return i;
}

static void take_sample(struct timeline *t, uint64_t ns)
{
	struct timeline_sample s = { .ns = ns, .bytes = t->bytes, .max_bytes = t->high, .rss_bytes = t->rss };

	memcpy(s.layer_bytes, t->layers, sizeof s.layer_bytes);
	*array_push(&t->samples) = s;
	t->high = t->bytes;
}

static void sample_until(struct timeline *t, uint64_t ns)
{
	if (!t->started && ns >= t->from_ns) {
		t->started = true;
		t->high = t->bytes;
	}
	while (t->samples.n < t->n && time_of(t, t->samples.n) <= ns)
		take_sample(t, time_of(t, t->samples.n));
}

static void grow(struct timeline *t, const struct change *c, uint64_t ns)
{
	t->layers[c->layer] += c->bytes;
	if (!pt_layer_counted((enum pt_layer)c->layer))
		return;
	t->bytes += c->bytes;
	if (t->bytes <= t->high)
		return;
	t->high = t->bytes;
	if (t->high > t->peak_bytes && ns >= t->from_ns && ns < t->to_ns) {
		t->peak_bytes = t->high;
		t->peak_ns = ns;
	}
}

static void shrink(struct timeline *t, const struct change *c)
{
	t->layers[c->layer] -= c->bytes;
	if (pt_layer_counted((enum pt_layer)c->layer))
		t->bytes -= c->bytes;
}

static void on_changes(void *self, const struct change *changes, size_t n, const struct replay_now *now)
{
	struct timeline *t = self;

	sample_until(t, now->ns);
	for (const struct change *c = changes, *end = c + n; c < end; c++) {
		if (c->kind == BLOCK_DIED)
			shrink(t, c);
		else
			grow(t, c, now->ns);
	}
}

static void on_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct timeline *t = self;
	const char *label;

	(void)r;
	sample_until(t, now->ns);
	if (ev->op == PT_OP_RSS)
		t->rss = ev->size;
	if (now->ns < t->from_ns || now->ns > t->to_ns)
		return;
	if (ev->op == PT_OP_SNAPSHOT)
		*array_push(&t->snapshots) = (struct timeline_snapshot){ now->ns, ev->addr, (uint32_t)ev->size };
	if (ev->op != PT_OP_MARK)
		return;
	label = defs_string(&t->trace->defs, ev->addr);
	*array_push(&t->marks) = (struct timeline_mark){ now->ns, label ? label : "" };
}

static void on_finish(void *self, const struct replay_now *now, struct replay *r)
{
	struct timeline *t = self;

	(void)now, (void)r;
	sample_until(t, t->to_ns);
	while (t->samples.n < t->n)
		take_sample(t, time_of(t, t->samples.n));
}

/* ---- types ---- */

static struct timeline_type *row_of(struct timeline *t, string_id type)
{
	if (type >= t->n_of_type) {
		size_t n = (size_t)type * 2 + 64;

		t->of_type = mem_resize(t->of_type, n, sizeof *t->of_type);
		memset(t->of_type + t->n_of_type, 0, (n - t->n_of_type) * sizeof *t->of_type);
		t->n_of_type = n;
	}
	if (!t->of_type[type]) {
		*array_push(&t->by_type) = (struct timeline_type){ type, 0, mem_zero(t->n + 1, sizeof(int64_t)) };
		t->of_type[type] = (uint32_t)t->by_type.n;
	}
	return &t->by_type.at[t->of_type[type] - 1];
}

/* A block that had this type was alive in between. */
static void on_typed(void *self, string_id type, uint64_t bytes, uint64_t born_ns, uint64_t died_ns)
{
	struct timeline *t = self;
	struct timeline_type *row;
	size_t from = timeline_index(t, born_ns), to = died_ns == UINT64_MAX ? t->n : timeline_index(t, died_ns);

	if (from == to)
		return;
	row = row_of(t, type);
	row->bytes[from] += (int64_t)bytes;
	row->bytes[to] -= (int64_t)bytes;
}

static _Thread_local size_t sorted_at; /* qsort has no argument for it */

static int by_bytes(const void *left, const void *right)
{
	const struct timeline_type *a = left, *b = right;

	if (a->bytes[sorted_at] != b->bytes[sorted_at])
		return a->bytes[sorted_at] < b->bytes[sorted_at] ? 1 : -1;
	if (a->max_bytes != b->max_bytes)
		return a->max_bytes < b->max_bytes ? 1 : -1;
	return (a->type > b->type) - (a->type < b->type);
}

/* ---- outside ---- */

void timeline_init(struct timeline *t, struct trace *trace, const struct timeline_options *options)
{
	uint64_t end = trace->end_ns ? trace->end_ns + 1 : 1; /* what happened at the very end is in the last sample */

	*t = (struct timeline){ .trace = trace, .n = options->n ? options->n : 1 };
	t->model = (struct model){ .self = t, .changes = on_changes, .event = on_event, .finish = on_finish };
	t->to_ns = options->to_ns && options->to_ns < end ? options->to_ns : end;
	t->from_ns = options->from_ns < t->to_ns ? options->from_ns : t->to_ns - 1;
	types_init(&t->types, trace, true, NULL);
	t->types.typed = on_typed;
	t->types.typed_self = t;
}

void timeline_finish(struct timeline *t)
{
	for (size_t i = 0; i < t->samples.n; i++) {
		if (t->samples.at[i].max_bytes > t->samples.at[t->highest].max_bytes)
			t->highest = i;
		if (t->samples.at[i].rss_bytes > t->rss_peak_bytes)
			t->rss_peak_bytes = t->samples.at[i].rss_bytes;
	}
	for (size_t k = 0; k < t->by_type.n; k++) {
		struct timeline_type *row = &t->by_type.at[k];

		for (size_t i = 0; i < t->n; i++) {
			row->bytes[i] += i ? row->bytes[i - 1] : 0;
			if (row->bytes[i] > 0 && (uint64_t)row->bytes[i] > row->max_bytes)
				row->max_bytes = (uint64_t)row->bytes[i];
		}
	}
	sorted_at = t->highest;
	if (t->by_type.n)
		qsort(t->by_type.at, t->by_type.n, sizeof *t->by_type.at, by_bytes);
}

void timeline_free(struct timeline *t)
{
	for (size_t i = 0; i < t->by_type.n; i++)
		free(t->by_type.at[i].bytes);
	array_free(&t->by_type);
	array_free(&t->samples);
	array_free(&t->marks);
	array_free(&t->snapshots);
	free(t->of_type);
	types_free(&t->types);
}
