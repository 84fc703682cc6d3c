/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutated traces through all of the reader and replay, under sanitizers: no crash, no hang, no memory out of bounds.
 *
 * Blind flips die at the first checksum, so half of the mutants get their checksums made right again: those reach the
 * decoders.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/counts/net.h"
#include "analyzer/models/account.h"
#include "analyzer/models/lines.h"
#include "tests/fuzz/fuzz.h"
#include "tests/synth/synth.h"

enum { ROUNDS = 500, MAX_KIB = 1500 * 1024 };

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

	return numbers[fuzz_below(sizeof numbers / sizeof *numbers)];
}

/* ---- something to mutate ---- */

/* Watches that are opened and closed in any order, and changes of any size. */
static void some_count(struct synth *s, uint32_t thread, uint64_t r)
{
	uint32_t number = (uint32_t)(r & 3), stack = (uint32_t)(r >> 2 & 31);
	uint64_t count = fuzz_below(40) ? r >> 8 & 3 : odd_number() & UINT32_MAX;

	switch (r >> 16 & 15) {
	case 0:
		synth_pair(s, thread, PT_OP_WATCH, 0x10000 + (r >> 20 & 255) * 4096, number | (r >> 28 & 3) << 32);
		break;
	case 1:
		synth_pair(s, thread, PT_OP_UNWATCH, pt_watch_a(number, r >> 20 & 7), count | (uint64_t)stack << 32);
		break;
	default:
		synth_pair(s, thread, PT_OP_COUNT, pt_watch_a(number, r >> 22 & 3 ? 0 : r >> 24 & 63),
			   count | (uint64_t)stack << 32);
	}
}

static void some_events(struct synth *s, uint32_t thread, int n)
{
	for (int i = 0; i < n; i++) {
		uint64_t r = fuzz_random();
		uint8_t op = pt_memory_op((enum pt_memory_kind)(r & 7), (enum pt_layer)(r >> 3 & 7));

		synth_at(s, s->ns + (r >> 8 & 15) * 100);
		if ((r >> 12 & 15) > 8)
			some_count(s, thread, r >> 16);
		else if ((r >> 12 & 15) == 0)
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
			data[k] = (uint8_t)(fuzz_random() | (head.linetable == 3) << 7);
		synth_define(s, 1, PT_OP_CODE, i, data, sizeof data);
		synth_define(s, 1, PT_OP_CODE_TAIL, i, "abcd", 4);
		synth_frame(s, 1, i, i / 2, i % 4 ? i : PT_CODE_ENTRY, i * 2);
	}
	for (uint32_t i = 0; i < 10; i++) {
		synth_module(s, 1, i + 1, i % 3 ? "/srv/libfoo.so" : "/lib/libc.so.6", (uint8_t)(fuzz_random() % 8));
		synth_native(s, 1, 11 + i, i ? 10 + i : 0, i % 4, fuzz_random(), fuzz_random() % 8);
		synth_join(s, 1, 21 + i, 1 + i, 11 + (uint32_t)fuzz_below(10));
	}
	synth_meta(s, 1, "program=fuzz");
	synth_define(s, 1, PT_OP_STRING, 1, "mark", 4);
	synth_define(s, 1, PT_OP_THREAD_NAME, 2, "worker", 6);
}

static struct synth *some_trace(void)
{
	struct synth *s = synth_new();

	s->zip = fuzz_below(2);
	some_definitions(s);
	for (int i = 0; i < 6; i++) {
		uint32_t thread = 1 + (uint32_t)fuzz_below(3);

		some_events(s, thread, 20 + (int)fuzz_below(60));
		if (fuzz_below(2))
			synth_flush(s, thread);
	}
	if (fuzz_below(2)) {
		synth_end(s);
	} else {
		synth_pack(s, 1);
		for (uint32_t thread = 1; thread < s->threads.n; thread++)
			synth_ring(s, thread);
	}
	s->front.parent_id = fuzz_below(4) ? 0 : s->front.id;
	snprintf(s->front.parent_file, sizeof s->front.parent_file, "%s", strrchr(fuzz_path, '/') + 1);
	return s;
}

/* ---- mutations ---- */

/* A block that lies in the file as a whole; NULL when an earlier mutation has seen to it that the one chosen doesn't.
 */
