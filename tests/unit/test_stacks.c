/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks made of Python and of native frames: random ones against a plain reading of FORMAT.md, deep ones, hostile
 * ones.
 *
 * The reference knows lists only: it writes both stacks out, innermost first, and interleaves them frame by frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "analyzer/read/defs.h"

enum { MAIN = 1, PYTHON, LIBC, FOO, JEMALLOC, MODULES = JEMALLOC };
enum { CODES = 6, CHAIN = 64 };

/* ---- definitions ---- */

static void define(struct defs *d, uint8_t op, uint64_t id, const void *data, size_t len)
{
	const struct pt_def def = { .id = id, .data = data, .len = (uint32_t)len, .op = op };

	defs_add(d, &def);
}

static void define_words(struct defs *d, uint8_t op, uint32_t id, uint32_t a, uint32_t b, uint32_t c, uint32_t e)
{
	const uint32_t words[4] = { a, b, c, e };

	define(d, op, id, words, sizeof words);
}

static void define_code(struct defs *d, uint32_t id, const char *name)
{
	char data[100];
	struct pt_code head = { .first_line = id, .name_bytes = (uint16_t)strlen(name) };

	memcpy(data, &head, sizeof head);
	memcpy(data + sizeof head, name, head.name_bytes);
	define(d, PT_OP_CODE, id, data, sizeof head + head.name_bytes);
}

static void define_module(struct defs *d, uint32_t id, const char *path, uint8_t flags)
{
	char data[100];
	struct pt_module head = { .path_bytes = (uint16_t)strlen(path), .flags = flags };

	memcpy(data, &head, sizeof head);
	memcpy(data + sizeof head, path, head.path_bytes);
	define(d, PT_OP_MODULE, id, data, sizeof head + head.path_bytes);
}

static void start(struct defs *d, bool internals)
{
	char name[20];

	defs_init(d);
	d->stacks.internals = internals;
	for (uint32_t i = 1; i <= CODES; i++) {
		snprintf(name, sizeof name, "f%u", i);
		define_code(d, i, name);
	}
	define_module(d, MAIN, "/usr/bin/program", PT_MODULE_MAIN);
	define_module(d, PYTHON, "/usr/lib/libpython3.so", PT_MODULE_PYTHON);
	define_module(d, LIBC, "/lib/libc.so.6", 0);
	define_module(d, FOO, "/srv/foo.so", 0);
	define_module(d, JEMALLOC, "/usr/lib/libjemalloc.so.2", 0);
}

/* ---- the reference ---- */

struct raw {
	uint8_t op;
	uint32_t words[4];
};

static bool is_skipped(const struct raw *all, uint32_t id)
{
	const struct raw *r = &all[id];
	uint32_t module = r->words[PT_NATIVE_MODULE], parent = r->words[PT_NATIVE_PARENT];

	if (r->words[PT_NATIVE_FLAGS] & PT_NATIVE_CUT)
		return false;
	if (r->words[PT_NATIVE_FLAGS] & PT_NATIVE_EVAL || module == PYTHON || module == JEMALLOC)
		return true;
	if (module == LIBC)
		return !parent || all[parent].words[PT_NATIVE_FLAGS] & PT_NATIVE_CUT || is_skipped(all, parent);
	return module == MAIN && !parent;
}

/* Appends "name" or "+offset" of the frames of one kind. */
static void say(char *out, const char *kind, uint32_t a, uint32_t b)
{
	sprintf(out + strlen(out), "%s%u.%u ", kind, a, b);
}

static void say_native(char *out, const struct raw *all, uint32_t native, bool internals, bool python_left)
{
	const struct raw *r = &all[native];

	if (r->words[PT_NATIVE_FLAGS] & PT_NATIVE_CUT) {
		if (internals || !python_left)
			strcat(out, "cut ");
	} else if (internals || !is_skipped(all, native)) {
		say(out, "n", r->words[PT_NATIVE_MODULE], r->words[PT_NATIVE_OFFSET]);
	}
}

static void reference(char *out, const struct raw *all, uint32_t python, uint32_t native, bool internals)
{
	*out = 0;
	for (; native; native = all[native].words[PT_NATIVE_PARENT]) {
		bool some = false;

		if (all[native].words[PT_NATIVE_FLAGS] & PT_NATIVE_EVAL) {
			while (python && all[python].words[PT_FRAME_CODE] != PT_CODE_ENTRY) {
				say(out, "p", all[python].words[PT_FRAME_CODE], all[python].words[PT_FRAME_OFFSET]);
				python = all[python].words[PT_FRAME_PARENT];
				some = true;
			}
			if (python)
				python = all[python].words[PT_FRAME_PARENT];
		}
		if (!some)
			say_native(out, all, native, internals, python != 0);
	}
	for (; python; python = all[python].words[PT_FRAME_PARENT])
		if (all[python].words[PT_FRAME_CODE] != PT_CODE_ENTRY)
			say(out, "p", all[python].words[PT_FRAME_CODE], all[python].words[PT_FRAME_OFFSET]);
}

