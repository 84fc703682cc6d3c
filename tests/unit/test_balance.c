/* SPDX-License-Identifier: Apache-2.0 */
/* Who owns a change of a count, which changes pair, and who is to blame for what is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/counts/balance.h"
#include "analyzer/counts/balance_tree.h"
#include "tests/synth/snap.h"

/* A function of C has 0x100 bytes, a line 0x10: 0x230 is line 0x23 in function 2. */
enum { OBJECT = 0x7000, TYPE = 0x100, MAIN = 1, CALLED = 2, FUNCTION = 0x100, LINE = 0x10 };

static char path[64];
static struct synth *s;
static uint32_t stacks;  /* last id given */
static uint32_t watches; /* last number given */
static int32_t counted;  /* of the last one */
static struct snap *snapshot;
static struct trace trace;
static struct histories histories;
static struct heap heap;
static struct owners owners;
static struct balance balance;
static uint32_t snap_thing; /* its type there */

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-balance-%d.pytrace", getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

/* ---- making a trace ---- */

static void start(void)
{
	s = synth_new();
	stacks = watches = 0;
	synth_code(s, 1, MAIN, "app.py", "main", 7);
	synth_code(s, 1, CALLED, "app.py", "called", 20);
	synth_module(s, 1, 1, "/usr/bin/python3", PT_MODULE_PYTHON);
	synth_module(s, 1, 2, "/srv/bugs.so", 0);
	synth_module(s, 1, 3, "/usr/lib/python3/lib-dynload/_json.so", 0);
	synth_module(s, 1, 4, "/usr/lib/libz.so.1", 0);
}

/* The Python line alone: instruction `i`. */
static uint32_t python(uint32_t i)
{
	synth_frame(s, 1, ++stacks, 0, MAIN, i);
	return stacks;
}

static uint32_t join(uint32_t below, uint32_t native)
{
	synth_join(s, 1, ++stacks, below, native);
	return stacks;
}

/* Instruction `at` of a module, called by `caller` (0: by Python's instruction 10). */
static uint32_t code_of(uint32_t module, uint64_t at, uint64_t caller, uint32_t flags)
{
	uint32_t below = python(10), outer = 0, inner;

	if (caller)
		synth_native(s, 1, outer = ++stacks, 0, 2, caller, 0);
	synth_native(s, 1, inner = ++stacks, outer, module, at, flags);
	return join(below, inner);
}

static uint32_t direct(uint64_t at) { return code_of(2, at, 0, PT_NATIVE_EXACT); }
/* By a function of the interpreter that it called. */
static uint32_t called(uint64_t at)
{
	uint32_t below = python(10), outer = ++stacks, inner = ++stacks;

	synth_native(s, 1, outer, 0, 2, at, 0);
	synth_native(s, 1, inner, outer, 1, 0x9000, PT_NATIVE_EXACT);
	return join(below, inner);
}

/* A line of Python that the extension called at `at`. */
static uint32_t inside(uint64_t at)
{
	uint32_t outer = python(10), entry = ++stacks, below, loop = ++stacks, code = ++stacks, again = ++stacks;

	synth_frame(s, 1, entry, outer, PT_CODE_ENTRY, 0);
	synth_frame(s, 1, below = ++stacks, entry, CALLED, 4);
	synth_native(s, 1, loop, 0, 1, 0x5000, PT_NATIVE_EVAL);
	synth_native(s, 1, code, loop, 2, at, 0);
	synth_native(s, 1, again, code, 1, 0x5000, PT_NATIVE_EVAL | PT_NATIVE_EXACT);
	return join(below, again);
}

static void born(uint32_t stack)
{
	uint64_t object = OBJECT + 0x100 * (uint64_t)++watches;

	counted = 1;
	synth_alloc(s, 1, PT_LAYER_OBJECT, object, 64, stack);
	synth_pair(s, 1, PT_OP_WATCH, object, watches);
	synth_pair(s, 1, PT_OP_COUNT, pt_watch_a(watches, PT_COUNT_BIRTH), 1 | (uint64_t)stack << 32);
}

static void change(int32_t delta, uint32_t stack)
{
	synth_at(s, s->ns + 1000);
	counted += delta;
	synth_pair(s, 1, PT_OP_COUNT, pt_watch_a(watches, 0), (uint32_t)counted | (uint64_t)stack << 32);
}

