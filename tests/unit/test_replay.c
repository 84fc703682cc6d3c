/* SPDX-License-Identifier: Apache-2.0 */
/* Order and pairing: events to batches, batches to births and deaths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/models/account.h"
#include "analyzer/replay/order.h"
#include "tests/synth/synth.h"

enum { ALLOC_MALLOC = PT_ALLOC << 4 | PT_LAYER_MALLOC };
#define OP(kind, layer) pt_memory_op(PT_##kind, PT_LAYER_##layer)

static char path[64], child_path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-replay-%d.pytrace", getpid());
	snprintf(child_path, sizeof child_path, "/tmp/pytrace-replay-%d-child.pytrace", getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	unlink(child_path);
	return 0;
}

/* Writes and frees the synthetic trace, opens it, accounts. */
struct played {
	struct trace t;
	struct account a;
};

static void play_file(struct played *p, const char *file)
{
	const struct account_options options = { .survivors = true };
	struct fault f;

	assert_int_equal(trace_open(&p->t, file, &f), 0);
	account_run(&p->a, &p->t, &options);
}

static void play(struct played *p, struct synth *s)
{
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	play_file(p, path);
}

static void done(struct played *p)
{
	account_free(&p->a);
	trace_close(&p->t);
}

/* ---- order ---- */

/* Events of several threads, packed now and then, come back in the order in which they were made. */
static void check_order(int n_workers, uint32_t n_threads, int every)
{
	struct synth *s = synth_new();
	struct trace t;
	struct fault f;
	struct order *o;
	struct batch b;
	uint64_t n = 30000, seed = 1, expected = 1, first = 0;

	for (uint64_t i = 1; i <= n; i++) {
		uint32_t thread;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		thread = 1 + (uint32_t)(seed >> 33) % n_threads;
		synth_at(s, i / 7);
		synth_alloc(s, thread, PT_LAYER_MALLOC, i * 16, i, 0);
		if (seed >> 40 & 1) {
			i++;
			synth_alloc(s, thread, PT_LAYER_MALLOC, i * 16, i, 0);
		}
		if ((seed >> 33) % (unsigned)every == 0)
			synth_flush(s, thread);
	}
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(trace_open(&t, path, &f), 0);
	o = order_new(&t, n_workers);
	while (order_next(o, &b)) {
		assert_int_equal(b.first, first);
		first += b.n;
		for (size_t i = 0; i < b.n; i++) {
			if (b.events[i].op != ALLOC_MALLOC)
				continue;
			assert_int_equal(b.events[i].size, expected);
			assert_int_equal(b.events[i].addr, expected * 16);
			assert_true(b.ns >= (expected - 1) / 7 && b.ns <= expected / 7);
			expected++;
		}
	}
	assert_true(expected > n);
	assert_int_equal(order_bytes_done(o), order_bytes_total(o));
	assert_int_equal(t.troubles.n, 0);
	order_free(o);
	trace_close(&t);
}

static void order_of_one_thread(void **state)
{
	(void)state;
	check_order(0, 1, 100);
}
static void order_of_many_threads_alone(void **state)
{
	(void)state;
	check_order(0, 9, 50);
}
static void order_of_many_threads_with_workers(void **state)
{
	(void)state;
	check_order(3, 9, 50);
}
static void order_of_tiny_blocks(void **state)
{
	(void)state;
	check_order(2, 40, 3);
}

static void order_can_be_left_early(void **state)
{
	struct synth *s = synth_new();
	struct trace t;
	struct fault f;
	struct batch b;

	(void)state;
	for (uint64_t i = 0; i < 5000; i++) {
		synth_alloc(s, 1 + (uint32_t)(i % 3), PT_LAYER_MALLOC, i * 16, 1, 0);
		if (i % 100 == 0)
			synth_flush(s, 1 + (uint32_t)(i % 3));
	}
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(trace_open(&t, path, &f), 0);
	for (int n = 0; n < 200; n += 13) {
		struct order *o = order_new(&t, n % 4);

		for (int i = 0; i < n; i++)
			assert_int_equal(order_next(o, &b), 1);
		order_free(o);
	}
	trace_close(&t);
}

/* ---- blocks ---- */

static void free_of_an_unknown_block_is_counted_and_harmless(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 64, 0);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x5000, 0);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x1000, 0);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x1000, 0);
	play(&p, s);
	assert_int_equal(p.a.counts.unknown_frees, 2);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 0);
	assert_int_equal(p.a.total.bytes, 64);
	done(&p);
}

