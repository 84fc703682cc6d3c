/* SPDX-License-Identifier: Apache-2.0 */
/*
 * example: writes the worked example of formats/FORMAT.md to the file named on the command line
 *
 * The complete trace of a process with one thread and ten events, unpacked, so that every byte can be followed.
 * tests/test_format.py compares it with the dump in FORMAT.md, and reads it with a reader of its own.
 */
#include "formats/block.h"
#include "formats/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, RING_SLOTS = PAGE / sizeof(struct pt_slot), FILE_MAX = 8 * PAGE };

static uint8_t file[FILE_MAX];
static size_t file_end = PT_FRONT_BYTES;

/* ---- the slots, as the traced thread leaves them ---- */

static struct pt_slot slots[RING_SLOTS];
static size_t n_slots;

static void put_pair(uint8_t op, uint64_t a, uint64_t b)
{
	slots[n_slots++] = (struct pt_slot){ (uint64_t)op << 48 | a, (uint32_t)b, (uint32_t)(b >> 32) };
}

static void put_memory(enum pt_memory_kind kind, enum pt_layer layer, uint64_t addr, uint32_t size, uint32_t stack)
{
	slots[n_slots++] = (struct pt_slot){ (uint64_t)pt_memory_op(kind, layer) << 48 | addr, size, stack };
}

static void put_definition(uint8_t op, uint64_t id, const void *data, size_t len)
{
	put_pair(op, id, len);
	memcpy(&slots[n_slots], data, len);
	n_slots += (len + sizeof *slots - 1) / sizeof *slots;
}

static void put_code(uint32_t id)
{
	static const char names[11] = { 'a', 'p', 'p', '.', 'p', 'y', 's', 'e', 'r', 'v', 'e' };
	/* One entry for offsets 0 and 1: one line further, columns 4 to 13. Its last byte goes to a CODE_TAIL. */
	static const uint8_t table[3] = { 0xd8, 4, 13 };
	struct pt_code code = { .first_line = 1,
				.table_bytes = sizeof table,
				.file_bytes = 6,
				.name_bytes = 5,
				.linetable = PT_LINETABLE_311 };
	uint8_t data[sizeof code + sizeof names + 2];

	memcpy(data, &code, sizeof code);
	memcpy(data + sizeof code, names, sizeof names);
	memcpy(data + sizeof code + sizeof names, table, 2);
	put_definition(PT_OP_CODE, id, data, sizeof data);
	put_definition(PT_OP_CODE_TAIL, id, table + 2, 1);
}

static void put_slots(void)
{
	static const uint32_t frame[4] = { 0, 1, 0, 0 };
	/* What the example uses, so that an event that is added to the list does not change the specification. */
	static const char schema[] = "000 ALLOC alloc\n016 FREE free\n080 RANGE map\n128 PAIR run\n129 PAIR time\n"
				     "137 PAIR thread\n138 PAIR end\n192 BYTES meta\n193 BYTES schema\n195 BYTES code\n"
				     "196 BYTES code-tail\n197 WORDS frame\n";

	put_definition(PT_OP_SCHEMA, 0, schema, sizeof schema - 1);
	put_definition(PT_OP_META, 0, "program=app.py", 14);
	put_pair(PT_OP_RUN, 1, 1000);
	put_pair(PT_OP_THREAD, 4242, 0);
	put_code(1);
	put_definition(PT_OP_FRAME, 1, frame, sizeof frame);
	put_memory(PT_ALLOC, PT_LAYER_OBJECT, 0x7f0000001000, 64, 1);
	put_memory(PT_ALLOC, PT_LAYER_OBJECT, 0x7f0000001040, 64, 1);
	put_memory(PT_FREE, PT_LAYER_OBJECT, 0x7f0000001000, 0, 1);
	put_memory(PT_ALLOC, PT_LAYER_OBJECT, 0x7f0000001000, 64, 1);
	put_memory(PT_MAP, PT_LAYER_MMAP, 0x7e0000000000, 8192, 0);
	put_pair(PT_OP_SIZE64, 0, UINT64_C(1) << 32);
	put_memory(PT_ALLOC, PT_LAYER_MALLOC, 0x7c0000000010, PT_SIZE_BIG, 1);
	put_pair(PT_OP_TIME, 0, 2000);
	put_pair(PT_OP_END, 4242, 0);
}

