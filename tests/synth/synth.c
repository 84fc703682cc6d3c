/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/synth/synth.h"

#include <stdio.h>
#include <string.h>
#include <zstd.h>

static struct synth_thread *thread_at(struct synth *s, uint32_t thread)
{
	while (s->threads.n <= thread)
		*array_push(&s->threads) = (struct synth_thread){ 0 };
	return &s->threads.at[thread];
}

struct synth *synth_new(void)
{
	struct synth *s = mem_zero(1, sizeof *s);
	char schema[4096];

	s->front = (struct pt_front){ .version = PT_VERSION,
				      .header_bytes = PT_FRONT_BYTES,
				      .page_bytes = 4096,
				      .pid = 1000,
				      .ppid = 999,
				      .start_real_ns = UINT64_C(1700000000000000000),
				      .id = 77,
				      .program = "synth.py",
				      .x_state = PT_STATE_RUNNING };
	memcpy(s->front.magic, PT_FILE_MAGIC, sizeof s->front.magic);
	array_reserve(&s->bytes, (size_t)PT_FRONT_BYTES);
	memset(s->bytes.at, 0, PT_FRONT_BYTES);
	s->bytes.n = PT_FRONT_BYTES;
	synth_define(s, 1, PT_OP_SCHEMA, 0, schema, pt_schema_text(schema, sizeof schema));
	return s;
}

void synth_free_all(struct synth *s)
{
	for (size_t i = 0; i < s->threads.n; i++)
		array_free(&s->threads.at[i].slots);
	array_free(&s->threads);
	array_free(&s->blocks);
	array_free(&s->bytes);
	free(s);
}

void synth_at(struct synth *s, uint64_t ns) { s->ns = ns; }

/* ---- slots ---- */

static struct pt_slot make_slot(uint8_t op, uint64_t a, uint64_t b)
{
	return (struct pt_slot){ (a & PT_ADDRESS_MASK) | (uint64_t)op << 48, (uint32_t)b, (uint32_t)(b >> 32) };
}

static void put(struct synth_thread *t, struct pt_slot slot) { *array_push(&t->slots) = slot; }

/* What the tracer does before each event: another thread's run ends, or time has passed. */
static struct synth_thread *enter(struct synth *s, uint32_t thread)
{
	struct synth_thread *t = thread_at(s, thread);

	if (s->running != thread) {
		s->running = thread;
		t->run = ++s->run;
		put(t, make_slot(PT_OP_RUN, t->run, s->ns));
	} else if (t->ns != s->ns) {
		put(t, make_slot(PT_OP_TIME, 0, s->ns));
	}
	t->ns = s->ns;
	return t;
}

void synth_memory(struct synth *s, uint32_t thread, uint8_t op, uint64_t addr, uint64_t size, uint32_t stack)
{
	struct synth_thread *t = enter(s, thread);

	if (size >= PT_SIZE_BIG)
		put(t, make_slot(PT_OP_SIZE64, 0, size));
	put(t, make_slot(op, addr, (uint64_t)stack << 32 | (size < PT_SIZE_BIG ? (uint32_t)size : PT_SIZE_BIG)));
}

void synth_pair(struct synth *s, uint32_t thread, uint8_t op, uint64_t a, uint64_t b)
{
	put(enter(s, thread), make_slot(op, a, b));
}

void synth_define(struct synth *s, uint32_t thread, uint8_t op, uint64_t id, const void *data, size_t len)
{
	struct synth_thread *t = thread_at(s, thread);

	put(t, make_slot(op, id, len));
	for (size_t at = 0; at < len; at += sizeof(struct pt_slot)) {
		struct pt_slot slot = { 0 };

		memcpy(&slot, (const char *)data + at, len - at < sizeof slot ? len - at : sizeof slot);
		put(t, slot);
	}
}

void synth_alloc(struct synth *s, uint32_t thread, enum pt_layer layer, uint64_t addr, uint64_t size, uint32_t stack)
{
	synth_memory(s, thread, pt_memory_op(PT_ALLOC, layer), addr, size, stack);
}