static void take(uint32_t stack) { change(1, stack); }
static void give(uint32_t stack) { change(-1, stack); }

static void died(void)
{
	assert_int_equal(counted, 0);
	synth_pair(s, 1, PT_OP_UNWATCH, pt_watch_a(watches, PT_UNWATCH_DIED), 0);
	synth_free(s, 1, PT_LAYER_OBJECT, OBJECT + 0x100 * (uint64_t)watches, 0);
}

/* It lives on, and the snapshot has it with `edges` references, `tracked` by the collector. */
static void lives(unsigned edges, bool tracked)
{
	uint64_t object = OBJECT + 0x100 * (uint64_t)watches;

	if (!snapshot) {
		snapshot = snap_new(s, 1, s->ns);
		snap_thing = snap_type(snapshot, TYPE, PT_TYPE_GC | PT_TYPE_TRAVERSE, 40, 0, 0, "app.Thing");
	}
	snap_object(snapshot, PT_EDGES_PLAIN | (tracked ? PT_OBJECT_TRACKED : 0), object, snap_thing, (uint64_t)counted,
		    64);
	snap_object(snapshot, PT_EDGES_PLAIN | PT_OBJECT_TRACKED, object + 0x80, snap_thing, 0, 64);
	while (edges--)
		snap_edge(snapshot, object);
}

static void play(const struct owner_names *names)
{
	static const struct replay_options options = { .no_parent = true };
	struct model *models[] = { &histories.model };
	struct replay_counts counts;
	struct snapshots list = { 0 };
	struct fault f;

	synth_at(s, s->ns + 1000);
	synth_pair(s, 1, PT_OP_SNAPSHOT, 1, PT_SNAPSHOT_EXIT);
	if (snapshot) {
		snapshot->ns = s->ns;
		snap_end(snapshot);
	}
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(trace_open(&trace, path, &f), 0);
	histories_init(&histories, &trace);
	replay_run(&trace, &options, models, 1, &counts);
	snapshots_list(&list, &trace);
	if (snapshot)
		heap_load(&heap, &trace, snapshots_find(&list, 1), 1);
	owners_init(&owners, &trace.defs, names);
	balance_make(&balance, &histories, &owners, snapshot ? &heap : NULL);
	snapshots_free(&list);
}

static void done(void)
{
	balance_free(&balance);
	owners_free(&owners);
	if (snapshot)
		heap_free(&heap);
	snapshot = NULL;
	histories_free(&histories);
	trace_close(&trace);
}

static uint64_t address(node_id node) { return node_address(defs_frame(&trace.defs, node)); }
static uint64_t line_of(void *self, node_id node, unsigned inner)
{
	(void)self, (void)inner;
	return address(node) / LINE + 1;
}
static uint64_t function_of(void *self, node_id node)
{
	(void)self;
	return address(node) / FUNCTION + 1;
}
static const char *where(void *self, node_id node, unsigned inner, char *buf, size_t cap)
{
	(void)self, (void)inner;
	snprintf(buf, cap, "line %x", (unsigned)address(node) / LINE);
	return buf;
}
static const struct owner_names names = { .line = line_of, .function = function_of, .where = where };

static const struct balance_row *worst(enum balance_verdict v, unsigned line)
{
	const struct balance_row *r = &balance.rows.at[0];

	assert_true(balance.rows.n > 0);
	assert_string_equal(balance_verdict_name(r->verdict), balance_verdict_name(v));
	assert_int_equal(address(r->owner.node) / LINE, line);
	return r;
}

static void nobody(void)
{
	for (size_t i = 0; i < balance.rows.n; i++)
		assert_int_equal(balance.rows.at[i].verdict, BALANCE_FINE);
}

/* ---- owners ---- */

