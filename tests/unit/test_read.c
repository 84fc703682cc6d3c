/* SPDX-License-Identifier: Apache-2.0 */
/* The reader on sound and on broken files: what it refuses, what it says, what it still finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/models/account.h"
#include "analyzer/models/lines.h"
#include "tests/synth/synth.h"

static char path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-read-%d.pytrace", getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void write_bytes(const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	if (len)
		assert_int_equal(fwrite(data, len, 1, f), 1);
	fclose(f);
}

/* Five objects by app.py:10, one more by a caller at line 20, in `blocks` pairs of blocks. */
static struct synth *small_trace(int n_blocks)
{
	struct synth *s = synth_new();

	synth_meta(s, 1, "program=synth.py");
	synth_code(s, 1, 1, "app.py", "serve", 10);
	synth_code(s, 1, 2, "app.py", "main", 20);
	synth_frame(s, 1, 1, 0, 2, PT_OFFSET_NONE);
	synth_frame(s, 1, 2, 1, 1, PT_OFFSET_NONE);
	for (int i = 0; i < n_blocks; i++) {
		synth_at(s, (uint64_t)(i + 1) * 1000);
		for (uint64_t k = 0; k < 5; k++)
			synth_alloc(s, 1, PT_LAYER_OBJECT, 0x10000 + (uint64_t)i * 4096 + k * 64, 64, 2);
		synth_flush(s, 1);
	}
	return s;
}

static int open_fault(struct fault *f)
{
	struct trace t;
	int err = trace_open(&t, path, f);

	trace_close(&t);
	return err;
}

/* Opens and replays; returns blocks alive at the end. */
static uint64_t live_blocks(struct trace *t)
{
	struct account a;
	const struct account_options options = { 0 };
	struct fault f;
	uint64_t n;

	assert_int_equal(trace_open(t, path, &f), 0);
	account_run(&a, t, &options);
	n = a.at[ACCOUNT_LAST].blocks;
	account_free(&a);
	return n;
}

static bool has_trouble(const struct trace *t, const char *what)
{
	for (size_t i = 0; i < t->troubles.n; i++)
		if (strstr(t->troubles.at[i].text, what))
			return true;
	return false;
}

/* ---- what is refused ---- */

static void missing_file_is_an_io_fault(void **state)
{
	struct fault f;

	(void)state;
	unlink(path);
	assert_int_equal(open_fault(&f), FAULT_IO);
	assert_string_equal(f.cause, "No such file or directory");
}

static void empty_file_is_said_to_be_empty(void **state)
{
	struct fault f;

	(void)state;
	write_bytes("", 0);
	assert_int_equal(open_fault(&f), FAULT_FORMAT);
	assert_string_equal(f.cause, "is empty");
}

static void other_files_are_no_traces(void **state)
{
	struct fault f;

	(void)state;
	write_bytes("#!/bin/sh\necho no trace at all\n", 31);
	assert_int_equal(open_fault(&f), FAULT_FORMAT);
	assert_string_equal(f.cause, "is not a pytrace trace");
	write_bytes("PYT", 3);
	assert_int_equal(open_fault(&f), FAULT_FORMAT);
}

static void half_a_front_page_is_cut_off(void **state)
{
	struct fault f;

	(void)state;
	write_bytes("PYTRACE\n\1\0\0\0", 12);
	assert_int_equal(open_fault(&f), FAULT_FORMAT);
	assert_string_equal(f.cause, "is cut off in its first page");
	assert_int_equal(f.offset, 12);
}

static void later_version_is_refused_by_number(void **state)
{
	struct synth *s = small_trace(1);
	struct fault f;

	(void)state;
	s->front.version = PT_VERSION + 1;
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(open_fault(&f), FAULT_VERSION);
	assert_non_null(strstr(f.cause, "version is 2"));
}

static void unknown_incompatible_flag_is_refused_by_name(void **state)
{
	struct synth *s = small_trace(1);
	struct fault f;

	(void)state;
	s->front.incompatible = 1 << 5;
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(open_fault(&f), FAULT_VERSION);
	assert_non_null(strstr(f.cause, "incompatible flag 5"));
}

/* ---- what is read ---- */

static void clean_trace_is_complete(void **state)
{
	struct synth *s = small_trace(3);
	struct trace t;

	(void)state;
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(live_blocks(&t), 15);
	assert_int_equal(t.troubles.n, 0);
	assert_true(trace_is_complete(&t));
	assert_string_equal(trace_ended(&t), "exit");
	assert_string_equal(defs_meta(&t.defs, "program", NULL), "synth.py");
	assert_int_equal(t.end_ns, 3000);
	trace_close(&t);
}

