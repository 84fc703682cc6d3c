/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots into heaps: records, pieces, damage, names of edges, and the blocks that a replay knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/heap/components.h"
#include "tests/synth/snap.h"

static char path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-heap-%d.pytrace", getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

struct loaded {
	struct trace t;
	struct snapshots list;
	struct heap h;
};

static void load(struct loaded *l, struct synth *s, uint64_t number)
{
	struct fault f;

	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(trace_open(&l->t, path, &f), 0);
	snapshots_list(&l->list, &l->t);
	assert_non_null(snapshots_find(&l->list, number));
	heap_load(&l->h, &l->t, snapshots_find(&l->list, number), 2);
}

static void done(struct loaded *l)
{
	heap_free(&l->h);
	snapshots_free(&l->list);
	trace_close(&l->t);
}

static uint32_t dict_type(struct snap *p) { return snap_type(p, 0x2000, PT_TYPE_GC, 48, 0, 16, "dict"); }

/* One object with no edges. */
static void plain(struct snap *p, uint64_t address, uint32_t type)
{
	snap_object(p, PT_EDGES_PLAIN, address, type, 1, 32);
}

/* ---- what is in the records ---- */

static void columns_hold_what_was_written(void **state)
{
	struct synth *s = synth_new();
	struct snap *p = snap_new(s, 1, 7000);
	struct loaded l;
	uint64_t value;
	uint32_t type, runs[] = { 3, 1, 2 };

	(void)state;
	s->zip = true;
	snap_fact(p, "reason", PT_SNAPSHOT_TIMER);
	snap_fact(p, "answer", 42);
	type = snap_type(p, 0x5000, PT_TYPE_GC | PT_TYPE_LEGACY, 40, 8, 16, "app.Thing");
	snap_object(p, PT_OBJECT_TRACKED | PT_OBJECT_FINALIZED | 1 << PT_OBJECT_GENERATION_SHIFT, 0x9000, type, 5, 48);
	snap_object(p, PT_OBJECT_IMMORTAL, 0x5000, 0, 0, 1064);
	snap_object(p, 0, 0x7008, type, UINT64_C(1) << 40, 16);
	snap_area(p, 0x4000, 6, 3, "libfoo.so", 5, runs, 3);
	snap_end(p);
	synth_end(s);
	load(&l, s, 0);

	assert_true(l.h.complete);
	assert_string_equal(l.h.trouble, "");
	assert_int_equal(l.h.ns, 7000);
	assert_int_equal(l.h.reason, PT_SNAPSHOT_TIMER);
	assert_int_equal(l.list.at.at[0].reason, PT_SNAPSHOT_TIMER);
	assert_int_equal(l.list.at.at[0].objects, 3);
	assert_string_equal(snapshot_reason_text(l.h.reason), "timer");
	assert_true(heap_fact(&l.h, "answer", &value) && value == 42);
	assert_false(heap_fact(&l.h, "question", &value));
	assert_int_equal(l.h.n, 3);
	assert_int_equal(l.h.address[0], 0x5000);
	assert_int_equal(l.h.address[1], 0x7008);
	assert_int_equal(l.h.address[2], 0x9000);
	assert_int_equal(l.h.refcount[0], 0);
	assert_int_equal(l.h.refcount[1], UINT32_MAX);
	assert_int_equal(l.h.refcount[2], 5);
	assert_int_equal(l.h.bytes[2], 48);
	assert_true(heap_is_tracked(&l.h, 2) && !heap_is_tracked(&l.h, 1));
	assert_int_equal(heap_generation(&l.h, 2), 1);
	assert_int_equal(heap_block(&l.h, 2), 0x9000 - 16);
	assert_string_equal(heap_type_name(&l.h, 2), "app.Thing");
	assert_string_equal(heap_type_name(&l.h, 0), "?");
	assert_int_equal(l.h.types.at[1].object, 0);
	assert_int_equal(l.h.types.at[1].n, 2);
	assert_int_equal(l.h.types.at[1].bytes, 64);
	assert_int_equal(l.h.types.at[1].flags, PT_TYPE_GC | PT_TYPE_LEGACY);
	assert_int_equal(l.h.total_bytes, 48 + 1064 + 16);
	assert_int_equal(l.h.areas.n, 1);
	assert_string_equal(heap_text_of(&l.h, l.h.areas.at[0].file), "libfoo.so");
	assert_int_equal(l.h.areas.at[0].resident_pages, 5);
	assert_int_equal(l.h.areas.at[0].n_runs, 3);
	assert_int_equal(l.h.runs.at[l.h.areas.at[0].first_run + 2], 2);
	assert_int_equal(heap_find(&l.h, 0x7008), 1);
	assert_int_equal(heap_find(&l.h, 0x7000), HEAP_NONE);
	assert_int_equal(heap_find(&l.h, 0x7009), HEAP_NONE);
	assert_int_equal(heap_find(&l.h, UINT64_MAX), HEAP_NONE);
	done(&l);
}

