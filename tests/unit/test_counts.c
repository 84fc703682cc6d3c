/* SPDX-License-Identifier: Apache-2.0 */
/* Histories of reference counts, what is folded in them, and what hostile events do to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/counts/net.h"
#include "analyzer/counts/points.h"
#include "analyzer/models/lines.h"
#include "tests/synth/snap.h"

enum { OBJECT = 0x7000, A_LINE = 20 /* bytes of code */, LINES = 12 };

static char path[64];
static struct synth *s;
static uint32_t stacks; /* last id given */
static struct trace trace;
static struct histories histories;
static struct points points;
static struct net_lines lines;
static struct replay_counts counts;

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-counts-%d.pytrace", getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

/* ---- making a trace ---- */

static void define_code(uint32_t id, const char *name, uint8_t kind, const void *table, size_t bytes)
{
	struct pt_code head = { .first_line = 1,
				.table_bytes = (uint32_t)bytes,
				.file_bytes = 6,
				.name_bytes = (uint16_t)strlen(name),
				.linetable = kind };
	uint8_t data[256];
	size_t n = sizeof head;

	memcpy(data, &head, n);
	memcpy(data + n, "app.py", 6);
	memcpy(data + n + 6, name, head.name_bytes);
	n += 6u + head.name_bytes;
	memcpy(data + n, table, bytes);
	synth_define(s, 1, PT_OP_CODE, id, data, n + bytes);
}

/* Codes 1 and 2 have lines 1 to 12, one after the other. Code 3 goes back: 1, 2, 1. */
static void start(void)
{
	static const uint8_t back[] = { A_LINE, 0, A_LINE, 1, A_LINE, (uint8_t)-1 };
	uint8_t table[2 * LINES];

	for (int i = 0; i < LINES; i++) {
		table[2 * i] = A_LINE;
		table[2 * i + 1] = i > 0;
	}
	s = synth_new();
	stacks = 0;
	define_code(1, "<module>", PT_LINETABLE_310, table, sizeof table);
	define_code(2, "keep", PT_LINETABLE_310, table, sizeof table);
	define_code(3, "back", PT_LINETABLE_310, back, sizeof back);
	synth_module(s, 1, 1, "/srv/libfoo.so", 0);
}

static uint32_t frame(uint32_t parent, uint32_t code, uint32_t offset)
{
	synth_frame(s, 1, ++stacks, parent, code, offset);
	return stacks;
}

/* Instruction `i` of a line of the module; of a function called by `parent`. */
static uint32_t at(uint32_t line, uint32_t i) { return frame(0, 1, (line - 1) * A_LINE + 2 * i); }
static uint32_t in(uint32_t parent, uint32_t line, uint32_t i) { return frame(parent, 2, (line - 1) * A_LINE + 2 * i); }

/* A function of C at `offset`, called by C at `caller`, called by a Python stack. */
static uint32_t c_code(uint32_t python, uint64_t caller, uint64_t offset)
{
	uint32_t outer = ++stacks, inner = ++stacks, joined = ++stacks;

	synth_native(s, 1, outer, 0, 1, caller, 0);
	synth_native(s, 1, inner, outer, 1, offset, PT_NATIVE_EXACT);
	synth_join(s, 1, joined, python, inner);
	return joined;
}

static void watch(uint32_t number, uint64_t object) { synth_pair(s, 1, PT_OP_WATCH, object, number); }

static void count_in(uint32_t thread, uint32_t number, int32_t count, uint32_t stack, uint32_t flags)
{
	synth_at(s, s->ns + 1000);
	synth_pair(s, thread, PT_OP_COUNT, pt_watch_a(number, flags), (uint32_t)count | (uint64_t)stack << 32);
}

static void count(int32_t n, uint32_t stack) { count_in(1, 1, n, stack, 0); }
static void birth(uint32_t stack) { count_in(1, 1, 1, stack, PT_COUNT_BIRTH); }

static void unwatch(uint32_t number, enum pt_unwatch why, int32_t n, uint32_t stack)
{
	synth_pair(s, 1, PT_OP_UNWATCH, pt_watch_a(number, why), (uint32_t)n | (uint64_t)stack << 32);
}

static void play_with(const struct points_wanted *wanted)
{
	static const struct replay_options options = { .no_parent = true };
	struct model *models[2] = { &histories.model, &points.model };
	struct fault f;

	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(trace_open(&trace, path, &f), 0);
	histories_init(&histories, &trace);
	net_lines_init(&lines, &trace.defs);
	if (wanted)
		points_init(&points, &trace, wanted);
	replay_run(&trace, &options, models, wanted ? 2 : 1, &counts);
}