static void address_handed_out_twice_had_a_lost_free(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 64, 0);
	synth_alloc(s, 1, PT_LAYER_MALLOC, 0x1000, 10, 0);
	play(&p, s);
	assert_int_equal(p.a.counts.lost_frees, 1);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 10);
	assert_int_equal(p.a.at[ACCOUNT_LAST].blocks, 1);
	done(&p);
}

static void any_address_can_hold_a_block(void **state)
{
	static const uint64_t addresses[] = { 0,
					      1,
					      8,
					      15,
					      16,
					      0x1008,
					      0x1000,
					      0xffff,
					      UINT64_C(0x7fffffffffff),
					      UINT64_C(0xffffffffffff),
					      UINT64_C(0xfffffffffff0),
					      UINT64_C(1) << 30 };
	enum { N = sizeof addresses / sizeof *addresses };
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	for (size_t i = 0; i < N; i++)
		synth_alloc(s, 1, PT_LAYER_MALLOC, addresses[i], i + 1, 0);
	for (size_t i = 0; i < N; i += 2)
		synth_free(s, 1, PT_LAYER_MALLOC, addresses[i], 0);
	play(&p, s);
	assert_int_equal(p.a.counts.unknown_frees + p.a.counts.lost_frees, 0);
	assert_int_equal(p.a.at[ACCOUNT_LAST].blocks, N / 2);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 2 + 4 + 6 + 8 + 10 + 12);
	done(&p);
}

static void sizes_beyond_32_bits_survive(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_alloc(s, 1, PT_LAYER_MALLOC, 0x1000, UINT64_C(5) << 32, 0);
	synth_alloc(s, 1, PT_LAYER_MALLOC, 0x2000, UINT32_MAX, 0);
	play(&p, s);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, (UINT64_C(5) << 32) + UINT32_MAX);
	done(&p);
}

static void arena_holds_blocks_without_a_clash(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_alloc(s, 1, PT_LAYER_ARENA, 0x40000, 262144, 0);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x40000, 32, 0);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x40000, 0);
	play(&p, s);
	assert_int_equal(p.a.counts.lost_frees, 0);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 0);
	assert_int_equal(p.a.layers[PT_LAYER_ARENA].at[ACCOUNT_LAST].bytes, 262144);
	done(&p);
}

/* ---- realloc ---- */

static void moved_block_keeps_the_birth_of_its_chain(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_at(s, 100);
	synth_alloc(s, 1, PT_LAYER_MALLOC, 0x1000, 10, 0);
	for (uint64_t i = 1; i <= 5; i++) {
		synth_at(s, 100 + i * 10);
		synth_memory(s, 1, OP(MOVE_BEGIN, MALLOC), 0xf00 + i * 0x100, 0, 0);
		synth_memory(s, 1, OP(MOVE_END, MALLOC), 0x1000 + i * 0x100, 10 + i, 0);
	}
	play(&p, s);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 15);
	assert_int_equal(p.a.at[ACCOUNT_LAST].blocks, 1);
	assert_int_equal(p.a.survivors.n, 1);
	assert_int_equal(p.a.survivors.at[0].first_ns, 100);
	assert_int_equal(p.a.survivors.at[0].born_ns, 150);
	assert_int_equal(p.a.total.blocks, 6);
	assert_int_equal(p.a.temporary.blocks, 0);
	assert_int_equal(p.a.counts.unmatched_moves, 0);
	done(&p);
}

static void address_of_a_moving_block_may_be_taken_by_another_thread(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_alloc(s, 1, PT_LAYER_MALLOC, 0x1000, 100, 0);
	synth_memory(s, 1, OP(MOVE_BEGIN, MALLOC), 0x1000, 0, 0);
	synth_alloc(s, 2, PT_LAYER_MALLOC, 0x1000, 7, 0);
	synth_memory(s, 1, OP(MOVE_END, MALLOC), 0x2000, 200, 0);
	synth_free(s, 2, PT_LAYER_MALLOC, 0x1000, 0);
	play(&p, s);
	assert_int_equal(p.a.counts.lost_frees + p.a.counts.unknown_frees, 0);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 200);
	assert_int_equal(p.a.at[ACCOUNT_PEAK].bytes, 207);
	done(&p);
}

static void failed_realloc_leaves_the_block(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_alloc(s, 1, PT_LAYER_MALLOC, 0x1000, 100, 0);
	synth_memory(s, 1, OP(MOVE_BEGIN, MALLOC), 0x1000, 0, 0);
	synth_memory(s, 1, OP(MOVE_FAIL, MALLOC), 0x1000, 0, 0);
	synth_free(s, 1, PT_LAYER_MALLOC, 0x1000, 0);
	play(&p, s);
	assert_int_equal(p.a.counts.unknown_frees, 0);
	assert_int_equal(p.a.total.blocks, 1);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 0);
	done(&p);
}