static void zipped_blocks_read_the_same(void **state)
{
	struct synth *s = synth_new();
	struct trace t;

	(void)state;
	s->zip = true;
	for (uint64_t i = 0; i < 10000; i++)
		synth_alloc(s, 1, PT_LAYER_MALLOC, 0x10000 + i * 32, 24, 0);
	synth_end(s);
	synth_write(s, path);
	assert_true(s->bytes.n < PT_FRONT_BYTES + 4000);
	synth_free_all(s);
	assert_int_equal(live_blocks(&t), 10000);
	assert_true(trace_is_complete(&t));
	trace_close(&t);
}

static void unknown_compatible_flag_is_passed_over(void **state)
{
	struct synth *s = small_trace(1);
	struct trace t;

	(void)state;
	s->front.compatible = ~0u;
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(live_blocks(&t), 5);
	assert_true(trace_is_complete(&t));
	trace_close(&t);
}

static void equal_frames_become_one_node(void **state)
{
	struct synth *s = synth_new();
	struct trace t;
	struct fault f;

	(void)state;
	synth_code(s, 1, 1, "app.py", "serve", 10);
	synth_code(s, 1, 2, "app.py", "serve", 10); /* the same function, compiled again */
	synth_frame(s, 1, 1, 0, 1, 4);
	synth_frame(s, 1, 2, 0, 1, 4);
	synth_frame(s, 1, 3, 1, 1, 4);
	synth_frame(s, 1, 4, 2, 2, 4);
	synth_frame(s, 1, 5, 2, 2, 6);
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(trace_open(&t, path, &f), 0);
	assert_int_equal(defs_node(&t.defs, 1), defs_node(&t.defs, 2));
	assert_int_equal(defs_node(&t.defs, 3), defs_node(&t.defs, 4));
	assert_int_not_equal(defs_node(&t.defs, 4), defs_node(&t.defs, 5));
	assert_int_equal(defs_node(&t.defs, 0), NODE_EMPTY);
	assert_int_equal(defs_node(&t.defs, 99), NODE_UNKNOWN);
	assert_int_equal(t.troubles.n, 0);
	trace_close(&t);
}

static void frames_that_make_no_sense_are_dropped_and_counted(void **state)
{
	struct synth *s = synth_new();
	struct trace t;
	struct fault f;
	struct site site;

	(void)state;
	synth_code(s, 1, 1, "app.py", "serve", 10);
	synth_frame(s, 1, 1, 1, 1, 4);          /* its own parent */
	synth_frame(s, 1, 2, 3, 1, 4);          /* a parent that is younger */
	synth_frame(s, 1, 3, 2, 99, 4);         /* a code object that nobody defined */
	synth_frame(s, 1, 0x7fffffff, 1, 1, 4); /* an id out of all reason */
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(trace_open(&t, path, &f), 0);
	assert_int_equal(t.defs.n_bad, 3);
	assert_int_equal(t.defs.stacks.nodes.at[defs_node(&t.defs, 1)].parent, NODE_UNKNOWN);
	site = lines_site(&t.defs, defs_node(&t.defs, 3));
	assert_string_equal(site.function, "?");
	assert_true(t.defs.stacks.n < 100000);
	trace_close(&t);
}

static void line_table_in_several_definitions_is_put_together(void **state)
{
	struct synth *s = synth_new();
	struct trace t;
	struct fault f;
	struct pt_code head = {
		.first_line = 1, .table_bytes = 6, .file_bytes = 1, .name_bytes = 1, .linetable = PT_LINETABLE_LNOTAB
	};
	uint8_t data[sizeof head + 4];

	(void)state;
	memcpy(data, &head, sizeof head);
	memcpy(data + sizeof head, "fn\2\1", 4);
	synth_define(s, 1, PT_OP_CODE, 1, data, sizeof data);
	synth_define(s, 1, PT_OP_CODE_TAIL, 1, "\2\1", 2);
	synth_flush(s, 1);
	synth_define(s, 1, PT_OP_CODE_TAIL, 1, "\2\5more", 6);
	synth_frame(s, 1, 1, 0, 1, 5);
	synth_frame(s, 1, 2, 0, 1, 6);
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(trace_open(&t, path, &f), 0);
	assert_int_equal(lines_site(&t.defs, defs_node(&t.defs, 1)).at.line, 3);
	assert_int_equal(lines_site(&t.defs, defs_node(&t.defs, 2)).at.line, 8);
	trace_close(&t);
}