static void check_name(const struct heap *h, uint64_t from, uint32_t n, const char *wanted)
{
	object_id o = heap_find(h, from);
	char text[100];

	heap_edge_text(h, o, h->first[o] + n, text, sizeof text);
	assert_string_equal(text, wanted);
}

static void edges_have_names(void **state)
{
	struct synth *s = synth_new();
	struct snap *p = snap_new(s, 1, 1);
	uint32_t dict = dict_type(p), str = snap_type(p, 0x3000, 0, 40, 1, 0, "str");
	uint32_t number = snap_type(p, 0x3100, 0, 24, 4, 0, "int"),
		 point = snap_type(p, 0x3200, 0, 32, 0, 0, "app.Point");
	struct loaded l;

	(void)state;
	snap_object(p, PT_EDGES_PAIRS, 0x10000, dict, 1, 64);
	snap_edge(p, 0x11000);
	snap_edge(p, 0x10000);
	snap_edge(p, 0x11040);
	snap_edge(p, 0x11080);
	snap_edge(p, 0x11080);
	snap_edge(p, 0x11000);
	snap_object(p, PT_EDGES_INDEXED, 0x10040, dict, 1, 64);
	snap_edge(p, 0x10000);
	snap_edge(p, 0x66000);
	snap_object(p, PT_EDGES_NAMED, 0x10080, dict, 1, 64);
	snap_named(p, 0x10000, "session", 0);
	snap_named(p, 0x10040, "(closure 0)", PT_EDGE_UNTRAVERSED);
	snap_named(p, 0x10040, NULL, 0);
	snap_named(p, 0x10040, "weak", PT_EDGE_UNCOUNTED);
	snap_object(p, PT_EDGES_PLAIN, 0x100c0, dict, 1, 64);
	snap_edge(p, 0x10000);
	snap_object(p, PT_EDGES_PLAIN, 0x11000, str, 1, 64);
	snap_text(p, 0x11000, "u17");
	snap_object(p, PT_EDGES_PLAIN, 0x11040, number, 1, 64);
	snap_text(p, 0x11040, "17");
	snap_object(p, PT_EDGES_PLAIN, 0x11080, point, 1, 64);
	snap_text(p, 0x77000, "nobody");
	snap_root(p, PT_ROOT_FRAME, "main", "app.py", 12);
	snap_named(p, 0x10080, "x", 0);
	snap_end(p);
	synth_end(s);
	load(&l, s, 1);

	check_name(&l.h, 0x10000, 0, " (key 'u17')");
	check_name(&l.h, 0x10000, 1, "['u17']");
	check_name(&l.h, 0x10000, 3, "[17]");
	check_name(&l.h, 0x10000, 5, "[<app.Point>]");
	check_name(&l.h, 0x10040, 1, "[1]");
	check_name(&l.h, 0x10080, 0, ".session");
	check_name(&l.h, 0x10080, 1, "<(closure 0)>");
	check_name(&l.h, 0x10080, 2, "");
	check_name(&l.h, 0x10080, 3, ".weak");
	check_name(&l.h, 0x100c0, 0, "");
	assert_int_equal(l.h.n_edges, 13);
	assert_int_equal(l.h.n_unknown_edges, 1);
	assert_int_equal(l.h.target[l.h.first[1] + 1], HEAP_NONE);
	assert_int_equal(l.h.target[l.h.first[2] + 3], 1 | HEAP_WEAK);
	assert_false(heap_holds(l.h.target[l.h.first[2] + 3]) || heap_holds(HEAP_NONE));
	assert_int_equal(heap_target(l.h.target[l.h.first[2] + 3]), 1);
	assert_int_equal(l.h.label[l.h.first[2] + 1] & 3, PT_EDGE_UNTRAVERSED);
	assert_string_equal(heap_name(&l.h, heap_find(&l.h, 0x11000)), "u17");
	assert_null(heap_name(&l.h, 0));
	assert_int_equal(l.h.texts.n, 2);
	for (uint32_t e = 0; e < l.h.n_edges; e++)
		assert_in_range(e, l.h.first[heap_source(&l.h, e)], l.h.first[heap_source(&l.h, e) + 1] - 1);
	assert_int_equal(l.h.roots.at[0].kind, PT_ROOT_FRAME);
	assert_string_equal(heap_text_of(&l.h, l.h.roots.at[0].label), "main");
	assert_string_equal(heap_text_of(&l.h, l.h.roots.at[0].detail), "app.py");
	assert_int_equal(l.h.root_targets.at[0], 2);
	assert_string_equal(heap_text_of(&l.h, l.h.root_labels.at[0] >> 2), "x");
	done(&l);
}

