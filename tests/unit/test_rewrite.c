/* SPDX-License-Identifier: Apache-2.0 */
/* A repaired copy holds what could be read, and does not claim to be more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/heap/heap.h"
#include "analyzer/read/rewrite.h"
#include "analyzer/replay/order.h"
#include "tests/synth/snap.h"

static char path[64], copy_path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-rewrite-%d.pytrace", getpid());
	snprintf(copy_path, sizeof copy_path, "/tmp/pytrace-rewrite-%d-copy.pytrace", getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	unlink(copy_path);
	return 0;
}

/* Two threads, 40 blocks of events each, definitions among them; the last events lie in rings when `killed`. */
static struct synth *some_trace(bool killed)
{
	struct synth *s = synth_new();

	synth_meta(s, 1, "program=synth.py");
	for (uint32_t i = 1; i <= 200; i++) {
		uint32_t thread = 1 + i % 2;

		synth_at(s, i * 10);
		synth_code(s, thread, i, "app.py", "f", i);
		synth_module(s, thread, i, "/srv/libfoo.so", 0);
		synth_frame(s, thread, 3 * i, 0, i, PT_OFFSET_NONE);
		synth_native(s, thread, 3 * i + 1, i > 1 ? 3 * i - 2 : 0, i, (uint64_t)i << 30,
			     i % 3 ? 0 : PT_NATIVE_EVAL);
		synth_join(s, thread, 3 * i + 2, 3 * i, 3 * i + 1);
		synth_alloc(s, thread, PT_LAYER_MALLOC, i * 4096, i % 7 ? i : UINT64_C(1) << 40, 3 * i + i % 3);
		synth_free(s, thread, PT_LAYER_MALLOC, i * 4096, 3 * i + 2);
		if (i % 10 == 0)
			synth_flush(s, thread);
	}
	if (!killed) {
		synth_end(s);
		return s;
	}
	synth_pack(s, 1);
	synth_alloc(s, 1, PT_LAYER_MALLOC, 0x9000000, 5, 3);
	synth_ring(s, 1);
	synth_ring(s, 2);
	return s;
}

static struct rewrite_counts rewrite(size_t *ret_troubles)
{
	struct rewrite_counts counts;
	struct fault f;
	struct trace t;
	FILE *out = fopen(copy_path, "wb");

	assert_int_equal(trace_open(&t, path, &f), 0);
	assert_true(rewrite_trace(&t, out, &counts, NULL, NULL));
	fclose(out);
	*ret_troubles = t.troubles.n;
	trace_close(&t);
	return counts;
}

/* Both hold the same events in the same order, with the same times, threads and nodes. */
static void assert_same_events(const char *a_path, const char *b_path)
{
	struct trace a, b;
	struct fault f;
	struct order *ao, *bo;
	struct batch x = { 0 }, y = { 0 };

	assert_int_equal(trace_open(&a, a_path, &f), 0);
	assert_int_equal(trace_open(&b, b_path, &f), 0);
	assert_int_equal(a.n_events, b.n_events);
	assert_int_equal(a.defs.stacks.nodes.n, b.defs.stacks.nodes.n);
	assert_memory_equal(a.defs.stacks.nodes.at, b.defs.stacks.nodes.at,
			    a.defs.stacks.nodes.n * sizeof(struct node));
	assert_int_equal(a.defs.modules.at.n, b.defs.modules.at.n);
	ao = order_new(&a, 0);
	bo = order_new(&b, 0);
	for (uint64_t i = 0; i < a.n_events; i++) {
		if (i >= x.first + x.n)
			assert_int_equal(order_next(ao, &x), 1);
		if (i >= y.first + y.n)
			assert_int_equal(order_next(bo, &y), 1);
		assert_memory_equal(&x.events[i - x.first], &y.events[i - y.first], sizeof *x.events);
		assert_int_equal(x.ns, y.ns);
		assert_int_equal(a.threads.at[x.thread].number, b.threads.at[y.thread].number);
	}
	order_free(ao);
	order_free(bo);
	trace_close(&a);
	trace_close(&b);
}

