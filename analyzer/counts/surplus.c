/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/counts/surplus.h"
#include "analyzer/base/mem.h"
#include "analyzer/heap/garbage.h"
#include "analyzer/heap/made.h"

#include <stdlib.h>
#include <string.h>

/* ---- one heap ---- */

/* What lies on the stack of values of a frame that runs may be a reference that it will give back: the method that a
 * thread waits in, and its object. Threads that wait in one place would have more and more of these. */
static void subtract_temporaries(const struct heap *h, int32_t *surplus)
{
	for (size_t i = 0; i < h->roots.n; i++) {
		const struct heap_root *r = &h->roots.at[i];

		for (uint32_t e = r->first; r->kind == PT_ROOT_FRAME && e < r->first + r->n; e++) {
			object_id o = heap_target(h->root_targets.at[e]);

			if (o != HEAP_NONE && !heap_holds(h->root_targets.at[e]) && surplus[o] > 0 &&
			    !strcmp(heap_text_of(h, h->root_labels.at[e] >> 2), "(stack)"))
				surplus[o]--;
		}
	}
}

int32_t *surplus_of(const struct heap *h, const struct join *j)
{
	int32_t *surplus = garbage_surplus(h);

	subtract_temporaries(h, surplus);
	for (size_t i = 0; i < h->raws.n; i++) {
		object_id target = h->raws.at[i].target;

		if (target != HEAP_NONE && surplus[target] > 0)
			surplus[target]--;
	}
	for (object_id o = 0; o < h->n; o++) {
		if (surplus[o] < 0 || h->flags[o] & PT_OBJECT_UNREADABLE)
			surplus[o] = 0;
	}
	kept_subtract(h, j->node, surplus);
	return surplus;
}

/* ---- healthy ones ---- */

static const struct surplus_reason reasons[] = {
#define HEALTHY(type, name, first, last, most, objects, why) { type, name, first, last, most, objects, why },
#include "analyzer/counts/healthy.def"
};

static bool is_of(const char *pattern, const char *type)
{
	size_t len = strlen(pattern);

	return pattern[len - 1] == '*' ? !strncmp(pattern, type, len - 1) : !strcmp(pattern, type);
}

const struct surplus_reason *surplus_reason(const char *type, const char *name, unsigned minor)
{
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
		const struct surplus_reason *r = &reasons[i];

		if (minor >= r->first && minor <= r->last && is_of(r->type, type) &&
		    (!*r->name || !strcmp(r->name, name)))
			return r;
	}
	return NULL;
}

/* ---- trends: over the work, which is the number of events; time is what the machine makes of it ---- */

#define TREND_SNAPSHOTS 4   /* from the last one before it grew; the first of them is the warm-up */
#define TREND_GROWN     100 /* references: less is a cache that fills up ... */
#define TREND_SHARE     10  /* ... and less than this percentage of what is there, noise */
#define TREND_SHORT     2   /* so many times less work than the mean between two shows nothing: the end, usually */
#define TREND_SLOWING   50  /* percent that the last half must bring of what the first half brought */

/* What a series was at an event between two snapshots. */
static uint64_t at_event(const struct surplus *s, const struct surplus_point *at, uint64_t event)
{
	unsigned i = 1;
	double share;

	while (i + 1 < s->n && s->events[i] < event)
		i++;
	share = (double)(event - s->events[i - 1]) / (double)(s->events[i] - s->events[i - 1] + 1);
	return at[i - 1].references + (uint64_t)((double)(at[i].references - at[i - 1].references) * share);
}

enum surplus_trend surplus_trend(const struct surplus *s, const struct surplus_point *at, uint64_t *ret_grown)
{
	unsigned from = 0, end = s->n ? s->n - 1 : 0;
	uint64_t grown, middle, mean;

	if (ret_grown)
		*ret_grown = 0;
	while (from < end && at[from + 1].references == at[from].references)
		from++;
	if (s->n < TREND_SNAPSHOTS)
		return SURPLUS_FEW;
	mean = (s->events[end] - s->events[0]) / end;
	for (unsigned i = from + 1; i <= end; i++)
		if (at[i].references < at[i - 1].references ||
		    (at[i].references == at[i - 1].references && s->events[i] - s->events[i - 1] > mean / TREND_SHORT))
			return SURPLUS_STAYS;
	grown = at[end].references - at[from].references;
	if (ret_grown)
		*ret_grown = grown;
	if (grown < TREND_GROWN || grown * 100 < at[end].references * TREND_SHARE)
		return SURPLUS_STAYS;
	if (end - from + 1 < TREND_SNAPSHOTS)
		return SURPLUS_FEW;
	middle = at_event(s, at, s->events[from + 1] + (s->events[end] - s->events[from + 1]) / 2);
	return (at[end].references - middle) * 100 < (middle - at[from + 1].references) * TREND_SLOWING ? SURPLUS_STAYS
													: SURPLUS_GROWS;
}

