/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and their past: the peak and the end, against a program that keeps everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/models/account.h"
#include "tests/synth/synth.h"

static char path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-account-%d.pytrace", getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

struct played {
	struct trace t;
	struct account a;
};

static void play(struct played *p, struct synth *s, bool by_thread)
{
	const struct account_options options = { .survivors = true, .by_thread = by_thread };
	struct fault f;

	synth_end(s);
	synth_write(s, path);
	synth_free_all(s);
	assert_int_equal(trace_open(&p->t, path, &f), 0);
	account_run(&p->a, &p->t, &options);
}

static void done(struct played *p)
{
	account_free(&p->a);
	trace_close(&p->t);
}

static const struct account_row *row_of(const struct played *p, uint32_t stack, uint8_t layer)
{
	for (size_t i = 0; i < p->a.rows.n; i++)
		if (p->a.rows.at[i].node == defs_node(&p->t.defs, stack) && p->a.rows.at[i].layer == layer)
			return &p->a.rows.at[i];
	return NULL;
}

/* Stacks 1 to n, each a line of its own. */
static void define_stacks(struct synth *s, uint32_t n)
{
	for (uint32_t i = 1; i <= n; i++) {
		char name[20];

		snprintf(name, sizeof name, "f%u", i);
		synth_code(s, 1, i, "app.py", name, i);
		synth_frame(s, 1, i, i / 2, i, PT_OFFSET_NONE);
	}
}

/*
 * A random program on 40 stacks and all layers, and beside it the plainest bookkeeping: the values of every row are
 * copied at every new peak.
 */
enum { STACKS = 40, ADDRESSES = 500, STEPS = 40000 };

struct plain {
	uint64_t bytes[STACKS + 1][PT_LAYERS], peak[STACKS + 1][PT_LAYERS], total[STACKS + 1][PT_LAYERS];
	uint64_t blocks[STACKS + 1][PT_LAYERS];
	uint64_t sum, peak_sum;
	struct {
		uint64_t size;
		uint32_t stack;
		uint8_t layer;
	} live[ADDRESSES];
};

static void plain_step(struct plain *k, struct synth *s, uint64_t r, bool growing)
{
	static const enum pt_layer layers[] = { PT_LAYER_MALLOC, PT_LAYER_RAW, PT_LAYER_MEM, PT_LAYER_OBJECT };
	unsigned i = (r >> 8) % ADDRESSES;
	uint32_t stack = (r >> 20) % (STACKS + 1);
	uint8_t layer = layers[r >> 30 & 3];
	uint64_t size = 1 + (r >> 32) % 3000;

	if (k->live[i].size) {
		if (growing && r % 3)
			return;
		synth_free(s, 1, k->live[i].layer, 0x10000 + i * 4096, 0);
		k->bytes[k->live[i].stack][k->live[i].layer] -= k->live[i].size;
		k->blocks[k->live[i].stack][k->live[i].layer]--;
		k->sum -= k->live[i].size;
		k->live[i].size = 0;
		return;
	}
	synth_alloc(s, 1, layer, 0x10000 + i * 4096, size, stack);
	k->live[i].size = size;
	k->live[i].stack = stack;
	k->live[i].layer = layer;
	k->bytes[stack][layer] += size;
	k->total[stack][layer] += size;
	k->blocks[stack][layer]++;
	k->sum += size;
	if (k->sum > k->peak_sum) {
		k->peak_sum = k->sum;
		memcpy(k->peak, k->bytes, sizeof k->peak);
	}
}

static void every_row_agrees_with_plain_bookkeeping(void **state)
{
	struct plain *k = mem_zero(1, sizeof *k);
	struct synth *s = synth_new();
	uint64_t seed = 7, survivors = 0;
	struct played p;

	(void)state;
	define_stacks(s, STACKS);
	for (int i = 0; i < STEPS; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		synth_at(s, (uint64_t)i);
		plain_step(k, s, seed >> 5, i / 10000 % 2 == 0);
		if (i % 1000 == 0)
			synth_flush(s, 1);
	}
	play(&p, s, false);
	assert_int_equal(p.a.at[ACCOUNT_PEAK].bytes, k->peak_sum);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, k->sum);
	for (uint32_t stack = 0; stack <= STACKS; stack++)
		for (uint8_t layer = 0; layer < PT_LAYERS; layer++) {
			const struct account_row *row = row_of(&p, stack, layer);

			if (!row) {
				assert_int_equal(k->total[stack][layer], 0);
				continue;
			}
			assert_int_equal(row->at[ACCOUNT_LAST].bytes, k->bytes[stack][layer]);
			assert_int_equal(row->at[ACCOUNT_LAST].blocks, k->blocks[stack][layer]);
			assert_int_equal(row->at[ACCOUNT_END].bytes, k->bytes[stack][layer]);
			assert_int_equal(row->at[ACCOUNT_PEAK].bytes, k->peak[stack][layer]);
			assert_int_equal(row->total.bytes, k->total[stack][layer]);
		}
	for (size_t i = 0; i < p.a.survivors.n; i++)
		survivors += p.a.survivors.at[i].bytes;
	assert_int_equal(survivors, k->sum);
	assert_true(p.a.samples.n > 100 && p.a.samples.n <= 257);
	assert_int_equal(p.a.samples.at[p.a.samples.n - 1].bytes, k->sum);
	done(&p);
	free(k);
}