/* ---- the file ---- */

static void add_block(struct pt_block b, const void *payload, size_t bytes)
{
	b.stored_bytes = b.raw_bytes = (uint32_t)bytes;
	if (b.kind != PT_BLOCK_RING)
		b.payload_xxh3 = pt_xxh3(payload, bytes);
	pt_block_seal(&b);
	memcpy(file + file_end, &b, sizeof b);
	memcpy(file + file_end + sizeof b, payload, bytes);
	file_end += (sizeof b + bytes + PT_BLOCK_ALIGN - 1) & ~(size_t)(PT_BLOCK_ALIGN - 1);
}

/* The ring that the thread has left: its slots are still there, yet x_thread and x_head say that none counts. */
static void add_ring(void)
{
	static uint8_t payload[2 * PAGE - sizeof(struct pt_block)];
	struct pt_ring ring = {
		.n_slots = RING_SLOTS, .slots_offset = PAGE, .x_base_slot = n_slots, .x_run = 1, .x_ns = 2000
	};

	memcpy(payload, &ring, sizeof ring);
	memcpy(payload + PAGE - sizeof(struct pt_block), slots, n_slots * sizeof *slots);
	add_block((struct pt_block){ .kind = PT_BLOCK_RING, .thread = 1 }, payload, sizeof payload);
}

static uint64_t add_events(uint64_t op_counts[256])
{
	size_t bound = pt_encode_bound(n_slots);
	struct pt_codec *codec = malloc(pt_codec_bytes());
	uint8_t *events = malloc(bound), *defs = malloc(bound);
	struct pt_block b = { .thread = 1, .n_slots = n_slots, .last_ns = 2000 };
	struct pt_encoded done;

	if (!codec || !events || !defs)
		exit(2);
	done = pt_encode(codec, slots, n_slots, events, defs, op_counts);
	b.kind = PT_BLOCK_DEFS;
	b.n_events = done.n_defs;
	add_block(b, defs, done.defs_bytes);
	b.kind = PT_BLOCK_EVENTS;
	b.n_events = done.n_events;
	add_block(b, events, done.events_bytes);
	free(codec);
	free(events);
	free(defs);
	return done.n_events | (uint64_t)done.n_defs << 32;
}

static void add_footer(const uint64_t op_counts[256], uint64_t n)
{
	uint64_t words[6 + 2 * 256] = { (uint32_t)n, n >> 32, 2, 1, 2000, 0 };
	size_t at = 6;

	for (unsigned op = 0; op < 256; op++) {
		if (!op_counts[op])
			continue;
		words[at++] = op;
		words[at++] = op_counts[op];
		words[5]++;
	}
	add_block((struct pt_block){ .kind = PT_BLOCK_FOOTER, .first_run = 1, .first_ns = 2000, .last_ns = 2000 },
		  words, at * sizeof *words);
}

static void put_front(void)
{
	struct pt_front front = {
		.magic = { 'P', 'Y', 'T', 'R', 'A', 'C', 'E', '\n' },
		.version = PT_VERSION,
		.header_bytes = PT_FRONT_BYTES,
		.page_bytes = PAGE,
		.pid = 4242,
		.ppid = 4241,
		.start_real_ns = UINT64_C(1800000000000000000),
		.start_mono_ns = UINT64_C(5000000000),
		.id = UINT64_C(0x0123456789abcdef),
		.program = "app.py",
		.x_state = PT_STATE_ENDED,
		.x_ended = PT_ENDED_EXIT,
		.x_end_ns = 2000,
		.x_file_end = file_end,
		.x_last_ns = 2000,
	};

	pt_front_seal(&front);
	memcpy(file, &front, sizeof front);
}

int main(int argc, char **argv)
{
	uint64_t op_counts[256] = { 0 }, n;
	FILE *out = argc == 2 ? fopen(argv[1], "wb") : NULL;

	if (!out) {
		fprintf(stderr, "usage: example FILE\n");
		return 2;
	}
	put_slots();
	add_ring();
	n = add_events(op_counts);
	add_footer(op_counts, n);
	put_front();
	return fwrite(file, 1, file_end, out) == file_end && !fclose(out) ? 0 : 1;
}