/* ---- groups ---- */

/* A snapshot in hand. */
struct taking {
	struct surplus *s;
	const struct heap *h;
	const struct join *j;
	int32_t *surplus;
	string_id *types; /* by the heap's type: its number here; 0: not met yet */
	unsigned at;
	bool last;
};

static struct surplus_group *find_group(struct taking *t, object_id o)
{
	struct surplus *s = t->s;
	string_id *type = &t->types[t->h->type[o]];
	uint32_t *at;

	if (!*type) {
		const char *name = heap_type_name(t->h, o);

		*type = strings_add(&s->strings, name, strlen(name));
	}
	at = map_at(&s->by_key, (uint64_t)*type << 32 | t->j->node[o]);
	if (*at == MAP_NONE) {
		*at = (uint32_t)s->groups.n;
		*array_push(&s->groups) = (struct surplus_group){
			.type = *type,
			.node = t->j->node[o],
			.exact = t->h->types.at[t->h->type[o]].flags & PT_TYPE_GC,
			.healthy = true,
		};
	}
	return &s->groups.at[*at];
}

static bool is_type(const struct heap *h, object_id o)
{
	for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++)
		if (!strcmp(heap_edge_name(h, o, e).text, "__mro__"))
			return true;
	return false;
}

/* What is of the object with most surplus, at the last snapshot. */
static void note_last(struct taking *t, struct surplus_group *g, object_id o)
{
	const char *name = heap_name(t->h, o);
	const struct surplus_reason *r = surplus_reason(heap_type_name(t->h, o), name ? name : "", t->s->minor);

	g->healthy &= r && (uint64_t)t->surplus[o] <= r->most && g->at[t->at].objects <= r->objects;
	if ((uint64_t)t->surplus[o] <= g->most)
		return;
	g->most = (uint64_t)t->surplus[o];
	g->address = t->h->address[o];
	g->types = is_type(t->h, o);
	g->name = name ? strings_add(&t->s->strings, name, strlen(name)) : 0;
	g->born_ns = t->j->born_ns[o];
	g->bytes = t->j->bytes[o];
}

static void take_objects(struct taking *t)
{
	for (object_id o = 0; o < t->h->n; o++) {
		struct surplus_group *g;

		if (t->surplus[o] <= 0)
			continue;
		g = find_group(t, o);
		g->at[t->at].objects++;
		g->at[t->at].references += (uint64_t)t->surplus[o];
		if (t->last)
			note_last(t, g, o);
	}
}

/* ---- blocks ---- */

/* Free lists keep tuples of up to 20 items; all their blocks are of whole words. */
#define KEPT_MOST 240

/* What of a snapshot explains a block: an object in it, or a pointer to it. */
struct explaining {
	struct surplus *s;
	const struct heap *h;
	const struct join *j;
	struct map pointed;
	bool searched;             /* all memory, for pointers */
	struct map lost;           /* block to a record of heap.lost */
	struct live_block *blocks; /* by record: its block; bytes 0: none that is known */
};

/* Python's debug hooks hand out what lies behind the start of a block. */
enum { BEFORE_MOST = 32, BEFORE_STEP = 16 };

static uint32_t lost_record(const struct explaining *x, const struct live_block *b)
{
	for (uint64_t before = 0; before <= BEFORE_MOST; before += BEFORE_STEP) {
		uint32_t i = map_find(&x->lost, b->addr - before);

		if (i != MAP_NONE)
			return before + b->bytes <= x->h->lost.at[i].bytes ? i : MAP_NONE;
	}
	return MAP_NONE;
}

static bool is_explained(const struct explaining *x, uint64_t block)
{
	if (map_find(&x->pointed, block) != MAP_NONE)
		return true;
	for (unsigned i = 0; i < x->j->n_befores; i++) {
		object_id o = heap_find(x->h, block + x->j->befores[i]);

		if (o != HEAP_NONE && heap_block(x->h, o) == block)
			return true;
	}
	return false;
}

/* `lost`: no pointer leads to it. */
static void count_unexplained(struct explaining *x, node_id node, uint64_t bytes, bool lost)
{
	struct surplus_blocks *to = &x->s->blocks[node];
	bool may_wait = bytes % 8 == 0 && bytes <= KEPT_MOST;

	if (x->searched && !lost) {
		to->waiting += may_wait;
		return;
	}
	to->unknown++;
	to->reusable += !x->searched && may_wait;
}