static void play(void) { play_with(NULL); }

static void done(void)
{
	net_lines_free(&lines);
	histories_free(&histories);
	trace_close(&trace);
}

/* ---- looking at it ---- */

/* Lines of functions return something; all others bind something. */
static const char *some_text(void *self, node_id node, char *buf, size_t cap)
{
	(void)self;
	snprintf(buf, cap, "%s", defs_frame(&trace.defs, node)->parent ? "return x" : "y = x");
	return buf;
}

/* A net change, written: "line delta count", a run of them in brackets. */
static const char *written(const struct history *h)
{
	static char text[4096];
	struct net net;
	size_t n = 0;

	net_make(&net, &lines, h);
	*text = 0;
	for (size_t i = 0; i < net.n; i += net.changes[i].period) {
		const struct history_change *c = &net.changes[i];

		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? ", " : "", c->times > 1 ? "[" : "");
		for (unsigned k = 0; k < c->period; k++) {
			const struct node *node = defs_frame(&trace.defs, c[k].node);
			int line = node->kind == NODE_NATIVE || c[k].node <= NODE_UNKNOWN
					   ? 0
					   : lines_site(&trace.defs, c[k].node).at.line;

			n += (size_t)snprintf(text + n, sizeof text - n, "%s%s%d %+d %d", k ? ", " : "",
					      node->kind == NODE_PYTHON && node->parent ? "f" : "", line, c[k].delta,
					      c[k].count);
		}
		if (c->times > 1)
			n += (size_t)snprintf(text + n, sizeof text - n, "] x %u", c->times);
		if (n >= sizeof text)
			break;
	}
	net_free(&net);
	return text;
}

static void is_net(const char *want) { assert_string_equal(written(&histories.at.at[0]), want); }

/* ---- what a line does ---- */

/* a = [1, 2, 3]; b = a; del a; del b, as 3.8 to 3.13 do it at module level. */
static void test_each_line_once(void **state)
{
	(void)state;
	start();
	synth_alloc(s, 1, PT_LAYER_OBJECT, OBJECT - 16, 56, at(1, 0));
	watch(1, OBJECT);
	birth(at(1, 0));
	count(2, at(1, 1));
	count(1, at(1, 1));
	count(2, at(2, 0));
	count(3, at(2, 1));
	count(2, at(2, 1));
	count(1, at(3, 0));
	count(0, at(4, 0));
	unwatch(1, PT_UNWATCH_DIED, 0, stacks);
	synth_free(s, 1, PT_LAYER_OBJECT, OBJECT - 16, stacks);
	play();
	is_net("1 +1 1, 2 +1 2, 3 -1 1, 4 -1 0");
	assert_int_equal(histories.at.n, 1);
	assert_int_equal(histories.n_strange, 0);
	assert_int_equal(histories.at.at[0].n_changes, 8);
	assert_true(history_is_whole(&histories.at.at[0]) && history_died(&histories.at.at[0]));
	assert_int_equal(histories.at.at[0].block.address, OBJECT - 16);
	assert_int_equal(histories.at.at[0].block.number, 1);
	assert_int_not_equal(histories.at.at[0].block.died_ns, UINT64_MAX);
	assert_int_equal(lines_site(&trace.defs, histories.at.at[0].block.freed_by).at.line, 4);
	done();
}

/* Arguments are pushed before a call and popped after it; in between the called function keeps the object. */
static void test_arguments_go_with_the_call(void **state)
{
	uint32_t call;

	(void)state;
	start();
	watch(1, OBJECT);
	birth(at(1, 0));
	count(2, at(2, 0));
	call = at(2, 3);
	count(3, call); /* the callee's variable */
	count(4, in(call, 5, 0));
	count(5, in(call, 5, 2));
	count(4, in(call, 5, 3));
	count(3, call);
	count(2, call);
	play();
	is_net("1 +1 1, f5 +1 2");
	done();
}

/* def made(): data = [1]; return data: what is returned is the caller's; with and without the tracer's word on it. */
static void test_what_is_returned_is_handed_over(void **state)
{
	uint32_t call, variable, returned;

	(void)state;
	for (int told = 0; told < 2; told++) {
		start();
		watch(1, OBJECT);
		call = at(6, 2);
		variable = in(call, 1, 0);
		returned = in(call, 2, 8);
		birth(variable);
		count(2, returned);
		count_in(1, 1, 1, told ? in(call, 2, 9) : call, told ? PT_COUNT_LEAVES : 0);
		count(2, at(6, 3));
		count(1, at(6, 3));
		count(2, at(8, 0));
		play();
		is_net("f1 +1 1, 8 +1 2");
		done();
	}
}