static void peak_is_its_first_moment_and_sums_its_rows(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	define_stacks(s, 2);
	synth_at(s, 10);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 100, 1);
	synth_at(s, 20);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x1000, 1);
	synth_at(s, 30);
	synth_alloc(s, 1, PT_LAYER_MALLOC, 0x2000, 100, 2); /* as high, but later */
	play(&p, s, false);
	assert_int_equal(p.a.at[ACCOUNT_PEAK].bytes, 100);
	assert_int_equal(p.a.at_ns[ACCOUNT_PEAK], 10);
	assert_int_equal(row_of(&p, 1, PT_LAYER_OBJECT)->at[ACCOUNT_PEAK].bytes, 100);
	assert_int_equal(row_of(&p, 2, PT_LAYER_MALLOC)->at[ACCOUNT_PEAK].bytes, 0);
	assert_int_equal(p.a.layers[PT_LAYER_MALLOC].own_peak_bytes, 100);
	assert_int_equal(p.a.layers[PT_LAYER_MALLOC].own_peak_ns, 30);
	done(&p);
}

static void arenas_files_and_reserves_are_in_no_sum(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_alloc(s, 1, PT_LAYER_ARENA, 0x40000, 1 << 18, 0);
	synth_memory(s, 1, pt_memory_op(PT_MAP, PT_LAYER_FILE), 0x100000, 8192, 0);
	synth_memory(s, 1, pt_memory_op(PT_MAP, PT_LAYER_RESERVE), 0x200000, 8192, 0);
	synth_alloc(s, 1, PT_LAYER_RAW, 0x1000, 5, 0);
	play(&p, s, false);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 5);
	assert_int_equal(p.a.at[ACCOUNT_PEAK].bytes, 5);
	assert_int_equal(p.a.total.blocks, 1);
	assert_int_equal(p.a.layers[PT_LAYER_FILE].at[ACCOUNT_LAST].bytes, 8192);
	done(&p);
}

/* ---- the end that matters ---- */

static void end_is_the_moment_before_finalisation(void **state)
{
	struct synth *s = synth_new();
	struct played p;
	uint64_t kept = 0;

	(void)state;
	define_stacks(s, 2);
	synth_pair(s, 1, PT_OP_PY_INIT, 0x030b0000, 0);
	synth_at(s, 5);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 10, 1); /* leaked: freed by finalisation */
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x2000, 20, 1); /* leaked for good */
	synth_at(s, 50);
	synth_pair(s, 1, PT_OP_PY_FINI, 0, 0);
	synth_at(s, 60);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x3000, 40, 2); /* made by finalisation */
	synth_free(s, 1, PT_LAYER_OBJECT, 0x1000, 1);
	play(&p, s, false);
	assert_true(p.a.end_is_fini);
	assert_int_equal(p.a.at[ACCOUNT_END].bytes, 30);
	assert_int_equal(p.a.at[ACCOUNT_END].blocks, 2);
	assert_int_equal(p.a.at_ns[ACCOUNT_END], 50);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 60);
	assert_int_equal(row_of(&p, 1, PT_LAYER_OBJECT)->at[ACCOUNT_END].bytes, 30);
	assert_int_equal(row_of(&p, 2, PT_LAYER_OBJECT)->at[ACCOUNT_END].bytes, 0);
	assert_int_equal(p.a.survivors.n, 2);
	for (size_t i = 0; i < p.a.survivors.n; i++) {
		kept += p.a.survivors.at[i].bytes;
		assert_int_equal(p.a.survivors.at[i].born_ns, 5);
		assert_int_equal(p.a.rows.at[p.a.survivors.at[i].row].node, defs_node(&p.t.defs, 1));
	}
	assert_int_equal(kept, 30);
	done(&p);
}