static void count_block(void *self, const struct live_block *b)
{
	struct explaining *x = self;
	uint32_t record = x->searched ? lost_record(x, b) : MAP_NONE;

	kept_see(&x->s->kept, b);
	if (b->inherited)
		return;
	if (record != MAP_NONE)
		x->blocks[record] = *b;
	if (b->layer != PT_LAYER_OBJECT)
		return;
	x->s->blocks[b->node].blocks++;
	if (is_explained(x, b->addr))
		return;
	if (kept_see_other(&x->s->kept, b)) {
		x->s->blocks[b->node].held++;
		return;
	}
	count_unexplained(x, b->node, b->bytes, record != MAP_NONE);
}

/* What waits on a free list is kept by others that do. */
static void count_dead(struct explaining *x)
{
	const struct kept *k = &x->s->kept;

	for (size_t i = 0; i < k->others.n; i++) {
		if (!k->others.at[i].dead)
			continue;
		x->s->blocks[k->others.at[i].node].held--;
		count_unexplained(x, k->others.at[i].node, k->others.at[i].bytes, false);
	}
}

/* All that hangs on a lost block, to which no other leads, goes with it. */
static void lead(struct explaining *x, uint32_t leader, bool *led, uint32_t *queue)
{
	const struct heap *h = x->h;
	size_t n = 0;

	queue[n++] = leader;
	while (n) {
		const struct heap_lost *from = &h->lost.at[queue[--n]];

		for (size_t k = 0; k < from->n; k++) {
			uint32_t to = map_find(&x->lost, h->lost_edges.at[from->first + k]);

			if (to == MAP_NONE || to == leader || led[to])
				continue;
			led[to] = true;
			queue[n++] = to;
			if (x->blocks[to].bytes)
				*array_push(&x->s->led) = (struct surplus_led){
					.node = x->blocks[to].node,
					.leader = x->blocks[leader].node,
					.layer = x->blocks[to].layer,
				};
		}
	}
}

static void find_leaders(struct explaining *x)
{
	const struct heap *h = x->h;
	bool *pointed = mem_zero(h->lost.n + 1, sizeof *pointed), *led = mem_zero(h->lost.n + 1, sizeof *led);
	uint32_t *queue = mem_alloc((h->lost.n + 1) * sizeof *queue);

	for (size_t k = 0; k < h->lost.n; k++) {
		for (size_t e = 0; e < h->lost.at[k].n; e++) {
			uint32_t to = map_find(&x->lost, h->lost_edges.at[h->lost.at[k].first + e]);

			if (to != MAP_NONE && to != k)
				pointed[to] = true;
		}
	}
	for (uint32_t i = 0; i < h->lost.n; i++)
		if (!pointed[i] && x->blocks[i].bytes && x->blocks[i].layer == PT_LAYER_OBJECT)
			lead(x, i, led, queue);
	free(pointed);
	free(led);
	free(queue);
}

static void list_lost(struct explaining *x)
{
	x->blocks = mem_zero(x->h->lost.n + 1, sizeof *x->blocks);
	for (uint32_t i = 0; i < x->h->lost.n; i++)
		*map_at(&x->lost, x->h->lost.at[i].address) = i;
}

static void take_blocks(struct taking *t, struct replay *r)
{
	struct explaining x = { .s = t->s, .h = t->h, .j = t->j };
	uint64_t segments;

	/* without a GIL objects lie in mimalloc's segments, which older tracers did not take apart */
	x.searched = t->s->unreached && t->s->unreached->state == UNREACHED_WHOLE &&
		     (!defs_meta_is_true(&t->s->trace->defs, "python.free_threaded") ||
		      heap_fact(t->h, "native.segments", &segments));
	list_lost(&x);
	kept_start(&t->s->kept, t->h);
	t->s->blocks = mem_zero(t->s->trace->defs.stacks.nodes.n + 2, sizeof *t->s->blocks);
	for (size_t i = 0; i < t->h->raws.n; i++)
		*map_at(&x.pointed, t->h->raws.at[i].address) = 1;
	replay_each_live(r, count_block, &x);
	kept_finish(&t->s->kept);
	count_dead(&x);
	if (x.searched)
		find_leaders(&x);
	map_free(&x.pointed);
	map_free(&x.lost);
	free(x.blocks);
}

/* ---- the replay ---- */

static void take(struct surplus *s, const struct heap *h, const struct join *j, const struct replay_now *now,
		 struct replay *r)
{
	struct taking t = {
		.s = s,
		.h = h,
		.j = j,
		.surplus = surplus_of(h, j),
		.types = mem_zero(h->types.n + 1, sizeof *t.types),
		.at = s->n,
		.last = h->snapshot == s->wanted[s->n_wanted - 1],
	};

	s->numbers[s->n] = h->snapshot;
	s->events[s->n] = now->number;
	s->ns[s->n++] = now->ns;
	take_objects(&t);
	if (s->unreached)
		unreached_look(s->unreached, h, now, r);
	if (t.last)
		take_blocks(&t, r);
	free(t.surplus);
	free(t.types);
}