/* ---- pieces ---- */

static void snapshots_may_interleave(void **state)
{
	struct synth *s = synth_new();
	struct snap *a = snap_new(s, 1, 10), *b = snap_new(s, 2, 20);
	struct loaded l;

	(void)state;
	for (uint64_t i = 0; i < 50; i++) {
		plain(a, 0x10000 + i * 64, 0);
		plain(b, 0x90000 + i * 32, 0);
		if (i % 5 == 0)
			snap_cut(a);
		if (i % 7 == 0)
			snap_cut(b);
		if (i % 9 == 0)
			synth_flush(s, 1);
	}
	snap_end(b);
	snap_end(a);
	synth_end(s);
	load(&l, s, 0);
	assert_int_equal(l.list.at.n, 2);
	assert_int_equal(l.h.snapshot, 2);
	assert_int_equal(l.list.at.at[0].n_pieces, 11);
	assert_true(l.h.complete);
	assert_int_equal(l.h.n, 50);
	assert_int_equal(heap_find(&l.h, 0x90000 + 49 * 32), 49);
	heap_free(&l.h);
	heap_load(&l.h, &l.t, snapshots_find(&l.list, 1), 0);
	assert_int_equal(l.h.n, 50);
	assert_int_equal(l.h.ns, 10);
	assert_null(snapshots_find(&l.list, 3));
	assert_true(trace_is_complete(&l.t));
	done(&l);
}

static void a_writer_that_was_killed_is_read_as_far_as_it_came(void **state)
{
	struct synth *s = synth_new();
	struct snap *p = snap_new(s, 1, 10);
	struct loaded l;

	(void)state;
	for (uint64_t i = 0; i < 9; i++)
		plain(p, 0x10000 + i * 64, 0);
	snap_stop(p);
	synth_end(s);
	load(&l, s, 0);
	assert_false(l.list.at.at[0].complete || l.h.complete);
	assert_non_null(strstr(l.h.trouble, "its end is missing"));
	assert_int_equal(l.h.n, 9);
	done(&l);
}

/* Ten pieces of ten objects; then one of the pieces is broken, or taken out. */
static struct synth *ten_pieces(void)
{
	struct synth *s = synth_new();
	struct snap *p = snap_new(s, 1, 10);

	for (uint64_t i = 0; i < 100; i++) {
		plain(p, 0x10000 + i * 64, 0);
		if (i % 10 == 9)
			snap_cut(p);
	}
	snap_end(p);
	synth_end(s);
	return s;
}

static struct pt_block *piece_at(struct synth *s, uint64_t number)
{
	for (size_t i = 0; i < s->blocks.n; i++) {
		struct pt_block *b = (struct pt_block *)(s->bytes.at + s->blocks.at[i]);

		if (b->kind == PT_BLOCK_SNAPSHOT && b->n_slots == number)
			return b;
	}
	return NULL;
}