void synth_free(struct synth *s, uint32_t thread, enum pt_layer layer, uint64_t addr, uint32_t stack)
{
	synth_memory(s, thread, pt_memory_op(PT_FREE, layer), addr, 0, stack);
}

void synth_meta(struct synth *s, uint32_t thread, const char *key_value)
{
	synth_define(s, thread, PT_OP_META, 0, key_value, strlen(key_value));
}

void synth_code(struct synth *s, uint32_t thread, uint64_t id, const char *file, const char *name, uint32_t first_line)
{
	char data[1024];
	struct pt_code head = { .first_line = first_line,
				.file_bytes = (uint16_t)strlen(file),
				.name_bytes = (uint16_t)strlen(name) };

	memcpy(data, &head, sizeof head);
	memcpy(data + sizeof head, file, head.file_bytes);
	memcpy(data + sizeof head + head.file_bytes, name, head.name_bytes);
	synth_define(s, thread, PT_OP_CODE, id, data, sizeof head + head.file_bytes + head.name_bytes);
}

void synth_frame(struct synth *s, uint32_t thread, uint32_t id, uint32_t parent, uint32_t code, uint32_t offset)
{
	uint32_t words[4] = { [PT_FRAME_PARENT] = parent, [PT_FRAME_CODE] = code, [PT_FRAME_OFFSET] = offset };

	synth_define(s, thread, PT_OP_FRAME, id, words, sizeof words);
}

void synth_module(struct synth *s, uint32_t thread, uint64_t id, const char *path, uint8_t flags)
{
	char data[1024];
	struct pt_module head = { .bias = id << 32, .start = id << 32, .end = (id << 32) + 0x100000, .flags = flags };

	head.path_bytes = (uint16_t)strlen(path);
	memcpy(data, &head, sizeof head);
	memcpy(data + sizeof head, path, head.path_bytes);
	synth_define(s, thread, PT_OP_MODULE, id, data, sizeof head + head.path_bytes);
}

void synth_native(struct synth *s, uint32_t thread, uint32_t id, uint32_t parent, uint32_t module, uint64_t offset,
		  uint32_t flags)
{
	uint32_t words[4] = { [PT_NATIVE_PARENT] = parent,
			      [PT_NATIVE_MODULE] = module,
			      [PT_NATIVE_OFFSET] = (uint32_t)offset,
			      [PT_NATIVE_FLAGS] = flags | (uint32_t)(offset >> 32) << 16 };

	synth_define(s, thread, PT_OP_NATIVE, id, words, sizeof words);
}

void synth_join(struct synth *s, uint32_t thread, uint32_t id, uint32_t python, uint32_t native)
{
	uint32_t words[4] = { [PT_JOIN_PYTHON] = python, [PT_JOIN_NATIVE] = native };

	synth_define(s, thread, PT_OP_JOIN, id, words, sizeof words);
}

/* ---- blocks ---- */

static void add_bytes(struct synth *s, const void *data, size_t len)
{
	array_reserve(&s->bytes, s->bytes.n + len);
	memcpy(s->bytes.at + s->bytes.n, data, len);
	s->bytes.n += len;
}

static void pad_to(struct synth *s, size_t align)
{
	static const uint8_t zeros[4096];

	if (s->bytes.n % align)
		add_bytes(s, zeros, align - s->bytes.n % align);
}

void synth_block(struct synth *s, struct pt_block *head, const void *payload, size_t len)
{
	size_t bound = ZSTD_compressBound(len);
	void *zipped = mem_alloc(bound);

	head->raw_bytes = head->stored_bytes = (uint32_t)len;
	if (s->zip && head->kind != PT_BLOCK_RING) {
		head->stored_bytes = (uint32_t)ZSTD_compress(zipped, bound, payload, len, 1);
		head->flags |= PT_BLOCK_ZSTD;
		payload = zipped;
	}
	if (head->kind != PT_BLOCK_RING)
		head->payload_xxh3 = pt_xxh3(payload, head->stored_bytes);
	pt_block_seal(head);
	*array_push(&s->blocks) = s->bytes.n;
	add_bytes(s, head, sizeof *head);
	add_bytes(s, payload, head->stored_bytes);
	pad_to(s, PT_BLOCK_ALIGN);
	free(zipped);
}

