/* SPDX-License-Identifier: Apache-2.0 */
/* unreached: records to blocks, edges among them, who is whose leader. */
#include "analyzer/models/unreached.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Python's debug hooks hand out what lies behind the start of the block. */
enum { BEFORE_MAX = 32, BEFORE_STEP = 16, PAGE = 4096 };

/* A snapshot in hand. By record of heap.lost. */
struct looking {
	struct unreached *u;
	const struct heap *h;
	struct replay *replay;
	struct map by_address;
	struct live_block *live; /* bytes 0: none of ours */
	bool *excused;
	uint32_t *leader; /* MAP_NONE: none yet; a record */
	uint32_t *queue;
};

/* ---- records ---- */

static bool is_native(uint8_t layer)
{
	return layer == PT_LAYER_MALLOC || layer == PT_LAYER_RAW || layer == PT_LAYER_MEM;
}

static bool is_ours(const struct live_block *b) { return !b->inherited && is_native(b->layer); }

/* The block that lies in a record. What is there must fit. */
static bool find_block(const struct looking *l, const struct heap_lost *lost, struct live_block *ret)
{
	for (uint64_t before = 0; before <= BEFORE_MAX; before += BEFORE_STEP)
		if (replay_find_live(l->replay, lost->address + before, ret))
			return before + ret->bytes <= lost->bytes;
	return false;
}

static void join(struct looking *l)
{
	for (uint32_t i = 0; i < l->h->lost.n; i++) {
		struct live_block b;
		bool known = find_block(l, &l->h->lost.at[i], &b);

		*map_at(&l->by_address, l->h->lost.at[i].address) = i;
		l->leader[i] = MAP_NONE;
		l->excused[i] = !known || !is_ours(&b);
		if (!l->excused[i])
			l->live[i] = b;
	}
}

/* ---- the graph ---- */

static uint32_t edge(const struct looking *l, uint32_t from, size_t k)
{
	uint32_t to = map_find(&l->by_address, l->h->lost_edges.at[l->h->lost.at[from].first + k]);

	return to == from ? MAP_NONE : to;
}

static void excuse_below(struct looking *l)
{
	size_t n = 0;

	for (uint32_t i = 0; i < l->h->lost.n; i++)
		if (l->excused[i])
			l->queue[n++] = i;
	while (n) {
		uint32_t from = l->queue[--n];

		for (size_t k = 0; k < l->h->lost.at[from].n; k++) {
			uint32_t to = edge(l, from, k);

			if (to == MAP_NONE || l->excused[to])
				continue;
			l->excused[to] = true;
			l->queue[n++] = to;
		}
	}
}

static void lead(struct looking *l, uint32_t leader)
{
	size_t n = 0;

	l->leader[leader] = leader;
	l->queue[n++] = leader;
	while (n) {
		uint32_t from = l->queue[--n];

		for (size_t k = 0; k < l->h->lost.at[from].n; k++) {
			uint32_t to = edge(l, from, k);

			if (to == MAP_NONE || l->excused[to] || l->leader[to] != MAP_NONE)
				continue;
			l->leader[to] = leader;
			l->queue[n++] = to;
		}
	}
}

/* First those to which nothing leads, then, of what is left (rings), one after the other. */
static void find_leaders(struct looking *l)
{
	bool *pointed = mem_zero(l->h->lost.n + 1, sizeof *pointed);

	for (uint32_t i = 0; i < l->h->lost.n; i++) {
		for (size_t k = 0; k < l->h->lost.at[i].n; k++) {
			uint32_t to = edge(l, i, k);

			if (to != MAP_NONE)
				pointed[to] = true;
		}
	}
	for (uint32_t i = 0; i < l->h->lost.n; i++)
		if (!l->excused[i] && !pointed[i])
			lead(l, i);
	for (uint32_t i = 0; i < l->h->lost.n; i++)
		if (!l->excused[i] && l->leader[i] == MAP_NONE)
			lead(l, i);
	free(pointed);
}

/* ---- what comes of it ---- */