/* def f(x): y = x; keep.append(y): the argument goes with the call, the variable with its end, the list keeps one. */
static void test_frames_give_arguments_first(void **state)
{
	uint32_t call;

	(void)state;
	start();
	watch(1, OBJECT);
	birth(at(1, 0));
	count(2, at(2, 0));
	call = at(2, 3);
	count(3, in(call, 1, 0));
	count(4, in(call, 2, 0));
	count_in(1, 1, 3, in(call, 2, 9), PT_COUNT_LEAVES);
	count_in(1, 1, 2, stacks, PT_COUNT_LEAVES);
	play();
	is_net("1 +1 1, f1 +1 2, f2 +1 3, f2 -1 2");
	done();
}

/* def f(x): y = x; keep.append(y): `y = x` goes with the frame, whether the tracer tells that it goes or not. */
static void test_variables_go_with_their_frame(void **state)
{
	(void)state;
	for (int told = 0; told < 2; told++) {
		uint32_t call;

		start();
		watch(1, OBJECT);
		birth(at(1, 0));
		for (int time = 0; time < 1 + 4 * told; time++) {
			int32_t n = 1 + time;

			count(n + 1, at(2, 0));
			call = at(2, 3);
			count(n + 2, in(call, 1, 8));
			count(n + 3, in(call, 2, 0));
			count_in(1, 1, n + 2, told ? in(call, 2, 9) : call, told ? PT_COUNT_LEAVES : 0);
			count_in(1, 1, n + 1, told ? stacks : call, told ? PT_COUNT_LEAVES : 0);
		}
		play();
		is_net(told ? "1 +1 1, [f2 +1 2] x 5" : "1 +1 1, f2 +1 2");
		done();
	}
}

/* def get(): return table['k']; get().used(): what the line of the call drops it has from the callee's line, and what
 * it keeps stands there. Over two functions that return it. */
static void test_what_is_returned_is_the_callers(void **state)
{
	(void)state;
	for (int keeps = 0; keeps < 2; keeps++) {
		uint32_t call, inner;

		start();
		watch(1, OBJECT);
		birth(at(1, 0));
		call = at(2, 3);
		inner = in(call, 5, 2);
		count(2, in(inner, 7, 1));
		count(3, at(2, 4));
		count(2, at(2, 4));
		if (!keeps)
			count(1, at(2, 5));
		play();
		lines.text = some_text;
		is_net(keeps ? "1 +1 1, f7 +1 2" : "1 +1 1");
		done();
	}
}

/* self.check(): pushed, and given by the frame of a call that did nothing else. */
static void test_arguments_of_calls_that_do_nothing(void **state)
{
	(void)state;
	start();
	watch(1, OBJECT);
	birth(at(1, 0));
	count(2, at(2, 0));
	count_in(1, 1, 1, in(at(2, 3), 5, 9), PT_COUNT_LEAVES);
	count(0, at(3, 0));
	play();
	is_net("1 +1 1, 3 -1 0");
	done();
}

/* Each time a loop comes round a line starts anew: what one time takes the next one does not undo. */
static void test_loops_start_lines_anew(void **state)
{
	(void)state;
	start();
	watch(1, OBJECT);
	birth(at(1, 0));
	count(2, at(2, 1));
	count(1, at(2, 0));
	count(2, at(2, 1));
	count(1, at(2, 2));
	play();
	is_net("1 +1 1, 2 +1 2, 2 -1 1");
	done();
}

/* A call below its arguments, in a table without ranges: it goes on in the code and back in the text. */
static void test_statements_over_lines(void **state)
{
	(void)state;
	start();
	watch(1, OBJECT);
	birth(at(1, 0));
	count(2, frame(0, 3, A_LINE));
	count(1, frame(0, 3, 2 * A_LINE));
	play();
	is_net("1 +1 1");
	done();
}

