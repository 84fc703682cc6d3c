/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutated traces through all of the reader and replay, under sanitizers: no crash, no hang, no memory out of bounds.
 *
 * Blind flips die at the first checksum, so half of the mutants get their checksums made right again: those reach the
 * decoders. PYTRACE_FUZZ_ROUNDS and PYTRACE_FUZZ_SEED make longer and other walks; a failure prints its seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "analyzer/models/account.h"
#include "analyzer/models/lines.h"
#include "tests/synth/synth.h"

enum { ROUNDS = 800, SECONDS_A_TRACE = 30, MAX_KIB = 1500 * 1024 };

static char path[64];
static uint64_t seed_now, random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t below(uint64_t n) { return next_random() % n; }

static uint64_t odd_number(void)
{
	static const uint64_t numbers[] = { 0,
					    1,
					    2,
					    15,
					    16,
					    127,
					    128,
					    255,
					    256,
					    4095,
					    4096,
					    65535,
					    65536,
					    INT32_MAX,
					    UINT64_C(1) << 31,
					    UINT32_MAX,
					    UINT64_C(1) << 47,
					    UINT64_C(1) << 60,
					    INT64_MAX,
					    UINT64_MAX };

	return numbers[below(sizeof numbers / sizeof *numbers)];
}

/* ---- something to mutate ---- */

static void some_events(struct synth *s, uint32_t thread, int n)
{
	for (int i = 0; i < n; i++) {
		uint64_t r = next_random();
		uint8_t op = pt_memory_op((enum pt_memory_kind)(r & 7), (enum pt_layer)(r >> 3 & 7));

		synth_at(s, s->ns + (r >> 8 & 15) * 100);
		if ((r >> 12 & 15) == 0)
			synth_pair(s, thread, (uint8_t)(PT_OP_FORK + (r >> 16) % 9), r >> 20 & 7, r >> 24 & 255);
		else
			synth_memory(s, thread, op, 0x10000 + (r >> 16 & 255) * 4096,
				     (r >> 24 & 63) * (op >> 4 >= PT_MAP ? 4096 : 16), (uint32_t)(r >> 40) % 32);
	}
}

static void some_definitions(struct synth *s)
{
	struct pt_code head = { .first_line = 3, .table_bytes = 40, .file_bytes = 6, .name_bytes = 1 };
	uint8_t data[64];

	for (uint32_t i = 1; i <= 10; i++) {
		head.linetable = (uint8_t)(i % 4);
		memcpy(data, &head, sizeof head);
		memcpy(data + sizeof head, "app.pyf", 7);
		for (size_t k = sizeof head + 7; k < sizeof data; k++)
			data[k] = (uint8_t)(next_random() | (head.linetable == 3) << 7);
		synth_define(s, 1, PT_OP_CODE, i, data, sizeof data);
		synth_define(s, 1, PT_OP_CODE_TAIL, i, "abcd", 4);
		synth_frame(s, 1, i, i / 2, i % 4 ? i : PT_CODE_ENTRY, i * 2);
	}
	for (uint32_t i = 0; i < 10; i++) {
		synth_module(s, 1, i + 1, i % 3 ? "/srv/libfoo.so" : "/lib/libc.so.6", (uint8_t)(next_random() % 8));
		synth_native(s, 1, 11 + i, i ? 10 + i : 0, i % 4, next_random(), next_random() % 8);
		synth_join(s, 1, 21 + i, 1 + i, 11 + (uint32_t)below(10));
	}
	synth_meta(s, 1, "program=fuzz");
	synth_define(s, 1, PT_OP_STRING, 1, "mark", 4);
	synth_define(s, 1, PT_OP_THREAD_NAME, 2, "worker", 6);
}

static struct synth *some_trace(void)
{
	struct synth *s = synth_new();

