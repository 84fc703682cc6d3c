/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/views/tally.h"

#include <stdlib.h>
#include <string.h>

#define NOWHERE 0 /* the class of what lies in no known block */

/* One line of one trace's stacks, by node: its class, a string of file and line. */
struct sites {
	struct view *v;
	string_id *of; /* by node; 0: not looked up yet, else class + 1 */
};

static string_id site_class(struct tally *t, struct sites *s, object_id o)
{
	node_id node = s->v->join.node[o];
	const struct place *p;
	char text[4200];
	int n;

	if (node == NODE_UNKNOWN)
		return NOWHERE;
	if (!s->of[node]) {
		p = place_find(s->v->places, place_site(s->v->places, node));
		n = snprintf(text, sizeof text, "%s:%d:%s", p->file, p->at.line, p->at.line > 0 ? "" : p->function);
		s->of[node] = strings_add(&t->strings, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1) + 1;
	}
	return s->of[node] - 1;
}

static uint32_t row_of(struct tally *t, string_id key)
{
	uint32_t *row = map_at(&t->keys, key);

	if (*row == MAP_NONE) {
		*row = (uint32_t)t->rows.n;
		*array_push(&t->rows) = (struct tally_row){ .node = NODE_UNKNOWN };
	}
	return *row;
}

/* ---- what makes up most of a row ---- */

/* Objects of one type made on one line. */
struct tally_part {
	uint32_t row;
	string_id type;
	node_id node;
	uint64_t bytes;
};
struct tally_parts {
	ARRAY(struct tally_part) at;
	struct map by_pair;
};

static void add_part(struct tally_parts *parts, uint32_t row, string_id type, string_id site, node_id node,
		     uint64_t bytes)
{
	uint32_t *at = map_at(&parts->by_pair, (uint64_t)type << 32 | site);

	if (*at == MAP_NONE) {
		*at = (uint32_t)parts->at.n;
		*array_push(&parts->at) = (struct tally_part){ .row = row, .type = type, .node = node };
	}
	parts->at.at[*at].bytes += bytes;
}

static void settle_parts(struct tally *t, struct tally_parts *parts, struct place_table *places)
{
	for (size_t i = 0; i < parts->at.n; i++) {
		const struct tally_part *p = &parts->at.at[i];
		struct tally_row *row = &t->rows.at[p->row];

		row->n_others++;
		if (row->places && p->bytes <= row->top_bytes)
			continue;
		row->places = places;
		row->type = p->type;
		row->node = p->node;
		row->top_bytes = p->bytes;
	}
	for (size_t i = 0; i < t->rows.n; i++)
		t->rows.at[i].n_others -= t->rows.at[i].n_others > 0;
	array_free(&parts->at);
	map_free(&parts->by_pair);
}

/* ---- counting ---- */

static struct tally_amount *amount_of(struct tally *t, uint32_t row, bool now)
{
	return now ? &t->rows.at[row].now : &t->rows.at[row].before;
}

static void count_one(struct tally *t, uint32_t row, const struct view *v, object_id o, bool now)
{
	struct tally_amount *amount = amount_of(t, row, now), *sum = now ? &t->now : &t->before;
	uint16_t flags = v->heap.flags[o];

	amount->count++;
	amount->bytes += v->join.bytes[o];
	sum->count++;
	sum->bytes += v->join.bytes[o];
	if (!now)
		return;
	t->rows.at[row].tracked += (flags & PT_OBJECT_TRACKED) != 0;
	t->rows.at[row].frozen += heap_is_tracked(&v->heap, o) && heap_generation(&v->heap, o) == 3;
	t->rows.at[row].interned += (flags & PT_OBJECT_INTERNED) != 0;
	t->rows.at[row].immortal += (flags & PT_OBJECT_IMMORTAL) != 0;
	t->rows.at[row].statics += (flags & PT_OBJECT_STATIC) != 0;
}

static string_id *names_of_types(struct tally *t, const struct heap *h)
{
	string_id *names = mem_zero(h->types.n + 1, sizeof *names);

	for (size_t i = 0; i < h->types.n; i++) {
		const char *name = heap_text_of(h, h->types.at[i].name);

		names[i] = strings_add(&t->strings, *name ? name : "?", *name ? strlen(name) : 1);
	}
	return names;
}

static void add_retained(struct tally *t, const struct view *v, const uint32_t *class_of, bool now)
{
	uint64_t *retained = mem_zero(t->rows.n + 1, sizeof *retained);

	dominators_retained_by(&v->dominators, class_of, (uint32_t)t->rows.n, retained);
	for (uint32_t i = 0; i < t->rows.n; i++)
		amount_of(t, i, now)->retained = retained[i];
	free(retained);
}

static void count_view(struct tally *t, struct view *v, bool now)
{
	const struct heap *h = &v->heap;
	struct sites sites = { v, mem_zero(v->places->trace->defs.stacks.nodes.n + 2, sizeof(string_id)) };
	string_id *types = names_of_types(t, h);
	uint32_t *class_of = mem_alloc(((size_t)h->n + 1) * sizeof *class_of);
	struct tally_parts parts = { 0 };

	for (object_id o = 0; o < h->n; o++) {
		string_id type = types[h->type[o]], site = site_class(t, &sites, o);

		class_of[o] = row_of(t, t->by == TALLY_TYPE ? type : site);
		count_one(t, class_of[o], v, o, now);
		if (now)
			add_part(&parts, class_of[o], type, site, v->join.node[o], v->join.bytes[o]);
		else if (!t->rows.at[class_of[o]].places) /* all of it may be gone by now */
			t->rows.at[class_of[o]] = (struct tally_row){
				.type = type,
				.node = v->join.node[o],
				.places = v->places,
				.before = t->rows.at[class_of[o]].before,
			};
	}
	if (now)
		settle_parts(t, &parts, v->places);
	add_retained(t, v, class_of, now);
	free(class_of);
	free(types);
	free(sites.of);
}

/* ---- order ---- */

static int64_t grown(uint64_t before, uint64_t now) { return (int64_t)(now - before); }

static int by_growth(const void *left, const void *right)
{
	const struct tally_row *a = left, *b = right;
	int64_t x = grown(a->before.bytes, a->now.bytes), y = grown(b->before.bytes, b->now.bytes);

	if (x != y)
		return x > y ? -1 : 1;
	x = grown(a->before.count, a->now.count);
	y = grown(b->before.count, b->now.count);
	return x != y ? (x > y ? -1 : 1) : a->type < b->type ? -1 : a->type > b->type;
}

static int by_retained(const void *left, const void *right)
{
	const struct tally_row *a = left, *b = right;

	if (a->now.retained != b->now.retained)
		return a->now.retained > b->now.retained ? -1 : 1;
	if (a->now.bytes != b->now.bytes)
		return a->now.bytes > b->now.bytes ? -1 : 1;
	return a->type < b->type ? -1 : a->type > b->type;
}

void tally_run(struct tally *t, enum tally_by by, struct view *before, struct view *now)
{
	*t = (struct tally){ .by = by };
	strings_add(&t->strings, "", 0);
	if (before)
		count_view(t, before, false);
	count_view(t, now, true);
	qsort(t->rows.at, t->rows.n, sizeof *t->rows.at, before ? by_growth : by_retained);
}

void tally_free(struct tally *t)
{
	strings_free(&t->strings);
	map_free(&t->keys);
	array_free(&t->rows);
	*t = (struct tally){ 0 };
}
