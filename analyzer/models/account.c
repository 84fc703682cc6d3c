/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account: counters per stack, and two states of the past
 *
 * Theory. Reports want every counter as it was at the peak and before the interpreter went down. Copying all counters
 * at each new peak would be slow: while a program grows, every allocation is one. So a moment to be remembered only
 * raises `epoch`, and a counter saves itself when it is next touched: until then it still has the value of the moment.
 * Counters that were never touched again save themselves at the end.
 *
 * Who was alive before the interpreter went down (survivors) is what is alive at the end of the trace and was made
 * before, and what has died since: deaths after a PY_FINI are written down, and forgotten if a PY_INIT follows.
 */
#include "analyzer/models/account.h"

#include <assert.h>

enum { SAMPLES = 256, NO_LAYER = 255 };

/* One row while it is being counted. */
struct counter {
	uint64_t epoch; /* when it was last touched */
	struct amount now, peak, end;
	struct amount total, temporary;
	uint64_t first_ns, last_ns;
	node_id node;
	uint32_t thread, task;
	uint32_t split; /* what else it is for, when rows are split */
	uint32_t next;  /* another one of this node */
	uint8_t layer;
};

struct layer_count {
	uint64_t now, own_peak, own_peak_ns;
};

struct accountant {
	struct account *out;
	const struct account_options *options;
	ARRAY(struct counter) counters; /* [0] is nobody's */
	uint32_t *counter_of;           /* by node: its newest counter; when split: the one found last */
	bool split;                     /* by thread, by task, or by both */
	struct map counter_by_key;      /* when split */
	struct map region_of;           /* by string: index in out->regions */
	struct map split_of;            /* by both: thread << 32 | task to a number */
	uint64_t epoch;
	uint64_t peak_epoch, fini_epoch; /* epochs that began with such a moment */
	uint8_t counted[PT_LAYERS];
	struct layer_count layers[PT_LAYERS];
	struct amount now; /* counted layers */
	uint64_t high;     /* the most since the last sample */
	uint64_t sample_ns, sample_step_ns;
	uint64_t rss;
	uint64_t n_made;      /* number of the last block made */
	bool finalizing;      /* a PY_FINI was seen, and no PY_INIT since */
	uint64_t fini_number; /* blocks numbered beyond were made after it */
	ARRAY(struct survivor) late_deaths;
	ARRAY(uint64_t) late_numbers; /* of the same blocks */
};

/* ---- counters ---- */

static uint32_t counter_new(struct accountant *k, const struct change *c, uint32_t split)
{
	*array_push(&k->counters) = (struct counter){
		.epoch = k->epoch,
		.node = c->node,
		.layer = c->layer,
		.thread = c->thread,
		.task = c->task,
		.split = split,
		.first_ns = c->born_ns,
		.next = k->counter_of[c->node],
	};
	return k->counter_of[c->node] = (uint32_t)k->counters.n - 1;
}

static inline uint32_t split_of(struct accountant *k, const struct change *c)
{
	uint32_t *split;

	if (!k->options->by_task)
		return c->thread;
	if (!k->options->by_thread)
		return c->task;
	split = map_at(&k->split_of, (uint64_t)c->thread << 32 | c->task);
	if (*split == MAP_NONE)
		*split = (uint32_t)k->split_of.n;
	return *split;
}

/* When rows are split a node may have thousands of counters: these are found by key. */
static uint32_t counter_by_key(struct accountant *k, const struct change *c, uint32_t split)
{
	uint32_t *i = map_at(&k->counter_by_key, c->node | (uint64_t)c->layer << 32 | (uint64_t)split << 36);

	if (*i == MAP_NONE)
		*i = counter_new(k, c, split);
	return k->counter_of[c->node] = *i;
}

/* Without, it has one for each layer, mostly one or two: a list that ends at counter 0. */
static inline uint32_t counter_of(struct accountant *k, const struct change *c)
{
	uint32_t i = k->counter_of[c->node], split;

	if (!k->split) {
		while (i && k->counters.at[i].layer != c->layer)
			i = k->counters.at[i].next;
		return i ? i : counter_new(k, c, 0);
	}
	split = split_of(k, c);
	if (k->counters.at[i].layer == c->layer && k->counters.at[i].split == split)
		return i;
	return counter_by_key(k, c, split);
}

static void counter_settle(struct accountant *k, struct counter *row)
{
	if (row->epoch < k->peak_epoch)
		row->peak = row->now;
	if (row->epoch < k->fini_epoch)
		row->end = row->now;
	row->epoch = k->epoch;
}

/* ---- changes ---- */

static inline void grow(struct accountant *k, const struct change *c, uint64_t ns)
{
	struct layer_count *layer = &k->layers[c->layer];

	layer->now += c->bytes;
	if (layer->now > layer->own_peak) {
		layer->own_peak = layer->now;
		layer->own_peak_ns = ns;
	}
	if (!k->counted[c->layer])
		return;
	k->now.bytes += c->bytes;
	k->now.blocks += c->whole;
	if (k->now.bytes <= k->high)
		return;
	k->high = k->now.bytes;
	if (k->high > k->out->at[ACCOUNT_PEAK].bytes) {
		k->out->at[ACCOUNT_PEAK] = k->now;
		k->out->at_ns[ACCOUNT_PEAK] = ns;
		k->peak_epoch = ++k->epoch;
	}
}