/* ---- rings ---- */

static void ring_of_a_killed_process_is_read(void **state)
{
	struct synth *s = small_trace(2);
	struct trace t;

	(void)state;
	synth_frame(s, 1, 3, 1, 1, 7);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x900000, 10, 3);
	synth_ring(s, 1);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(live_blocks(&t), 11);
	assert_int_equal(t.troubles.n, 0);
	assert_string_equal(trace_ended(&t), "killed");
	assert_false(trace_is_complete(&t));
	assert_int_not_equal(defs_node(&t.defs, 3), NODE_UNKNOWN);
	assert_int_equal(t.threads.at[0].tid, 5001);
	trace_close(&t);
}

static void ring_that_was_packed_already_counts_once(void **state)
{
	struct synth *s = small_trace(2);
	struct trace t;

	(void)state;
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x900000, 10, 2);
	synth_pack(s, 1);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x900040, 10, 2);
	synth_ring(s, 1);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(live_blocks(&t), 12);
	assert_int_equal(t.troubles.n, 0);
	trace_close(&t);
}

static void block_torn_by_the_kill_is_taken_from_the_ring(void **state)
{
	struct synth *s = small_trace(2);
	struct trace t;

	(void)state;
	synth_frame(s, 1, 9, 1, 1, 7);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x900000, 10, 9);
	synth_pack(s, 1);
	/* Both blocks that were written last lose their payloads. */
	for (size_t i = s->blocks.n - 2; i < s->blocks.n; i++)
		memset(s->bytes.at + s->blocks.at[i] + sizeof(struct pt_block), 0, 8);
	synth_ring(s, 1);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(live_blocks(&t), 11);
	assert_int_equal(t.troubles.n, 0);
	assert_int_not_equal(defs_node(&t.defs, 9), NODE_UNKNOWN);
	trace_close(&t);
}

static void ring_head_beyond_its_room_is_not_believed(void **state)
{
	struct synth *s = small_trace(1);
	struct pt_ring ring;
	struct trace t;
	size_t at;

	(void)state;
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x900000, 10, 2);
	synth_ring(s, 1);
	at = s->blocks.at[s->blocks.n - 1] + sizeof(struct pt_block);
	memcpy(&ring, s->bytes.at + at, sizeof ring);
	ring.x_head = UINT64_MAX;
	memcpy(s->bytes.at + at, &ring, sizeof ring);
	synth_write(s, path);
	assert_true(live_blocks(&t) >= 6);
	trace_close(&t);
	ring.n_slots = UINT32_MAX;
	memcpy(s->bytes.at + at, &ring, sizeof ring);
	synth_write(s, path);
	assert_int_equal(live_blocks(&t), 5);
	assert_true(has_trouble(&t, "ring's head is damaged"));
	trace_close(&t);
	synth_free_all(s);
}

/* ---- damage ---- */

static void damaged_payload_costs_its_block_alone(void **state)
{
	struct synth *s = small_trace(4);
	struct trace t;

	(void)state;
	synth_end(s);
	s->bytes.at[s->blocks.at[2] + sizeof(struct pt_block) + 40] ^= 1; /* DEFS, EVENTS, EVENTS: the second five */
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(live_blocks(&t), 15);
	assert_true(has_trouble(&t, "wrong checksum"));
	assert_int_equal(t.n_damaged, 1);
	assert_false(trace_is_complete(&t));
	trace_close(&t);
}

static void damaged_header_is_stepped_over(void **state)
{
	struct synth *s = small_trace(4);
	struct trace t;

	(void)state;
	synth_end(s);
	s->bytes.at[s->blocks.at[2] + 9] ^= 0x80; /* stored_bytes */
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(live_blocks(&t), 15);
	assert_true(has_trouble(&t, "hold no sound block"));
	assert_true(has_trouble(&t, "slots of thread 1 before this block are missing"));
	assert_true(has_trouble(&t, "events were written"));
	trace_close(&t);
}