	s->zip = below(2);
	some_definitions(s);
	for (int i = 0; i < 6; i++) {
		uint32_t thread = 1 + (uint32_t)below(3);

		some_events(s, thread, 20 + (int)below(60));
		if (below(2))
			synth_flush(s, thread);
	}
	if (below(2)) {
		synth_end(s);
	} else {
		synth_pack(s, 1);
		for (uint32_t thread = 1; thread < s->threads.n; thread++)
			synth_ring(s, thread);
	}
	s->front.parent_id = below(4) ? 0 : s->front.id;
	snprintf(s->front.parent_file, sizeof s->front.parent_file, "%s", strrchr(path, '/') + 1);
	return s;
}

/* ---- mutations ---- */

/* A block that lies in the file as a whole; NULL when an earlier mutation has seen to it that the one chosen doesn't.
 */
static struct pt_block *some_block(struct synth *s)
{
	size_t at = s->blocks.at[below(s->blocks.n)];
	struct pt_block *b = (struct pt_block *)(s->bytes.at + at);

	if (at + sizeof *b > s->bytes.n || b->stored_bytes > s->bytes.n - at - sizeof *b)
		return NULL;
	return b;
}

static void flip_anything(struct synth *s)
{
	for (uint64_t n = 1 + below(4); n; n--)
		s->bytes.at[PT_FRONT_BYTES + below(s->bytes.n - PT_FRONT_BYTES)] = (uint8_t)next_random();
}

static void reseal(struct synth *s, struct pt_block *b)
{
	uint8_t *payload = (uint8_t *)(b + 1);

	if (b->stored_bytes <= (size_t)(s->bytes.at + s->bytes.n - payload) && b->kind != PT_BLOCK_RING)
		b->payload_xxh3 = pt_xxh3(payload, b->stored_bytes);
	pt_block_seal(b);
}

/* Bytes of a payload, with a checksum that agrees. */
static void change_payload(struct synth *s)
{
	struct pt_block *b = some_block(s);

	if (!b)
		return;
	for (uint64_t n = 1 + below(8); n && b->stored_bytes; n--)
		((uint8_t *)(b + 1))[below(b->stored_bytes)] = (uint8_t)(below(3) ? next_random() : odd_number());
	reseal(s, b);
}

/* A field of a header, with a checksum that agrees. */
static void change_header(struct synth *s)
{
	struct pt_block *b = some_block(s);
	uint64_t v = below(2) ? odd_number() : below(200);

	if (!b)
		return;
	switch (below(11)) {
	case 0: b->kind = (uint16_t)v; break;
	case 1: b->flags = (uint16_t)(v & 3); break;
	case 2: b->raw_bytes = (uint32_t)v; break;
	case 3: b->thread = (uint32_t)v; break;
	case 4: b->n_events = (uint32_t)v; break;
	case 5: b->first_slot = v; break;
	case 6: b->n_slots = v; break;
	case 7: b->first_run = v; break;
	case 8: b->first_ns = v; break;
	case 9: b->last_ns = v; break;
	default: b->stored_bytes = (uint32_t)v; break;
	}
	reseal(s, b);
}

static void change_ring(struct synth *s)
{
	struct pt_block *b = some_block(s);
	struct pt_ring *ring = (struct pt_ring *)(b + 1);
	uint64_t v = below(2) ? odd_number() : below(500);

	if (!b || b->kind != PT_BLOCK_RING)
		return;
	switch (below(7)) {
	case 0: ring->x_thread = (uint32_t)v; break;
	case 1: ring->x_base_slot = v; break;
	case 2: ring->x_head = v; break;
	case 3: ring->x_run = v; break;
	case 4: ring->x_ns = v; break;
	case 5: ring->n_slots = (uint32_t)v; break;
	default: ring->slots_offset = (uint32_t)v; break;
	}
}