static void test_owner_is_the_extension_that_python_called(void **state)
{
	uint32_t ids[5];
	const struct owner *w;

	(void)state;
	start();
	ids[0] = python(10);
	ids[1] = direct(0x230);
	ids[2] = called(0x230);
	ids[3] = code_of(3, 0x100, 0, PT_NATIVE_EXACT); /* the standard library */
	ids[4] = inside(0x450);
	born(ids[0]);
	play(&names);
#define OWNER(i) (w = owner_of(&owners, defs_node(&trace.defs, ids[i])))
	OWNER(0);
	assert_int_equal(w->frame, NODE_EMPTY);
	assert_int_not_equal(w->python, NODE_EMPTY);
	OWNER(1);
	assert_int_equal(address(w->frame), 0x230);
	assert_true(w->direct);
	OWNER(2);
	assert_int_equal(address(w->frame), 0x230);
	assert_false(w->direct);
	OWNER(3);
	assert_int_equal(w->frame, NODE_EMPTY);
	OWNER(4);
	assert_int_equal(w->frame, NODE_EMPTY);
	assert_int_equal(address(w->outer), 0x450);
	done();
}

/* ---- blame ---- */

static void test_missing_on_an_error_path(void **state)
{
	char text[500];

	(void)state;
	start();
	for (int i = 0; i < 6; i++) {
		born(python(2));
		take(python(4));
		take(direct(0x110));
		if (i < 4)
			give(direct(0x190));
		give(python(12));
		give(python(14));
		if (i < 4)
			died();
		else
			lives(0, true);
	}
	play(&names);
	worst(BALANCE_LEAK, 0x11);
	assert_int_equal(balance.rows.at[0].takes, 6);
	assert_int_equal(balance.rows.at[0].leaked, 2);
	assert_int_equal(balance.rows.at[1].verdict, BALANCE_FINE);
	assert_string_equal(balance_evidence(&balance, &balance.rows.at[0], text, sizeof text),
			    "Taken 6 times at line 11, given back 4 times at line 19 in the same call. 2 objects still "
			    "have 2 references that nothing else accounts for.");
	done();
}

/* PyObject_GetAttr() and Py_INCREF(), and one of them is returned: the explicit one is too many. */
static void test_explicit_before_new(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 4; i++) {
		born(python(2));
		take(called(0x110));
		take(direct(0x120));
		give(python(12));
		give(python(14));
		lives(0, true);
	}
	play(&names);
	worst(BALANCE_LEAK, 0x12);
	done();
}

/* A new reference, and the container's own: the first is not given back. */
static void test_new_reference_beside_a_container(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 4; i++) {
		born(called(0x110));
		take(called(0x120));
		give(python(12));
		lives(0, true);
	}
	play(&names);
	worst(BALANCE_LEAK, 0x11);
	done();
}

static void test_held_by_a_container_is_fine(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 4; i++) {
		born(called(0x110));
		take(called(0x120));
		give(direct(0x130));
		lives(1, true);
	}
	play(&names);
	nobody();
	done();
}

static void test_a_give_too_many(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 3; i++) {
		born(python(2));
		take(python(4));
		take(python(6));
		give(direct(0x140));
		lives(3, true);
	}
	play(&names);
	worst(BALANCE_OVER, 0x14);
	assert_int_equal(balance.rows.at[0].over, 3);
	assert_int_equal(balance.missing, 3);
	done();
}

/* Taken and given in one call, but a container has it, too: the reference was stolen. */
static void test_stolen_and_given(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 3; i++) {
		born(python(2));
		take(direct(0x110));
		give(direct(0x120));
		lives(2, true);
	}
	play(&names);
	worst(BALANCE_OVER, 0x12);
	done();
}

/* What Python took inside a call, and left there. */
static void test_left_to_the_caller(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 3; i++) {
		born(inside(0x310));
		lives(0, true);
	}
	play(&names);
	assert_true(worst(BALANCE_LEAK, 0x31)->called);
	done();
}

static void test_left_to_the_caller_and_given(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 3; i++) {
		born(inside(0x310));
		give(direct(0x320));
		died();
	}
	play(&names);
	nobody();
	assert_int_equal(balance.rows.at[0].how[PAIR_RETURNED], 3);
	done();
}

/* Function 5 takes for its callers in function 2: at line 21 all is given back, at line 28 nothing. */
static void test_who_hands_out_is_not_to_blame(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 4; i++) {
		born(python(2));
		take(code_of(2, 0x510, 0x210, PT_NATIVE_EXACT));
		give(direct(0x220));
		take(code_of(2, 0x510, 0x280, PT_NATIVE_EXACT));
		give(python(14));
		lives(0, true);
	}
	play(&names);
	worst(BALANCE_LEAK, 0x28);
	done();
}

