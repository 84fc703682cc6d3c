/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/models/cycles.h"
#include "analyzer/base/mem.h"
#include "analyzer/models/cycles_take.h"

#include <stdlib.h>
#include <string.h>

/* Following what happens: which collection runs, which snapshot belongs to it. */
struct cycles_work {
	struct cycles_snapshot *pending; /* of a collection that runs, or is about to; NULL */
	struct cycles_snapshot *kept;    /* of `now`; NULL */
	uint32_t running;                /* index in collections of the one that runs; UINT32_MAX */
	bool enabled, thresholds_known;
	uint64_t thresholds[3], frozen, disabled_ns;
	struct rebirths rebirths; /* so far */
	uint64_t last_number;     /* of the last allocation */
};

#define NOT_RUNNING UINT32_MAX

static const struct snapshot *find(const struct cycles *c, uint64_t number)
{
	for (size_t i = 0; i < c->list.at.n; i++) {
		if (c->list.at.at[i].number == number)
			return &c->list.at.at[i];
	}
	return NULL;
}

/* The last one that is of no collection, complete if there is one. */
static uint64_t choose_now(const struct cycles *c)
{
	uint64_t any = 0;

	for (size_t i = c->list.at.n; i-- > 0;) {
		const struct snapshot *s = &c->list.at.at[i];

		if (s->reason == PT_SNAPSHOT_GC)
			continue;
		if (s->complete)
			return s->number;
		any = any ? any : s->number;
	}
	return any;
}

static void note_now(struct cycles *c, const struct cycles_snapshot *s, const struct replay_now *now)
{
	c->now_found = true;
	c->now_complete = s->heap.complete;
	c->now_ns = now->ns;
	c->now_objects = s->heap.n;
	c->now_reason = s->heap.reason;
	c->gc_enabled = c->work->enabled;
	c->frozen = c->work->frozen;
	c->thresholds_known = c->work->thresholds_known;
	c->disabled_ns = c->work->disabled_ns;
	memcpy(c->thresholds, c->work->thresholds, sizeof c->thresholds);
}

static void drop_pending(struct cycles *c)
{
	if (c->work->pending)
		cycles_take_free(c->work->pending);
	c->work->pending = NULL;
}

static void on_snapshot(struct cycles *c, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	const struct snapshot *s = find(c, ev->addr);
	bool of_collection = ev->size == PT_SNAPSHOT_GC;

	if (!s || (s->number != c->now && !(c->past && of_collection)))
		return;
	c->n_snapshots++;
	if (s->number == c->now) {
		struct cycles_snapshot *taken = cycles_take(c->trace, s, &c->work->rebirths, ev, now, r);

		note_now(c, taken, now);
		cycles_rows_now(c, taken);
		if (c->keep && !c->work->kept)
			c->work->kept = taken;
		else
			cycles_take_free(taken);
		return;
	}
	drop_pending(c);
	c->work->pending = cycles_take(c->trace, s, &c->work->rebirths, ev, now, r);
}

static void on_begin(struct cycles *c, const struct pt_event *ev, const struct replay_now *now)
{
	uint32_t stack = (uint32_t)ev->size;

	*array_push(&c->collections) = (struct cycle_collection){
		.generation = ev->addr & 15,
		.trigger = ev->addr >> 4 & 15,
		.node = defs_node(&c->trace->defs, stack),
		.begin_ns = now->ns,
		.end_ns = now->ns,
	};
	c->work->running = (uint32_t)c->collections.n - 1;
}

static void settle_pending(struct cycles *c, struct cycle_collection *collection)
{
	struct cycles_snapshot *s = c->work->pending;

	collection->snapshot = s->heap.snapshot;
	c->n_followed++;
	collection->explained = cycles_rows_freed(c, s, collection, (uint32_t)(collection - c->collections.at));
	drop_pending(c);
}

static void on_end(struct cycles *c, const struct pt_event *ev, const struct replay_now *now)
{
	struct cycle_collection *collection;

	if (c->work->running == NOT_RUNNING)
		return;
	collection = &c->collections.at[c->work->running];
	collection->end_ns = now->ns;
	collection->uncollectable = ev->addr;
	collection->collected = ev->size;
	collection->ended = true;
	if (c->work->pending)
		settle_pending(c, collection);
	c->work->running = NOT_RUNNING;
}

static void on_set(struct cycles *c, const struct pt_event *ev, const struct replay_now *now)
{
	struct cycles_work *w = c->work;
	uint64_t value = (uint32_t)ev->size;

	switch (ev->addr) {
	case PT_GC_SET_ENABLED:
		if (w->enabled && !value)
			w->disabled_ns = now->ns;
		w->enabled = value;
		break;
	case PT_GC_SET_THRESHOLD_0:
	case PT_GC_SET_THRESHOLD_1:
	case PT_GC_SET_THRESHOLD_2:
		w->thresholds[ev->addr - PT_GC_SET_THRESHOLD_0] = value;
		w->thresholds_known = true;
		break;
	case PT_GC_SET_FROZEN: w->frozen = value; break;
	default: break;
	}
}

