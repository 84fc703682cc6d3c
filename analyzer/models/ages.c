/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/models/ages.h"

#include <string.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

const uint64_t ages_time_bounds[AGES_BUCKETS] = { 30 * US, 100 * US, 300 * US, MS, 3 * MS, 10 * MS,
						  30 * MS, 100 * MS, 300 * MS, S,  3 * S,  10 * S,
						  30 * S,  100 * S,  300 * S,  0 };
const uint64_t ages_count_bounds[AGES_BUCKETS] = { 2,     10,     30,     100,     300,     1000,     3000,     10000,
						   30000, 100000, 300000, 1000000, 3000000, 10000000, 30000000, 0 };

static unsigned bucket_of(uint64_t age, const uint64_t bounds[AGES_BUCKETS])
{
	unsigned i = 0;

	while (i < AGES_BUCKETS - 1 && age >= bounds[i])
		i++;
	return i;
}

uint64_t ages_median(const uint64_t buckets[AGES_BUCKETS], const uint64_t bounds[AGES_BUCKETS])
{
	uint64_t all = 0, seen = 0;

	for (unsigned i = 0; i < AGES_BUCKETS; i++)
		all += buckets[i];
	for (unsigned i = 0; i < AGES_BUCKETS; i++) {
		seen += buckets[i];
		if (seen * 2 >= all)
			return bounds[i];
	}
	return 0;
}

/* ---- collections that a block saw ---- */

/* How many collections began after the block was made; those that run do not count. */
static uint64_t collections_since(const struct ages *a, uint64_t number)
{
	size_t lo = 0, n = a->collections.n - (a->collecting && a->collections.n ? 1 : 0), hi = n;

	if (!n || a->collections.at[n - 1].made < number)
		return 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (a->collections.at[mid].made < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return n - lo;
}

static unsigned survived_bucket(uint64_t n) { return n < 3 ? (unsigned)n : n < 10 ? 3 : 4; }

/* ---- resurrections ---- */

static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

static void retired(struct ages *a, const struct pt_event *ev)
{
	const struct typedefs *types = &a->trace->defs.types;
	const struct typedef_row *type = &types->at.at[typedefs_find(types, (uint32_t)ev->size)];
	struct ages_retired *r;
	uint32_t *i;

	if (!(type->flags & PT_TYPE_FINALIZER) || a->finalizing)
		return;
	i = map_at(&a->retired_of, ev->addr - type->before_bytes);
	if (*i == MAP_NONE) {
		*i = (uint32_t)a->retired.n;
		*array_push(&a->retired) = (struct ages_retired){ 0 };
	}
	r = &a->retired.at[*i];
	if (!r->deaths++)
		r->first_made = a->made;
}

/* The deaths of what is in a block, since it was made. Forgets them. */
static uint64_t deaths_of(struct ages *a, uint64_t addr, uint64_t number)
{
	uint32_t i = a->retired.n ? map_find(&a->retired_of, addr) : MAP_NONE;
	struct ages_retired *r = i != MAP_NONE ? &a->retired.at[i] : NULL;
	uint64_t n = r && r->first_made >= number ? r->deaths : 0;

	if (r)
		r->deaths = 0;
	return n;
}

/* ---- births and deaths ---- */

static uint32_t row_for(struct ages *a, node_id node, uint32_t type)
{
	uint32_t *i = map_at(&a->row_of, (uint64_t)type << 32 | node);

	if (*i == MAP_NONE) {
		*i = (uint32_t)a->rows.n;
		*array_push(&a->rows) = (struct ages_row){ .node = node, .type = type };
	}
	return *i;
}

static void add(struct amount *to, uint64_t bytes)
{
	to->bytes += bytes;
	to->blocks++;
}

static void note_end(struct ages *a, uint32_t row, node_id by)
{
	uint32_t *i = map_at(&a->end_of, (uint64_t)row << 32 | by);

	if (*i == MAP_NONE) {
		*i = (uint32_t)a->ends.n;
		*array_push(&a->ends) = (struct ages_end){ .row = row, .node = by };
	}
	a->ends.at[*i].blocks++;
}

static void note_death(struct ages *a, const struct change *c, const struct replay_now *now)
{
	uint32_t i = row_for(a, c->node, c->type);
	struct ages_row *row = &a->rows.at[i];
	uint64_t ns = now->ns - c->first_ns, others = a->made - c->number;

	add(&row->died, c->bytes);
	if (c->temporary)
		add(&row->temporary, c->bytes);
	if (others < a->churn_limit)
		add(&row->churn, c->bytes);
	row->time_sum_ns += ns;
	row->count_sum += others;
	row->oldest_ns = ns > row->oldest_ns ? ns : row->oldest_ns;
	row->by_time[bucket_of(ns, ages_time_bounds)]++;
	row->by_count[bucket_of(others, ages_count_bounds)]++;
	row->survived[survived_bucket(collections_since(a, c->number))]++;
	row->resurrected += less(deaths_of(a, c->addr, c->number), 1);
	row->collected += a->collecting == now->thread + 1 && c->number <= a->last_made;
	note_end(a, i, c->freed_by);
}

/* It was alive when the interpreter went down: what it saw until then. */
static void note_alive(struct ages *a, node_id node, uint32_t type, uint64_t bytes, uint64_t addr, uint64_t number)
{
	uint32_t i = row_for(a, node, type); /* the rows may move */
	struct ages_row *row = &a->rows.at[i];

	add(&row->alive, bytes);
	row->resurrected += deaths_of(a, addr, number);
	row->survived[survived_bucket(collections_since(a, number))]++;
}

static void count_live(struct ages *a, const struct change *c)
{
	if (c->layer != PT_LAYER_OBJECT)
		return;
	if (c->kind == BLOCK_BORN) {
		a->live++;
		a->fresh++;
		return;
	}
	a->live--;
	a->fresh -= c->number > a->last_made && a->fresh;
	a->young -= c->number <= a->last_made && c->number > a->previous_made && a->young;
}

static void on_change(struct ages *a, const struct change *c, const struct replay_now *now)
{
	if (!pt_layer_counted((enum pt_layer)c->layer) || !c->whole || c->kind == BLOCK_BACK)
		return;
	count_live(a, c);
	if (c->kind == BLOCK_BORN)
		a->made = c->number;
	else if (c->moved)
		return;
	else if (!a->finalizing)
		note_death(a, c, now);
	else if (c->number <= a->fini_made)
		note_alive(a, c->node, c->type, c->bytes, c->addr, c->number);
}

static void changes(void *self, const struct change *c, size_t n, const struct replay_now *now)
{
	for (size_t i = 0; i < n; i++)
		on_change(self, &c[i], now);
}

/* ---- events ---- */

static void collection_begins(struct ages *a, const struct pt_event *ev, const struct replay_now *now)
{
	if (a->finalizing)
		return;
	a->collecting = now->thread + 1;
	a->young = a->fresh;
	a->fresh = 0;
	a->previous_made = a->last_made;
	a->last_made = a->made;
	*array_push(&a->collections) =
		(struct ages_collection){ .made = a->made, .young = a->young, .generation = ev->addr & 15 };
}

static void collection_ends(struct ages *a, const struct replay_now *now)
{
	struct ages_collection *c = &a->collections.at[a->collections.n - 1];

	if (a->collecting != now->thread + 1)
		return;
	a->collecting = 0;
	c->ns = now->ns;
	c->survived = a->young;
	c->alive = a->live;
}

static void event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct ages *a = self;

	(void)r;
	switch (ev->op) {
	case PT_OP_GC_BEGIN: collection_begins(a, ev, now); break;
	case PT_OP_GC_END: collection_ends(a, now); break;
	case PT_OP_PY_FINI:
		a->finalizing = true;
		a->collecting = 0;
		a->fini_made = a->made;
		break;
	case PT_OP_PY_INIT: a->finalizing = false; break;
	case PT_OP_RETIRE: retired(a, ev); break;
	}
}