static const struct snapshot *find_wanted(const struct surplus *s, uint64_t number)
{
	for (unsigned i = 0; i < s->n_wanted; i++) {
		for (size_t k = 0; s->wanted[i] == number && k < s->cycles->list.at.n; k++)
			if (s->cycles->list.at.at[k].number == number)
				return &s->cycles->list.at.at[k];
	}
	return NULL;
}

static void load(struct surplus *s, const struct snapshot *snapshot, const struct pt_event *ev,
		 const struct replay_now *now, struct replay *r)
{
	struct heap h;
	struct join j;

	heap_load(&h, s->trace, snapshot, 0);
	join_init(&j, &h);
	j.rebirths = &s->rebirths;
	j.model.event(j.model.self, ev, now, r);
	j.rebirths = NULL;
	made_settle(&j);
	take(s, &h, &j, now, r);
	join_free(&j);
	heap_free(&h);
}

static void on_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct surplus *s = self;
	const struct snapshot *snapshot;
	const struct heap *h;
	const struct join *j;

	rebirths_note(&s->rebirths, &s->trace->defs, ev, now->ns, s->last_number);
	if (ev->op != PT_OP_SNAPSHOT || s->n == SURPLUS_SNAPSHOTS)
		return;
	snapshot = find_wanted(s, ev->addr);
	for (unsigned i = 0; i < s->n; i++)
		if (s->numbers[i] == ev->addr)
			snapshot = NULL;
	if (!snapshot)
		return;
	if (cycles_kept(s->cycles, &h, &j) && h->snapshot == ev->addr)
		take(s, h, j, now, r);
	else
		load(s, snapshot, ev, now, r);
}

static void on_changes(void *self, const struct change *c, size_t n, const struct replay_now *now)
{
	struct surplus *s = self;

	(void)now;
	for (size_t i = n; i-- > 0;) {
		if (c[i].kind != BLOCK_BORN || c[i].number < s->last_number)
			continue;
		s->last_number = c[i].number;
		break;
	}
}

static int by_references(const void *left, const void *right, void *self)
{
	const struct surplus_group *a = left, *b = right;
	const struct surplus *s = self;
	uint64_t x = s->n ? a->at[s->n - 1].references : 0, y = s->n ? b->at[s->n - 1].references : 0;

	if (x != y)
		return x > y ? -1 : 1;
	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return a->type < b->type ? -1 : a->type > b->type;
}

static void on_finish(void *self, const struct replay_now *now, struct replay *r)
{
	struct surplus *s = self;

	(void)now, (void)r;
	if (s->groups.n)
		qsort_r(s->groups.at, s->groups.n, sizeof *s->groups.at, by_references, s);
	map_free(&s->by_key);
	rebirths_free(&s->rebirths);
}

/* Snapshots to look at: the one that models/cycles.h keeps, and of those before it some, evenly spread. Not those of
 * collections: they come when garbage has piled up. */
static void choose(struct surplus *s)
{
	const struct snapshots *list = &s->cycles->list;
	uint64_t *numbers = mem_alloc((list->at.n + 1) * sizeof *numbers);
	size_t n = 0, most = SURPLUS_SNAPSHOTS;

	for (size_t i = 0; i < list->at.n && s->cycles->now; i++) {
		const struct snapshot *at = &list->at.at[i];

		if (at->number == s->cycles->now || (at->complete && at->reason != PT_SNAPSHOT_GC))
			numbers[n++] = at->number;
		if (at->number == s->cycles->now)
			break;
	}
	s->n_wanted = (unsigned)(n < most ? n : most);
	for (size_t i = 0; i < s->n_wanted; i++)
		s->wanted[i] = numbers[s->n_wanted == 1 ? n - 1 : i * (n - 1) / (s->n_wanted - 1)];
	free(numbers);
}

void surplus_init(struct surplus *s, struct trace *t, const struct cycles *cycles)
{
	const char *version = defs_meta(&t->defs, "python.version", NULL);

	*s = (struct surplus){ .trace = t, .cycles = cycles };
	s->model = (struct model){ .self = s, .changes = on_changes, .event = on_event, .finish = on_finish };
	s->minor = version && !strncmp(version, "3.", 2) ? (unsigned)atoi(version + 2) : 0;
	strings_add(&s->strings, "", 0);
	choose(s);
}

void surplus_free(struct surplus *s)
{
	array_free(&s->groups);
	map_free(&s->by_key);
	rebirths_free(&s->rebirths);
	strings_free(&s->strings);
	free(s->blocks);
	kept_free(&s->kept);
	array_free(&s->led);
	*s = (struct surplus){ 0 };
}
