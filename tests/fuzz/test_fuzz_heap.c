/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutated snapshots through the decoder and all that is computed of a heap, under sanitizers: no crash, no hang, no
 * memory out of bounds, and what comes out keeps its promises (heap.h: every number is in its range).
 *
 * Mutants get their checksums made right again, so that they reach the decoder.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/counts/surplus.h"
#include "analyzer/heap/components.h"
#include "analyzer/heap/dominators.h"
#include "analyzer/heap/paths.h"
#include "tests/fuzz/fuzz.h"
#include "tests/synth/snap.h"

enum { ROUNDS = 1500, MAX_KIB = 1500 * 1024 };

/* ---- something to mutate: all kinds of records ---- */

static uint64_t some_place(void) { return 0x10000 + fuzz_below(60) * 32; }

static void some_object(struct snap *p)
{
	static const char *const names[] = { "a", "__dict__", "(stack)", NULL };
	uint32_t flags = (uint32_t)fuzz_below(1 << 13) & ~(uint32_t)PT_OBJECT_RAW;

	snap_object(p, flags, some_place(), (uint32_t)fuzz_below(6), fuzz_below(6), fuzz_below(300));
	for (uint64_t n = fuzz_below(6); n; n--) {
		if ((flags & PT_OBJECT_SHAPE) == PT_EDGES_NAMED)
			snap_named(p, some_place(), names[fuzz_below(4)], (unsigned)fuzz_below(4));
		else
			snap_edge(p, some_place());
	}
	for (uint64_t n = fuzz_below(8) ? 0 : fuzz_below(4); n; n--)
		snap_raw(p, some_place());
}

static void some_keeper(struct snap *p)
{
	uint64_t words[5];

	for (size_t i = 0; i < 5; i++)
		words[i] = some_place();
	snap_keeper(p, (enum pt_keeper)fuzz_below(5), some_place(), fuzz_below(100), words, fuzz_below(6));
}

static void some_records(struct snap *p, uint64_t n)
{
	static const uint32_t runs[] = { 1, 2, 3 };

	while (n--) {
		some_object(p);
		switch (fuzz_below(12)) {
		case 0: snap_text(p, some_place(), "text"); break;
		case 1: snap_fact(p, fuzz_below(2) ? "reason" : "other", fuzz_below(9)); break;
		case 2: snap_area(p, some_place(), fuzz_below(9), 3, "file", fuzz_below(9), runs, fuzz_below(4)); break;
		case 3: snap_type(p, some_place(), (uint32_t)fuzz_below(256), 32, 8, fuzz_below(40), "type"); break;
		case 4: snap_cut(p); break;
		case 5:
			snap_root(p, (enum pt_root)fuzz_below(6), "label", "detail", fuzz_below(100));
			snap_named(p, some_place(), "x", (unsigned)fuzz_below(2));
			break;
		case 6: some_keeper(p); break;
		default: break;
		}
	}
}

static struct synth *some_trace(void)
{
	struct synth *s = synth_new();

	s->zip = fuzz_below(4) == 0;
	for (uint64_t n = 1 + fuzz_below(2); n; n--) {
		struct snap *p = snap_new(s, n, n * 100);

		p->piece_bytes = 50 + fuzz_below(1000);
		snap_type(p, some_place(), PT_TYPE_GC, 48, 0, 16, "dict");
		snap_type(p, some_place(), PT_TYPE_GC, 48, 0, 16, "module");
		some_records(p, 20 + fuzz_below(100));
		if (fuzz_below(4))
			snap_end(p);
		else
			snap_stop(p);
	}
	for (uint64_t n = fuzz_below(20); n; n--)
		synth_alloc(s, 1, PT_LAYER_OBJECT, some_place() - fuzz_below(2) * 16, fuzz_below(200), 0);
	synth_pair(s, 1, PT_OP_SNAPSHOT, 1, fuzz_below(9));
	synth_end(s);
	return s;
}

/* ---- mutations ---- */

static struct pt_block *some_block(struct synth *s)
{
	for (int tries = 0; tries < 50; tries++) {
		struct pt_block *b = (struct pt_block *)(s->bytes.at + s->blocks.at[fuzz_below(s->blocks.n)]);

		if (b->kind == PT_BLOCK_SNAPSHOT)
			return b;
	}
	return NULL;
}

static void seal(struct pt_block *b)
{
	b->payload_xxh3 = pt_xxh3(b + 1, b->stored_bytes);
	pt_block_seal(b);
}

static void change_bytes(struct synth *s)
{
	static const uint8_t bytes[] = { 0, 1, 3, 4, 8, 0x7f, 0x80, 0xff };
	struct pt_block *b = some_block(s);

	if (!b || !b->stored_bytes)
		return;
	for (uint64_t n = 1 + fuzz_below(4); n; n--)
		((uint8_t *)(b + 1))[fuzz_below(b->stored_bytes)] =
			fuzz_below(2) ? bytes[fuzz_below(sizeof bytes)] : (uint8_t)fuzz_random();
	seal(b);
}

/* A huge number somewhere. */
static void change_number(struct synth *s)
{
	struct pt_block *b = some_block(s);
	uint64_t n = 1 + fuzz_below(10), at;

	if (!b || b->stored_bytes < 12)
		return;
	at = fuzz_below(b->stored_bytes - 11);
	memset((uint8_t *)(b + 1) + at, 0xff, n);
	((uint8_t *)(b + 1))[at + n] = (uint8_t)fuzz_below(128);
	seal(b);
}