static void note_live(void *self, const struct live_block *b)
{
	struct ages *a = self;

	if (!b->inherited && b->whole && pt_layer_counted((enum pt_layer)b->layer) &&
	    (!a->finalizing || b->number <= a->fini_made))
		note_alive(a, b->node, TYPEDEF_UNKNOWN, b->bytes, b->addr, b->number);
}

static void finish(void *self, const struct replay_now *now, struct replay *r)
{
	(void)now;
	replay_each_live(r, note_live, self);
}

/* ---- */

void ages_add(struct ages_row *to, const struct ages_row *more)
{
	const struct amount *from[] = { &more->died, &more->alive, &more->temporary, &more->churn };
	struct amount *into[] = { &to->died, &to->alive, &to->temporary, &to->churn };

	for (unsigned i = 0; i < 4; i++) {
		amount_add(into[i], from[i]);
	}
	to->collected += more->collected;
	to->resurrected += more->resurrected;
	to->time_sum_ns += more->time_sum_ns;
	to->count_sum += more->count_sum;
	to->oldest_ns = more->oldest_ns > to->oldest_ns ? more->oldest_ns : to->oldest_ns;
	for (unsigned i = 0; i < AGES_BUCKETS; i++) {
		to->by_time[i] += more->by_time[i];
		to->by_count[i] += more->by_count[i];
	}
	for (unsigned i = 0; i < AGES_SURVIVED; i++)
		to->survived[i] += more->survived[i];
}

void ages_init(struct ages *a, struct trace *trace, uint64_t churn_limit)
{
	*a = (struct ages){ .trace = trace, .churn_limit = churn_limit };
	a->has_lives = defs_meta(&trace->defs, "python.lives", NULL) != NULL;
	a->model = (struct model){ .self = a, .changes = changes, .event = event, .finish = finish };
}

void ages_free(struct ages *a)
{
	array_free(&a->rows);
	array_free(&a->ends);
	array_free(&a->collections);
	map_free(&a->row_of);
	map_free(&a->end_of);
	map_free(&a->retired_of);
	array_free(&a->retired);
}