static inline void shrink(struct accountant *k, const struct change *c)
{
	k->layers[c->layer].now -= c->bytes;
	if (k->counted[c->layer]) {
		k->now.bytes -= c->bytes;
		k->now.blocks -= c->whole;
	}
}

static void note_late_death(struct accountant *k, const struct change *c, uint32_t row)
{
	*array_push(&k->late_numbers) = c->number;
	*array_push(&k->late_deaths) =
		(struct survivor){ c->bytes, c->born_ns, c->first_ns, row - 1, c->whole, c->addr };
}

/* A munmap failed: what it took is at the end of the list. */
static void forget_late_death(struct accountant *k, const struct change *c)
{
	size_t i = k->late_deaths.n;

	while (i-- > 0)
		if (k->late_numbers.at[i] == c->number && k->late_deaths.at[i].addr == c->addr) {
			k->late_deaths.at[i] = k->late_deaths.at[--k->late_deaths.n];
			k->late_numbers.at[i] = k->late_numbers.at[--k->late_numbers.n];
			return;
		}
}

static inline void on_born(struct accountant *k, struct counter *row, const struct change *c, uint64_t ns)
{
	row->now.bytes += c->bytes;
	row->now.blocks++;
	row->total.bytes += c->bytes;
	row->total.blocks++;
	row->last_ns = ns;
	if (row->thread != c->thread)
		row->thread = ACCOUNT_MANY;
	if (row->task != c->task)
		row->task = ACCOUNT_MANY;
	k->n_made = c->number;
	grow(k, c, ns);
}

static inline void on_died(struct accountant *k, struct counter *row, const struct change *c)
{
	row->now.bytes -= c->bytes;
	row->now.blocks -= c->whole;
	if (c->temporary) {
		row->temporary.bytes += c->bytes;
		row->temporary.blocks += c->whole;
	}
	shrink(k, c);
}

static void take_sample(struct accountant *k, uint64_t ns)
{
	struct account_sample s = { .ns = ns, .bytes = k->now.bytes, .max_bytes = k->high, .rss_bytes = k->rss };

	for (int i = 0; i < PT_LAYERS; i++)
		s.layer_bytes[i] = k->layers[i].now;
	*array_push(&k->out->samples) = s;
	k->high = k->now.bytes;
}

static void sample_until(struct accountant *k, uint64_t ns)
{
	for (; k->sample_ns <= ns && k->out->samples.n < SAMPLES; k->sample_ns += k->sample_step_ns)
		take_sample(k, k->sample_ns);
}

static void account_changes(void *self, const struct change *changes, size_t n, const struct replay_now *now)
{
	struct accountant *k = self;
	bool late = k->finalizing && k->options->survivors;

	sample_until(k, now->ns);
	for (const struct change *c = changes, *end = c + n; c < end; c++) {
		uint32_t i = counter_of(k, c);
		struct counter *row = &k->counters.at[i];

		if (row->epoch != k->epoch)
			counter_settle(k, row);
		if (c->kind == BLOCK_BORN) {
			on_born(k, row, c, now->ns);
			continue;
		}
		if (late && c->number <= k->fini_number && c->kind == BLOCK_DIED)
			note_late_death(k, c, i);
		if (c->kind == BLOCK_DIED) {
			on_died(k, row, c);
			continue;
		}
		row->now.bytes += c->bytes;
		row->now.blocks += c->whole;
		grow(k, c, now->ns);
		if (late && c->number <= k->fini_number)
			forget_late_death(k, c);
	}
}

/* ---- moments ---- */

static void on_fini(struct accountant *k, uint64_t ns)
{
	k->late_deaths.n = k->late_numbers.n = 0;
	k->finalizing = true;
	k->fini_epoch = ++k->epoch;
	k->fini_number = k->n_made;
	k->out->at[ACCOUNT_END] = k->now;
	k->out->at_ns[ACCOUNT_END] = ns;
}

static void on_init(struct accountant *k)
{
	k->finalizing = false;
	k->late_deaths.n = k->late_numbers.n = 0;
}

static void on_mark(struct accountant *k, const struct pt_event *ev, uint64_t ns)
{
	const char *label = defs_string(&k->out->trace->defs, ev->addr);

	*array_push(&k->out->marks) = (struct account_mark){ ns, label ? label : "", k->now };
}

/* Numbers of strings may differ where labels do not: texts are there once each. */
static void on_region(struct accountant *k, const struct pt_event *ev)
{
	const char *label = defs_string(&k->out->trace->defs, ev->addr);
	uint32_t *i = map_at(&k->region_of, (uintptr_t)label);

	if (*i == MAP_NONE) {
		*i = (uint32_t)k->out->regions.n;
		*array_push(&k->out->regions) = (struct account_region){ .label = label ? label : "" };
	}
	k->out->regions.at[*i].times += !ev->size;
}

