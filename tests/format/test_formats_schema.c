/* SPDX-License-Identifier: Apache-2.0 */
/* The list of events: what travels in the file says the same as the code, and bad text does no harm. */
#include "formats/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void schema_text_says_what_the_code_says(void **state)
{
	char text[4096];
	size_t len = pt_schema_text(text, sizeof text);
	uint8_t shapes[256] = { 0 };

	(void)state;
	assert_true(len < sizeof text);
	pt_schema_parse(text, len, shapes);
	for (unsigned op = 0; op < 256; op++)
		assert_int_equal(shapes[op], pt_op_shape((uint8_t)op));
}

static void schema_text_is_bounded(void **state)
{
	char whole[4096], cut[4096];
	size_t len = pt_schema_text(whole, sizeof whole);

	(void)state;
	for (size_t cap = 0; cap < len; cap += 7) {
		memset(cut, '#', sizeof cut);
		assert_int_equal(pt_schema_text(cut, cap), len);
		assert_memory_equal(cut, whole, cap);
		assert_int_equal(cut[cap], '#');
	}
}

static void schema_lines_that_cannot_be_read_are_passed_over(void **state)
{
	static const char text[] = "\n\nfoo\n999 PAIR x\n256 PAIR x\n150 WHAT x\n151\n152 \n PAIR y\n153 PAIR\n"
				   "154 PAIR ok then\n4294967296 PAIR z\n155 PAIRX p\n156 PAI p\n157 PAIR last";
	uint8_t shapes[256] = { 0 };

	(void)state;
	pt_schema_parse(text, sizeof text - 1, shapes);
	for (unsigned op = 0; op < 256; op++)
		assert_int_equal(shapes[op], op == 153 || op == 154 || op == 157 ? PT_SHAPE_PAIR : PT_SHAPE_NONE);
}

/* Every cut and every single wrong byte of the real text, in a buffer of its exact size. */
static void schema_hostile_text_stays_in_bounds(void **state)
{
	char text[4096];
	size_t len = pt_schema_text(text, sizeof text);

	(void)state;
	for (size_t n = 0; n <= len; n++) {
		char *copy = malloc(n + 1);
		uint8_t shapes[256] = { 0 };

		memcpy(copy, text, n);
		pt_schema_parse(copy, n, shapes);
		if (n) {
			copy[n / 2] = (char)(n * 37);
			copy[n - 1] = ' ';
			pt_schema_parse(copy, n, shapes);
		}
		for (unsigned op = 0; op < 256; op++)
			assert_true(shapes[op] <= PT_SHAPE_BYTES);
		free(copy);
	}
}

static void schema_a_kind_stands_for_its_layers(void **state)
{
	uint8_t shapes[256] = { 0 };

	(void)state;
	pt_schema_parse("032 FREE move\n", 14, shapes);
	for (unsigned op = 0; op < 256; op++)
		assert_int_equal(shapes[op], op >= 32 && op < 48 ? PT_SHAPE_FREE : PT_SHAPE_NONE);
}

static void schema_names_and_layers(void **state)
{
	(void)state;
	assert_string_equal(pt_op_name(pt_memory_op(PT_ALLOC, PT_LAYER_OBJECT)), "alloc");
	assert_string_equal(pt_op_name(PT_OP_PY_FINI), "py-fini");
	assert_null(pt_op_name(255));
	assert_string_equal(pt_layer_name(PT_LAYER_MMAP), "mmap");
	assert_null(pt_layer_name((enum pt_layer)9));
	assert_null(pt_layer_name((enum pt_layer)16));
	assert_true(pt_layer_counted(PT_LAYER_MMAP) && pt_layer_counted(PT_LAYER_OBJECT));
	assert_false(pt_layer_counted(PT_LAYER_ARENA) || pt_layer_counted(PT_LAYER_FILE) ||
		     pt_layer_counted(PT_LAYER_RESERVE) || pt_layer_counted((enum pt_layer)99));
	assert_string_equal(pt_op_field(PT_OP_RUN, 0), "run");
	assert_string_equal(pt_op_field(PT_OP_RUN, 1), "time_ns");
	assert_null(pt_op_field(0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schema_text_says_what_the_code_says),
		cmocka_unit_test(schema_text_is_bounded),
		cmocka_unit_test(schema_lines_that_cannot_be_read_are_passed_over),
		cmocka_unit_test(schema_hostile_text_stays_in_bounds),
		cmocka_unit_test(schema_a_kind_stands_for_its_layers),
		cmocka_unit_test(schema_names_and_layers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