/* A deallocator gives most of them back: the structure may hold the others. */
static void test_structures_hold(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 8; i++) {
		born(python(2));
		take(direct(0x110));
		give(python(14));
		if (i < 5) {
			give(direct(0x700));
			died();
		} else
			lives(0, true);
	}
	play(&names);
	worst(BALANCE_UNDECIDED, 0x11);
	done();
}

/* An object that the collector does not know may be in a container that was leaked itself: what Python made and moved
 * explains it. Without such the extension's take does. */
static void test_untracked(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 3; i++) {
		born(python(2));
		take(called(0x110));
		give(inside(0x900));
		lives(0, false);
	}
	for (int i = 0; i < 3; i++) {
		born(python(2));
		give(python(2));
		take(direct(0x120));
		lives(0, false);
	}
	play(&names);
	worst(BALANCE_LEAK, 0x12);
	assert_int_equal(balance.rows.at[1].verdict, BALANCE_FINE);
	done();
}

static void test_without_a_snapshot_nobody_is_blamed(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 3; i++) {
		born(python(2));
		give(python(2));
		take(direct(0x120));
	}
	play(&names);
	worst(BALANCE_UNDECIDED, 0x12);
	done();
}

/* A hundred thousand lost references to one object. */
static void test_many_of_one(void **state)
{
	uint32_t stack;

	(void)state;
	start();
	born(python(2));
	stack = direct(0x120);
	for (int i = 0; i < 100000; i++)
		take(stack);
	lives(1, true);
	play(&names);
	assert_int_equal(worst(BALANCE_LEAK, 0x12)->leaked, 100000);
	done();
}

/* ---- the tree ---- */

static void test_tree(void **state)
{
	struct balance_tree t;

	(void)state;
	start();
	for (int i = 0; i < 3; i++) {
		born(python(10));
		take(direct(0x110));
		give(direct(0x120));
		take(direct(0x130));
		give(python(10));
		lives(0, true);
	}
	play(&names);
	balance_tree_make(&t, &histories, &owners, BALANCE_ALL_TYPES);
	assert_int_equal(t.at.n, 5); /* the root, the line of Python, three of C */
	assert_int_equal(balance_net(&t.at.at[0]), 3);
	assert_int_equal(t.at.at[1].pairs, 3 + 3); /* of Python; of C, which part there */
	assert_int_equal(t.at.at[1].n_below, 3);
	assert_int_equal(address(t.at.at[2].frame), 0x130);
	assert_int_equal(t.at.at[2].takes, 3);
	assert_int_equal(t.at.at[3].takes + t.at.at[3].gives, 0);
	balance_tree_free(&t);
	done();
}

/* ---- anything ---- */

static void test_whatever_comes(void **state)
{
	uint64_t seed = 7;

	(void)state;
	start();
	for (int i = 0; i < 3000; i++) {
		uint32_t stack;

		seed = map_mix(seed + 1);
		stack = seed % 5 == 0  ? inside(seed % 0x700)
			: seed % 5 < 3 ? direct(seed % 0x700)
				       : called(seed % 0x700);
		if (i % 20 == 0)
			born(stack);
		else if (seed % 97 == 0)
			change((int32_t)(seed >> 20), stack);
		else
			change((int32_t)(seed >> 40) % 3 - 1, seed % 31 ? stack : (uint32_t)seed);
		if (i % 20 == 19)
			lives(seed % 4, seed % 2);
	}
	play(&names);
	done();
	start();
	play(NULL);
	assert_int_equal(balance.rows.n, 0);
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owner_is_the_extension_that_python_called),
		cmocka_unit_test(test_missing_on_an_error_path),
		cmocka_unit_test(test_explicit_before_new),
		cmocka_unit_test(test_new_reference_beside_a_container),
		cmocka_unit_test(test_held_by_a_container_is_fine),
		cmocka_unit_test(test_a_give_too_many),
		cmocka_unit_test(test_stolen_and_given),
		cmocka_unit_test(test_left_to_the_caller),
		cmocka_unit_test(test_left_to_the_caller_and_given),
		cmocka_unit_test(test_who_hands_out_is_not_to_blame),
		cmocka_unit_test(test_structures_hold),
		cmocka_unit_test(test_untracked),
		cmocka_unit_test(test_without_a_snapshot_nobody_is_blamed),
		cmocka_unit_test(test_many_of_one),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_whatever_comes),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
