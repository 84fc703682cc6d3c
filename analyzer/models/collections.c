/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/models/collections.h"

#include <string.h>

/* ---- what a collection frees ---- */

static struct collection *running_in(struct collections *c, uint32_t thread)
{
	for (size_t i = 0; i < c->open.n; i++)
		if (c->at.at[c->open.at[i]].thread == thread)
			return &c->at.at[c->open.at[i]];
	return NULL;
}

static struct collections_row *row_for(struct collections *c, node_id node, uint32_t type)
{
	uint32_t *i = map_at(&c->row_of, (uint64_t)type << 32 | node);

	if (*i == MAP_NONE) {
		*i = (uint32_t)c->rows.n;
		*array_push(&c->rows) = (struct collections_row){ .node = node, .type = type };
	}
	return &c->rows.at[*i];
}

static void add(struct amount *a, uint64_t bytes)
{
	a->bytes += bytes;
	a->blocks++;
}

/* Two collections may run at once, in two interpreters: then their parts would be mixed, and the first one has none of
 * what it frees from there on. */
static void add_part(struct collections *c, struct collection *by, struct collections_row *row, uint64_t bytes,
		     bool is_new)
{
	if (is_new) {
		if (by->parts + by->n_parts != c->parts.n)
			return;
		row->part = c->parts.n;
		*array_push(&c->parts) = (struct collections_part){ .row = (uint32_t)(row - c->rows.at) };
		by->n_parts++;
	}
	add(&c->parts.at[row->part].freed, bytes);
}

static void note_freed(struct collections *c, struct collection *by, const struct change *change)
{
	struct collections_row *row = row_for(c, change->node, change->type);
	uint32_t number = (uint32_t)(by - c->at.at) + 1;
	bool is_new = row->last != number;

	add(&by->freed, change->bytes);
	add(&row->freed, change->bytes);
	row->collections += is_new;
	row->last = number;
	add_part(c, by, row, change->bytes, is_new);
}

static void changes(void *self, const struct change *change, size_t n, const struct replay_now *now)
{
	struct collections *c = self;
	struct collection *by = c->open.n ? running_in(c, now->thread) : NULL;

	for (size_t i = 0; by && i < n; i++)
		if (change[i].kind == BLOCK_DIED && !change[i].moved && change[i].whole &&
		    change[i].number <= by->made && pt_layer_counted((enum pt_layer)change[i].layer))
			note_freed(c, by, &change[i]);
	while (n-- > 0)
		if (change[n].kind == BLOCK_BORN) {
			c->made = change[n].number;
			break;
		}
}

/* ---- events ---- */

static void close_one(struct collections *c, uint32_t thread)
{
	for (size_t i = 0; i < c->open.n; i++)
		if (c->at.at[c->open.at[i]].thread == thread) {
			c->open.at[i] = c->open.at[--c->open.n];
			return;
		}
}

static void begin(struct collections *c, const struct pt_event *ev, const struct replay_now *now)
{
	close_one(c, now->thread); /* its end was lost */
	*array_push(&c->open) = (uint32_t)c->at.n;
	*array_push(&c->at) = (struct collection){
		.begin_ns = now->ns,
		.thread = now->thread,
		.generation = ev->addr & 15,
		.trigger = ev->addr >> 4 & 15,
		.candidates = ev->addr >> 8 & PT_GC_NOT_COUNTED,
		.node = defs_node(&c->trace->defs, (uint32_t)ev->size),
		.made = c->made,
		.parts = c->parts.n,
	};
}

static void end(struct collections *c, const struct pt_event *ev, const struct replay_now *now)
{
	struct collection *by = running_in(c, now->thread);

	if (!by)
		return;
	by->ended = true;
	by->end_ns = now->ns;
	by->uncollectable = ev->addr;
	by->collected = ev->size;
	close_one(c, now->thread);
}