static void write_out(char *out, const struct defs *d, node_id node)
{
	*out = 0;
	for (; node > NODE_UNKNOWN; node = defs_frame(d, node)->parent) {
		const struct node *n = defs_frame(d, node);

		assert_true(n->parent < node);
		if (n->kind == NODE_CUT)
			strcat(out, "cut ");
		else if (n->kind == NODE_PYTHON)
			say(out, "p", d->codes.at[n->code].first_line, n->offset);
		else
			say(out, "n", (uint32_t)d->modules.at.at[n->module].id, (uint32_t)node_address(n));
	}
	if (node == NODE_UNKNOWN)
		strcat(out, "?");
}

/* ---- random ones ---- */

static uint64_t random_state;

static uint32_t below(uint32_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(random_state >> 33) % n;
}

/* An older definition of a kind, with preference for young ones: deep stacks. 0 when there is none. */
static uint32_t pick(const struct raw *all, uint32_t n, uint8_t op)
{
	for (int tries = 0; tries < 20; tries++) {
		uint32_t id = below(2) ? below(n) : n - 1 - below(n < 30 ? n : 30);

		if (id && all[id].op == op)
			return id;
	}
	return 0;
}

static struct raw random_raw(const struct raw *all, uint32_t n)
{
	struct raw r = { .op = below(3) ? below(2) ? PT_OP_FRAME : PT_OP_NATIVE : PT_OP_JOIN };

	if (r.op == PT_OP_JOIN) {
		r.words[PT_JOIN_PYTHON] = pick(all, n, PT_OP_FRAME);
		r.words[PT_JOIN_NATIVE] = pick(all, n, PT_OP_NATIVE);
		return r;
	}
	r.words[0] = below(8) ? pick(all, n, r.op) : 0;
	if (r.op == PT_OP_FRAME) {
		r.words[PT_FRAME_CODE] = below(4) ? 1 + below(CODES) : PT_CODE_ENTRY;
		r.words[PT_FRAME_OFFSET] = r.words[PT_FRAME_CODE] ? below(3) : 0;
		return r;
	}
	r.words[PT_NATIVE_MODULE] = 1 + below(MODULES);
	r.words[PT_NATIVE_OFFSET] = below(3);
	if (!below(3)) {
		r.words[PT_NATIVE_MODULE] = PYTHON;
		r.words[PT_NATIVE_FLAGS] = PT_NATIVE_EVAL;
	} else if (!r.words[PT_NATIVE_PARENT] && !below(4)) {
		r.words[PT_NATIVE_MODULE] = r.words[PT_NATIVE_OFFSET] = 0;
		r.words[PT_NATIVE_FLAGS] = PT_NATIVE_CUT;
	}
	return r;
}

static unsigned depth_of(const struct raw *all, uint32_t id)
{
	unsigned depth = 0;

	for (; id; id = all[id].words[0])
		depth++;
	return depth;
}

/* Defines them in an order of its own, in which nothing is sorted. */
static void define_all(struct defs *d, const struct raw *all, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t id = i ^ 5;

		if (id && id < n)
			define_words(d, all[id].op, id, all[id].words[0], all[id].words[1], all[id].words[2],
				     all[id].words[3]);
	}
	for (uint32_t id = n & ~7u; id < n; id++)
		if (id)
			define_words(d, all[id].op, id, all[id].words[0], all[id].words[1], all[id].words[2],
				     all[id].words[3]);
}

static void check_round(uint64_t seed, bool internals)
{
	enum { N = 400 };
	static struct raw all[N];
	static char want[1 << 16], got[1 << 16];
	struct defs d;

	random_state = seed;
	for (uint32_t id = 1; id < N; id++) {
		all[id] = random_raw(all, id);
		while (all[id].op != PT_OP_JOIN && depth_of(all, id) > CHAIN)
			all[id] = random_raw(all, id);
	}
	start(&d, internals);
	define_all(&d, all, N);
	defs_finish(&d);
	assert_int_equal(d.n_bad, 0);
	assert_int_equal(d.stacks.n_unmerged, 0);
	for (uint32_t id = 1; id < N; id++) {
		bool join = all[id].op == PT_OP_JOIN, python = all[id].op == PT_OP_FRAME;

		reference(want, all,
			  join     ? all[id].words[PT_JOIN_PYTHON]
			  : python ? id
				   : 0,
			  join     ? all[id].words[PT_JOIN_NATIVE]
			  : python ? 0
				   : id,
			  internals);
		write_out(got, &d, defs_node(&d, id));
		if (strcmp(got, want))
			fail_msg("seed %u, stack %u: %s, not %s", (unsigned)seed, id, got, want);
	}
	defs_free(&d);
}