static void a_damaged_piece_ends_the_snapshot(void **state)
{
	struct synth *s = ten_pieces();
	struct loaded l;

	(void)state;
	((uint8_t *)(piece_at(s, 4) + 1))[5] ^= 1;
	load(&l, s, 0);
	assert_int_equal(l.h.n, 40);
	assert_false(l.h.complete);
	assert_string_equal(l.h.trouble, "piece 5 of 11 has a wrong checksum; what comes after it was left out");
	done(&l);
}

static void a_missing_piece_ends_the_snapshot(void **state)
{
	struct synth *s = ten_pieces();
	struct pt_block *b = piece_at(s, 4);
	struct loaded l;

	(void)state;
	b->n_slots = 77;
	pt_block_seal(b);
	load(&l, s, 0);
	assert_int_equal(l.h.n, 40);
	assert_false(l.h.complete || l.list.at.at[0].complete);
	assert_int_equal(l.list.at.at[0].n_pieces, 4);
	done(&l);
}

static void nonsense_ends_the_snapshot(void **state)
{
	static const uint8_t lists[][8] = {
		{ 99 },                                      /* no kind of record */
		{ PT_RECORD_STRING, 100, 'x' },              /* a text longer than the piece */
		{ PT_RECORD_OBJECT, 0, 2, 1, 1, 1, 90 },     /* more edges than bytes */
		{ PT_RECORD_ROOT, 1, 0, 0, 0, 2, 1, 1 },     /* an edge without its end */
		{ PT_RECORD_OBJECT, 0x80, 0x80, 0x80, 0x80 } /* a number without its end */
	};
	static const size_t bytes[] = { 1, 3, 7, 8, 5 };

	(void)state;
	for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
		struct synth *s = synth_new();
		struct snap *p = snap_new(s, 1, 10);
		struct loaded l;

		plain(p, 0x10000, 0);
		snap_bytes(p, lists[i], bytes[i]);
		snap_cut(p);
		plain(p, 0x20000, 0);
		snap_end(p);
		synth_end(s);
		load(&l, s, 0);
		assert_int_equal(l.h.n, 1);
		assert_false(l.h.complete);
		assert_non_null(strstr(l.h.trouble, "holds a record that makes no sense"));
		done(&l);
	}
}

static void what_can_not_be_is_dropped_and_counted(void **state)
{
	struct synth *s = synth_new();
	struct snap *p = snap_new(s, 1, 10);
	struct loaded l;

	(void)state;
	plain(p, 0x10000, 99); /* a type that was not defined */
	snap_object(p, PT_EDGES_NAMED, 0x10000, 0, 7, 1);
	snap_named(p, 0x10000, "again", 0);
	snap_object(p, PT_EDGES_PLAIN, 0x10001, 0, 1, 1);
	snap_object(p, PT_EDGES_PLAIN, 0, 0, 1, 1);
	snap_object(p, PT_EDGES_PLAIN, UINT64_C(1) << 50, 0, 1, 1);
	snap_object(p, PT_EDGES_PLAIN, 0x20000, 0, 1, 1);
	snap_edge(p, 0x10000);
	snap_edge(p, 0x10001);
	snap_edge(p, UINT64_C(1) << 50);
	snap_end(p);
	synth_end(s);
	load(&l, s, 0);
	assert_int_equal(l.h.n, 2);
	assert_int_equal(l.h.n_bad, 4);
	assert_int_equal(l.h.refcount[0], 1);
	assert_int_equal(l.h.type[0], 0);
	assert_int_equal(l.h.n_edges, 3);
	assert_int_equal(l.h.n_unknown_edges, 2);
	assert_int_equal(l.h.target[0], 0);
	assert_true(l.h.complete);
	done(&l);
}

static void an_empty_snapshot_is_one(void **state)
{
	struct synth *s = synth_new();
	struct garbage g;
	struct loaded l;

	(void)state;
	snap_end(snap_new(s, 1, 10));
	synth_end(s);
	load(&l, s, 0);
	assert_true(l.h.complete);
	assert_int_equal(l.h.n, 0);
	assert_int_equal(heap_find(&l.h, 0x10000), HEAP_NONE);
	garbage_find(&g, &l.h, NULL);
	garbage_free(&g);
	done(&l);
}

/* ---- many ---- */

