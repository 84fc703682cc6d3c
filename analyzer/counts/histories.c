/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/counts/histories.h"

#include <string.h>

enum {
	SEEN_BITS = 16,
	CHANGES_FIRST = 4, /* room for so many at first: most watches see few */
	MATCHED_MAX = 250,
};
#define HISTORY_CLOSED (MAP_NONE - 1) /* in histories.open */

/* ---- runs ---- */

static bool is_single(const struct history_change *c) { return c->period == 1 && c->times == 1; }

/* Whether the `period` changes from `first` on can take in another time: they are a run, or each stands alone. */
static bool can_repeat(const struct history_change *first, unsigned period)
{
	if (first->times > 1)
		return first->period == period && !first->place && first->times < UINT32_MAX;
	for (unsigned i = 0; i < period; i++)
		if (!is_single(&first[i]))
			return false;
	return true;
}

/* The last change of a list may start in the middle of a run: then it is no place to look for one. */
static bool starts_run(const struct history_change *changes, size_t n, unsigned period)
{
	for (unsigned i = 1; i <= period; i++)
		if (!is_single(&changes[n - i]))
			return false;
	return true;
}

/* The last `period` changes are those before them once more. */
static void fold_last(struct history_change *changes, size_t *n, unsigned period)
{
	struct history_change *first = &changes[*n - 2 * period], *again = first + period;

	for (unsigned i = 0; i < period; i++) {
		first[i].times++;
		first[i].period = (uint8_t)period;
		first[i].place = (uint8_t)i;
		first[i].last_ns = again[i].last_ns;
	}
	*n -= period;
}

/* Looks for the shortest sequence that the last change completes a second time. */
static void find_run(struct history_change *changes, size_t *n, uint8_t *matched)
{
	const struct history_change *last = &changes[*n - 1];

	for (unsigned p = 1; p <= HISTORY_PERIOD && p < *n; p++) {
		if (!history_is_same(last, last - p))
			matched[p] = 0;
		else if (matched[p] < MATCHED_MAX)
			matched[p]++;
		if (matched[p] < p || *n < 2 * p || !starts_run(changes, *n, p) || !can_repeat(&changes[*n - 2 * p], p))
			continue;
		fold_last(changes, n, p);
		memset(matched, 0, HISTORY_PERIOD + 1);
		return;
	}
}

void history_push(struct history_change **changes, size_t *n, size_t *cap, uint8_t *matched,
		  const struct history_change *c)
{
	if (*n == *cap) {
		*cap = *cap ? *cap * 2 : CHANGES_FIRST;
		*changes = mem_resize(*changes, *cap, sizeof **changes);
	}
	(*changes)[(*n)++] = *c;
	find_run(*changes, n, matched);
}

static bool replay_run_of(const struct history_change *run, bool (*each)(void *self, const struct history_change *c),
			  void *self)
{
	int64_t step = 0;

	for (unsigned i = 0; i < run->period; i++)
		step += run[i].delta;
	for (uint32_t t = 0; t < run->times; t++)
		for (unsigned i = 0; i < run->period; i++) {
			struct history_change c = run[i];

			c.count = (int32_t)((uint32_t)c.count + (uint32_t)(step * t));
			c.ns = t + 1 == run->times && t ? c.last_ns : c.ns;
			c.last_ns = c.ns;
			c.times = c.period = 1;
			c.place = 0;
			if (!each(self, &c))
				return false;
		}
	return true;
}

void history_replay(const struct history *h, bool (*each)(void *self, const struct history_change *c), void *self)
{
	for (size_t i = 0; i < h->n; i += h->changes[i].period)
		if (!replay_run_of(&h->changes[i], each, self))
			return;
}

/* ---- the block ---- */

static uint32_t seen_bit(uint64_t address) { return (uint32_t)(map_mix(address) >> (64 - SEEN_BITS)); }

static bool was_seen(const struct histories *h, uint64_t address)
{
	uint32_t bit = seen_bit(address);

	return h->seen[bit / 64] >> bit % 64 & 1;
}

/* The block that `object` lies in. */
static bool find_block(struct replay *r, uint64_t object, struct live_block *ret)
{
	for (uint64_t before = 0; before <= HISTORY_BEFORE && before < object; before += 8)
		if (replay_find_live(r, object - before, ret) && before < ret->bytes)
			return true;
	return false;
}

static void note_block(struct histories *h, struct history *w, struct replay *r)
{
	struct live_block b;
	uint32_t bit;

	w->block = (struct history_block){ .died_ns = UINT64_MAX, .node = NODE_UNKNOWN };
	if (!find_block(r, w->object, &b))
		return;
	w->block.address = b.addr;
	w->block.bytes = b.bytes;
	w->block.number = b.number;
	w->block.born_ns = b.first_ns;
	w->block.node = b.inherited ? NODE_UNKNOWN : b.node;
	bit = seen_bit(b.addr);
	h->seen[bit / 64] |= UINT64_C(1) << bit % 64;
	*map_at(&h->in_block, b.addr) = (uint32_t)(w - h->at.at);
}

