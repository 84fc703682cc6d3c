/* SPDX-License-Identifier: Apache-2.0 */
/* usage: which allocator cut a block is told by its layer and size; arenas tell that there are some. */
#include "analyzer/memory/usage.h"

enum { SMALL_MAX = 512, PAGE = 4096, CHUNK_BEFORE = 16 };
#define LARGE_MIN (UINT64_C(128) << 10) /* M_MMAP_THRESHOLD, to begin with ... */
#define LARGE_MAX (UINT64_C(32) << 20)  /* ... and at most */

static uint64_t step_of(const struct usage *u) { return u->trace->end_ns / USAGE_SAMPLES + 1; }

/* A block of that size that starts behind the header of a mapping has it for itself. */
static bool is_large(const struct change *c)
{
	return c->bytes >= LARGE_MAX || (c->bytes + PAGE >= LARGE_MIN && c->addr % PAGE == CHUNK_BEFORE);
}

/* USAGE_KINDS: none of them. */
static enum usage_kind kind_of(const struct usage *u, const struct change *c)
{
	bool python = c->layer == PT_LAYER_MEM || c->layer == PT_LAYER_OBJECT;

	if (!python && c->layer != PT_LAYER_MALLOC && c->layer != PT_LAYER_RAW)
		return USAGE_KINDS;
	if (python && u->free_threaded)
		return USAGE_MIMALLOC;
	if (python && c->bytes <= SMALL_MAX)
		return USAGE_ARENA;
	return is_large(c) ? USAGE_KINDS : USAGE_HEAP;
}

static void rise(struct usage *u, struct usage_row *row, const struct change *c, uint64_t ns)
{
	row->now += c->bytes;
	if (u->ended)
		return;
	row->made += c->moved ? 0 : c->bytes;
	if (row->now > row->most[u->sample])
		row->most[u->sample] = row->now;
	if (row->now > row->peak) {
		row->peak = row->now;
		row->peak_ns = ns;
	}
}

static void take_away(uint64_t *from, uint64_t bytes) { *from -= bytes < *from ? bytes : *from; }

static void fall(struct usage *u, struct usage_row *row, uint64_t bytes)
{
	take_away(&row->now, bytes);
	if (!u->ended && row->now < row->least[u->sample])
		row->least[u->sample] = row->now;
}

static void on_change(struct usage *u, const struct change *c, uint64_t ns)
{
	enum usage_kind kind = kind_of(u, c);
	bool died = c->kind == BLOCK_DIED;

	if (c->layer == PT_LAYER_ARENA)
		died ? take_away(&u->mapped_bytes, c->bytes) : (void)(u->mapped_bytes += c->bytes);
	if (pt_layer_counted((enum pt_layer)c->layer))
		died ? take_away(&u->live_bytes, c->bytes) : (void)(u->live_bytes += c->bytes);
	if (kind == USAGE_KINDS)
		return;
	if (died)
		fall(u, &u->rows[kind], c->bytes);
	else
		rise(u, &u->rows[kind], c, ns);
}

/* What was in use in the last sample still is in those after it. */
static void go_to(struct usage *u, uint64_t ns)
{
	size_t sample = (size_t)(ns / step_of(u));

	sample = sample < USAGE_SAMPLES ? sample : USAGE_SAMPLES - 1;
	while (u->sample < sample) {
		u->sample++;
		for (int k = 0; k < USAGE_KINDS; k++)
			u->rows[k].most[u->sample] = u->rows[k].least[u->sample] = u->rows[k].now;
	}
}

static void on_changes(void *self, const struct change *changes, size_t n, const struct replay_now *now)
{
	struct usage *u = self;

	if (!u->ended)
		go_to(u, now->ns);
	for (size_t i = 0; i < n; i++)
		on_change(u, &changes[i], now->ns);
}

static void end(struct usage *u, uint64_t ns)
{
	if (u->ended)
		return;
	go_to(u, ns);
	for (int k = 0; k < USAGE_KINDS; k++)
		u->rows[k].end = u->rows[k].now;
	u->end_ns = ns;
	u->ended = true;
}

static void on_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct usage *u = self;

	(void)r;
	switch (ev->op) {
	case PT_OP_RSS:
		if (!u->ended)
			u->rss_bytes = ev->size;
		break;
	case PT_OP_PY_FINI: end(u, now->ns); break;
	case PT_OP_PY_INIT: u->ended = false; break;
	}
}

static void on_finish(void *self, const struct replay_now *now, struct replay *r)
{
	(void)r;
	end(self, now->ns);
}

void usage_init(struct usage *u, struct trace *t)
{
	*u = (struct usage){ .trace = t, .model = { u, on_changes, on_event, on_finish } };
	u->free_threaded = defs_meta_is_true(&t->defs, "python.free_threaded");
}

uint64_t usage_last_above(const struct usage *u, enum usage_kind kind, uint64_t bytes)
{
	uint64_t ns;

	for (size_t i = u->sample + 1; i-- > 0;) {
		if (u->rows[kind].most[i] <= bytes)
			continue;
		ns = (i + 1) * step_of(u);
		return ns < u->end_ns ? ns : u->end_ns;
	}
	return 0;
}

unsigned usage_crossings(const struct usage *u, enum usage_kind kind, uint64_t bytes)
{
	const struct usage_row *row = &u->rows[kind];
	unsigned n = 0;

	for (size_t i = 0; i <= u->sample; i++)
		n += row->most[i] > bytes && row->least[i] <= bytes;
	return n;
}