static void threads_make_no_difference(void **state)
{
	enum { N = 60000 };
	struct synth *s = synth_new();
	struct snap *p = snap_new(s, 1, 10);
	struct loaded l;
	struct heap one;
	uint64_t r = 12345;

	(void)state;
	s->zip = true;
	p->piece_bytes = 5000;
	for (uint64_t i = 0; i < N; i++) {
		uint64_t at = 0x100000 + (i * 7919 % N) * 48;

		if (i % 1000 == 0)
			snap_type(p, 0x1000 + i, PT_TYPE_GC, i, 0, 0, i % 2000 ? "even" : "odd");
		snap_object(p, PT_EDGES_NAMED, at, (uint32_t)(1 + i / 1000), 1 + i % 5, i);
		for (uint64_t k = i % 4; k; k--) {
			r = r * UINT64_C(6364136223846793005) + 1;
			snap_named(p, 0x100000 + (r >> 33) % N * 48 + (r >> 60 == 0), k % 2 ? "odd" : "even", r >> 62);
		}
		if (i % 10 == 3)
			snap_raw(p, 0x100000 + (r >> 40) % N * 48);
	}
	snap_end(p);
	synth_end(s);
	load(&l, s, 0);
	heap_load(&one, &l.t, snapshots_find(&l.list, 0), 1);
	assert_true(one.complete && l.h.complete);
	assert_int_equal(one.n, N);
	assert_int_equal(one.n_edges, l.h.n_edges);
	assert_memory_equal(one.address, l.h.address, N * sizeof *one.address);
	assert_memory_equal(one.type, l.h.type, N * sizeof *one.type);
	assert_memory_equal(one.bytes, l.h.bytes, N * sizeof *one.bytes);
	assert_memory_equal(one.first, l.h.first, (N + 1) * sizeof *one.first);
	assert_memory_equal(one.target, l.h.target, one.n_edges * sizeof *one.target);
	assert_memory_equal(one.label, l.h.label, one.n_edges * sizeof *one.label);
	assert_int_equal(one.n_unknown_edges, l.h.n_unknown_edges);
	assert_true(one.n_unknown_edges > 1000);
	assert_int_equal(one.raws.n, N / 10);
	for (size_t i = 0; i < one.raws.n; i++) {
		assert_int_equal(one.raws.at[i].object, l.h.raws.at[i].object);
		assert_int_equal(one.raws.at[i].target, l.h.raws.at[i].target);
		assert_true(!i || one.raws.at[i - 1].object < one.raws.at[i].object);
	}
	for (uint32_t o = 0; o < N; o++)
		assert_int_equal(heap_find(&one, 0x100000 + o * 48), o);
	heap_free(&one);
	done(&l);
}

/* ---- blocks ---- */

struct joined {
	struct loaded l;
	struct join j;
};

static void join(struct joined *x, struct synth *s)
{
	struct replay_counts counts;
	const struct replay_options options = { .n_workers = 1, .no_parent = true };
	struct model *models[] = { &x->j.model };

	load(&x->l, s, 0);
	join_init(&x->j, &x->l.h);
	replay_run(&x->l.t, &options, models, 1, &counts);
}