static void on_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct cycles *c = self;

	rebirths_note(&c->work->rebirths, &c->trace->defs, ev, now->ns, c->work->last_number);
	switch (ev->op) {
	case PT_OP_SNAPSHOT: on_snapshot(c, ev, now, r); break;
	case PT_OP_GC_BEGIN: on_begin(c, ev, now); break;
	case PT_OP_GC_END: on_end(c, ev, now); break;
	case PT_OP_GC_SET: on_set(c, ev, now); break;
	case PT_OP_RETIRE:
		if (c->work->pending && c->work->running != NOT_RUNNING)
			cycles_take_died(c->work->pending, ev->addr);
		break;
	default: break;
	}
}

static void on_changes(void *self, const struct change *changes, size_t n, const struct replay_now *now)
{
	struct cycles *c = self;

	(void)now;
	for (size_t i = n; i-- > 0;) {
		if (changes[i].kind != BLOCK_BORN || changes[i].number < c->work->last_number)
			continue;
		c->work->last_number = changes[i].number;
		break;
	}
	if (!c->work->pending || c->work->running == NOT_RUNNING)
		return;
	for (size_t i = 0; i < n; i++) {
		if (changes[i].kind == BLOCK_DIED && !changes[i].moved)
			cycles_take_died(c->work->pending, changes[i].addr);
	}
}

/* ---- the end ---- */

static int by_weight(const void *left, const void *right)
{
	const struct cycle_row *a = left, *b = right;

	if (a->state != b->state)
		return a->state < b->state ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return a->shape < b->shape ? -1 : a->shape > b->shape;
}

static int by_objects(const void *left, const void *right)
{
	const struct cycle_line *a = left, *b = right;

	if (a->state != b->state)
		return a->state < b->state ? -1 : 1;
	if (a->objects != b->objects)
		return a->objects > b->objects ? -1 : 1;
	return a->node != b->node ? (a->node < b->node ? -1 : 1) : (a->type > b->type) - (a->type < b->type);
}

/* Rows of blocks are numbers: they move along when rows are sorted. */
static void sort_rows(struct cycles *c)
{
	uint64_t *shapes = mem_alloc((c->rows.n + 1) * sizeof *shapes);
	struct map place = { 0 };

	for (size_t i = 0; i < c->rows.n; i++)
		shapes[i] = c->rows.at[i].shape;
	if (c->rows.n)
		qsort(c->rows.at, c->rows.n, sizeof *c->rows.at, by_weight);
	for (size_t i = 0; i < c->rows.n; i++)
		*map_at(&place, c->rows.at[i].shape) = (uint32_t)i;
	for (size_t i = 0; i < c->blocks.n; i++)
		c->blocks.at[i].row = map_find(&place, shapes[c->blocks.at[i].row]);
	free(shapes);
	map_free(&place);
}

static void on_finish(void *self, const struct replay_now *now, struct replay *r)
{
	struct cycles *c = self;

	(void)r;
	(void)now;
	if (c->work->pending && c->work->running != NOT_RUNNING)
		settle_pending(c, &c->collections.at[c->work->running]);
	drop_pending(c);
	sort_rows(c);
	if (c->lines.n)
		qsort(c->lines.at, c->lines.n, sizeof *c->lines.at, by_objects);
}

void cycles_init(struct cycles *c, struct trace *t, uint64_t now, bool past)
{
	*c = (struct cycles){ .trace = t, .past = past };
	c->model = (struct model){ .self = c, .changes = on_changes, .event = on_event, .finish = on_finish };
	c->work = mem_zero(1, sizeof *c->work);
	c->work->running = NOT_RUNNING;
	c->work->enabled = true;
	strings_add(&c->strings, "", 0);
	snapshots_list(&c->list, t);
	c->now = now ? now : choose_now(c);
}

void cycles_free(struct cycles *c)
{
	drop_pending(c);
	if (c->work->kept)
		cycles_take_free(c->work->kept);
	rebirths_free(&c->work->rebirths);
	free(c->work);
	for (size_t i = 0; i < c->rows.n; i++)
		array_free(&c->rows.at[i].below);
	array_free(&c->rows);
	array_free(&c->members);
	array_free(&c->edges);
	array_free(&c->lines);
	array_free(&c->collections);
	array_free(&c->blocks);
	map_free(&c->by_shape);
	map_free(&c->by_line);
	map_free(&c->by_below);
	strings_free(&c->strings);
	snapshots_free(&c->list);
	*c = (struct cycles){ 0 };
}

bool cycles_take_over(struct cycles *c, struct heap *ret_heap, struct join *ret_join)
{
	struct cycles_snapshot *s = c->work->kept;

	if (!s)
		return false;
	*ret_heap = s->heap;
	*ret_join = s->join;
	ret_join->heap = ret_heap;
	s->heap = (struct heap){ 0 };
	s->join = (struct join){ 0 };
	cycles_take_free(s);
	c->work->kept = NULL;
	return true;
}

bool cycles_kept(const struct cycles *c, const struct heap **ret_heap, const struct join **ret_join)
{
	if (!c->work->kept)
		return false;
	*ret_heap = &c->work->kept->heap;
	*ret_join = &c->work->kept->join;
	return true;
}
