/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a leak and what is not: small programs of 2000 steps, each with work of its own beside what it keeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/models/account.h"
#include "analyzer/growth/growth.h"
#include "tests/synth/synth.h"

enum { STEPS = 2000, SIZE = 100 };
#define STEP_NS UINT64_C(1000000)

/* Stacks. KEEP, TABLE and WORK are three lines of one function; DEEP is the first of nested calls. */
enum { MAIN = 1, KEEP, TABLE, WORK, IMPORTER, IMPORTED, DEEP };
enum { DEPTHS = 8 };

static char path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-growth-%d.pytrace", getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

/* A program being played: addresses are never used twice. */
struct program {
	struct synth *s;
	uint64_t next;
	struct trace t;
	struct curves c;
	struct growth g;
	struct account a;
};

static void begin(struct program *p)
{
	*p = (struct program){ .s = synth_new(), .next = 0x10000 };
	synth_code(p->s, 1, 1, "/srv/app.py", "<module>", 1);
	synth_code(p->s, 1, 2, "/srv/app.py", "handle", 10);
	synth_code(p->s, 1, 3, "<frozen importlib._bootstrap>", "_find_and_load", 1000);
	synth_code(p->s, 1, 4, "/srv/module.py", "<module>", 1);
	synth_code(p->s, 1, 5, "/srv/app.py", "descend", 30);
	synth_frame(p->s, 1, MAIN, 0, 1, 0);
	synth_frame(p->s, 1, KEEP, MAIN, 2, 2);
	synth_frame(p->s, 1, TABLE, MAIN, 2, 4);
	synth_frame(p->s, 1, WORK, MAIN, 2, 6);
	synth_frame(p->s, 1, IMPORTER, MAIN, 3, 0);
	synth_frame(p->s, 1, IMPORTED, IMPORTER, 4, 0);
	for (uint32_t i = 0; i < DEPTHS; i++)
		synth_frame(p->s, 1, DEEP + i, i ? DEEP + i - 1 : MAIN, 5, 0);
}

static uint64_t take(struct program *p, uint32_t stack, uint64_t size)
{
	p->next += 0x1000;
	synth_alloc(p->s, 1, PT_LAYER_OBJECT, p->next, size, stack);
	return p->next;
}

static void give(struct program *p, uint64_t addr)
{
	if (addr)
		synth_free(p->s, 1, PT_LAYER_OBJECT, addr, WORK);
}

/* The work of a step: blocks that come and go. */
static void work(struct program *p, uint64_t step)
{
	synth_at(p->s, step * STEP_NS);
	for (int i = 0; i < 5; i++)
		give(p, take(p, WORK, 64));
}

static void finish(struct program *p)
{
	struct model *more[] = { &p->c.model };
	const struct account_options options = { .more = more, .n_more = 1 };
	struct fault f;

	synth_end(p->s);
	synth_write(p->s, path);
	synth_free_all(p->s);
	assert_int_equal(trace_open(&p->t, path, &f), 0);
	curves_init(&p->c, &p->t);
	more[0] = &p->c.model;
	account_run(&p->a, &p->t, &options);
	curves_finish(&p->c);
	growth_judge(&p->g, &p->c, NULL, 0);
}

static void done(struct program *p)
{
	growth_free(&p->g);
	curves_free(&p->c);
	account_free(&p->a);
	trace_close(&p->t);
}

static const struct growth_group *group_of(const struct program *p, uint32_t stack)
{
	for (size_t i = 0; i < p->g.groups.n; i++) {
		if (p->g.groups.at[i].node == defs_node(&p->t.defs, stack))
			return &p->g.groups.at[i];
	}
	return NULL;
}

/* The verdict on a stack, findings weighed as reports do it. */
static enum growth_verdict verdict_on(const struct program *p, uint32_t stack)
{
	const struct growth_group *group = group_of(p, stack);
	struct growth_group copy;

	assert_non_null(group);
	copy = *group;
	growth_weigh(&p->g, &copy);
	return copy.verdict;
}

static void assert_nothing_found(const struct program *p)
{
	for (size_t i = 0; i < p->g.groups.n; i++) {
		struct growth_group copy = p->g.groups.at[i];

		growth_weigh(&p->g, &copy);
		assert_int_not_equal(copy.verdict, GROWTH_FOUND);
	}
}

/* ---- leaks ---- */

static void a_block_kept_in_each_step_is_found(void **state)
{
	struct program p;
	const struct growth_group *group;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		take(&p, KEEP, SIZE);
	}
	finish(&p);
	assert_int_equal(verdict_on(&p, KEEP), GROWTH_FOUND);
	group = group_of(&p, KEEP);
	assert_ptr_equal(group, &p.g.groups.at[0]);
	assert_int_equal(group->bytes, STEPS * SIZE);
	assert_int_equal(group->blocks, STEPS);
	assert_int_equal(group->first_ns, STEP_NS);
	assert_int_equal(group->last_ns, STEPS * STEP_NS);
	assert_int_equal(group->evidence.growing, group->evidence.windows);
	assert_int_equal(group->evidence.grown_bytes, group->evidence.grown_blocks * SIZE);
	assert_in_range(group->evidence.grown_blocks, STEPS * 70 / 100, STEPS * 80 / 100);
	assert_int_equal(group->curve_bytes[p.g.n_windows], STEPS * SIZE);
	assert_int_equal(group->curve_bytes[p.g.n_windows], group->evidence.warm_bytes + group->evidence.grown_bytes);
	done(&p);
}