static void objects_find_their_blocks_and_buffers(void **state)
{
	struct synth *s = synth_new();
	struct snap *p;
	struct joined x;
	uint32_t list, str;
	size_t n;

	(void)state;
	synth_code(s, 1, 1, "app.py", "make", 3);
	synth_frame(s, 1, 1, 0, 1, PT_OFFSET_NONE);
	synth_at(s, 100);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x10000, 56, 1); /* the list, behind its header */
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x20000, 50, 1); /* the text */
	synth_at(s, 200);
	synth_alloc(s, 1, PT_LAYER_MEM, 0x30000, 800, 1);   /* the list's items */
	synth_alloc(s, 1, PT_LAYER_MEM, 0x31000, 100, 1);   /* claimed by both */
	synth_alloc(s, 1, PT_LAYER_MALLOC, 0x32000, 10, 1); /* by nobody */
	synth_alloc(s, 1, PT_LAYER_MEM, 0x33000, 1000, 1);  /* freed before */
	synth_free(s, 1, PT_LAYER_MEM, 0x33000, 1);
	synth_at(s, 300);
	synth_pair(s, 1, PT_OP_SNAPSHOT, 1, PT_SNAPSHOT_SIGNAL);
	synth_at(s, 400);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x10000, 1);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x10000, 9999, 1);
	p = snap_new(s, 1, 300);
	list = snap_type(p, 0x2000, PT_TYPE_GC, 40, 0, 16, "list");
	str = snap_type(p, 0x3000, 0, 40, 1, 0, "str");
	snap_object(p, PT_EDGES_INDEXED | PT_OBJECT_TRACKED, 0x10010, list, 1, 40);
	snap_edge(p, 0x20000);
	snap_raw(p, 0x30000);
	snap_raw(p, 0x31000);
	snap_raw(p, 0x33000);
	snap_raw(p, 0x20000);
	snap_object(p, PT_EDGES_PLAIN, 0x20000, str, 1, 49);
	snap_raw(p, 0x31000);
	snap_object(p, PT_OBJECT_STATIC, 0x600000, str, 1, 77);
	snap_end(p);
	synth_end(s);
	join(&x, s);

	assert_true(x.j.found);
	assert_int_equal(x.j.ns, 300);
	assert_int_equal(x.l.h.reason, PT_SNAPSHOT_SIGNAL);
	assert_int_equal(x.j.bytes[0], 56 + 800);
	assert_int_equal(x.j.bytes[1], 50);
	assert_int_equal(x.j.bytes[2], 77);
	assert_int_equal(x.j.born_ns[0], 100);
	assert_int_equal(x.j.number[0], 1);
	assert_int_equal(x.j.number[1], 2);
	assert_int_equal(x.j.node[0], defs_node(&x.l.t.defs, 1));
	assert_int_equal(x.j.node[2], NODE_UNKNOWN);
	assert_int_equal(x.j.last_number, 6);
	assert_int_equal(x.j.n_joined, 2);
	assert_int_equal(x.j.n_buffers, 1);
	assert_int_equal(x.j.buffer_bytes, 800);
	assert_int_equal(x.j.n_other, 2);
	assert_int_equal(x.j.other_bytes, 110);
	assert_int_equal(x.j.joined_bytes, 56 + 50 + 800);
	assert_int_equal(join_buffers(&x.j, 0, &n)->address, 0x30000);
	assert_int_equal(n, 1);
	assert_int_equal(join_buffers(&x.j, 0, &n)->born_ns, 200);
	join_buffers(&x.j, 1, &n);
	assert_int_equal(n, 0);
	join_free(&x.j);
	done(&x.l);
}

/* Blocks that a type keeps: the object's line and birth are those of the rebirth, if it was in this very block. */
static void a_rebirth_is_the_birth(void **state)
{
	struct synth *s = synth_new();
	struct snap *p;
	struct joined x;
	uint32_t list;

	(void)state;
	for (uint32_t i = 1; i <= 2; i++) {
		synth_code(s, 1, i, "app.py", "make", i);
		synth_frame(s, 1, i, 0, i, PT_OFFSET_NONE);
	}
	synth_at(s, 100);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x10000, 56, 1);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x20000, 56, 1);
	synth_at(s, 200);
	synth_pair(s, 1, PT_OP_REUSE, 0x10010, UINT64_C(2) << 32);
	synth_pair(s, 1, PT_OP_REUSE, 0x20010, UINT64_C(2) << 32);
	synth_at(s, 300);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x20000, 1);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x20000, 56, 1);
	synth_pair(s, 1, PT_OP_SNAPSHOT, 1, PT_SNAPSHOT_EXIT);
	p = snap_new(s, 1, 300);
	list = snap_type(p, 0x2000, PT_TYPE_GC | PT_TYPE_FREE_LIST, 40, 0, 16, "list");
	plain(p, 0x10010, list);
	plain(p, 0x20010, list);
	snap_end(p);
	synth_end(s);
	join(&x, s);
	assert_int_equal(x.j.n_reborn, 1);
	assert_int_equal(x.j.node[0], defs_node(&x.l.t.defs, 2));
	assert_int_equal(x.j.born_ns[0], 200);
	assert_int_equal(x.j.number[0], 2);
	assert_int_equal(x.j.bytes[0], 56);
	assert_int_equal(x.j.node[1], defs_node(&x.l.t.defs, 1));
	assert_int_equal(x.j.born_ns[1], 300);
	join_free(&x.j);
	done(&x.l);
}

