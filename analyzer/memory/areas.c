/* SPDX-License-Identifier: Apache-2.0 */
/* areas: two walks over what is alive, first for the areas, then for the blocks in them. */
#include "analyzer/memory/areas.h"

#include <string.h>

enum { FIGURES_MAX = 1024 };

/* ---- areas ---- */

static int by_start(const void *a, const void *b)
{
	const struct area *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void add_area(struct area_list *list, const struct live_block *b)
{
	uint64_t bytes = b->bytes < PT_ADDRESS_MASK ? b->bytes : PT_ADDRESS_MASK; /* a file may say anything */

	*array_push(&list->at) = (struct area){ .start = b->addr, .end = b->addr + bytes };
	list->mapped_bytes += bytes;
}

static void note_area(void *self, const struct live_block *b)
{
	struct areas *a = self;

	if (b->layer == PT_LAYER_ARENA)
		add_area(&a->arenas, b);
	else if (b->layer == PT_LAYER_HEAP)
		add_area(&a->heaps, b);
	else if (b->mapping)
		a->mapping_bytes[b->layer] += b->bytes;
}

static struct area *find(const struct area_list *list, uint64_t addr)
{
	size_t lo = 0, hi = list->at.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (list->at.at[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && addr < list->at.at[lo - 1].end ? &list->at.at[lo - 1] : NULL;
}

static bool add_block(struct area_list *list, const struct live_block *b)
{
	struct area *area = find(list, b->addr);

	if (!area)
		return false;
	area->live_bytes += b->bytes;
	area->live_blocks++;
	list->live_bytes += b->bytes;
	list->live_blocks++;
	return true;
}

static void note_block(void *self, const struct live_block *b)
{
	struct areas *a = self;

	if (b->mapping || b->layer == PT_LAYER_ARENA || add_block(&a->arenas, b) || add_block(&a->heaps, b))
		return;
	a->other_bytes[b->layer] += b->bytes;
}

static void clear(struct area_list *list)
{
	list->at.n = 0;
	list->mapped_bytes = list->live_bytes = list->live_blocks = 0;
}

static void sort(struct area_list *list)
{
	if (list->at.n)
		qsort(list->at.at, list->at.n, sizeof *list->at.at, by_start);
}

/* ---- this moment ---- */

static void look(struct areas *a, struct replay *r)
{
	clear(&a->arenas);
	clear(&a->heaps);
	memset(a->other_bytes, 0, sizeof a->other_bytes);
	memset(a->mapping_bytes, 0, sizeof a->mapping_bytes);
	replay_each_live(r, note_area, a);
	sort(&a->arenas);
	sort(&a->heaps);
	replay_each_live(r, note_block, a);
	a->figures.n = 0;
	for (size_t i = 0; i < a->now.n; i++)
		*array_push(&a->figures) = a->now.at[i];
	a->rss_bytes = a->rss_now;
}

/* The names of figures are few, and each text of a trace is there once. */
static void on_figure(struct areas *a, const struct pt_event *ev)
{
	const char *name = defs_string(&a->trace->defs, ev->addr);

	for (size_t i = 0; name && i < a->now.n; i++) {
		if (a->now.at[i].name == name) {
			a->now.at[i].value = ev->size;
			return;
		}
	}
	if (name && a->now.n < FIGURES_MAX)
		*array_push(&a->now) = (struct figure){ name, ev->size };
}

static void on_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct areas *a = self;

	(void)now;
	switch (ev->op) {
	case PT_OP_FIGURE: on_figure(a, ev); break;
	case PT_OP_RSS: a->rss_now = ev->size; break;
	case PT_OP_PY_INIT: a->ended = false; break;
	case PT_OP_PY_FINI:
		if (!a->ended && !a->snapshot)
			look(a, r);
		a->ended = true;
		break;
	case PT_OP_SNAPSHOT:
		if (a->snapshot && ev->addr == a->snapshot)
			look(a, r);
		break;
	}
}

static void on_finish(void *self, const struct replay_now *now, struct replay *r)
{
	struct areas *a = self;

	(void)now;
	if (!a->ended && !a->snapshot)
		look(a, r);
}

/* ---- outside ---- */

void areas_init(struct areas *a, struct trace *t, uint64_t snapshot)
{
	*a = (struct areas){ .trace = t,
			     .snapshot = snapshot,
			     .model = { .self = a, .event = on_event, .finish = on_finish } };
}

void areas_free(struct areas *a)
{
	array_free(&a->arenas.at);
	array_free(&a->heaps.at);
	array_free(&a->figures);
	array_free(&a->now);
}

bool areas_figure(const struct areas *a, const char *name, uint64_t *ret_value)
{
	for (size_t i = 0; i < a->figures.n; i++) {
		if (!strcmp(a->figures.at[i].name, name)) {
			*ret_value = a->figures.at[i].value;
			return true;
		}
	}
	return false;
}