static void trace_that_ends_within_realloc_has_the_old_block(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_alloc(s, 1, PT_LAYER_MALLOC, 0x1000, 100, 0);
	synth_memory(s, 1, OP(MOVE_BEGIN, MALLOC), 0x1000, 0, 0);
	play(&p, s);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 100);
	assert_int_equal(p.a.survivors.n, 1);
	done(&p);
}

static void halves_of_reallocs_are_counted(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_memory(s, 1, OP(MOVE_END, MALLOC), 0x1000, 5, 0); /* no beginning */
	synth_alloc(s, 1, PT_LAYER_MALLOC, 0x2000, 6, 0);
	synth_memory(s, 1, OP(MOVE_BEGIN, MALLOC), 0x2000, 0, 0); /* no end */
	synth_memory(s, 1, OP(MOVE_BEGIN, MALLOC), 0x1000, 0, 0);
	synth_memory(s, 1, OP(MOVE_END, MALLOC), 0x3000, 7, 0);
	synth_memory(s, 1, OP(MOVE_FAIL, MALLOC), 0x9000, 0, 0); /* of nothing */
	play(&p, s);
	assert_int_equal(p.a.counts.unmatched_moves, 3);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 7);
	done(&p);
}

/* ---- mappings ---- */

static void mapping_dies_piece_by_piece_and_counts_once(void **state)
{
	struct synth *s = synth_new();
	struct played p;
	const struct account_layer *l = &p.a.layers[PT_LAYER_MMAP];

	(void)state;
	synth_memory(s, 1, OP(MAP, MMAP), 0x100000, 0x10000, 0);
	synth_memory(s, 1, OP(UNMAP, MMAP), 0x104000, 0x1000, 0); /* the middle */
	synth_memory(s, 1, OP(UNMAP, MMAP), 0x100000, 0x2000, 0); /* the head */
	play(&p, s);
	assert_int_equal(l->at[ACCOUNT_LAST].bytes, 0xd000);
	assert_int_equal(l->at[ACCOUNT_LAST].blocks, 1);
	assert_int_equal(p.a.survivors.n, 2);
	assert_int_equal(p.a.survivors.at[0].blocks + p.a.survivors.at[1].blocks, 1);
	done(&p);

	s = synth_new();
	synth_memory(s, 1, OP(MAP, MMAP), 0x100000, 0x10000, 0);
	synth_memory(s, 1, OP(UNMAP, MMAP), 0x104000, 0x1000, 0);
	synth_memory(s, 1, OP(UNMAP, MMAP), 0xff000, 0x100000, 0); /* both rests at once, and more */
	play(&p, s);
	assert_int_equal(l->at[ACCOUNT_LAST].bytes, 0);
	assert_int_equal(l->at[ACCOUNT_LAST].blocks, 0);
	assert_int_equal(l->total.blocks, 1);
	done(&p);
}

static void munmap_rounds_up_to_pages(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_memory(s, 1, OP(MAP, MMAP), 0x100000, 0x3000, 0);
	synth_memory(s, 1, OP(UNMAP, MMAP), 0x100000, 0x1001, 0);
	play(&p, s);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 0x1000);
	done(&p);
}

static void failed_munmap_restores_what_was_there(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_memory(s, 1, OP(MAP, MMAP), 0x100000, 0x4000, 0);
	synth_memory(s, 1, OP(MAP, FILE), 0x104000, 0x4000, 0);
	synth_memory(s, 1, OP(UNMAP, MMAP), 0x102000, 0x4000, 0);
	synth_memory(s, 1, OP(UNMAP_FAIL, MMAP), 0x102000, 0x4000, 0);
	synth_memory(s, 1, OP(UNMAP, MMAP), 0x100000, 0x4000, 0);
	play(&p, s);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 0);
	assert_int_equal(p.a.at[ACCOUNT_LAST].blocks, 0);
	assert_int_equal(p.a.layers[PT_LAYER_FILE].at[ACCOUNT_LAST].bytes, 0x4000);
	assert_int_equal(p.a.layers[PT_LAYER_FILE].at[ACCOUNT_LAST].blocks, 1);
	assert_int_equal(p.a.total.bytes, 0x4000);
	assert_int_equal(p.a.at[ACCOUNT_PEAK].bytes, 0x4000);
	done(&p);
}