static struct unreached_sum *sum_for(struct unreached *u, node_id node)
{
	uint32_t *at = map_at(&u->by_node, node);

	if (*at == MAP_NONE) {
		*at = (uint32_t)u->sums.n;
		*array_push(&u->sums) = (struct unreached_sum){ .node = node };
	}
	return &u->sums.at[*at];
}

static void put_block(struct looking *l, uint32_t i)
{
	struct unreached *u = l->u;
	const struct live_block *b = &l->live[i];
	uint32_t index = (uint32_t)u->blocks.n;
	bool direct = l->leader[i] == i;
	struct amount *at = direct ? &sum_for(u, b->node)->at[u->n] : NULL;

	*array_push(&u->blocks) = (struct unreached_block){
		.address = b->addr,
		.bytes = b->bytes,
		.born_ns = b->born_ns,
		.node = b->node,
		.layer = b->layer,
		.leader = direct ? index : l->queue[l->leader[i]],
	};
	l->queue[i] = index;
	*map_at(&u->by_address, b->addr) = index;
	if (!at)
		return;
	at->bytes += b->bytes;
	at->blocks++;
}

static void put_blocks(struct looking *l)
{
	struct unreached *u = l->u;

	u->blocks.n = 0;
	map_free(&u->by_address);
	u->by_address = (struct map){ 0 };
	for (uint32_t i = 0; i < l->h->lost.n; i++)
		if (l->leader[i] == i)
			put_block(l, i);
	for (uint32_t i = 0; i < l->h->lost.n; i++)
		if (l->leader[i] != i && l->leader[i] != MAP_NONE)
			put_block(l, i);
}

/* ---- mappings ---- */

/* What a program maps once the kernel alone may know: the stack of its signal handlers, a ring. */
enum { MAPPINGS_LEAST = 4 };

/* Pages to which nothing leads. */
struct pages {
	uint64_t start, end;
};

struct mapping_search {
	struct looking *l;
	ARRAY(struct pages) lost; /* by address */
	struct map blocks_of;     /* by node: mappings of it to which nothing leads */
	bool counted;
};

