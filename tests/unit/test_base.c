/* SPDX-License-Identifier: Apache-2.0 */
/* The ground floor: arrays, arenas, maps, texts, error lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "analyzer/base/fault.h"
#include "analyzer/base/map.h"
#include "analyzer/base/strings.h"

static void array_keeps_what_is_pushed_while_it_grows(void **state)
{
	ARRAY(uint32_t) a = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 100000; i++)
		*array_push(&a) = i * 3;
	assert_int_equal(a.n, 100000);
	for (uint32_t i = 0; i < 100000; i++)
		assert_int_equal(a.at[i], i * 3);
	array_free(&a);
	assert_null(a.at);
}

static void array_reserve_makes_room_once(void **state)
{
	ARRAY(uint64_t) a = { 0 };
	uint64_t *before;

	(void)state;
	array_reserve(&a, (size_t)1000);
	before = a.at;
	for (int i = 0; i < 1000; i++)
		*array_push(&a) = 1;
	assert_ptr_equal(before, a.at);
	array_free(&a);
}

static void arena_hands_out_aligned_pieces_that_do_not_overlap(void **state)
{
	struct arena a = { 0 };
	uint8_t *pieces[2000];

	(void)state;
	for (size_t i = 0; i < 2000; i++) {
		pieces[i] = arena_take(&a, i);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		memset(pieces[i], (int)i, i);
	}
	for (size_t i = 0; i < 2000; i++)
		for (size_t k = 0; k < i; k += 97)
			assert_int_equal(pieces[i][k], (uint8_t)i);
	memset(arena_take(&a, 3 << 20), 1, 3 << 20); /* larger than any piece */
	arena_free(&a);
}

static void map_finds_all_keys_and_no_others(void **state)
{
	struct map m = { 0 };

	(void)state;
	assert_int_equal(map_find(&m, 1), MAP_NONE);
	for (uint64_t k = 0; k < 50000; k++)
		*map_at(&m, k * 4096) = (uint32_t)k;
	assert_int_equal(m.n, 50000);
	for (uint64_t k = 0; k < 50000; k++)
		assert_int_equal(map_find(&m, k * 4096), k);
	assert_int_equal(map_find(&m, 1), MAP_NONE);
	assert_int_equal(map_find(&m, UINT64_MAX), MAP_NONE);
	map_free(&m);
}

static void map_key_asked_for_and_not_set_is_still_new(void **state)
{
	struct map m = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(*map_at(&m, 7), MAP_NONE);
	*map_at(&m, 7) = 1;
	assert_int_equal(map_find(&m, 7), 1);
	map_free(&m);
}

static void strings_gives_equal_texts_one_number(void **state)
{
	struct strings s = { 0 };
	string_id a = strings_add(&s, "abcdefghij", 10), b = strings_add(&s, "abcdefghik", 10);

	(void)state;
	assert_int_not_equal(a, b);
	assert_int_equal(a, strings_add(&s, "abcdefghij", 10));
	assert_int_equal(strings_add(&s, "", 0), 0);
	assert_string_equal(strings_text(&s, a), "abcdefghij");
	assert_string_equal(strings_text(&s, 999), "");
	strings_free(&s);
}

static void strings_keeps_zeros_inside(void **state)
{
	struct strings s = { 0 };
	string_id a = strings_add(&s, "a\0b", 3), b = strings_add(&s, "a\0c", 3);

	(void)state;
	assert_int_not_equal(a, b);
	assert_int_equal(strings_len(&s, a), 3);
	assert_memory_equal(strings_text(&s, a), "a\0b", 4);
	strings_free(&s);
}

static void fault_prints_file_cause_and_place(void **state)
{
	struct fault f;
	char line[200] = "";
	FILE *to = fmemopen(line, sizeof line, "w");

	(void)state;
	assert_int_equal(fault_set(&f, FAULT_FORMAT, "x.pytrace", 12, "is %s", "odd"), FAULT_FORMAT);
	fault_print(&f, to);
	fclose(to);
	assert_string_equal(line, "pytrace: x.pytrace: is odd (at byte 12)\n");
}

static void fault_without_file_or_place_prints_the_cause(void **state)
{
	struct fault f;
	char line[200] = "";
	FILE *to = fmemopen(line, sizeof line, "w");

	(void)state;
	fault_set(&f, FAULT_IO, NULL, FAULT_NOWHERE, "no");
	fault_print(&f, to);
	fclose(to);
	assert_string_equal(line, "pytrace: no\n");
	assert_int_equal(fault_set(NULL, FAULT_IO, NULL, FAULT_NOWHERE, "nobody wants to know"), FAULT_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(array_keeps_what_is_pushed_while_it_grows),
		cmocka_unit_test(array_reserve_makes_room_once),
		cmocka_unit_test(arena_hands_out_aligned_pieces_that_do_not_overlap),
		cmocka_unit_test(map_finds_all_keys_and_no_others),
		cmocka_unit_test(map_key_asked_for_and_not_set_is_still_new),
		cmocka_unit_test(strings_gives_equal_texts_one_number),
		cmocka_unit_test(strings_keeps_zeros_inside),
		cmocka_unit_test(fault_prints_file_cause_and_place),
		cmocka_unit_test(fault_without_file_or_place_prints_the_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
