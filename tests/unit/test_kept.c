/* SPDX-License-Identifier: Apache-2.0 */
/* What words of native memory say of objects: which of them hold, which are edges already, which are left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/counts/surplus.h"
#include "tests/synth/snap.h"

static char path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-kept-%d.pytrace", getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

enum { A = 0x10010, B = 0x10110, C = 0x10210, TABLE = 0x90000, OTHER = 0x91000, DATA = 0x70000 };

/* A trace with one snapshot, and what is seen at its moment. */
struct seen {
	struct synth *s;
	struct snap *p;
	uint32_t thing;
	struct trace t;
	struct snapshots list;
	struct heap h;
	struct join j;
	struct kept kept;
	struct model model;
};

static void begin(struct seen *x)
{
	*x = (struct seen){ .s = synth_new() };
	synth_code(x->s, 1, 1, "app.py", "make", 3);
	synth_frame(x->s, 1, 1, 0, 1, PT_OFFSET_NONE);
	synth_code(x->s, 1, 2, "app.py", "keep", 9);
	synth_frame(x->s, 1, 2, 0, 2, PT_OFFSET_NONE);
	synth_alloc(x->s, 1, PT_LAYER_OBJECT, A - 16, 48, 1);
	synth_alloc(x->s, 1, PT_LAYER_OBJECT, B - 16, 48, 1);
	synth_alloc(x->s, 1, PT_LAYER_OBJECT, C - 16, 48, 1);
	synth_alloc(x->s, 1, PT_LAYER_MALLOC, TABLE, 400, 2);
	synth_alloc(x->s, 1, PT_LAYER_MALLOC, OTHER, 400, 2);
	x->p = snap_new(x->s, 1, 300);
	x->thing = snap_type(x->p, 0x2000, PT_TYPE_GC, 32, 0, 16, "app.Thing");
	snap_area(x->p, DATA, 1, 3, "/lib/_table.so", 1, NULL, 0);
	snap_area(x->p, DATA + 4096, 1, 3, NULL, 1, NULL, 0); /* zeroed data */
	snap_area(x->p, DATA + 3 * 4096, 1, 3, NULL, 1, NULL, 0);
}

static void thing(struct seen *x, uint64_t address, uint64_t refcount)
{
	snap_object(x->p, PT_EDGES_PLAIN | PT_OBJECT_TRACKED, address, x->thing, refcount, 32);
}

static void word(struct seen *x, enum pt_keeper kind, uint64_t address, uint64_t to)
{
	snap_keeper(x->p, kind, address, kind == PT_KEEPER_EDGES ? 0 : 416, &to, 1);
}

static void see_block(void *self, const struct live_block *b)
{
	struct seen *x = self;

	kept_see(&x->kept, b);
	if (b->layer == PT_LAYER_OBJECT && heap_find(&x->h, b->addr) == HEAP_NONE)
		kept_see_other(&x->kept, b);
}

static void on_event(void *self, const struct pt_event *ev, const struct replay_now *now, struct replay *r)
{
	struct seen *x = self;

	(void)now;
	if (ev->op == PT_OP_SNAPSHOT)
		replay_each_live(r, see_block, x);
}

static void look(struct seen *x)
{
	const struct replay_options options = { .n_workers = 1, .no_parent = true };
	struct replay_counts counts;
	struct fault f;

	snap_end(x->p);
	synth_pair(x->s, 1, PT_OP_SNAPSHOT, 1, PT_SNAPSHOT_EXIT);
	synth_end(x->s);
	synth_write(x->s, path);
	synth_free_all(x->s);
	assert_int_equal(trace_open(&x->t, path, &f), 0);
	snapshots_list(&x->list, &x->t);
	heap_load(&x->h, &x->t, snapshots_find(&x->list, 1), 1);
	assert_true(x->h.complete);
	join_init(&x->j, &x->h);
	kept_start(&x->kept, &x->h);
	x->model = (struct model){ .self = x, .event = on_event };
	replay_run(&x->t, &options, (struct model *const[]){ &x->j.model, &x->model }, 2, &counts);
	kept_finish(&x->kept);
}

static void done(struct seen *x)
{
	kept_free(&x->kept);
	join_free(&x->j);
	heap_free(&x->h);
	snapshots_free(&x->list);
	trace_close(&x->t);
}

static int32_t surplus_at(const struct seen *x, uint64_t address)
{
	int32_t *surplus = surplus_of(&x->h, &x->j), found = surplus[heap_find(&x->h, address)];

	free(surplus);
	return found;
}