static void a_leak_is_found_though_finalisation_frees_all(void **state)
{
	static uint64_t kept[STEPS + 1];
	struct program p;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		kept[i] = take(&p, KEEP, SIZE);
	}
	synth_pair(p.s, 1, PT_OP_PY_FINI, 0, 0);
	for (int i = 1; i <= STEPS; i++)
		give(&p, kept[i]);
	finish(&p);
	assert_int_equal(verdict_on(&p, KEEP), GROWTH_FOUND);
	assert_int_equal(group_of(&p, KEEP)->bytes, STEPS * SIZE);
	assert_int_equal(group_of(&p, KEEP)->evidence.late_deaths, 0);
	done(&p);
}

static void a_leak_beside_a_large_table_is_found(void **state)
{
	struct program p;

	(void)state;
	begin(&p);
	for (int i = 0; i < 10; i++)
		take(&p, TABLE, 10 << 20);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		take(&p, KEEP, 5 * SIZE);
	}
	finish(&p);
	assert_int_equal(verdict_on(&p, KEEP), GROWTH_FOUND);
	assert_int_equal(verdict_on(&p, TABLE), GROWTH_HELD);
	done(&p);
}

static void a_leak_at_many_depths_is_one(void **state)
{
	struct program p;
	size_t found = 0;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		take(&p, DEEP + (uint32_t)(i * 7 % DEPTHS), SIZE);
	}
	finish(&p);
	for (size_t i = 0; i < p.g.groups.n; i++)
		found += p.g.groups.at[i].verdict == GROWTH_FOUND;
	assert_in_range(found, 1, DEPTHS);
	for (uint32_t i = 1; i < DEPTHS; i++)
		assert_int_equal(p.g.fingerprints[defs_node(&p.t.defs, DEEP + i)],
				 p.g.fingerprints[defs_node(&p.t.defs, DEEP)]);
	done(&p);
}

static void one_block_that_grows_is_found(void **state)
{
	struct program p;
	uint64_t now = 0;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		uint64_t before = now;

		work(&p, i);
		p.next += 0x100000;
		now = p.next;
		if (before)
			synth_memory(p.s, 1, pt_memory_op(PT_MOVE_BEGIN, PT_LAYER_MALLOC), before, 0, KEEP);
		synth_memory(p.s, 1,
			     before ? pt_memory_op(PT_MOVE_END, PT_LAYER_MALLOC)
				    : pt_memory_op(PT_ALLOC, PT_LAYER_MALLOC),
			     now, (uint64_t)i * 512, KEEP);
	}
	finish(&p);
	assert_int_equal(verdict_on(&p, KEEP), GROWTH_FOUND);
	assert_int_equal(group_of(&p, KEEP)->blocks, 1);
	assert_int_equal(group_of(&p, KEEP)->bytes, STEPS * 512);
	assert_int_equal(group_of(&p, KEEP)->first_ns, STEP_NS);
	done(&p);
}

/* ---- no leaks ---- */

static void a_full_cache_is_held(void **state)
{
	uint64_t cache[64] = { 0 };
	struct program p;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		give(&p, cache[i % 64]);
		cache[i % 64] = take(&p, KEEP, 10 * SIZE);
	}
	finish(&p);
	assert_nothing_found(&p);
	assert_int_equal(verdict_on(&p, KEEP), GROWTH_HELD);
	assert_int_equal(group_of(&p, KEEP)->blocks, 64);
	done(&p);
}

static void a_cache_that_fills_up_is_no_finding(void **state)
{
	bool has[600] = { false };
	uint32_t random = 1;
	struct program p;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		random = random * 1103515245 + 12345;
		if (!has[(random >> 8) % 600])
			take(&p, KEEP, 10 * SIZE);
		has[(random >> 8) % 600] = true;
	}
	finish(&p);
	assert_nothing_found(&p);
	done(&p);
}

static void random_eviction_of_little_is_no_finding(void **state)
{
	static uint64_t slots[4096];
	uint32_t random = 7;
	struct program p;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		random = random * 1103515245 + 12345;
		give(&p, slots[(random >> 8) % 4096]);
		slots[(random >> 8) % 4096] = take(&p, KEEP, 55);
	}
	finish(&p);
	assert_nothing_found(&p);
	assert_int_equal(group_of(&p, KEEP)->doubt, GROWTH_EVICTING);
	done(&p);
}

static void what_was_built_once_is_held(void **state)
{
	struct program p;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		for (int j = 0; i <= STEPS / 10 && j < 20; j++)
			take(&p, KEEP, SIZE);
	}
	finish(&p);
	assert_int_equal(verdict_on(&p, KEEP), GROWTH_HELD);
	done(&p);
}