static void random_stacks_are_merged_as_the_format_says(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		check_round(seed, false);
		check_round(seed, true);
	}
}

/* ---- single facts ---- */

static void equal_stacks_are_one_node(void **state)
{
	struct defs d;

	(void)state;
	start(&d, false);
	define_module(&d, 17, "/srv/foo.so", 0); /* loaded once more */
	define_words(&d, PT_OP_FRAME, 1, 0, 1, 4, 0);
	define_words(&d, PT_OP_NATIVE, 2, 0, PYTHON, 10, PT_NATIVE_EVAL);
	define_words(&d, PT_OP_NATIVE, 3, 2, FOO, 20, 0);
	define_words(&d, PT_OP_NATIVE, 4, 2, 17, 20, 0);
	define_words(&d, PT_OP_NATIVE, 5, 2, PYTHON, 30, 0); /* dict's insert */
	define_words(&d, PT_OP_NATIVE, 6, 2, PYTHON, 40, 0); /* dict's resize */
	define_words(&d, PT_OP_JOIN, 7, 1, 3, 0, 0);
	define_words(&d, PT_OP_JOIN, 8, 1, 4, 0, 0);
	define_words(&d, PT_OP_JOIN, 9, 1, 5, 0, 0);
	define_words(&d, PT_OP_JOIN, 10, 1, 6, 0, 0);
	defs_finish(&d);
	assert_int_equal(defs_node(&d, 7), defs_node(&d, 8));
	assert_int_equal(defs_node(&d, 9), defs_node(&d, 10));
	assert_int_equal(defs_node(&d, 9), defs_node(&d, 1));
	assert_int_not_equal(defs_node(&d, 7), defs_node(&d, 9));
	defs_free(&d);
}

static void where_a_loop_is_there_is_an_interpreter(void **state)
{
	struct defs d;
	char text[200];

	(void)state;
	start(&d, false);
	define_words(&d, PT_OP_FRAME, 1, 0, 1, 4, 0);
	define_words(&d, PT_OP_NATIVE, 2, 0, FOO, 7, 0);
	define_words(&d, PT_OP_NATIVE, 3, 2, FOO, 10, PT_NATIVE_EVAL);
	define_words(&d, PT_OP_NATIVE, 4, 3, FOO, 20, 0);
	define_words(&d, PT_OP_NATIVE, 5, 4, LIBC, 30, 0);
	define_words(&d, PT_OP_JOIN, 6, 1, 5, 0, 0);
	defs_finish(&d);
	write_out(text, &d, defs_node(&d, 6));
	assert_string_equal(text, "p1.4 ");
	assert_int_equal(defs_node(&d, 2), NODE_EMPTY);
	defs_free(&d);
}

static void an_address_has_48_bits(void **state)
{
	struct defs d;
	const struct node *n;

	(void)state;
	start(&d, false);
	define_words(&d, PT_OP_NATIVE, 1, 0, 0, 0x9abcdef0, PT_NATIVE_EXACT | 0x7f12u << 16);
	defs_finish(&d);
	n = defs_frame(&d, defs_node(&d, 1));
	assert_true(node_address(n) == UINT64_C(0x7f129abcdef0));
	assert_int_equal(n->module, MODULE_NONE);
	assert_int_equal(n->flags, NODE_EXACT);
	defs_free(&d);
}

static void what_is_missing_is_unknown(void **state)
{
	struct defs d;
	char text[200];

	(void)state;
	start(&d, true);
	define_words(&d, PT_OP_NATIVE, 5, 0, FOO, 1, 0);
	define_words(&d, PT_OP_NATIVE, 6, 4, FOO, 2, 0); /* nobody defined 4 */
	define_words(&d, PT_OP_NATIVE, 7, 0, 99, 3, 0);  /* nor module 99 */
	define_words(&d, PT_OP_JOIN, 10, 3, 5, 0, 0);    /* nor the frame 3 */
	define_words(&d, PT_OP_JOIN, 11, 5, 5, 0, 0);    /* 5 is no frame */
	define_words(&d, PT_OP_JOIN, 12, 0, 12, 0, 0);   /* itself */
	define_words(&d, PT_OP_JOIN, 13, 0, 14, 0, 0);   /* one that is younger */
	defs_finish(&d);
	write_out(text, &d, defs_node(&d, 6));
	assert_string_equal(text, "n4.2 ?");
	assert_int_equal(defs_frame(&d, defs_node(&d, 7))->module, MODULE_UNKNOWN);
	write_out(text, &d, defs_node(&d, 10));
	assert_string_equal(text, "n4.1 ?");
	write_out(text, &d, defs_node(&d, 11));
	assert_string_equal(text, "n4.1 ?");
	assert_int_equal(defs_node(&d, 12), NODE_UNKNOWN);
	assert_int_equal(defs_node(&d, 13), NODE_UNKNOWN);
	assert_int_equal(d.n_bad, 3);
	defs_free(&d);
}