static int by_start(const void *left, const void *right)
{
	const struct pages *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static void list_pages(struct mapping_search *s)
{
	const struct heap *h = s->l->h;

	for (uint32_t i = 0; i < h->lost.n; i++) {
		const struct heap_lost *lost = &h->lost.at[i];

		if (!lost->n && !(lost->address % PAGE) && !(lost->bytes % PAGE))
			*array_push(&s->lost) = (struct pages){ lost->address, lost->address + lost->bytes };
	}
	if (s->lost.n > 1)
		qsort(s->lost.at, s->lost.n, sizeof *s->lost.at, by_start);
}

static bool is_untouched(const struct mapping_search *s, const struct live_block *b)
{
	size_t low = 0, high = s->lost.n;

	while (low < high) { /* the first that starts behind it */
		size_t middle = (low + high) / 2;

		if (s->lost.at[middle].start <= b->addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low && b->addr + b->bytes <= s->lost.at[low - 1].end;
}

static void put_mapping(void *self, const struct live_block *b)
{
	struct mapping_search *s = self;
	struct unreached *u = s->l->u;
	uint32_t index = (uint32_t)u->blocks.n, *n;
	struct amount *at;

	if (b->layer != PT_LAYER_MMAP || b->inherited || !b->bytes || !is_untouched(s, b))
		return;
	n = map_at(&s->blocks_of, b->node);
	if (!s->counted)
		*n = *n == MAP_NONE ? 1 : *n + 1;
	if (!s->counted || *n < MAPPINGS_LEAST)
		return;
	at = &sum_for(u, b->node)->at[u->n];
	*map_at(&u->by_address, b->addr) = index;
	*array_push(&u->blocks) = (struct unreached_block){
		.address = b->addr,
		.bytes = b->bytes,
		.born_ns = b->born_ns,
		.node = b->node,
		.layer = b->layer,
		.leader = index,
	};
	at->bytes += b->bytes;
	at->blocks++;
}

static void put_mappings(struct looking *l)
{
	struct mapping_search s = { .l = l };

	list_pages(&s);
	for (int pass = 0; s.lost.n && pass < 2; pass++) {
		s.counted = pass;
		replay_each_live(l->replay, put_mapping, &s);
	}
	array_free(&s.lost);
	map_free(&s.blocks_of);
}

static uint64_t fact(const struct heap *h, const char *key)
{
	uint64_t value;

	return heap_fact(h, key, &value) ? value : 0;
}

static void take_facts(struct unreached *u, const struct heap *h)
{
	uint64_t complete;

	u->threads = fact(h, "native.threads");
	u->searched = fact(h, "native.bytes");
	u->is_libc = fact(h, "native.libc");
	if (!heap_fact(h, "native.complete", &complete))
		u->state = UNREACHED_NOT_LOOKED;
	else if (!complete)
		u->state = UNREACHED_CUT;
	else
		u->state = u->is_libc && !fact(h, "native.heaps_unknown") ? UNREACHED_WHOLE : UNREACHED_IN_PARTS;
}

void unreached_look(struct unreached *u, const struct heap *h, const struct replay_now *now, struct replay *r)
{
	struct looking l = { .u = u, .h = h, .replay = r };

	if (u->n == UNREACHED_SNAPSHOTS)
		return;
	take_facts(u, h);
	u->blocks.n = 0;
	if (u->state < UNREACHED_IN_PARTS)
		return;
	l.live = mem_zero(h->lost.n + 1, sizeof *l.live);
	l.excused = mem_zero(h->lost.n + 1, sizeof *l.excused);
	l.leader = mem_zero(h->lost.n + 1, sizeof *l.leader);
	l.queue = mem_zero(h->lost.n + 1, sizeof *l.queue);
	join(&l);
	excuse_below(&l);
	find_leaders(&l);
	put_blocks(&l);
	put_mappings(&l);
	u->ns[u->n++] = now->ns;
	map_free(&l.by_address);
	free(l.live);
	free(l.excused);
	free(l.leader);
	free(l.queue);
}

/* ---- deaths ---- */

static void on_death(struct unreached *u, uint64_t address)
{
	uint32_t at = map_find(&u->by_address, address);
	struct unreached_block *b = at == MAP_NONE ? NULL : &u->blocks.at[at];

	if (!b || b->given_back)
		return;
	b->given_back = true;
	sum_for(u, u->blocks.at[b->leader].node)->given_back++;
}

/* ---- what is moved ---- */

static void note_move(struct unreached *u, node_id from, node_id to)
{
	uint32_t *at = map_at(&u->by_move, (uint64_t)from << 32 | to);

	if (*at == MAP_NONE) {
		*at = (uint32_t)u->moves.n;
		*array_push(&u->moves) = (struct unreached_move){ .from = from, .to = to };
	}
	u->moves.at[*at].blocks++;
}

/* A block dies and is born, one right after the other. */
static void on_move(struct unreached *u, const struct change *c)
{
	if (c->kind == BLOCK_BORN && u->moving > NODE_UNKNOWN && c->node > NODE_UNKNOWN && c->node != u->moving)
		note_move(u, u->moving, c->node);
	u->moving = c->kind == BLOCK_DIED ? c->node : NODE_EMPTY;
}

static void on_changes(void *self, const struct change *c, size_t n, const struct replay_now *now)
{
	struct unreached *u = self;

	(void)now;
	for (size_t i = 0; i < n; i++) {
		if (c[i].moved && is_native(c[i].layer))
			on_move(u, &c[i]);
		if (u->blocks.n && c[i].kind == BLOCK_DIED)
			on_death(u, c[i].addr);
	}
}

void unreached_init(struct unreached *u)
{
	*u = (struct unreached){ 0 };
	u->model = (struct model){ .self = u, .changes = on_changes };
}

void unreached_free(struct unreached *u)
{
	array_free(&u->blocks);
	array_free(&u->sums);
	map_free(&u->by_address);
	map_free(&u->by_node);
	array_free(&u->moves);
	map_free(&u->by_move);
}