/* Location tables have the end of an instruction's range: line 1 to 2, and line 1 alone. */
static void test_statements_end_where_they_say(void **state)
{
	/* long form, 8 units: line delta, lines more, column 1, end column 2 */
	static const uint8_t whole[] = { 0xf7, 2, 0, 2, 3, 0xf7, 2, 0, 2, 3, 0xf7, 3, 1, 2, 3 };
	static const uint8_t alone[] = { 0xf7, 2, 0, 2, 3, 0xf7, 2, 0, 2, 3, 0xf7, 3, 0, 2, 3 };

	(void)state;
	start();
	define_code(4, "whole", PT_LINETABLE_311, whole, sizeof whole);
	define_code(5, "alone", PT_LINETABLE_311, alone, sizeof alone);
	watch(1, OBJECT);
	birth(at(1, 0));
	count(2, frame(0, 4, 16));
	count(1, frame(0, 4, 32));
	count(2, frame(0, 5, 16));
	count(1, frame(0, 5, 32));
	play();
	is_net("1 +1 1, 3 +1 2, 2 -1 1");
	done();
}

/* The C code of a line is named, whatever the interpreter did around it; what a function of C undoes is nothing. */
static void test_c_code_is_named(void **state)
{
	(void)state;
	start();
	watch(1, OBJECT);
	birth(at(1, 0));
	count(2, at(2, 0));
	count(3, c_code(stacks, 0x100, 0x200));
	count(2, at(2, 4));
	count(3, at(3, 0));
	count(4, c_code(stacks, 0x100, 0x300));
	count(3, c_code(stacks - 3, 0x100, 0x340));
	count(2, at(3, 4));
	play();
	is_net("1 +1 1, 0 +1 2");
	done();
}

/* Each thread has its own lines; the order is that of the changes. */
static void test_threads_do_not_mix(void **state)
{
	uint32_t one, other;

	(void)state;
	start();
	watch(1, OBJECT);
	birth(at(1, 0));
	one = at(2, 0);
	other = at(3, 0);
	count_in(1, 1, 2, one, 0);
	count_in(2, 1, 3, other, 0);
	count_in(1, 1, 2, at(2, 1), 0);
	count_in(2, 1, 3, at(3, 1), 0);
	count_in(1, 1, 2, at(4, 0), 0);
	play();
	is_net("1 +1 1, 3 +2 3, 4 -1 2");
	done();
}

/* What was not seen one by one, and the merging of both parts, are nobody's line. */
static void test_what_stands_alone(void **state)
{
	(void)state;
	start();
	watch(1, OBJECT);
	count_in(1, 1, 5, at(1, 0), PT_COUNT_START);
	count(6, at(2, 0));
	count_in(1, 1, 9, at(2, 1), PT_COUNT_UNSEEN);
	count(8, at(2, 2));
	count_in(1, 1, 8, at(3, 1), PT_COUNT_MERGED);
	count(7, 0);
	count(8, 0);
	play();
	assert_false(history_is_whole(&histories.at.at[0]));
	is_net("1 +0 5, 2 +3 8, 0 -1 7, 0 +1 8");
	done();
}

/* ---- runs ---- */

static bool add_up(void *self, const struct history_change *c)
{
	int64_t *sums = self;

	assert_int_equal(c->times, 1);
	sums[0]++;
	sums[1] += c->delta;
	if (!(c->flags & PT_COUNT_BIRTH))
		assert_int_equal(c->count - c->delta, (int32_t)sums[2]);
	sums[2] = c->count;
	return true;
}

static void test_pairs_that_repeat_are_kept_once(void **state)
{
	int64_t sums[3] = { 0 };
	uint32_t take, give;

	(void)state;
	start();
	watch(1, OBJECT);
	birth(at(1, 0));
	take = at(2, 0);
	give = at(2, 1);
	for (int i = 0; i < 100000; i++) {
		count(2, take);
		count(1, give);
	}
	count(2, at(3, 0));
	play();
	assert_int_equal(histories.at.at[0].n_changes, 200002);
	assert_int_equal(histories.at.at[0].n, 4);
	assert_int_equal(histories.at.at[0].changes[1].times, 100000);
	history_replay(&histories.at.at[0], add_up, sums);
	assert_int_equal(sums[0], 200002);
	assert_int_equal(sums[1], 2);
	is_net("1 +1 1, 3 +1 2");
	done();
}