static uint32_t words_at(const struct seen *x, uint64_t address)
{
	uint32_t *words = keepers_words(&x->h), found;

	assert_non_null(words);
	found = words[heap_find(&x->h, address)];
	free(words);
	return found;
}

/* ---- what words explain ---- */

static void words_explain_what_no_reference_does(void **state)
{
	struct seen x;

	(void)state;
	begin(&x);
	thing(&x, A, 1);
	thing(&x, B, 3);
	word(&x, PT_KEEPER_BLOCK, TABLE, A);
	word(&x, PT_KEEPER_DATA, DATA, B);
	word(&x, PT_KEEPER_BLOCK, TABLE, B);
	look(&x);
	assert_int_equal(surplus_at(&x, A), 0);
	assert_int_equal(surplus_at(&x, B), 1); /* one more than there are words */
	done(&x);
}

static void without_such_records_all_is_as_it_was(void **state)
{
	struct seen x;

	(void)state;
	begin(&x);
	thing(&x, A, 1);
	look(&x);
	assert_null(keepers_words(&x.h));
	assert_int_equal(surplus_at(&x, A), 1);
	assert_false(kept_index(&x.kept, &x.h));
	done(&x);
}

static void an_edge_that_lies_outside_of_its_object_is_one_reference(void **state)
{
	struct seen x;

	(void)state;
	begin(&x);
	thing(&x, A, 2); /* B's, and one that nobody has */
	word(&x, PT_KEEPER_EDGES, B, A);
	thing(&x, B, 0);
	snap_edge(x.p, A);
	word(&x, PT_KEEPER_BLOCK, TABLE, A);
	look(&x);
	assert_int_equal(words_at(&x, A), 0);
	assert_int_equal(surplus_at(&x, A), 1);
	done(&x);
}

static void what_static_objects_and_interpreters_have_is_theirs(void **state)
{
	struct seen x;

	(void)state;
	begin(&x);
	thing(&x, A, 2);
	thing(&x, B, 2);
	thing(&x, C, 2);
	snap_object(x.p, PT_EDGES_PLAIN | PT_OBJECT_STATIC, DATA + 64, x.thing, 1, 32);
	snap_edge(x.p, A);
	snap_root(x.p, PT_ROOT_INTERPRETER, "interpreter", NULL, 0);
	snap_named(x.p, B, "modules", 0);
	snap_root(x.p, PT_ROOT_FRAME, "main", "app.py", 1); /* on a stack, which nobody looked at */
	snap_named(x.p, C, "x", 0);
	word(&x, PT_KEEPER_DATA, DATA, A);
	word(&x, PT_KEEPER_BLOCK, TABLE, B);
	word(&x, PT_KEEPER_BLOCK, TABLE, C);
	look(&x);
	assert_int_equal(words_at(&x, A), 0);
	assert_int_equal(words_at(&x, B), 0);
	assert_int_equal(words_at(&x, C), 1);
	done(&x);
}

static void the_way_back_from_what_an_object_owns_holds_nothing(void **state)
{
	struct seen x;

	(void)state;
	begin(&x);
	thing(&x, A, 1);
	snap_raw(x.p, TABLE + 32); /* in the middle of it */
	thing(&x, B, 1);
	snap_raw(x.p, OTHER);
	word(&x, PT_KEEPER_BLOCK, TABLE, A);
	word(&x, PT_KEEPER_BLOCK, TABLE, B);
	look(&x);
	assert_int_equal(words_at(&x, A), 0);
	assert_int_equal(words_at(&x, B), 1);
	done(&x);
}

/* Objects of one type and one stack, `words` of which are pointed to: what is left of their surplus. */
static uint64_t left_of(unsigned objects, unsigned words)
{
	uint64_t left = 0;
	struct seen x;

	begin(&x);
	for (unsigned i = 0; i < objects; i++) {
		uint64_t at = 0x40010 + i * 64;

		synth_alloc(x.s, 1, PT_LAYER_OBJECT, at - 16, 48, 1);
		thing(&x, at, 1);
		if (i < words)
			word(&x, PT_KEEPER_BLOCK, TABLE, at);
	}
	look(&x);
	for (unsigned i = 0; i < objects; i++)
		left += (uint64_t)surplus_at(&x, 0x40010 + i * 64);
	done(&x);
	return left;
}

