/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes: what is told of a region and of a mark, with threads and tasks in between. Sizes are the evidence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "analyzer/models/account.h"
#include "tests/synth/synth.h"

enum { A = 5, B = 6, A_TOO = 7 }; /* strings: "a", "b", and "a" once more */

static char path[64];
static uint64_t address;

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-scope-%d.pytrace", getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static struct synth *start(void)
{
	struct synth *s = synth_new();

	address = 0x1000;
	synth_define(s, 1, PT_OP_STRING, A, "a", 1);
	synth_define(s, 1, PT_OP_STRING, B, "b", 1);
	synth_define(s, 1, PT_OP_STRING, A_TOO, "a", 1);
	/* two tasks of one name are one to a report */
	synth_define(s, 1, PT_OP_TASK, 1, "\1x", 2);
	synth_define(s, 1, PT_OP_TASK, 2, "\1x", 2);
	return s;
}

static uint64_t take(struct synth *s, uint32_t thread, uint64_t bytes)
{
	address += 0x1000;
	synth_alloc(s, thread, PT_LAYER_OBJECT, address, bytes, 0);
	return address;
}

static void enter(struct synth *s, uint32_t thread, uint64_t label)
{
	synth_pair(s, thread, PT_OP_REGION_BEGIN, label, 0);
}
static void leave(struct synth *s, uint32_t thread, uint64_t label)
{
	synth_pair(s, thread, PT_OP_REGION_END, label, 0);
}
static void run_task(struct synth *s, uint32_t thread, uint64_t task) { synth_pair(s, thread, PT_OP_SWITCH, task, 0); }

struct told {
	uint64_t made, alive, blocks, survivors, times_region, times_mark;
};

static struct told told(const char *region, const char *mark)
{
	struct account_options options = { .survivors = true, .replay = { .region = region, .mark = mark } };
	struct told ret = { 0 };
	struct account a;
	struct trace t;
	struct fault f;

	assert_int_equal(trace_open(&t, path, &f), 0);
	account_run(&a, &t, &options);
	ret = (struct told){ a.total.bytes, a.at[ACCOUNT_LAST].bytes, a.at[ACCOUNT_LAST].blocks,
			     a.survivors.n, a.counts.entered_region,  a.counts.entered_mark };
	account_free(&a);
	trace_close(&t);
	return ret;
}

static void finish(struct synth *s)
{
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
}

#define assert_told(got, want_made, want_alive, want_blocks) \
	assert_pieces(got, want_made, want_alive, want_blocks, want_blocks)
#define assert_pieces(got, want_made, want_alive, want_blocks, want_pieces) \
	do {                                                                \
		struct told got_ = (got);                                   \
		assert_int_equal(got_.made, want_made);                     \
		assert_int_equal(got_.alive, want_alive);                   \
		assert_int_equal(got_.blocks, want_blocks);                 \
		assert_int_equal(got_.survivors, want_pieces);              \
	} while (0)

static void a_region_is_its_threads(void **state)
{
	struct synth *s = start();
	uint64_t early, within;

	(void)state;
	early = take(s, 1, 1);
	enter(s, 1, A);
	take(s, 2, 2);
	within = take(s, 1, 4);
	enter(s, 2, B);
	take(s, 2, 8);
	take(s, 1, 16);
	synth_free(s, 1, PT_LAYER_OBJECT, early, 0);
	leave(s, 1, B); /* it has none of that label */
	take(s, 1, 32);
	leave(s, 1, A);
	take(s, 1, 64);
	synth_free(s, 2, PT_LAYER_OBJECT, within, 0);
	leave(s, 1, A); /* nothing is open */
	take(s, 1, 128);
	finish(s);
	assert_told(told("a", NULL), 4 + 16 + 32, 16 + 32, 2);
	assert_told(told("b", NULL), 8, 8, 1);
	assert_told(told("c", NULL), 0, 0, 0);
	assert_int_equal(told("a", NULL).times_region, 1);
	assert_told(told(NULL, NULL), 255, 255 - 1 - 4, 6);
}

static void regions_of_one_label_lie_in_each_other(void **state)
{
	struct synth *s = start();

	(void)state;
	enter(s, 1, A);
	enter(s, 1, A_TOO);
	take(s, 1, 1);
	leave(s, 1, A);
	take(s, 1, 2);
	leave(s, 1, A);
	take(s, 1, 4);
	synth_pair(s, 1, PT_OP_REGION_BEGIN, A, 1);
	take(s, 1, 8);
	leave(s, 1, A_TOO);
	take(s, 1, 16);
	finish(s);
	assert_told(told("a", NULL), 1 + 2 + 8, 11, 3);
	assert_int_equal(told("a", NULL).times_region, 2);
}