static void mapping_over_mappings_replaces_them(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_memory(s, 1, OP(MAP, RESERVE), 0x100000, 0x10000, 0);
	synth_memory(s, 1, OP(MAP, MMAP), 0x104000, 0x2000, 0);
	synth_memory(s, 1, OP(MAP, MMAP), 0x105000, 0x2000, 0);
	play(&p, s);
	assert_int_equal(p.a.layers[PT_LAYER_RESERVE].at[ACCOUNT_LAST].bytes, 0xd000);
	assert_int_equal(p.a.layers[PT_LAYER_RESERVE].at[ACCOUNT_LAST].blocks, 1);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 0x3000);
	assert_int_equal(p.a.at[ACCOUNT_LAST].blocks, 2);
	done(&p);
}

static void mremap_keeps_the_layer_of_what_it_moves(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_memory(s, 1, OP(MAP, FILE), 0x100000, 0x4000, 0);
	synth_memory(s, 2, OP(MAP, MMAP), 0x200000, 0x1000, 0);
	synth_memory(s, 1, OP(UNMAP, MMAP), 0x100000, 0x4000, 0);
	synth_memory(s, 2, OP(UNMAP, MMAP), 0x200000, 0x1000, 0); /* another thread's is none of its business */
	synth_memory(s, 1, OP(MAP, MOVED), 0x300000, 0x8000, 0);
	synth_memory(s, 1, OP(UNMAP, MMAP), 0x900000, 0x1000, 0); /* nothing that we know */
	synth_memory(s, 1, OP(MAP, MOVED), 0x900000, 0x2000, 0);
	play(&p, s);
	assert_int_equal(p.a.layers[PT_LAYER_FILE].at[ACCOUNT_LAST].bytes, 0x8000);
	assert_int_equal(p.a.layers[PT_LAYER_MMAP].at[ACCOUNT_LAST].bytes, 0x2000);
	assert_int_equal(p.a.layers[PT_LAYER_MOVED].total.blocks, 0);
	done(&p);
}

/* A page map and the ranges agree, whatever is mapped, unmapped, and fails to be unmapped. */
static void random_mappings_agree_with_a_map_of_pages(void **state)
{
	enum { PAGES = 64, STEPS = 3000 };
	uint8_t owner[PAGES] = { 0 };
	struct synth *s = synth_new();
	uint64_t seed = 42, alive = 0;
	struct played p;

	(void)state;
	for (int i = 0; i < STEPS; i++) {
		unsigned first, n, what;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		first = seed >> 33 & (PAGES - 1);
		n = 1 + (seed >> 40) % 9;
		what = (seed >> 50) % 5;
		if (what < 2)
			synth_memory(s, 1, OP(MAP, MMAP), (first + 16) * 4096, n * 4096, 0);
		else
			synth_memory(s, 1, OP(UNMAP, MMAP), (first + 16) * 4096, n * 4096, 0);
		if (what == 4)
			synth_memory(s, 1, OP(UNMAP_FAIL, MMAP), (first + 16) * 4096, n * 4096, 0);
		for (unsigned page = first; page < first + n && page < PAGES; page++)
			if (what != 4)
				owner[page] = what < 2;
		if (first + n > PAGES) /* what lies beyond the map is unmapped again */
			synth_memory(s, 1, OP(UNMAP, MMAP), (PAGES + 16) * 4096, 16 * 4096, 0);
	}
	for (int page = 0; page < PAGES; page++)
		alive += owner[page];
	play(&p, s);
	assert_true(alive > 0);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, alive * 4096);
	done(&p);
}

/* ---- forks ---- */