static void copy_of_a_whole_trace_is_whole(void **state)
{
	struct synth *s = some_trace(false);
	struct rewrite_counts c;
	struct fault f;
	struct trace t;
	size_t troubles;

	(void)state;
	synth_write(s, path);
	synth_free_all(s);
	c = rewrite(&troubles);
	assert_int_equal(troubles + c.blocks_made + c.blocks_dropped, 0);
	assert_same_events(path, copy_path);
	assert_int_equal(trace_open(&t, copy_path, &f), 0);
	assert_true(trace_is_complete(&t));
	trace_close(&t);
}

static void rings_become_blocks(void **state)
{
	struct synth *s = some_trace(true);
	struct rewrite_counts c;
	struct fault f;
	struct trace t;
	size_t troubles;

	(void)state;
	synth_write(s, path);
	synth_free_all(s);
	c = rewrite(&troubles);
	assert_int_equal(troubles, 0);
	assert_true(c.blocks_made >= 1);
	assert_same_events(path, copy_path);
	assert_int_equal(trace_open(&t, copy_path, &f), 0);
	assert_int_equal(t.rings.n, 0);
	assert_int_equal(t.troubles.n, 0);
	assert_true(t.footer_found);
	assert_string_equal(trace_ended(&t), "killed");
	trace_close(&t);
}

static void what_was_damaged_is_dropped_and_remembered(void **state)
{
	struct synth *s = some_trace(false);
	struct rewrite_counts c;
	struct fault f;
	struct trace t;
	size_t troubles;

	(void)state;
	s->bytes.at[s->blocks.at[11] + sizeof(struct pt_block) + 9] ^= 1; /* a payload */
	s->bytes.at[s->blocks.at[20] + 9] ^= 1;                           /* a header */
	synth_write(s, path);
	synth_free_all(s);
	c = rewrite(&troubles);
	assert_true(troubles >= 2 && c.blocks_dropped >= 2);
	assert_int_equal(trace_open(&t, copy_path, &f), 0);
	assert_int_equal(t.n_events, c.events);
	assert_int_equal(t.n_damaged, 0);
	assert_false(trace_is_complete(&t));
	assert_non_null(strstr(t.troubles.at[t.troubles.n - 1].text, "before it was repaired"));
	trace_close(&t);
}

static void full_disk_is_reported(void **state)
{
	struct synth *s = some_trace(false);
	struct rewrite_counts c;
	struct fault f;
	struct trace t;
	FILE *out = fopen("/dev/full", "wb");

	(void)state;
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(trace_open(&t, path, &f), 0);
	setvbuf(out, NULL, _IONBF, 0);
	assert_false(rewrite_trace(&t, out, &c, NULL, NULL));
	fclose(out);
	trace_close(&t);
}

/* Three pieces of ten objects, in a trace that ended well, or whose second piece is damaged. */
static void check_snapshot(bool damaged, uint32_t objects)
{
	struct synth *s = synth_new();
	struct snap *p = snap_new(s, 1, 10);
	struct rewrite_counts counts;
	struct snapshots list;
	struct fault f;
	struct trace t;
	struct heap h;
	size_t troubles;

	for (uint64_t i = 0; i < 30; i++) {
		snap_object(p, PT_EDGES_PLAIN, 0x1000 + i * 32, 0, 1, 32);
		if (i % 10 == 9)
			snap_cut(p);
	}
	snap_end(p);
	if (damaged)
		s->bytes.at[s->blocks.at[1] + sizeof(struct pt_block) + 3] ^= 1;
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	counts = rewrite(&troubles);
	assert_int_equal(counts.blocks_dropped, damaged);
	assert_int_equal(trace_open(&t, copy_path, &f), 0);
	assert_int_equal(t.snapshots_at.n, 4 - damaged);
	snapshots_list(&list, &t);
	heap_load(&h, &t, snapshots_find(&list, 1), 1);
	assert_int_equal(h.complete, !damaged);
	assert_int_equal(h.n, objects);
	assert_int_equal(trace_is_complete(&t), !damaged);
	heap_free(&h);
	snapshots_free(&list);
	trace_close(&t);
}

static void snapshots_are_kept(void **state)
{
	(void)state;
	check_snapshot(false, 30);
	check_snapshot(true, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_of_a_whole_trace_is_whole),
		cmocka_unit_test(rings_become_blocks),
		cmocka_unit_test(what_was_damaged_is_dropped_and_remembered),
		cmocka_unit_test(full_disk_is_reported),
		cmocka_unit_test(snapshots_are_kept),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
