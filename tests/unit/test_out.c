/* SPDX-License-Identifier: Apache-2.0 */
/* analyzer/out: what reports are printed with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/out/format.h"
#include "analyzer/out/json.h"
#include "analyzer/out/options.h"
#include "analyzer/out/output.h"
#include "analyzer/out/source.h"
#include "analyzer/out/table.h"

/* ---- format ---- */

static void format_bytes_keeps_three_digits(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 1, "1 B" },
		{ 999, "999 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.00 KiB" },
		{ 10239, "10.0 KiB" },
		{ 102400, "100 KiB" },
		{ 1047527, "1023 KiB" },
		{ 1048064, "1.00 MiB" },
		{ 1 << 20, "1.00 MiB" },
		{ UINT64_C(5) << 30, "5.00 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(format_bytes(cases[i].bytes).text, cases[i].text);
	assert_string_equal(format_bytes_signed(-2048).text, "-2.00 KiB");
	assert_string_equal(format_bytes_signed(INT64_MIN).text, "-8.00 EiB");
	assert_string_equal(format_rate(1536).text, "1.50 KiB/s");
}

static void format_numbers_read_well(void **state)
{
	(void)state;
	assert_string_equal(format_count(0).text, "0");
	assert_string_equal(format_count(999).text, "999");
	assert_string_equal(format_count(1000).text, "1,000");
	assert_string_equal(format_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
	assert_string_equal(format_plural(1, "block", "blocks").text, "1 block");
	assert_string_equal(format_plural(2000, "block", "blocks").text, "2,000 blocks");
	assert_string_equal(format_percent(1, 0).text, "-");
	assert_string_equal(format_percent(1, 8).text, "12.5%");
	assert_string_equal(format_percent(8, 8).text, "100%");
}

static void format_seconds_picks_the_unit(void **state)
{
	static const struct {
		double s;
		const char *text;
	} cases[] = {
		{ 0, "0 s" },       { 0.000012, "12 us" }, { 0.00123, "1.2 ms" },
		{ 0.35, "350 ms" }, { 0.9999, "1.00 s" },  { 1.239, "1.24 s" },
		{ 61, "61.0 s" },   { 125, "2 min 5 s" },  { 7500, "2 h 5 min" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(format_seconds(cases[i].s).text, cases[i].text);
}

static void format_printable_disarms_names(void **state)
{
	static const struct {
		const char *text, *safe;
	} cases[] = {
		{ "plain", "plain" },
		{ "n\xc3\xa4me", "n\xc3\xa4me" },
		{ "a\033[31mb", "a\\x1b[31mb" },
		{ "line\nbreak", "line\\x0abreak" },
		{ "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* no UTF-8 */
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* overlong */
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
		{ "\xc2\x9b"
		  "31m",
		  "\\x9b31m" }, /* a C1 control */
		{ "cut \xf0\x9f\x90", "cut \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	};
	char safe[64];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(format_printable(safe, sizeof safe, cases[i].text), cases[i].safe);
	assert_string_equal(format_printable(safe, 4, "\xc3\xa4\xc3\xa4\xc3\xa4"), "\xc3\xa4");
}

/* What fn prints. The caller frees it. */
static char *printed(void (*fn)(FILE *f, const void *arg), const void *arg)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	fn(f, arg);
	fclose(f);
	return text;
}

static void elide(FILE *f, const void *arg) { format_elide(f, arg, 20); }
static void wrap(FILE *f, const void *arg) { format_wrapped(f, arg, 0, 2, 20); }

static void format_elide_keeps_both_ends(void **state)
{
	char *text = printed(elide, "/a/very/long/path/to/a/module.py");

	(void)state;
	assert_int_equal(format_width(text), 20);
	assert_non_null(strstr(text, "..."));
	assert_string_equal(text + strlen(text) - 9, "module.py");
	free(text);
	text = printed(elide, "short.py");
	assert_string_equal(text, "short.py");
	free(text);
}

static void format_wrapped_fills_lines(void **state)
{
	char *text = printed(wrap, "one two three four five six\n\n  kept as it is, however long it may be\nlast");

	(void)state;
	assert_string_equal(text,
			    "  one two three four\n  five six\n\n    kept as it is, however long it may be\n  last\n");
	free(text);
}

/* ---- options ---- */

struct own {
	bool flag;
	const char *text;
	uint64_t number, size;
	int choice;
};

static const struct option_row own_rows[] = {
	{ 'x', "flag", OPTION_FLAG, offsetof(struct own, flag), NULL, "a flag" },
	{ 't', "text", OPTION_TEXT, offsetof(struct own, text), "TEXT", "a text" },
	{ 'n', "number", OPTION_NUMBER, offsetof(struct own, number), "N", "a number" },
	{ 0, "size", OPTION_SIZE, offsetof(struct own, size), "BYTES", "a size" },
	{ 0, "choice", OPTION_CHOICE, offsetof(struct own, choice), "red|green|blue", "a choice" },
	{ 0 },
};
static const struct option_page page = {
	.name = "test",
	.summary = "a command for tests",
	.operands = "TRACE...",
	.rows = own_rows,
	.groups = OPTIONS_REPORT,
};
static const struct option_page first_page = {
	.name = "first",
	.summary = "stops at the first operand",
	.operands = "COMMAND",
	.rows = own_rows,
	.groups = OPTIONS_FIRST,
};

/* Splits a line at spaces and parses it; stderr goes to `complaint`. */
static enum options_result parse(const struct option_page *p, const char *line, struct own *own,
				 struct options_common *common, char complaint[400])
{
	static char words[400], *argv[40];
	char *save = NULL;
	int argc = 0, saved = dup(STDERR_FILENO);
	FILE *messages = tmpfile();
	enum options_result result;

	*own = (struct own){ .choice = -1 };
	*common = (struct options_common){ 0 };
	snprintf(words, sizeof words, "%s", line);
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	fflush(stderr);
	dup2(fileno(messages), STDERR_FILENO);
	result = options_parse(p, own, common, argc, argv);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(messages);
	complaint[fread(complaint, 1, 399, messages)] = 0;
	fclose(messages);
	return result;
}

static void options_stand_anywhere(void **state)
{
	struct options_common common;
	struct own own;
	char complaint[400];

	(void)state;
	assert_int_equal(parse(&page,
			       "test a.pytrace --flag -t word b.pytrace --number=7 --json -fo out --choice green", &own,
			       &common, complaint),
			 OPTIONS_GO);
	assert_true(own.flag && common.json && common.force);
	assert_string_equal(own.text, "word");
	assert_string_equal(common.output, "out");
	assert_int_equal(own.number, 7);
	assert_int_equal(own.choice, 1);
	assert_int_equal(common.n_operands, 2);
	assert_string_equal(common.operands[0], "a.pytrace");
	assert_string_equal(common.operands[1], "b.pytrace");
	assert_string_equal(complaint, "");
}

static void options_end_at_two_dashes(void **state)
{
	struct options_common common;
	struct own own;
	char complaint[400];

	(void)state;
	assert_int_equal(parse(&page, "test -x -- --flag -t", &own, &common, complaint), OPTIONS_GO);
	assert_int_equal(common.n_operands, 2);
	assert_string_equal(common.operands[0], "--flag");
	assert_int_equal(parse(&first_page, "first -x python3 -x --json", &own, &common, complaint), OPTIONS_GO);
	assert_int_equal(common.n_operands, 3);
	assert_string_equal(common.operands[1], "-x");
}

static void options_complain_in_one_line(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "test --flga t", "unknown option --flga; did you mean --flag?" },
		{ "test --jsn t", "unknown option --jsn; did you mean --json?" },
		{ "test --zzzzzzzz t", "unknown option --zzzzzzzz (see" },
		{ "test -q t", "unknown option -q" },
		{ "test --flag=1 t", "takes no value" },
		{ "test t --number", "is the last word" },
		{ "test t --number 7x", "--number can't be '7x'; it wants a number" },
		{ "test t --number -1", "can't be '-1'" },
		{ "test t --size 1Q", "it wants a size" },
		{ "test t --choice pink", "it is one of red green blue" },
		{ "test", "no trace given" },
	};
	struct options_common common;
	struct own own;
	char complaint[400];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(parse(&page, cases[i].line, &own, &common, complaint), OPTIONS_WRONG);
		assert_non_null(strstr(complaint, cases[i].says));
		assert_ptr_equal(strchr(complaint, '\n'), complaint + strlen(complaint) - 1);
	}
}

static void options_size_reads_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{ "0", 0 },       { "4096", 4096 },      { "64K", 65536 },
		{ "64k", 65536 }, { "1.5MiB", 1572864 }, { "2G", UINT64_C(2) << 30 },
		{ "10B", 10 },    { "1 KiB", 1024 },
	};
	static const char *const bad[] = { "", "K", "-1", "1KX", "1e30", "nan", "0x10", "99999999P" };
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_true(options_size(cases[i].text, &bytes));
		assert_int_equal(bytes, cases[i].bytes);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(options_size(bad[i], &bytes));
}

