/* SPDX-License-Identifier: Apache-2.0 */
/* analyzer/gate: patterns, and the file of a baseline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/gate/baseline.h"
#include "analyzer/gate/pattern.h"

static void patterns_match_as_those_of_leaksanitizer(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{ "serve", "serve", true },
		{ "serve", "app.serve.run", true },
		{ "serve", "serv", false },
		{ "", "anything", false },
		{ "^", "anything", false },
		{ "^serve", "serve_all", true },
		{ "^serve", "app.serve", false },
		{ "serve$", "app.serve", true },
		{ "serve$", "serve.app", false },
		{ "serve$", "serve.serve", true },
		{ "^serve$", "serve", true },
		{ "^serve$", "serve.serve", false },
		{ "*", "", true },
		{ "*", "x", true },
		{ "a*b", "xaxxbx", true },
		{ "a*b", "ba", false },
		{ "^a*b$", "axxb", true },
		{ "^a*b$", "axxbx", false },
		{ "^a*b$", "ab", true },
		{ "^a*b$", "abxb", true },
		{ "a*", "xa", true },
		{ "a**b", "a1b", true },
		{ "aa*aa$", "aaa", false },
		{ "aa*aa$", "aaaa", true },
		{ "*.py", "pages.py", true },
		{ "^lib*.so$", "libfoo.so", true },
		{ "^lib*.so$", "libfoo.so.1", false },
		{ "$", "x", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (pattern_matches(cases[i].pattern, cases[i].text) != cases[i].matches)
			fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
	}
}

static void write_text(char *name, const char *text, size_t len)
{
	int fd;

	strcpy(name, "/tmp/pytrace-test-gate-XXXXXX");
	fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void baseline_comes_back_as_it_was_written(void **state)
{
	struct baseline b = { 0 }, back;
	struct fault fault;
	char *text = NULL, name[64];
	size_t len = 0;
	bool absent;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	baseline_put(&b, "growth-2", "b.py in \"g\"", 20, 2);
	baseline_put(&b, "growth-1", "a.py in f", 10, 1);
	baseline_put(&b, "growth-3", "", 30, 3);
	baseline_put(&b, "growth-1", "a.py in f", 5, 1);
	assert_int_equal(b.at.n, 3);
	assert_string_equal(b.at.at[0].fingerprint, "growth-1");
	assert_int_equal(b.at.at[0].bytes, 15);
	assert_true(baseline_write(&b, f));
	fclose(f);
	write_text(name, text, len);
	assert_int_equal(baseline_read(&back, name, &absent, &fault), 0);
	assert_false(absent);
	assert_int_equal(back.at.n, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(back.at.at[i].fingerprint, b.at.at[i].fingerprint);
		assert_string_equal(back.at.at[i].where, b.at.at[i].where);
		assert_int_equal(back.at.at[i].bytes, b.at.at[i].bytes);
		assert_int_equal(back.at.at[i].blocks, b.at.at[i].blocks);
	}
	assert_null(baseline_find(&back, "growth-4"));
	unlink(name);
	free(text);
	baseline_free(&b);
	baseline_free(&back);
}

static void baseline_that_is_none_is_a_fault(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"schema\": \"pytrace.baseline/2\", \"findings\": []}",
		"{\"schema\": \"pytrace.baseline/1\", \"findings\": {}}",
		"{\"schema\": \"pytrace.baseline/1\", \"findings\": [1]}",
		"{\"schema\": \"pytrace.baseline/1\", \"findings\": [{\"fingerprint\": \"\", \"bytes\": 1, \"blocks\": "
		"1}]}",
		"{\"schema\": \"pytrace.baseline/1\", \"findings\": [{\"fingerprint\": \"a\", \"bytes\": 1.5, "
		"\"blocks\": 1}]}",
		"{\"schema\": \"pytrace.baseline/1\", \"findings\": [{\"fingerprint\": \"a\", \"bytes\": 1, "
		"\"blocks\": 1},"
		" {\"fingerprint\": \"a\", \"bytes\": 1, \"blocks\": 1}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct baseline b;
		struct fault fault;
		char name[64];
		bool absent;

		write_text(name, texts[i], strlen(texts[i]));
		assert_int_equal(baseline_read(&b, name, &absent, &fault), FAULT_FORMAT);
		assert_true(*fault.cause);
		unlink(name);
		baseline_free(&b);
		assert_int_equal(baseline_read(&b, name, &absent, &fault), 0);
		assert_true(absent);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_those_of_leaksanitizer),
		cmocka_unit_test(baseline_comes_back_as_it_was_written),
		cmocka_unit_test(baseline_that_is_none_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