static struct pt_block *some_block(struct synth *s)
{
	size_t at = s->blocks.at[fuzz_below(s->blocks.n)];
	struct pt_block *b = (struct pt_block *)(s->bytes.at + at);

	if (at + sizeof *b > s->bytes.n || b->stored_bytes > s->bytes.n - at - sizeof *b)
		return NULL;
	return b;
}

static void flip_anything(struct synth *s)
{
	for (uint64_t n = 1 + fuzz_below(4); n; n--)
		s->bytes.at[PT_FRONT_BYTES + fuzz_below(s->bytes.n - PT_FRONT_BYTES)] = (uint8_t)fuzz_random();
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
	for (uint64_t n = 1 + fuzz_below(8); n && b->stored_bytes; n--)
		((uint8_t *)(b + 1))[fuzz_below(b->stored_bytes)] =
			(uint8_t)(fuzz_below(3) ? fuzz_random() : odd_number());
	reseal(s, b);
}

/* A field of a header, with a checksum that agrees. */
static void change_header(struct synth *s)
{
	struct pt_block *b = some_block(s);
	uint64_t v = fuzz_below(2) ? odd_number() : fuzz_below(200);

	if (!b)
		return;
	switch (fuzz_below(11)) {
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
	uint64_t v = fuzz_below(2) ? odd_number() : fuzz_below(500);

	if (!b || b->kind != PT_BLOCK_RING)
		return;
	switch (fuzz_below(7)) {
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

static void cut_off(struct synth *s) { s->bytes.n = PT_FRONT_BYTES + fuzz_below(s->bytes.n - PT_FRONT_BYTES) + 1; }

static void change_front(struct synth *s)
{
	uint8_t *front = (uint8_t *)&s->front;

	front[8 + fuzz_below(offsetof(struct pt_front, program) - 8)] = (uint8_t)odd_number();
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

/* What is kept of a history is all of it, and what is folded adds up. */
struct sum {
	int64_t deltas;
	bool jumps; /* so far that deltas were cut off */
};

static bool add_up(void *self, const struct history_change *c)
{
	struct sum *s = self;

	s->deltas += c->delta;
	s->jumps |= c->delta > 1000000 || c->delta < -1000000;
	return true;
}

static const char *some_text(void *self, node_id node, char *buf, size_t cap)
{
	static const char *const texts[] = { "return x", "y = x", "f(x)", "" };

	(void)self;
	return memcpy(buf, texts[node % 4], cap < 9 ? cap : strlen(texts[node % 4]) + 1);
}

static void look_at_counts(struct histories *h, const struct trace *t)
{
	struct net_lines lines;

	net_lines_init(&lines, &t->defs);
	lines.text = fuzz_below(2) ? some_text : NULL;
	for (size_t i = 0; i < h->at.n; i++) {
		struct sum sum = { 0 };
		int64_t net_sum = 0;
		struct net net;

		history_replay(&h->at.at[i], add_up, &sum);
		net_make(&net, &lines, &h->at.at[i]);
		for (size_t k = 0; k < net.n; k++)
			net_sum += (int64_t)net.changes[k].delta * net.changes[k].times;
		assert_true(net_sum == sum.deltas || sum.jumps);
		net_free(&net);
	}
	net_lines_free(&lines);
}

static void look_at_all(struct trace *t)
{
	struct histories counts;
	struct account a;
	struct account_options options = { .survivors = true,
					   .by_thread = fuzz_below(2),
					   .more = (struct model *const[]){ &counts.model },
					   .n_more = 1,
					   .replay.n_workers = (int)fuzz_below(3) };
	uint64_t lines = 0;

	histories_init(&counts, t);
	account_run(&a, t, &options);
	look_at_counts(&counts, t);
	histories_free(&counts);
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

static void one_round(void)
{
	struct trace_options options = { 0 };
	struct synth *s;
	struct trace t;
	struct fault f;

	s = some_trace();
	for (uint64_t n = 1 + fuzz_below(3); n; n--)
		mutations[fuzz_below(sizeof mutations / sizeof *mutations)](s);
	synth_write(s, fuzz_path);
	synth_free_all(s);
	options.internals = fuzz_below(2);
	options.raw_stacks = fuzz_below(2);
	if (!trace_open_with(&t, fuzz_path, &options, &f))
		look_at_all(&t);
	trace_close(&t);
}

int main(void) { return fuzz_run("test_fuzz_read", ROUNDS, MAX_KIB, one_round); }