static void child_inherits_what_was_alive_at_the_fork(void **state)
{
	struct synth *parent = synth_new(), *child = synth_new();
	struct played p;

	(void)state;
	synth_alloc(parent, 1, PT_LAYER_OBJECT, 0x1000, 100, 0);
	synth_alloc(parent, 1, PT_LAYER_OBJECT, 0x2000, 200, 0);
	synth_memory(parent, 1, OP(MAP, MMAP), 0x100000, 0x4000, 0);
	synth_alloc(parent, 1, PT_LAYER_OBJECT, 0x3000, 300, 0);
	synth_free(parent, 1, PT_LAYER_OBJECT, 0x3000, 0);
	synth_pair(parent, 1, PT_OP_FORK, 5, 0);
	synth_alloc(parent, 1, PT_LAYER_OBJECT, 0x4000, 400, 0);
	synth_pair(parent, 1, PT_OP_FORKED, 5, 1001);
	synth_end(parent);
	synth_write(parent, path);
	child->front.parent_id = parent->front.id;
	child->front.id = 78;
	child->front.fork_serial = 5;
	strcpy(child->front.parent_file, strrchr(path, '/') + 1);
	synth_alloc(child, 1, PT_LAYER_OBJECT, 0x5000, 50, 0);
	synth_free(child, 1, PT_LAYER_OBJECT, 0x1000, 0); /* inherited */
	synth_free(child, 1, PT_LAYER_OBJECT, 0x4000, 0); /* made by the parent after the fork: not inherited */
	synth_memory(child, 1, OP(UNMAP, MMAP), 0x100000, 0x4000, 0);
	synth_memory(child, 1, OP(MOVE_BEGIN, OBJECT), 0x2000, 0, 0);
	synth_memory(child, 1, OP(MOVE_END, OBJECT), 0x6000, 7, 0);
	synth_end(child);
	synth_write(child, child_path);
	play_file(&p, child_path);
	assert_false(p.a.counts.parent_missing);
	assert_int_equal(p.a.counts.inherited_blocks, 3);
	assert_int_equal(p.a.counts.inherited_bytes, 300 + 0x4000);
	assert_int_equal(p.a.counts.inherited_freed, 3);
	assert_int_equal(p.a.counts.unknown_frees, 1);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 57);
	done(&p);
	unlink(path);
	play_file(&p, child_path);
	assert_true(p.a.counts.parent_missing);
	assert_int_equal(p.a.counts.inherited_blocks, 0);
	assert_int_equal(p.a.counts.unknown_frees, 3);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 57);
	done(&p);
	synth_free_all(parent);
	synth_free_all(child);
}

static void trace_that_is_its_own_parent_is_read(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	s->front.parent_id = s->front.id;
	strcpy(s->front.parent_file, strrchr(path, '/') + 1);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x5000, 50, 0);
	play(&p, s);
	assert_true(p.a.counts.parent_missing);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 50);
	done(&p);
}

/* ---- events from the future ---- */

static void unknown_events_are_stepped_over_and_counted(void **state)
{
	struct synth *s = synth_new();
	struct played p;
	const char *more = "250 PAIR new-thing\n";

	(void)state;
	synth_define(s, 1, PT_OP_SCHEMA, 0, more, strlen(more));
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 10, 0);
	synth_pair(s, 1, PT_OP_RSS, 0, 4096); /* becomes op 250 below */
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x2000, 20, 0);
	for (size_t i = 0; i < s->threads.at[1].slots.n; i++)
		if (pt_slot_op(&s->threads.at[1].slots.at[i]) == PT_OP_RSS)
			s->threads.at[1].slots.at[i].head = (uint64_t)250 << 48;
	synth_ring(s, 1);
	synth_write(s, path);
	synth_free_all(s);
	play_file(&p, path);
	assert_int_equal(p.a.counts.unknown_events, 1);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 30);
	done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_of_one_thread),
		cmocka_unit_test(order_of_many_threads_alone),
		cmocka_unit_test(order_of_many_threads_with_workers),
		cmocka_unit_test(order_of_tiny_blocks),
		cmocka_unit_test(order_can_be_left_early),
		cmocka_unit_test(free_of_an_unknown_block_is_counted_and_harmless),
		cmocka_unit_test(address_handed_out_twice_had_a_lost_free),
		cmocka_unit_test(any_address_can_hold_a_block),
		cmocka_unit_test(sizes_beyond_32_bits_survive),
		cmocka_unit_test(arena_holds_blocks_without_a_clash),
		cmocka_unit_test(moved_block_keeps_the_birth_of_its_chain),
		cmocka_unit_test(address_of_a_moving_block_may_be_taken_by_another_thread),
		cmocka_unit_test(failed_realloc_leaves_the_block),
		cmocka_unit_test(trace_that_ends_within_realloc_has_the_old_block),
		cmocka_unit_test(halves_of_reallocs_are_counted),
		cmocka_unit_test(mapping_dies_piece_by_piece_and_counts_once),
		cmocka_unit_test(munmap_rounds_up_to_pages),
		cmocka_unit_test(failed_munmap_restores_what_was_there),
		cmocka_unit_test(mapping_over_mappings_replaces_them),
		cmocka_unit_test(mremap_keeps_the_layer_of_what_it_moves),
		cmocka_unit_test(random_mappings_agree_with_a_map_of_pages),
		cmocka_unit_test(child_inherits_what_was_alive_at_the_fork),
		cmocka_unit_test(trace_that_is_its_own_parent_is_read),
		cmocka_unit_test(unknown_events_are_stepped_over_and_counted),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