static void options_nearest_guesses_what_was_meant(void **state)
{
	static const char *const words[] = { "summary", "leaks", "sites", "export" };

	(void)state;
	assert_string_equal(options_nearest("leeks", words, 4), "leaks");
	assert_string_equal(options_nearest("sumary", words, 4), "summary");
	assert_string_equal(options_nearest("exp", words, 4), "export");
	assert_null(options_nearest("flamegraph", words, 4));
	assert_null(options_nearest("x", words, 4));
}

static void print_help(FILE *f, const void *arg) { options_help(arg, f); }

static void options_help_names_every_row(void **state)
{
	char *text = printed(print_help, &page);

	(void)state;
	for (const struct option_row *row = own_rows; row->name; row++)
		assert_non_null(strstr(text, row->name));
	assert_non_null(strstr(text, "--require-complete"));
	assert_null(strstr(text, "--full"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 80);
	free(text);
}

/* ---- output ---- */

static char folder[64], file[80];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/pytrace-out-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof file, "%s/report", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(folder); /* fails when a temporary file was left behind */
}

static void content_is(const char *wanted)
{
	char text[100];
	FILE *f = fopen(file, "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = 0;
	fclose(f);
	assert_string_equal(text, wanted);
}

static void output_file_is_whole_or_absent(void **state)
{
	struct output o;

	(void)state;
	assert_true(output_open(&o, file, false));
	assert_false(o.colour);
	fputs("first", o.file);
	assert_int_equal(access(file, F_OK), -1); /* not before it is whole */
	assert_true(output_close(&o));
	content_is("first");
	assert_false(output_open(&o, file, false)); /* it exists */
	content_is("first");
	assert_true(output_open(&o, file, true));
	fputs("half", o.file);
	output_abandon(&o);
	content_is("first");
	assert_true(output_open(&o, file, true));
	fputs("second", o.file);
	assert_true(output_close(&o));
	content_is("second");
	assert_false(output_open(&o, folder, true)); /* a folder */
	assert_false(output_open(&o, "/nonexistent/report", true));
}

static void output_full_disk_is_noticed(void **state)
{
	struct output o;

	(void)state;
	assert_true(output_open(&o, "/dev/full", true));
	fputs("lost", o.file);
	assert_false(output_close(&o));
}

/* ---- table ---- */

static void print_table(FILE *f, const void *arg)
{
	static const struct table_column columns[] = {
		{ .title = "bytes", .right = true },
		{ .title = "where", .elastic = true },
		{ .title = "note" },
	};
	const struct output o = { .file = f, .width = *(const unsigned *)arg };
	struct table t;

	table_init(&t, columns, 3);
	table_bytes(&t, 0);
	table_cell(&t, "%s", "a.py:1");
	table_cell(&t, "%s", "");
	table_bytes(&t, 2048);
	table_cell(&t, "%s", "/some/rather/long/path/of/a/module.py:17");
	table_cell(&t, "%s", "\033[2Jx");
	table_print(&t, &o, 1);
	table_free(&t);
}

static void table_aligns_and_elides(void **state)
{
	unsigned wide = 100, narrow = 50;
	char *text = printed(print_table, &wide);

	(void)state;
	assert_string_equal(text, "    bytes  where                                     note\n"
				  "        -  a.py:1\n"
				  " 2.00 KiB  /some/rather/long/path/of/a/module.py:17  \\x1b[2Jx\n");
	free(text);
	text = printed(print_table, &narrow);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(format_width(line) <= 50);
	free(text);
}

/* ---- json ---- */

static void write_json(FILE *f, const void *arg)
{
	json_t *document = json_document("test");

	(void)arg;
	json_put(document, "name", json_text("bad \xff name"));
	json_put(document, "none", json_text(NULL));
	json_put(document, "t", json_seconds(UINT64_C(1500000001)));
	json_put(document, "nan", json_number(NAN));
	json_put(document, "big", json_bytes(UINT64_C(1) << 60));
	assert_true(json_write(document, f));
}

static void json_is_valid_whatever_names_hold(void **state)
{
	char *text = printed(write_json, NULL);
	json_t *read = json_loads(text, 0, NULL);

	(void)state;
	assert_non_null(read);
	assert_string_equal(json_string_value(json_object_get(read, "schema")), "pytrace.test/1");
	assert_string_equal(json_string_value(json_object_get(read, "name")), "bad \xef\xbf\xbd name");
	assert_true(json_is_null(json_object_get(read, "none")));
	assert_true(json_is_null(json_object_get(read, "nan")));
	assert_true(fabs(json_real_value(json_object_get(read, "t")) - 1.500000001) < 1e-9);
	assert_int_equal(json_integer_value(json_object_get(read, "big")), INT64_C(1) << 60);
	json_decref(read);
	free(text);
}

/* ---- source ---- */

static void source_line_is_found_or_not(void **state)
{
	FILE *f = fopen(file, "w");
	bool changed;
	char line[40];

	(void)state;
	assert_non_null(f);
	fputs("first\n\t  x = \033[1m\n\nlast", f);
	fclose(f);
	assert_true(source_line(file, 2, UINT64_MAX, line, sizeof line, &changed));
	assert_string_equal(line, "x = \\x1b[1m");
	assert_false(changed);
	assert_true(source_line(file, 4, 0, line, sizeof line, &changed));
	assert_string_equal(line, "last");
	assert_true(changed);
	assert_false(source_line(file, 3, 0, line, sizeof line, &changed));
	assert_false(source_line(file, 5, 0, line, sizeof line, &changed));
	assert_false(source_line(file, 0, 0, line, sizeof line, &changed));
	assert_false(source_line(folder, 1, 0, line, sizeof line, &changed));
	assert_false(source_line("/dev/zero", 1, 0, line, sizeof line, &changed));
	assert_false(source_line("<frozen importlib._bootstrap>", 1, 0, line, sizeof line, &changed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_bytes_keeps_three_digits),
		cmocka_unit_test(format_numbers_read_well),
		cmocka_unit_test(format_seconds_picks_the_unit),
		cmocka_unit_test(format_printable_disarms_names),
		cmocka_unit_test(format_elide_keeps_both_ends),
		cmocka_unit_test(format_wrapped_fills_lines),
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(options_end_at_two_dashes),
		cmocka_unit_test(options_complain_in_one_line),
		cmocka_unit_test(options_size_reads_units),
		cmocka_unit_test(options_nearest_guesses_what_was_meant),
		cmocka_unit_test(options_help_names_every_row),
		cmocka_unit_test_setup_teardown(output_file_is_whole_or_absent, make_folder, remove_folder),
		cmocka_unit_test(output_full_disk_is_noticed),
		cmocka_unit_test(table_aligns_and_elides),
		cmocka_unit_test(json_is_valid_whatever_names_hold),
		cmocka_unit_test_setup_teardown(source_line_is_found_or_not, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