static void words_that_are_left_over_hide_nothing(void **state)
{
	(void)state;
	assert_int_equal(left_of(20, 2), 20);
	assert_int_equal(left_of(20, 9), 20);
	assert_int_equal(left_of(20, 10), 10);
	assert_int_equal(left_of(20, 20), 0);
}

/* ---- where they lie ---- */

static void keepers_are_known_by_the_stack_that_made_them_or_their_file(void **state)
{
	struct seen x;
	uint64_t kinds[6];

	(void)state;
	begin(&x);
	thing(&x, A, 3);
	thing(&x, B, 1);
	word(&x, PT_KEEPER_BLOCK, TABLE, A);
	word(&x, PT_KEEPER_BLOCK, OTHER - 16, A); /* with debug hooks in front */
	word(&x, PT_KEEPER_BLOCK, TABLE, B);      /* a second record of the same block */
	word(&x, PT_KEEPER_DATA, DATA + 4096, A);
	word(&x, PT_KEEPER_DATA, DATA + 3 * 4096, A); /* of no file */
	word(&x, PT_KEEPER_BLOCK, 0x95000, A);        /* no block is alive there */
	look(&x);
	for (uint32_t i = 0; i < 6; i++)
		kinds[i] = kept_kind(&x.kept, i);
	assert_true(kinds[0] && kinds[0] == kinds[1] && kinds[0] == kinds[2]);
	assert_int_equal(kept_node(kinds[0]), defs_node(&x.t.defs, 2));
	assert_null(kept_file(&x.kept, kinds[0]));
	assert_string_equal(kept_file(&x.kept, kinds[3]), "/lib/_table.so");
	assert_int_equal(kept_node(kinds[3]), NODE_UNKNOWN);
	assert_true(!kinds[4] && !kinds[5]);
	assert_int_equal(x.kept.blocks[1].address, OTHER);
	assert_int_equal(x.kept.blocks[1].bytes, 400);
	done(&x);
}

static void keepers_are_found_by_object(void **state)
{
	struct seen x;
	object_id a, b, c;

	(void)state;
	begin(&x);
	thing(&x, A, 2);
	thing(&x, B, 0);
	thing(&x, C, 1);
	word(&x, PT_KEEPER_BLOCK, TABLE, C);
	word(&x, PT_KEEPER_BLOCK, TABLE, A);
	word(&x, PT_KEEPER_EDGES, B, A);
	word(&x, PT_KEEPER_BLOCK, OTHER, A);
	look(&x);
	assert_true(kept_index(&x.kept, &x.h) && kept_index(&x.kept, &x.h));
	a = heap_find(&x.h, A);
	b = heap_find(&x.h, B);
	c = heap_find(&x.h, C);
	assert_int_equal(x.kept.first[a + 1] - x.kept.first[a], 2);
	assert_int_equal(x.kept.keepers[x.kept.first[a]] + x.kept.keepers[x.kept.first[a] + 1], 1 + 3);
	assert_int_equal(x.kept.first[b + 1] - x.kept.first[b], 0);
	assert_int_equal(x.kept.first[c + 1] - x.kept.first[c], 1);
	assert_int_equal(x.kept.keepers[x.kept.first[c]], 0);
	done(&x);
}

static void blocks_that_only_c_code_has_are_found(void **state)
{
	struct seen x;

	(void)state;
	begin(&x);
	thing(&x, A, 1);
	word(&x, PT_KEEPER_BLOCK, TABLE, B);        /* behind its head; no object of the snapshot */
	word(&x, PT_KEEPER_BLOCK, TABLE, OTHER);    /* a block, and none of Python's */
	word(&x, PT_KEEPER_BLOCK, TABLE, C + 4096); /* nothing */
	look(&x);
	assert_int_equal(x.kept.others.n, 1);
	assert_int_equal(x.kept.others.at[0].node, defs_node(&x.t.defs, 1));
	assert_int_equal(x.kept.others.at[0].keeper, 0);
	done(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_explain_what_no_reference_does),
		cmocka_unit_test(without_such_records_all_is_as_it_was),
		cmocka_unit_test(an_edge_that_lies_outside_of_its_object_is_one_reference),
		cmocka_unit_test(what_static_objects_and_interpreters_have_is_theirs),
		cmocka_unit_test(the_way_back_from_what_an_object_owns_holds_nothing),
		cmocka_unit_test(words_that_are_left_over_hide_nothing),
		cmocka_unit_test(keepers_are_known_by_the_stack_that_made_them_or_their_file),
		cmocka_unit_test(keepers_are_found_by_object),
		cmocka_unit_test(blocks_that_only_c_code_has_are_found),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