static void account_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct accountant *k = self;

	(void)r;
	sample_until(k, now->ns);
	switch (ev->op) {
	case PT_OP_PY_FINI: on_fini(k, now->ns); break;
	case PT_OP_PY_INIT: on_init(k); break;
	case PT_OP_MARK: on_mark(k, ev, now->ns); break;
	case PT_OP_REGION_BEGIN: on_region(k, ev); break;
	case PT_OP_RSS:
		k->rss = ev->size;
		if (k->rss > k->out->peak_rss_bytes)
			k->out->peak_rss_bytes = k->rss;
		break;
	default: break;
	}
}

/* ---- the end ---- */

static void add_row(struct accountant *k, struct counter *c)
{
	struct account *a = k->out;
	struct account_layer *layer = &a->layers[c->layer];
	struct account_row row = { .node = c->node,
				   .thread = c->thread,
				   .task = c->task,
				   .layer = c->layer,
				   .total = c->total,
				   .temporary = c->temporary,
				   .first_ns = c->first_ns,
				   .last_ns = c->last_ns };

	counter_settle(k, c);
	row.at[ACCOUNT_LAST] = c->now;
	row.at[ACCOUNT_PEAK] = c->peak;
	row.at[ACCOUNT_END] = k->finalizing ? c->end : c->now;
	for (int i = 0; i < ACCOUNT_STATES; i++)
		amount_add(&layer->at[i], &row.at[i]);
	amount_add(&layer->total, &row.total);
	amount_add(&layer->temporary, &row.temporary);
	if (k->counted[c->layer]) {
		amount_add(&a->total, &row.total);
		amount_add(&a->temporary, &row.temporary);
	}
	*array_push(&a->rows) = row;
}

static void add_survivor(void *self, const struct live_block *b)
{
	struct accountant *k = self;
	struct change c = { .node = b->node, .thread = b->thread, .task = b->task, .layer = b->layer };

	if (b->inherited || (k->finalizing && b->number > k->fini_number))
		return;
	*array_push(&k->out->survivors) =
		(struct survivor){ b->bytes, b->born_ns, b->first_ns, counter_of(k, &c) - 1, b->whole, b->addr };
}

static void account_finish(void *self, const struct replay_now *now, struct replay *r)
{
	struct accountant *k = self;
	struct account *a = k->out;

	sample_until(k, now->ns);
	take_sample(k, now->ns > a->trace->end_ns ? now->ns : a->trace->end_ns);
	a->at[ACCOUNT_LAST] = k->now;
	a->at_ns[ACCOUNT_LAST] = now->ns;
	a->end_is_fini = k->finalizing;
	if (!k->finalizing) {
		a->at[ACCOUNT_END] = k->now;
		a->at_ns[ACCOUNT_END] = now->ns;
	}
	a->last_rss_bytes = k->rss;
	if (k->options->survivors) {
		for (size_t i = 0; i < k->late_deaths.n; i++)
			*array_push(&a->survivors) = k->late_deaths.at[i];
		replay_each_live(r, add_survivor, k);
	}
	for (size_t i = 1; i < k->counters.n; i++)
		add_row(k, &k->counters.at[i]);
	for (int i = 0; i < PT_LAYERS; i++) {
		a->layers[i].own_peak_bytes = k->layers[i].own_peak;
		a->layers[i].own_peak_ns = k->layers[i].own_peak_ns;
	}
}

void account_run(struct account *a, struct trace *t, const struct account_options *options)
{
	struct accountant k = { .out = a, .options = options, .split = options->by_thread || options->by_task };
	struct model model = {
		.self = &k, .changes = account_changes, .event = account_event, .finish = account_finish
	};
	struct model *models[1 + ACCOUNT_MAX_MORE] = { &model };

	assert(options->n_more <= ACCOUNT_MAX_MORE);
	for (size_t i = 0; i < options->n_more; i++)
		models[1 + i] = options->more[i];
	*a = (struct account){ .trace = t };
	*array_push(&k.counters) = (struct counter){ .layer = NO_LAYER };
	k.counter_of = mem_zero(t->defs.stacks.nodes.n, sizeof *k.counter_of);
	k.sample_step_ns = t->end_ns / (SAMPLES - 1) + 1;
	k.sample_ns = k.sample_step_ns;
	for (int i = 0; i < PT_LAYERS; i++)
		k.counted[i] = pt_layer_counted((enum pt_layer)i);
	replay_run(t, &options->replay, models, 1 + options->n_more, &a->counts);
	array_free(&k.counters);
	array_free(&k.late_deaths);
	array_free(&k.late_numbers);
	map_free(&k.counter_by_key);
	map_free(&k.region_of);
	map_free(&k.split_of);
	free(k.counter_of);
}

void account_free(struct account *a)
{
	array_free(&a->rows);
	array_free(&a->survivors);
	array_free(&a->samples);
	array_free(&a->marks);
	array_free(&a->regions);
}