static void change_place(struct synth *s)
{
	struct pt_block *b = some_block(s);

	if (!b)
		return;
	if (fuzz_below(2))
		b->n_slots = fuzz_below(8);
	else
		b->first_slot = fuzz_below(3);
	pt_block_seal(b);
}

static void cut_off(struct synth *s)
{
	struct pt_block *b = some_block(s);

	if (!b || (b->flags & PT_BLOCK_ZSTD))
		return;
	memset(b + 1, 0, b->stored_bytes / 2); /* 0 is no kind of record */
	seal(b);
}

static void (*const mutations[])(struct synth *s) = { change_bytes, change_bytes, change_number, change_place,
						      cut_off };

/* ---- what they must survive ---- */

static void look_at_edges(const struct heap *h)
{
	char text[64];

	for (object_id o = 0; o < h->n; o++) {
		assert_true(h->first[o] <= h->first[o + 1] && h->type[o] < h->types.n);
		assert_true(!o || h->address[o - 1] < h->address[o]);
		assert_int_equal(heap_find(h, h->address[o]), o);
		assert_non_null(heap_type_name(h, o));
		for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++) {
			assert_true(heap_target(h->target[e]) == HEAP_NONE || heap_target(h->target[e]) < h->n);
			assert_true(heap_edge_text(h, o, e, text, sizeof text) >= 0);
			assert_int_equal(heap_source(h, e), o);
		}
	}
	assert_int_equal(h->first[h->n], h->n_edges);
	for (size_t i = 0; i < h->roots.n; i++)
		assert_true(h->roots.at[i].first + h->roots.at[i].n <= h->root_targets.n);
	for (size_t i = 0; i < h->raws.n; i++)
		assert_true(h->raws.at[i].object < h->n);
	for (size_t i = 0; i < h->texts.n; i++)
		assert_true(h->texts.at[i].object < h->n && strlen(heap_text_of(h, h->texts.at[i].text)) < h->chars.n);
	for (size_t i = 0; i < h->areas.n; i++)
		assert_true(h->areas.at[i].first_run + h->areas.at[i].n_runs <= h->runs.n);
}

static void look_at_groups(const struct heap *h, const struct garbage *g, const struct join *j)
{
	struct groups groups;

	groups_of_garbage(&groups, h, g, j);
	for (size_t i = 0; i < groups.at.n; i++) {
		struct group_edges edges = { 0 };

		assert_true(groups.at.at[i].n > 0 && groups.at.at[i].closing.from < h->n);
		group_edges(&groups, &groups.at.at[i], &edges);
		array_free(&edges.at);
	}
	groups_free(&groups);
	groups_of_living(&groups, h, g, NULL);
	groups_free(&groups);
}

static void look_at_keepers(const struct heap *h, const struct join *j)
{
	const struct live_block some = { .addr = some_place(), .bytes = fuzz_below(100), .layer = PT_LAYER_OBJECT };
	int32_t *surplus = surplus_of(h, j);
	struct kept k;

	kept_start(&k, h);
	kept_see(&k, &some);
	kept_see_other(&k, &some);
	kept_finish(&k);
	for (object_id o = 0; o < h->n && kept_index(&k, h); o++) {
		assert_true(surplus[o] >= 0 && k.first[o] <= k.first[o + 1]);
		for (uint32_t i = k.first[o]; i < k.first[o + 1]; i++)
			kept_kind(&k, k.keepers[i]);
	}
	kept_free(&k);
	free(surplus);
}

static void look_at_heap(struct trace *t, const struct snapshot *s)
{
	const struct replay_options options = { .n_workers = 1, .no_parent = true };
	struct replay_counts counts;
	struct path chains[4];
	struct dominators d;
	struct garbage g;
	struct paths p;
	struct heap h;
	struct join j;

	heap_load(&h, t, s, (int)fuzz_below(3));
	look_at_edges(&h);
	assert_true(h.complete == !*h.trouble);
	join_init(&j, &h);
	replay_run(t, &options, (struct model *const[]){ &j.model }, 1, &counts);
	garbage_find(&g, &h, j.bytes);
	look_at_groups(&h, &g, &j);
	look_at_keepers(&h, &j);
	dominators_find(&d, &h, j.bytes, g.surplus);
	paths_find(&p, &h, g.surplus);
	for (object_id o = 0; o < h.n; o++) {
		assert_true(d.parent[o] == HEAP_NONE || d.parent[o] < h.n);
		for (uint32_t n = paths_disjoint(&p, o, 4, chains); n;)
			path_free(&chains[--n]);
	}
	paths_free(&p);
	dominators_free(&d);
	garbage_free(&g);
	join_free(&j);
	heap_free(&h);
}

static void one_round(void)
{
	struct snapshots list;
	struct synth *s;
	struct trace t;
	struct fault f;

	s = some_trace();
	for (uint64_t n = fuzz_below(5); n; n--)
		mutations[fuzz_below(sizeof mutations / sizeof *mutations)](s);
	synth_write(s, fuzz_path);
	synth_free_all(s);
	assert_int_equal(trace_open(&t, fuzz_path, &f), 0);
	snapshots_list(&list, &t);
	for (size_t i = 0; i < list.at.n; i++)
		look_at_heap(&t, &list.at.at[i]);
	snapshots_free(&list);
	trace_close(&t);
}

int main(void) { return fuzz_run("test_fuzz_heap", ROUNDS, MAX_KIB, one_round); }