/* Earlier watches of what lay in the block ended with it, too, when they were of the same block. */
static void note_death(struct histories *h, const struct change *c, uint64_t ns)
{
	uint32_t i = map_find(&h->in_block, c->addr);
	struct history *w = i == MAP_NONE ? NULL : &h->at.at[i];

	if (!w || w->block.died_ns != UINT64_MAX || w->block.number != c->number)
		return;
	w->block.died_ns = ns;
	w->block.freed_by = c->freed_by;
	w->block.moved = c->moved;
	if (w->type == TYPEDEF_UNKNOWN)
		w->type = c->type;
}

static void changes(void *self, const struct change *c, size_t n, const struct replay_now *now)
{
	struct histories *h = self;

	if (!h->at.n)
		return;
	for (size_t i = 0; i < n; i++)
		if (c[i].kind == BLOCK_DIED && was_seen(h, c[i].addr))
			note_death(h, &c[i], now->ns);
}

/* ---- the three events ---- */

static struct history *open_one(struct histories *h, uint32_t number)
{
	uint32_t i = map_find(&h->open, number);

	if (i == MAP_NONE || i == HISTORY_CLOSED) {
		h->n_strange++;
		return NULL;
	}
	return &h->at.at[i];
}

static void close_one(struct histories *h, struct history *w, uint8_t why, uint64_t ns)
{
	w->end = why;
	w->end_ns = ns;
	*map_at(&h->open, w->number) = HISTORY_CLOSED;
}

static void watch(struct histories *h, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	uint32_t number = (uint32_t)ev->size;
	uint32_t old = map_find(&h->open, number);
	struct history *w;

	if (h->at.n >= HISTORY_CLOSED)
		return;
	if (old != MAP_NONE) {
		h->n_strange++;
		if (old != HISTORY_CLOSED)
			close_one(h, &h->at.at[old], PT_UNWATCH_LOST, now->ns);
	}
	*map_at(&h->open, number) = (uint32_t)h->at.n;
	w = array_push(&h->at);
	*w = (struct history){
		.number = number,
		.type = typedefs_find(&h->trace->defs.types, ev->size >> 32),
		.object = ev->addr & PT_ADDRESS_MASK,
		.ns = now->ns,
		.thread = now->thread,
		.end_ns = UINT64_MAX,
	};
	note_block(h, w, r);
}

static int32_t clamp(int64_t n) { return (int32_t)(n < INT32_MIN ? INT32_MIN : n > INT32_MAX ? INT32_MAX : n); }

static void count(struct histories *h, const struct pt_event *ev, const struct replay_now *now)
{
	struct history *w = open_one(h, pt_watch_number(ev->addr));
	struct history_change c = {
		.ns = now->ns,
		.last_ns = now->ns,
		.count = (int32_t)(uint32_t)ev->size,
		.node = defs_node(&h->trace->defs, (uint32_t)(ev->size >> 32)),
		.thread = now->thread,
		.times = 1,
		.period = 1,
		.flags = (uint8_t)pt_watch_detail(ev->addr),
	};

	if (!w)
		return;
	if (!(c.flags & PT_COUNT_START))
		c.delta = clamp((int64_t)c.count - (c.flags & PT_COUNT_BIRTH || !w->has_count ? 0 : w->count));
	w->count = c.count;
	w->has_count = true;
	w->n_changes++;
	h->n_changes++;
	history_push(&w->changes, &w->n, &w->cap, w->matched, &c);
}

static void unwatch(struct histories *h, const struct pt_event *ev, const struct replay_now *now)
{
	struct history *w = open_one(h, pt_watch_number(ev->addr));

	if (!w)
		return;
	w->end_node = defs_node(&h->trace->defs, (uint32_t)(ev->size >> 32));
	w->end_count = (int32_t)(uint32_t)ev->size;
	close_one(h, w, (uint8_t)pt_watch_detail(ev->addr), now->ns);
}

static void event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct histories *h = self;

	switch (ev->op) {
	case PT_OP_WATCH: watch(h, ev, now, r); break;
	case PT_OP_COUNT: count(h, ev, now); break;
	case PT_OP_UNWATCH: unwatch(h, ev, now); break;
	case PT_OP_PY_FINI:
		if (h->fini_ns == UINT64_MAX)
			h->fini_ns = now->ns;
		break;
	}
}

static void finish(void *self, const struct replay_now *now, struct replay *r)
{
	struct histories *h = self;

	(void)r;
	h->end_ns = now->ns;
}

void histories_init(struct histories *h, struct trace *trace)
{
	*h = (struct histories){ .trace = trace, .fini_ns = UINT64_MAX };
	h->model = (struct model){ .self = h, .changes = changes, .event = event, .finish = finish };
	h->seen = mem_zero((1 << SEEN_BITS) / 64, sizeof *h->seen);
}

void histories_free(struct histories *h)
{
	for (size_t i = 0; i < h->at.n; i++)
		free(h->at.at[i].changes);
	array_free(&h->at);
	map_free(&h->open);
	map_free(&h->in_block);
	free(h->seen);
	h->seen = NULL;
}