/* Garbage that waits for its collection: two teeth, the first after the warm-up, the second cut off at its top. */
static void a_sawtooth_is_no_finding(void **state)
{
	static uint64_t garbage[STEPS];
	struct program p;
	size_t n = 0;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		garbage[n++] = take(&p, KEEP, 10 * SIZE);
		while (i % 770 == 480 && n)
			give(&p, garbage[--n]);
	}
	finish(&p);
	assert_nothing_found(&p);
	done(&p);
}

static void imports_all_along_are_no_finding(void **state)
{
	struct program p;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		take(&p, IMPORTED, 5 * SIZE);
	}
	finish(&p);
	assert_int_equal(verdict_on(&p, IMPORTED), GROWTH_UNDECIDED);
	assert_int_equal(group_of(&p, IMPORTED)->doubt, GROWTH_IMPORTING);
	done(&p);
}

static void little_growth_is_no_finding(void **state)
{
	struct program p;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		if (i % 20 == 0)
			take(&p, KEEP, SIZE);
	}
	finish(&p);
	assert_nothing_found(&p);
	done(&p);
}

static void what_one_call_builds_is_no_finding(void **state)
{
	struct program p;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		synth_at(p.s, (uint64_t)i * STEP_NS);
		for (int j = 0; j < 20; j++)
			take(&p, KEEP, SIZE);
		give(&p, take(&p, WORK, 64));
	}
	finish(&p);
	assert_int_equal(verdict_on(&p, KEEP), GROWTH_UNDECIDED);
	assert_int_equal(group_of(&p, KEEP)->doubt, GROWTH_BUILDING);
	done(&p);
}

static void growth_before_a_long_rest_is_undecided(void **state)
{
	struct program p;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, (uint64_t)i);
		take(&p, KEEP, SIZE);
	}
	synth_at(p.s, 4 * STEPS * STEP_NS);
	synth_pair(p.s, 1, PT_OP_PY_FINI, 0, 0);
	finish(&p);
	assert_int_equal(verdict_on(&p, KEEP), GROWTH_UNDECIDED);
	assert_int_equal(group_of(&p, KEEP)->doubt, GROWTH_STOPPED);
	done(&p);
}

static void a_short_run_shows_nothing(void **state)
{
	struct program p;

	(void)state;
	begin(&p);
	work(&p, 1);
	take(&p, KEEP, 100000);
	work(&p, 2);
	finish(&p);
	assert_int_equal(p.g.n_windows, 0);
	assert_int_equal(verdict_on(&p, KEEP), GROWTH_UNDECIDED);
	assert_int_equal(group_of(&p, KEEP)->doubt, GROWTH_TOO_SHORT);
	assert_int_equal(group_of(&p, KEEP)->bytes, 100000);
	done(&p);
}

static void an_empty_trace_has_no_groups(void **state)
{
	struct program p;

	(void)state;
	begin(&p);
	finish(&p);
	assert_int_equal(p.g.groups.n, 0);
	done(&p);
}

/* ---- the sums ---- */

static void groups_hold_what_the_account_holds(void **state)
{
	struct program p;
	uint64_t bytes = 0, blocks = 0;

	(void)state;
	begin(&p);
	for (int i = 1; i <= STEPS; i++) {
		work(&p, i);
		take(&p, KEEP, SIZE);
		take(&p, i % 2 ? TABLE : IMPORTED, (uint64_t)i);
		give(&p, take(&p, MAIN, 1 << 20));
	}
	synth_alloc(p.s, 1, PT_LAYER_ARENA, 0x7f0000000000, 1 << 20, KEEP);
	finish(&p);
	for (size_t i = 0; i < p.g.groups.n; i++) {
		bytes += p.g.groups.at[i].bytes;
		blocks += p.g.groups.at[i].blocks;
	}
	assert_int_equal(bytes, p.a.at[ACCOUNT_END].bytes);
	assert_int_equal(blocks, p.a.at[ACCOUNT_END].blocks);
	assert_int_equal(bytes, p.g.live_bytes);
	done(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, remove_path)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_block_kept_in_each_step_is_found),
		TEST(a_leak_is_found_though_finalisation_frees_all),
		TEST(a_leak_beside_a_large_table_is_found),
		TEST(a_leak_at_many_depths_is_one),
		TEST(one_block_that_grows_is_found),
		TEST(a_full_cache_is_held),
		TEST(a_cache_that_fills_up_is_no_finding),
		TEST(random_eviction_of_little_is_no_finding),
		TEST(what_was_built_once_is_held),
		TEST(a_sawtooth_is_no_finding),
		TEST(imports_all_along_are_no_finding),
		TEST(little_growth_is_no_finding),
		TEST(what_one_call_builds_is_no_finding),
		TEST(growth_before_a_long_rest_is_undecided),
		TEST(a_short_run_shows_nothing),
		TEST(an_empty_trace_has_no_groups),
		TEST(groups_hold_what_the_account_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