/* for ...: held.append(a), three changes each time; then the same from two lines. */
static void test_loops_that_leak_are_runs(void **state)
{
	uint32_t push, call, give;
	int32_t n = 1;

	(void)state;
	start();
	watch(1, OBJECT);
	birth(at(1, 0));
	push = at(2, 0);
	call = at(2, 1);
	for (int i = 0; i < 1000; i++, n++) {
		count(n + 1, push);
		count(n + 2, call);
		count(n + 1, call);
	}
	give = at(4, 0);
	for (int i = 0; i < 1000; i++) {
		count(n + 1, push);
		count(n, give);
	}
	play();
	assert_int_equal(histories.at.at[0].n, 6);
	assert_int_equal(histories.at.at[0].n_changes, 5001);
	is_net("1 +1 1, [2 +1 2] x 1000, [2 +1 1002, 4 -1 1001] x 1000");
	done();
}

/* Any walk: what is kept is what happened, and the net changes add up to it. */
static void test_random_walks_add_up(void **state)
{
	uint64_t random = 88172645463325252u;
	uint32_t known[24];

	(void)state;
	for (int round = 0; round < 60; round++) {
		int64_t sums[3] = { 0 }, net_sum = 0;
		struct net net;
		int32_t n = 1, max;

		start();
		for (uint32_t i = 0; i < 24; i++)
			known[i] = i < 8    ? at(1 + i / 2, i % 2)
				   : i < 16 ? in(known[i - 8], 1 + i % 3, i / 2 % 4)
					    : c_code(known[i - 8], i % 3, i);
		watch(1, OBJECT);
		birth(known[0]);
		max = 200 + round * 10;
		for (int32_t i = 0; i < max; i++) {
			uint32_t spread = round % 3 ? 24 : 3;

			random ^= random << 13, random ^= random >> 7, random ^= random << 17;
			n += (random & 1) ? 1 : -1;
			count_in(1 + (round % 2 ? random >> 8 & 1 : 0), 1, n, known[(random >> 16) % spread],
				 (random >> 32) % 50 == 0  ? PT_COUNT_UNSEEN
				 : (random >> 40) % 5 == 0 ? PT_COUNT_LEAVES
							   : 0);
		}
		play();
		lines.text = round & 4 ? some_text : NULL;
		history_replay(&histories.at.at[0], add_up, sums);
		assert_int_equal(sums[0], max + 1);
		assert_int_equal(sums[2], n);
		net_make(&net, &lines, &histories.at.at[0]);
		for (size_t i = 0; i < net.n; i++)
			net_sum += (int64_t)net.changes[i].delta * net.changes[i].times;
		assert_int_equal(net_sum, sums[1]);
		net_free(&net);
		done();
	}
}

/* ---- what no tracer writes ---- */

static void test_hostile_events(void **state)
{
	(void)state;
	start();
	count_in(1, 7, 3, at(1, 0), 0);    /* never opened */
	unwatch(7, PT_UNWATCH_DIED, 0, 0); /* likewise */
	watch(7, OBJECT);
	count_in(1, 7, INT32_MAX, at(1, 0), PT_COUNT_BIRTH);
	count_in(1, 7, INT32_MIN, 0xfffffff0u, 0); /* a jump, from a stack that is not there */
	watch(7, OBJECT);                          /* opened twice */
	count_in(1, 7, 1, at(1, 0), 0xffff);
	unwatch(7, (enum pt_unwatch)0xabcd, 1, 0xffffffffu);
	count_in(1, 7, 2, at(1, 0), 0); /* after its end */
	unwatch(7, PT_UNWATCH_DIED, 0, 0);
	watch(0, 0);
	watch(UINT32_MAX, UINT64_MAX);
	synth_pair(s, 1, PT_OP_WATCH, UINT64_MAX, UINT64_MAX); /* a type that is not there */
	play();
	assert_int_equal(histories.n_strange, 6);
	assert_int_equal(histories.at.n, 5);
	assert_int_equal(histories.at.at[0].end, PT_UNWATCH_LOST);
	assert_int_equal(histories.at.at[0].n, 2);
	assert_int_equal(histories.at.at[0].changes[1].delta, INT32_MIN);
	assert_int_equal(histories.at.at[1].n, 1);
	assert_true(history_is_none(&histories.at.at[2]));
	assert_int_equal(histories.at.at[4].type, TYPEDEF_UNKNOWN);
	for (size_t i = 0; i < histories.at.n; i++)
		written(&histories.at.at[i]);
	done();
}