static void a_region_of_a_task_rests_while_others_run(void **state)
{
	struct synth *s = start();

	(void)state;
	run_task(s, 1, 1);
	enter(s, 1, A);
	take(s, 1, 1);
	run_task(s, 1, 2);
	take(s, 1, 2);
	enter(s, 1, A);
	take(s, 1, 4);
	run_task(s, 1, 0);
	take(s, 1, 8);
	run_task(s, 1, 1);
	leave(s, 1, A); /* its own, not the other's, which is the innermost */
	take(s, 1, 16);
	run_task(s, 1, 2);
	take(s, 1, 32);
	run_task(s, 1, 0);
	leave(s, 1, A); /* nobody's: the thread's innermost */
	run_task(s, 1, 2);
	take(s, 1, 64);
	finish(s);
	assert_told(told("a", NULL), 1 + 4 + 32, 37, 3);
}

static void a_region_entered_without_a_task_holds_for_all_tasks(void **state)
{
	struct synth *s = start();

	(void)state;
	enter(s, 1, A);
	run_task(s, 1, 1);
	take(s, 1, 1);
	run_task(s, 1, 2);
	take(s, 1, 2);
	run_task(s, 1, 0);
	leave(s, 1, A);
	run_task(s, 1, 1);
	take(s, 1, 4);
	finish(s);
	assert_told(told("a", NULL), 3, 3, 2);
}

static void a_mark_holds_for_all_threads_up_to_the_next(void **state)
{
	struct synth *s = start();

	(void)state;
	take(s, 1, 1);
	synth_pair(s, 1, PT_OP_MARK, A, 0);
	take(s, 1, 2);
	take(s, 2, 4);
	enter(s, 2, B);
	take(s, 2, 8);
	synth_pair(s, 2, PT_OP_MARK, B, 0);
	take(s, 1, 16);
	take(s, 2, 32);
	synth_pair(s, 1, PT_OP_MARK, A_TOO, 0);
	take(s, 1, 64);
	finish(s);
	assert_told(told(NULL, "a"), 2 + 4 + 8 + 64, 78, 4);
	assert_int_equal(told(NULL, "a").times_mark, 2);
	assert_told(told("b", "a"), 8, 8, 1);
	assert_told(told("b", "b"), 32, 32, 1);
}

static void a_block_belongs_to_its_last_realloc(void **state)
{
	struct synth *s = start();
	uint64_t outside, inside;

	(void)state;
	outside = take(s, 1, 1);
	enter(s, 1, A);
	inside = take(s, 1, 2);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x777000, 0); /* of a block that nobody saw */
	synth_memory(s, 1, pt_memory_op(PT_MOVE_BEGIN, PT_LAYER_OBJECT), outside, 0, 0);
	synth_memory(s, 1, pt_memory_op(PT_MOVE_END, PT_LAYER_OBJECT), 0x500000, 4, 0);
	leave(s, 1, A);
	synth_memory(s, 1, pt_memory_op(PT_MOVE_BEGIN, PT_LAYER_OBJECT), inside, 0, 0);
	synth_memory(s, 1, pt_memory_op(PT_MOVE_END, PT_LAYER_OBJECT), 0x600000, 8, 0);
	finish(s);
	assert_told(told("a", NULL), 2 + 4, 4, 1);
}

static void mappings_go_piece_by_piece(void **state)
{
	struct synth *s = start();

	(void)state;
	synth_memory(s, 1, pt_memory_op(PT_MAP, PT_LAYER_MMAP), 0x100000, 0x4000, 0);
	enter(s, 1, A);
	synth_memory(s, 1, pt_memory_op(PT_MAP, PT_LAYER_MMAP), 0x200000, 0x4000, 0);
	leave(s, 1, A);
	synth_memory(s, 1, pt_memory_op(PT_UNMAP, PT_LAYER_MMAP), 0x101000, 0x1000, 0);
	synth_memory(s, 1, pt_memory_op(PT_UNMAP, PT_LAYER_MMAP), 0x201000, 0x1000, 0);
	finish(s);
	assert_pieces(told("a", NULL), 0x4000, 0x3000, 1, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_region_is_its_threads),
		cmocka_unit_test(regions_of_one_label_lie_in_each_other),
		cmocka_unit_test(a_region_of_a_task_rests_while_others_run),
		cmocka_unit_test(a_region_entered_without_a_task_holds_for_all_tasks),
		cmocka_unit_test(a_mark_holds_for_all_threads_up_to_the_next),
		cmocka_unit_test(a_block_belongs_to_its_last_realloc),
		cmocka_unit_test(mappings_go_piece_by_piece),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