/* A parent with two children that lead back to it: the list of children is the one edge that frees all; it is older. A
 * pair: the younger one leads back. */
static void the_closing_edge_is_the_one_to_cut(void **state)
{
	struct synth *s = synth_new();
	struct snap *p;
	struct joined x;
	struct garbage g;
	struct groups groups;
	struct group *group;
	uint32_t node, list;

	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		synth_alloc(s, 1, PT_LAYER_OBJECT, 0x10000 + i * 0x40, 64, 0);
	synth_pair(s, 1, PT_OP_SNAPSHOT, 1, PT_SNAPSHOT_EXIT);
	p = snap_new(s, 1, 1);
	node = snap_type(p, 0x2000, PT_TYPE_GC, 40, 0, 0, "app.Node");
	list = snap_type(p, 0x2100, PT_TYPE_GC, 40, 0, 0, "list");
	for (uint64_t pair = 0; pair < 2; pair++) { /* objects 0, 1 and 2, 3 */
		uint64_t old = 0x10000 + pair * 0x80, young = old + 0x40;

		snap_object(p, PT_EDGES_NAMED | PT_OBJECT_TRACKED, old, node, 1, 64);
		snap_named(p, young, "child", 0);
		snap_object(p, PT_EDGES_NAMED | PT_OBJECT_TRACKED, young, node, 1, 64);
		snap_named(p, old, "parent", 0);
	}
	snap_object(p, PT_EDGES_NAMED | PT_OBJECT_TRACKED, 0x10100, node, 2, 64); /* 4, its list 5, 6 and 7 */
	snap_named(p, 0x10140, "children", 0);
	snap_object(p, PT_EDGES_INDEXED | PT_OBJECT_TRACKED, 0x10140, list, 1, 64);
	snap_edge(p, 0x10180);
	snap_edge(p, 0x101c0);
	for (uint64_t i = 6; i < 8; i++) {
		snap_object(p, PT_EDGES_NAMED | PT_OBJECT_TRACKED, 0x10000 + i * 0x40, node, 1, 64);
		snap_named(p, 0x10100, "parent", 0);
	}
	snap_end(p);
	synth_end(s);
	join(&x, s);
	garbage_find(&g, &x.l.h, x.j.bytes);
	assert_int_equal(g.n[GARBAGE_COLLECTABLE], 8);
	groups_of_garbage(&groups, &x.l.h, &g, &x.j);
	assert_int_equal(groups.at.n, 3);
	assert_int_equal(groups.rows.n, 2);
	assert_int_equal(groups.rows.at[0].count, 2);
	assert_int_equal(groups.rows.at[0].bytes, 256);
	assert_int_equal(groups.rows.at[1].count, 1);
	assert_int_equal(groups.rows.at[1].example, 2);
	assert_int_equal(groups.rows.at[1].bytes, 256);
	for (uint32_t i = 0; i < 2; i++) {
		group = &groups.at.at[i];
		assert_int_equal(group->closing.from, 2 * i + 1);
		assert_int_equal(group->closing.to, 2 * i);
		assert_int_equal(group->cut_objects, 2);
	}
	group = &groups.at.at[2];
	assert_int_equal(group->closing.from, 4);
	assert_int_equal(group->closing.to, 5);
	assert_int_equal(group->cut_bytes, 256);
	groups_free(&groups);
	garbage_free(&g);
	join_free(&x.j);
	done(&x.l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_hold_what_was_written),
		cmocka_unit_test(edges_have_names),
		cmocka_unit_test(snapshots_may_interleave),
		cmocka_unit_test(a_writer_that_was_killed_is_read_as_far_as_it_came),
		cmocka_unit_test(a_damaged_piece_ends_the_snapshot),
		cmocka_unit_test(a_missing_piece_ends_the_snapshot),
		cmocka_unit_test(nonsense_ends_the_snapshot),
		cmocka_unit_test(what_can_not_be_is_dropped_and_counted),
		cmocka_unit_test(an_empty_snapshot_is_one),
		cmocka_unit_test(threads_make_no_difference),
		cmocka_unit_test(objects_find_their_blocks_and_buffers),
		cmocka_unit_test(a_rebirth_is_the_birth),
		cmocka_unit_test(the_closing_edge_is_the_one_to_cut),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