/* ---- size ---- */

static void deep_stacks_do_not_take_the_reader_down(void **state)
{
	enum { DEEP = 100000 };
	struct defs d;
	uint32_t id = 1, python, native, depth = 0;

	(void)state;
	start(&d, false);
	for (; id <= DEEP; id++)
		define_words(&d, PT_OP_FRAME, id, id - 1, 1 + id % CODES, id % 7, 0);
	python = id - 1;
	for (native = 0; id <= 2 * DEEP; id++) {
		define_words(&d, PT_OP_NATIVE, id, native, FOO, id, 0);
		native = id;
	}
	define_words(&d, PT_OP_JOIN, id, python, native, 0, 0);
	defs_finish(&d);
	for (node_id node = defs_node(&d, id); node > NODE_UNKNOWN; node = defs_frame(&d, node)->parent)
		depth++;
	assert_int_equal(depth, 2 * DEEP);
	defs_free(&d);
}

/* Each of many Python stacks joined with one deep native stack: as many frames as there are pairs. */
static void hostile_joins_take_bounded_memory(void **state)
{
	enum { MANY = 30000 };
	struct defs d;
	uint32_t id = 1;

	(void)state;
	start(&d, true);
	for (; id <= MANY; id++)
		define_words(&d, PT_OP_FRAME, id, 0, 1, id, 0);
	define_words(&d, PT_OP_NATIVE, id, 0, FOO, 0, 0);
	for (id++; id <= 2 * MANY; id++)
		define_words(&d, PT_OP_NATIVE, id, id - 1, FOO, id, 0);
	for (; id <= 3 * MANY; id++)
		define_words(&d, PT_OP_JOIN, id, id - 2 * MANY, 2 * MANY, 0, 0);
	defs_finish(&d);
	assert_true(d.stacks.nodes.n < 16 * 3 * MANY + (1 << 20) + 3 * MANY);
	assert_true(d.stacks.n_unmerged > MANY / 2 && d.stacks.n_unmerged < MANY);
	assert_int_equal(defs_node(&d, 3 * MANY), defs_node(&d, MANY)); /* the Python stack alone */
	defs_free(&d);
}

static void half_a_million_joins_load_in_about_a_second(void **state)
{
	enum { FRAMES = 200000, NATIVES = 100000, JOINS = 500000 };
	struct timespec from, to;
	struct defs d;
	uint32_t id = 1;

	(void)state;
	random_state = 1;
	start(&d, true);
	for (; id <= FRAMES; id++)
		define_words(&d, PT_OP_FRAME, id, below(id < 200 ? 1 : 10) ? id - 1 - below(id < 100 ? 1 : 50) : 0,
			     below(12) ? 1 + below(CODES) : PT_CODE_ENTRY, below(1000), 0);
	for (; id <= FRAMES + NATIVES; id++) {
		uint32_t young = id - FRAMES - 1;
		bool eval = !below(6);

		define_words(&d, PT_OP_NATIVE, id, young ? id - 1 - below(young < 40 ? 1 : 40) : 0,
			     eval ? PYTHON : 1 + below(MODULES), below(100000), eval ? PT_NATIVE_EVAL : 0);
	}
	for (; id <= FRAMES + NATIVES + JOINS; id++) {
		uint32_t place = below(FRAMES - 10);

		define_words(&d, PT_OP_JOIN, id, 1 + place + below(10), FRAMES + 1 + place / 2 + below(5), 0, 0);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	defs_finish(&d);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	print_message("%zu nodes in %.2f s, %u not merged\n", d.stacks.nodes.n,
		      (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9,
		      (unsigned)d.stacks.n_unmerged);
	assert_true(d.stacks.nodes.n > JOINS / 2);
	defs_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_stacks_are_merged_as_the_format_says),
		cmocka_unit_test(equal_stacks_are_one_node),
		cmocka_unit_test(where_a_loop_is_there_is_an_interpreter),
		cmocka_unit_test(an_address_has_48_bits),
		cmocka_unit_test(what_is_missing_is_unknown),
		cmocka_unit_test(deep_stacks_do_not_take_the_reader_down),
		cmocka_unit_test(hostile_joins_take_bounded_memory),
		cmocka_unit_test(half_a_million_joins_load_in_about_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