static void test_type_from_the_release(void **state)
{
	struct pt_type head = { .before_bytes = 16 };
	uint8_t data[sizeof head + 4];

	(void)state;
	start();
	memcpy(data, &head, sizeof head);
	memcpy(data + sizeof head, "list", 4);
	synth_define(s, 1, PT_OP_TYPE, 3, data, sizeof data);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 56, at(1, 0));
	watch(1, 0x1010);
	birth(at(1, 0));
	unwatch(1, PT_UNWATCH_ROTATED, 1, 0);
	synth_memory(s, 1, pt_memory_op(PT_FREE, PT_LAYER_OBJECT), 0x1000, 3, at(6, 0));
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 56, at(1, 0));
	synth_free(s, 1, PT_LAYER_OBJECT, 0x1000, at(7, 0));
	play();
	assert_int_not_equal(histories.at.at[0].type, TYPEDEF_UNKNOWN);
	assert_string_equal(strings_text(&trace.defs.strings, trace.defs.types.at.at[histories.at.at[0].type].name),
			    "list");
	assert_int_equal(lines_site(&trace.defs, histories.at.at[0].block.freed_by).at.line, 6);
	assert_int_equal(histories.at.at[0].end, PT_UNWATCH_ROTATED);
	done();
}

/* ---- points ---- */

static bool is_session(void *self, const char *name)
{
	(void)self;
	return !strcmp(name, "app.Session");
}

static void take(uint64_t number, uint64_t refcount, bool other)
{
	struct snap *p = snap_new(s, number, s->ns);
	uint32_t session = snap_type(p, 0x100, PT_TYPE_GC | PT_TYPE_TRAVERSE, 40, 0, 16, "app.Session");
	uint32_t list = snap_type(p, 0x200, PT_TYPE_GC | PT_TYPE_TRAVERSE, 40, 0, 16, "list");

	snap_object(p, PT_EDGES_INDEXED, 0x5010, list, 1, 56);
	snap_edge(p, 0x1010);
	snap_edge(p, 0x1010);
	snap_object(p, PT_EDGES_PLAIN, 0x1010, session, refcount, 40);
	if (other)
		snap_object(p, PT_EDGES_PLAIN, 0x2010, session, 1, 40);
	snap_end(p);
	synth_pair(s, 1, PT_OP_SNAPSHOT, number, PT_SNAPSHOT_SIGNAL);
}

static void test_points_of_the_others(void **state)
{
	const struct points_wanted wanted = { .type = is_session };
	const struct points_object *x;

	(void)state;
	start();
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 56, at(1, 0));
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x2000, 56, at(2, 0));
	take(1, 2, true);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x2000, at(3, 0));
	synth_at(s, s->ns + 5000);
	take(2, 5, false);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x1000, at(4, 0));
	play_with(&wanted);
	assert_int_equal(points.n_snapshots, 2);
	assert_int_equal(points.at.n, 2);
	x = &points.at.at[0];
	assert_string_equal(strings_text(&points.names, x->type), "app.Session");
	assert_int_equal(x->n, 2);
	assert_int_equal(points.points.at[x->first - 1].count, 2);
	assert_int_equal(points.points.at[x->first - 1].known, 2);
	assert_int_equal(points.points.at[x->last - 1].count, 5);
	assert_int_equal(points.points.at[x->last - 1].known, 2);
	assert_int_equal(lines_site(&trace.defs, x->node).at.line, 1);
	assert_int_equal(lines_site(&trace.defs, x->freed_by).at.line, 4);
	assert_int_equal(points.at.at[1].n, 1);
	assert_int_equal(lines_site(&trace.defs, points.at.at[1].freed_by).at.line, 3);
	points_free(&points);
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_line_once),
		cmocka_unit_test(test_arguments_go_with_the_call),
		cmocka_unit_test(test_what_is_returned_is_handed_over),
		cmocka_unit_test(test_frames_give_arguments_first),
		cmocka_unit_test(test_variables_go_with_their_frame),
		cmocka_unit_test(test_what_is_returned_is_the_callers),
		cmocka_unit_test(test_arguments_of_calls_that_do_nothing),
		cmocka_unit_test(test_loops_start_lines_anew),
		cmocka_unit_test(test_statements_over_lines),
		cmocka_unit_test(test_statements_end_where_they_say),
		cmocka_unit_test(test_c_code_is_named),
		cmocka_unit_test(test_threads_do_not_mix),
		cmocka_unit_test(test_what_stands_alone),
		cmocka_unit_test(test_pairs_that_repeat_are_kept_once),
		cmocka_unit_test(test_loops_that_leak_are_runs),
		cmocka_unit_test(test_random_walks_add_up),
		cmocka_unit_test(test_hostile_events),
		cmocka_unit_test(test_type_from_the_release),
		cmocka_unit_test(test_points_of_the_others),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
