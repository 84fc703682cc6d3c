/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/heap/pieces.h"
#include "analyzer/heap/parts.h"

#define ENTRIES_LEAST 50  /* dead objects that a container refers to */
#define PIECES_MAX    255 /* numbers are bytes */

struct top {
	object_id object;
	uint32_t n; /* dead objects that it refers to */
};

struct search {
	struct pieces *p;
	const struct heap *h;
	const uint64_t *dead;
	ARRAY(struct top) tops;
	struct heap_queue queue;
	uint8_t *met;                    /* by object: the last piece that found it to be another's */
	uint32_t common[PIECES_MAX + 1]; /* by piece: objects of it to which the one in hand leads, too */
};

static bool is_dead(const struct search *s, uint32_t target) { return heap_holds(target) && bits_has(s->dead, target); }

static void list_tops(struct search *s)
{
	const struct heap *h = s->h;

	for (object_id o = 0; o < h->n; o++) {
		uint32_t n = 0;

		if (!bits_has(s->dead, o) || h->first[o + 1] - h->first[o] < ENTRIES_LEAST)
			continue;
		for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++)
			n += is_dead(s, h->target[e]);
		if (n >= ENTRIES_LEAST)
			*array_push(&s->tops) = (struct top){ o, n };
	}
}

static int by_size(const void *left, const void *right)
{
	const struct top *a = left, *b = right;

	if (a->n != b->n)
		return a->n > b->n ? -1 : 1;
	return (a->object > b->object) - (a->object < b->object);
}

static void reach(struct search *s, object_id o, uint8_t number)
{
	uint8_t of = s->p->of[o];

	if (of && of != number && s->met[o] != number) {
		s->met[o] = number;
		s->common[of]++;
	}
	if (of)
		return;
	s->p->of[o] = number;
	s->queue.at[s->queue.n++] = o;
}

static void label(struct search *s, object_id top, uint8_t number)
{
	const struct heap *h = s->h;

	reach(s, top, number);
	while (s->queue.n) {
		object_id o = s->queue.at[--s->queue.n];

		for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++)
			if (is_dead(s, h->target[e]))
				reach(s, h->target[e], number);
	}
}

/* The piece that has half as many objects in common with this one as this one's container has entries; itself. A mock
 * keeps its calls in several lists. */
static uint8_t whole_of(struct search *s, const struct top *top, uint8_t number)
{
	uint8_t most = number;

	for (unsigned i = 1; i < number; i++)
		if (s->common[i] >= ENTRIES_LEAST && s->common[i] >= top->n / 2 && s->common[i] > s->common[most])
			most = (uint8_t)i;
	return most;
}

static void label_all(struct search *s)
{
	uint8_t whole[PIECES_MAX + 1] = { 0 };

	for (size_t i = 0; i < s->tops.n && i < PIECES_MAX; i++) {
		uint8_t number = (uint8_t)(i + 1);

		memset(s->common, 0, sizeof s->common);
		label(s, s->tops.at[i].object, number);
		whole[number] = whole_of(s, &s->tops.at[i], number);
		whole[number] = whole[number] == number ? number : whole[whole[number]];
	}
	for (object_id o = 0; o < s->h->n; o++)
		s->p->of[o] = whole[s->p->of[o]];
}

void pieces_find(struct pieces *p, const struct heap *h, const uint64_t *dead)
{
	struct search s = { .p = p, .h = h, .dead = dead };

	p->of = mem_zero(h->n + 1, sizeof *p->of);
	list_tops(&s);
	if (s.tops.n > 1)
		qsort(s.tops.at, s.tops.n, sizeof *s.tops.at, by_size);
	s.queue = heap_queue_new(h);
	s.met = mem_zero(h->n + 1, sizeof *s.met);
	label_all(&s);
	free(s.met);
	heap_queue_free(&s.queue);
	array_free(&s.tops);
}

void pieces_free(struct pieces *p) { free(p->of); }