static void repeat_block(struct synth *s)
{
	const struct pt_block *b = some_block(s);
	size_t len, at;

	if (!b)
		return;
	len = sizeof *b + b->stored_bytes;
	at = (size_t)((const uint8_t *)b - s->bytes.at);
	array_reserve(&s->bytes, s->bytes.n + len + 16);
	memcpy(s->bytes.at + s->bytes.n, s->bytes.at + at, len);
	memset(s->bytes.at + s->bytes.n + len, 0, 16);
	s->bytes.n += (len + 15) & ~(size_t)15;
}

static void cut_off(struct synth *s) { s->bytes.n = PT_FRONT_BYTES + below(s->bytes.n - PT_FRONT_BYTES) + 1; }

static void change_front(struct synth *s)
{
	uint8_t *front = (uint8_t *)&s->front;

	front[8 + below(offsetof(struct pt_front, program) - 8)] = (uint8_t)odd_number();
	s->front.version = 1;
	s->front.incompatible = 0;
}

static void (*const mutations[])(struct synth *s) = { flip_anything, change_payload, change_payload, change_payload,
						      change_header, change_header,  change_ring,    repeat_block,
						      cut_off,       change_front };

/* ---- what they must survive ---- */

static const char *look_at_node(const struct defs *d, node_id id)
{
	const struct node *n = defs_frame(d, id);

	assert_true(id <= NODE_UNKNOWN || n->parent < id);
	return n->kind == NODE_NATIVE ? modules_name(&d->modules, &d->strings, n->module)
				      : strings_text(&d->strings, d->codes.at[n->code].name);
}

static void look_at_all(struct trace *t)
{
	struct account a;
	const struct account_options options = { .survivors = true,
						 .by_thread = below(2),
						 .replay.n_workers = (int)below(3) };
	uint64_t lines = 0;

	account_run(&a, t, &options);
	for (node_id n = 0; n < t->defs.stacks.nodes.n; n++)
		lines += (uint64_t)lines_site(&t->defs, n).at.line + *look_at_node(&t->defs, n);
	for (size_t i = 0; i < t->defs.codes.n; i++)
		for (uint32_t offset = 0; offset < 100; offset++)
			lines += (uint64_t)lines_find(&t->defs.codes.at[i], offset).line;
	for (size_t i = 0; i < a.rows.n; i++)
		lines += defs_frame(&t->defs, a.rows.at[i].node)->offset;
	assert_true(strlen(trace_ended(t)) + lines > 0);
	trace_is_complete(t);
	account_free(&a);
}

static void one_round(uint64_t seed)
{
	struct trace_options options = { 0 };
	struct synth *s;
	struct trace t;
	struct fault f;

	seed_now = seed;
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	s = some_trace();
	for (uint64_t n = 1 + below(3); n; n--)
		mutations[below(sizeof mutations / sizeof *mutations)](s);
	synth_write(s, path);
	synth_free_all(s);
	options.internals = below(2);
	options.raw_stacks = below(2);
	alarm(SECONDS_A_TRACE);
	if (!trace_open_with(&t, path, &options, &f))
		look_at_all(&t);
	trace_close(&t);
	alarm(0);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void mutants_are_survived(void **state)
{
	uint64_t first = setting("PYTRACE_FUZZ_SEED", 1), rounds = setting("PYTRACE_FUZZ_ROUNDS", ROUNDS);
	struct rusage use;

	(void)state;
	snprintf(path, sizeof path, "/tmp/pytrace-fuzz-%d.pytrace", getpid());
	for (uint64_t i = 0; i < rounds; i++)
		one_round(first + i);
	unlink(path);
	getrusage(RUSAGE_SELF, &use);
	assert_true(use.ru_maxrss < MAX_KIB);
}

static void say_seed(void)
{
	char line[64];
	int len = snprintf(line, sizeof line, "last seed: %llu\n", (unsigned long long)seed_now);

	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		return;
}

/* Called by the sanitizers before they end the process. */
void __sanitizer_set_death_callback(void (*callback)(void));

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(mutants_are_survived) };

	__sanitizer_set_death_callback(say_seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