void synth_pack(struct synth *s, uint32_t thread)
{
	struct synth_thread *t = thread_at(s, thread);
	size_t bound = pt_encode_bound(t->slots.n);
	uint8_t *events = mem_alloc(bound), *defs = mem_alloc(bound);
	struct pt_codec *codec = mem_alloc(pt_codec_bytes());
	struct pt_encoded e = pt_encode(codec, t->slots.at, t->slots.n, events, defs, s->counts);
	struct pt_block head = { .thread = thread,
				 .first_slot = t->base_slot,
				 .n_slots = t->slots.n,
				 .first_run = t->base_run,
				 .first_ns = t->base_ns,
				 .last_ns = t->ns };
	struct pt_block defs_head = head;

	defs_head.kind = PT_BLOCK_DEFS;
	defs_head.n_events = e.n_defs;
	head.kind = PT_BLOCK_EVENTS;
	head.n_events = e.n_events;
	if (e.n_defs)
		synth_block(s, &defs_head, defs, e.defs_bytes);
	synth_block(s, &head, events, e.events_bytes);
	s->n_events += e.n_events;
	s->n_defs += e.n_defs;
	s->n_packed += 1 + (e.n_defs != 0);
	t->n_packed = t->slots.n;
	free(events);
	free(defs);
	free(codec);
}

void synth_flush(struct synth *s, uint32_t thread)
{
	struct synth_thread *t = thread_at(s, thread);

	synth_pack(s, thread);
	t->base_slot += t->slots.n;
	t->base_run = t->run;
	t->base_ns = t->ns;
	t->slots.n = t->n_packed = 0;
}

void synth_ring(struct synth *s, uint32_t thread)
{
	struct synth_thread *t = thread_at(s, thread);
	size_t slots_at = 4096 - sizeof(struct pt_block);
	struct pt_block head = { .kind = PT_BLOCK_RING, .thread = thread };
	struct pt_ring ring = { .x_thread = thread,
				.x_tid = 5000 + thread,
				.x_base_slot = t->base_slot,
				.x_head = t->slots.n,
				.x_run = t->base_run,
				.x_ns = t->base_ns,
				.n_slots = (uint32_t)t->slots.n + 8,
				.slots_offset = 4096 };
	size_t len = slots_at + ring.n_slots * sizeof(struct pt_slot);
	uint8_t *payload = mem_zero(1, len);

	memcpy(payload, &ring, sizeof ring);
	if (t->slots.n)
		memcpy(payload + slots_at, t->slots.at, t->slots.n * sizeof *t->slots.at);
	pad_to(s, 4096);
	synth_block(s, &head, payload, len);
	free(payload);
}

static void write_footer(struct synth *s)
{
	uint64_t words[6 + 2 * 256] = { s->n_events, s->n_defs, s->n_packed, s->threads.n - 1, s->ns };
	struct pt_block head = { .kind = PT_BLOCK_FOOTER, .first_ns = s->ns, .last_ns = s->ns };

	for (unsigned op = 0; op < 256; op++) {
		if (!s->counts[op])
			continue;
		words[6 + 2 * words[5]] = op;
		words[6 + 2 * words[5]++ + 1] = s->counts[op];
	}
	synth_block(s, &head, words, (6 + 2 * words[5]) * sizeof *words);
}

void synth_end(struct synth *s)
{
	for (uint32_t thread = 1; thread < s->threads.n; thread++)
		if (s->threads.at[thread].slots.n > s->threads.at[thread].n_packed)
			synth_flush(s, thread);
	write_footer(s);
	s->front.x_state = PT_STATE_ENDED;
	s->front.x_ended = PT_ENDED_EXIT;
	s->front.x_end_ns = s->ns;
}

void synth_write(struct synth *s, const char *path)
{
	FILE *f = fopen(path, "wb");

	s->front.x_file_end = s->bytes.n;
	pt_front_seal(&s->front);
	memcpy(s->bytes.at, &s->front, sizeof s->front);
	if (!f || fwrite(s->bytes.at, s->bytes.n, 1, f) != 1 || fclose(f)) {
		perror(path);
		exit(1);
	}
}
