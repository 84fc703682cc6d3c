/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks folded by name or function, defined twice, or of no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "analyzer/read/tasks.h"

static struct tasks tasks;
static struct strings strings;

static int start(void **state)
{
	(void)state;
	strings_add(&strings, "", 0);
	tasks_init(&tasks);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	tasks_free(&tasks);
	strings_free(&strings);
	memset(&tasks, 0, sizeof tasks);
	memset(&strings, 0, sizeof strings);
	return 0;
}

#define ADD(id, text) \
	tasks_add(&tasks, &strings, &(struct pt_def){ (id), (const uint8_t *)(text), sizeof(text) - 1, PT_OP_TASK })

static void is_row(uint64_t id, const char *name, const char *function, uint32_t n)
{
	const struct task *t = &tasks.at.at[tasks_find(&tasks, id)];

	assert_string_equal(strings_text(&strings, t->name), name);
	assert_string_equal(strings_text(&strings, t->function), function);
	assert_int_equal(t->n, n);
}

static void test_names_and_functions(void **state)
{
	(void)state;
	assert_true(ADD(1, "\1alpha\0worker"));
	assert_true(ADD(2, "\1Task-7\0handler"));
	assert_true(ADD(3, "\1Task-8\0handler"));
	assert_true(ADD(4, "\2\0handler")); /* a greenlet is not a task */
	assert_true(ADD(5, "\1Task-x\0handler"));
	assert_true(ADD(6, "\1Task-9")); /* nothing but its number */
	is_row(1, "alpha", "worker", 1);
	is_row(2, "", "handler", 2);
	is_row(4, "", "handler", 1);
	is_row(5, "Task-x", "handler", 1);
	is_row(6, "Task-9", "", 1);
	assert_int_equal(tasks_find(&tasks, 2), tasks_find(&tasks, 3));
	assert_int_not_equal(tasks_find(&tasks, 2), tasks_find(&tasks, 4));
	assert_int_equal(tasks.at.n, 6);
}

static void test_defined_again(void **state)
{
	(void)state;
	ADD(1, "\1Task-7\0handler");
	ADD(1, "\1Task-7\0handler"); /* a ring, and the block made from it */
	ADD(2, "\1Task-7\0handler"); /* the tracer had forgotten it */
	is_row(2, "", "handler", 1);
	ADD(3, "\1alpha\0worker");
	ADD(3, "\1alpha\0worker");
	is_row(3, "alpha", "worker", 1);
	ADD(4, "\1alpha\0other");
	is_row(3, "alpha", "", 2);
}

static void test_nonsense(void **state)
{
	(void)state;
	assert_false(ADD(0, "\1alpha\0worker"));
	assert_false(ADD(1, ""));
	assert_true(ADD(2, "\1"));
	assert_true(ADD(3, "\377\0\0\0"));
	assert_int_equal(tasks_find(&tasks, 0), TASK_NONE);
	assert_int_equal(tasks_find(&tasks, 99), TASK_NONE);
	assert_int_not_equal(tasks_find(&tasks, 2), TASK_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names_and_functions, start, stop),
		cmocka_unit_test_setup_teardown(test_defined_again, start, stop),
		cmocka_unit_test_setup_teardown(test_nonsense, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