static void note_enabled(struct collections *c, const struct collections_setting *s)
{
	struct collections_span *last = c->disabled.n ? &c->disabled.at[c->disabled.n - 1] : NULL;
	bool is_off = last && !last->ended;

	if (!s->value && !is_off) {
		*array_push(&c->disabled) =
			(struct collections_span){ .begin_ns = s->ns, .begin_node = s->node, .first = s->first };
	} else if (s->value && is_off) {
		last->ended = true;
		last->end_ns = s->ns;
		last->end_node = s->node;
	}
}

static bool is_first(const struct collections *c, uint8_t what)
{
	for (size_t i = c->since_init; i < c->settings.n; i++)
		if (c->settings.at[i].what == what)
			return false;
	return true;
}

static void set(struct collections *c, const struct pt_event *ev, const struct replay_now *now)
{
	uint8_t what = ev->addr <= PT_GC_SET_DEBUG ? (uint8_t)ev->addr : UINT8_MAX;
	struct collections_setting s = {
		.ns = now->ns,
		.what = what,
		.value = ev->size & UINT32_MAX,
		.node = defs_node(&c->trace->defs, (uint32_t)(ev->size >> 32)),
		.first = is_first(c, what),
	};

	*array_push(&c->settings) = s;
	if (what == PT_GC_SET_ENABLED)
		note_enabled(c, &s);
}

static void event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct collections *c = self;

	(void)r;
	switch (ev->op) {
	case PT_OP_GC_BEGIN: begin(c, ev, now); break;
	case PT_OP_GC_END: end(c, ev, now); break;
	case PT_OP_GC_SET: set(c, ev, now); break;
	case PT_OP_PY_INIT: c->since_init = c->settings.n; break;
	}
}

static void finish(void *self, const struct replay_now *now, struct replay *r)
{
	struct collections *c = self;

	(void)r;
	c->end_ns = now->ns;
	for (size_t i = 0; i < c->disabled.n; i++)
		if (!c->disabled.at[i].ended)
			c->disabled.at[i].end_ns = now->ns;
}

void collections_init(struct collections *c, struct trace *trace)
{
	*c = (struct collections){ .trace = trace };
	c->model = (struct model){ .self = c, .changes = changes, .event = event, .finish = finish };
}

void collections_free(struct collections *c)
{
	array_free(&c->at);
	array_free(&c->rows);
	array_free(&c->parts);
	array_free(&c->settings);
	array_free(&c->disabled);
	array_free(&c->open);
	map_free(&c->row_of);
}

/* ---- sums ---- */

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void add_sum(struct collections_sum *s, const struct collection *c, size_t i)
{
	uint64_t pause = collection_pause(c);

	s->n++;
	s->n_explicit += c->trigger == PT_GC_EXPLICIT;
	s->n_shutdown += c->trigger == PT_GC_SHUTDOWN;
	s->n_counted += c->candidates != PT_GC_NOT_COUNTED;
	s->candidates += c->candidates != PT_GC_NOT_COUNTED ? c->candidates : 0;
	s->collected += c->collected;
	s->uncollectable += c->uncollectable;
	amount_add(&s->freed, &c->freed);
	s->pause_ns += pause;
	if (pause >= s->longest_ns) {
		s->longest_ns = pause;
		s->longest = i;
	}
}

struct collections_sum collections_sum(const struct collections *c, int generation)
{
	struct collections_sum s = { 0 };
	uint64_t *pauses = mem_alloc((c->at.n + 1) * sizeof *pauses);
	size_t n = 0;

	for (size_t i = 0; i < c->at.n; i++) {
		if (generation != COLLECTIONS_ALL && c->at.at[i].generation != generation)
			continue;
		add_sum(&s, &c->at.at[i], i);
		if (c->at.at[i].ended)
			pauses[n++] = collection_pause(&c->at.at[i]);
	}
	qsort(pauses, n, sizeof *pauses, by_size);
	if (n) {
		s.median_ns = pauses[n / 2];
		s.p99_ns = pauses[n * 99 / 100];
	}
	free(pauses);
	return s;
}