static void interpreter_that_comes_back_has_not_ended(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	for (uint64_t round = 0; round < 3; round++) {
		synth_pair(s, 1, PT_OP_PY_INIT, 0x030b0000, 0);
		synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000 + round * 64, 10, 0);
		synth_alloc(s, 1, PT_LAYER_OBJECT, 0x9000, 7, 0);
		synth_pair(s, 1, PT_OP_PY_FINI, 0, 0);
		synth_free(s, 1, PT_LAYER_OBJECT, 0x9000, 0);
	}
	play(&p, s, false);
	assert_int_equal(p.a.at[ACCOUNT_END].bytes, 37);
	assert_int_equal(p.a.survivors.n, 4);
	done(&p);

	s = synth_new();
	synth_pair(s, 1, PT_OP_PY_FINI, 0, 0);
	synth_pair(s, 1, PT_OP_PY_INIT, 0x030b0000, 0);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 3, 0);
	play(&p, s, false);
	assert_false(p.a.end_is_fini);
	assert_int_equal(p.a.at[ACCOUNT_END].bytes, 3);
	done(&p);
}

static void munmap_that_fails_after_the_end_changes_nothing(void **state)
{
	struct synth *s = synth_new();
	struct played p;
	uint64_t kept = 0;

	(void)state;
	synth_memory(s, 1, pt_memory_op(PT_MAP, PT_LAYER_MMAP), 0x100000, 0x4000, 0);
	synth_pair(s, 1, PT_OP_PY_FINI, 0, 0);
	synth_memory(s, 1, pt_memory_op(PT_UNMAP, PT_LAYER_MMAP), 0x101000, 0x1000, 0);
	synth_memory(s, 1, pt_memory_op(PT_UNMAP_FAIL, PT_LAYER_MMAP), 0x101000, 0x1000, 0);
	synth_memory(s, 1, pt_memory_op(PT_UNMAP, PT_LAYER_MMAP), 0x100000, 0x1000, 0);
	play(&p, s, false);
	assert_int_equal(p.a.at[ACCOUNT_END].bytes, 0x4000);
	assert_int_equal(p.a.at[ACCOUNT_LAST].bytes, 0x3000);
	for (size_t i = 0; i < p.a.survivors.n; i++)
		kept += p.a.survivors.at[i].bytes;
	assert_int_equal(kept, 0x4000);
	done(&p);
}

/* ---- the rest ---- */

static void temporary_is_freed_before_two_others_are_made(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 1, 0);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x1000, 0); /* at once: yes */
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 2, 0);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x2000, 4, 0);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x1000, 0); /* one other: yes */
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x3000, 8, 0);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x4000, 16, 0);
	synth_free(s, 1, PT_LAYER_OBJECT, 0x2000, 0); /* two others: no */
	play(&p, s, false);
	assert_int_equal(p.a.temporary.blocks, 2);
	assert_int_equal(p.a.temporary.bytes, 3);
	done(&p);
}

static void rows_split_by_thread_when_asked(void **state)
{
	struct played p;

	(void)state;
	for (int by_thread = 0; by_thread < 2; by_thread++) {
		struct synth *s = synth_new();

		define_stacks(s, 1);
		for (uint64_t i = 0; i < 30; i++)
			synth_alloc(s, 1 + (uint32_t)(i % 3), PT_LAYER_OBJECT, 0x1000 + i * 64, 10, 1);
		play(&p, s, by_thread);
		assert_int_equal(p.a.rows.n, by_thread ? 3 : 1);
		if (by_thread)
			assert_int_equal(p.a.rows.at[2].at[ACCOUNT_LAST].bytes, 100);
		else
			assert_int_equal(p.a.rows.at[0].thread, ACCOUNT_MANY);
		done(&p);
	}
}

static void marks_and_rss_are_kept(void **state)
{
	struct synth *s = synth_new();
	struct played p;

	(void)state;
	synth_define(s, 1, PT_OP_STRING, 3, "warm", 4);
	synth_at(s, 7);
	synth_alloc(s, 1, PT_LAYER_OBJECT, 0x1000, 10, 0);
	synth_pair(s, 1, PT_OP_MARK, 3, 0);
	synth_pair(s, 1, PT_OP_RSS, 0, 8 << 20);
	synth_pair(s, 1, PT_OP_RSS, 0, 4 << 20);
	play(&p, s, false);
	assert_int_equal(p.a.marks.n, 1);
	assert_string_equal(p.a.marks.at[0].label, "warm");
	assert_int_equal(p.a.marks.at[0].live.bytes, 10);
	assert_int_equal(p.a.peak_rss_bytes, 8 << 20);
	assert_int_equal(p.a.last_rss_bytes, 4 << 20);
	done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_agrees_with_plain_bookkeeping),
		cmocka_unit_test(peak_is_its_first_moment_and_sums_its_rows),
		cmocka_unit_test(arenas_files_and_reserves_are_in_no_sum),
		cmocka_unit_test(end_is_the_moment_before_finalisation),
		cmocka_unit_test(interpreter_that_comes_back_has_not_ended),
		cmocka_unit_test(munmap_that_fails_after_the_end_changes_nothing),
		cmocka_unit_test(temporary_is_freed_before_two_others_are_made),
		cmocka_unit_test(rows_split_by_thread_when_asked),
		cmocka_unit_test(marks_and_rss_are_kept),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