static void damaged_front_page_costs_its_facts_alone(void **state)
{
	struct synth *s = small_trace(2);
	struct trace t;

	(void)state;
	synth_end(s);
	synth_write(s, path);
	s->bytes.at[offsetof(struct pt_front, pid)] ^= 1;
	write_bytes(s->bytes.at, s->bytes.n);
	synth_free_all(s);
	assert_int_equal(live_blocks(&t), 10);
	assert_true(has_trouble(&t, "first page is damaged"));
	trace_close(&t);
}

static void zeros_between_blocks_are_no_damage(void **state)
{
	struct synth *s = small_trace(1);
	static const uint8_t zeros[4096];
	struct trace t;

	(void)state;
	array_reserve(&s->bytes, s->bytes.n + sizeof zeros);
	memcpy(s->bytes.at + s->bytes.n, zeros, sizeof zeros);
	s->bytes.n += sizeof zeros;
	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(live_blocks(&t), 5);
	assert_true(trace_is_complete(&t));
	trace_close(&t);
}

/* Every prefix of a trace is read as far as it goes, and never said to be complete. */
static void every_truncation_is_survived_and_noticed(void **state)
{
	struct synth *s = small_trace(3);
	uint64_t most = 0;
	size_t whole;

	(void)state;
	synth_end(s);
	synth_write(s, path);
	whole = s->bytes.n;
	for (size_t len = 1; len < whole; len += len < PT_FRONT_BYTES - 8 ? 97 : 1) {
		struct trace t;
		struct fault f;

		write_bytes(s->bytes.at, len);
		if (len < sizeof(struct pt_front)) {
			assert_int_not_equal(open_fault(&f), 0);
			continue;
		}
		most = live_blocks(&t) > most ? t.n_events : most;
		assert_false(trace_is_complete(&t));
		assert_true(t.cut_at == len || has_trouble(&t, "cut at byte"));
		trace_close(&t);
	}
	assert_true(most > 10);
	synth_free_all(s);
}

/* Whatever byte is wrong, the reader gets through. The front page's free room, headers, payloads, padding: all. */
static void every_flipped_byte_is_survived(void **state)
{
	struct synth *s = small_trace(2);
	size_t noticed = 0, tried = 0;

	(void)state;
	synth_alloc(s, 2, PT_LAYER_OBJECT, 0x900000, 10, 2);
	synth_ring(s, 2);
	synth_end(s);
	synth_write(s, path);
	for (size_t at = 0; at < s->bytes.n; at++) {
		struct trace t;
		struct fault f;

		if (at == sizeof(struct pt_front))
			at = PT_FRONT_BYTES;
		s->bytes.at[at] ^= 0xff;
		write_bytes(s->bytes.at, s->bytes.n);
		s->bytes.at[at] ^= 0xff;
		tried++;
		if (trace_open(&t, path, &f)) {
			trace_close(&t);
			noticed++;
			continue;
		}
		trace_close(&t);
		live_blocks(&t);
		noticed += !trace_is_complete(&t);
		trace_close(&t);
	}
	assert_true(tried > 1000 && noticed > 500);
	synth_free_all(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_file_is_an_io_fault),
		cmocka_unit_test(empty_file_is_said_to_be_empty),
		cmocka_unit_test(other_files_are_no_traces),
		cmocka_unit_test(half_a_front_page_is_cut_off),
		cmocka_unit_test(later_version_is_refused_by_number),
		cmocka_unit_test(unknown_incompatible_flag_is_refused_by_name),
		cmocka_unit_test(clean_trace_is_complete),
		cmocka_unit_test(zipped_blocks_read_the_same),
		cmocka_unit_test(unknown_compatible_flag_is_passed_over),
		cmocka_unit_test(equal_frames_become_one_node),
		cmocka_unit_test(frames_that_make_no_sense_are_dropped_and_counted),
		cmocka_unit_test(line_table_in_several_definitions_is_put_together),
		cmocka_unit_test(ring_of_a_killed_process_is_read),
		cmocka_unit_test(ring_that_was_packed_already_counts_once),
		cmocka_unit_test(block_torn_by_the_kill_is_taken_from_the_ring),
		cmocka_unit_test(ring_head_beyond_its_room_is_not_believed),
		cmocka_unit_test(damaged_payload_costs_its_block_alone),
		cmocka_unit_test(damaged_header_is_stepped_over),
		cmocka_unit_test(damaged_front_page_costs_its_facts_alone),
		cmocka_unit_test(zeros_between_blocks_are_no_damage),
		cmocka_unit_test(every_truncation_is_survived_and_noticed),
		cmocka_unit_test(every_flipped_byte_is_survived),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
