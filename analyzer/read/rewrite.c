/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/read/rewrite.h"
#include "analyzer/read/unpack.h"
#include "formats/bytes.h"
#include "formats/codec.h"

#include <inttypes.h>
#include <string.h>
#include <zstd.h>

enum { SLOTS_A_BLOCK = 65536, ZSTD_LEVEL = 3 };

struct rewriter {
	struct trace *t;
	FILE *out;
	struct rewrite_counts *counts;
	struct unpacker *unpacker;
	struct pt_codec *codec;
	ARRAY(struct pt_event) events; /* of one block, while it is checked */
	uint64_t at;                   /* bytes written */
	uint64_t op_counts[256];
	uint64_t n_snapshots; /* blocks of them, which the footer does not count */
	bool failed;
};

/* ---- writing ---- */

static void put(struct rewriter *w, const void *data, size_t len)
{
	if (len && !w->failed && fwrite(data, len, 1, w->out) != 1)
		w->failed = true;
	w->at += len;
}

static void put_block(struct rewriter *w, const struct pt_block *head, const void *payload)
{
	static const uint8_t zeros[PT_BLOCK_ALIGN];

	put(w, head, sizeof *head);
	put(w, payload, head->stored_bytes);
	put(w, zeros, -w->at % PT_BLOCK_ALIGN);
}

/* Zips a payload if that makes it smaller, seals the header and writes both. */
static void pack_block(struct rewriter *w, struct pt_block *head, const uint8_t *payload, size_t len)
{
	size_t bound = ZSTD_compressBound(len), zipped_len;
	uint8_t *zipped = mem_alloc(bound);

	zipped_len = ZSTD_compress(zipped, bound, payload, len, ZSTD_LEVEL);
	head->raw_bytes = head->stored_bytes = (uint32_t)len;
	if (!ZSTD_isError(zipped_len) && zipped_len < len) {
		head->stored_bytes = (uint32_t)zipped_len;
		head->flags = PT_BLOCK_ZSTD;
		payload = zipped;
	}
	head->payload_xxh3 = pt_xxh3(payload, head->stored_bytes);
	pt_block_seal(head);
	put_block(w, head, payload);
	w->counts->blocks_made += head->kind != PT_BLOCK_FOOTER;
	free(zipped);
}

/* ---- blocks that are kept as they are ---- */

static void drop(struct rewriter *w, uint64_t offset, const char *what, uint32_t n, const char *fault)
{
	trace_trouble(w->t, offset, "a block of %" PRIu32 " %s %s", n, what, fault);
	w->counts->blocks_dropped++;
}

static void keep(struct rewriter *w, uint64_t offset)
{
	struct pt_block head;

	memcpy(&head, w->t->map + offset, sizeof head);
	put_block(w, &head, w->t->map + offset + sizeof head);
	w->counts->blocks_kept++;
}

static void keep_defs(struct rewriter *w, uint64_t offset)
{
	struct pt_def_cursor cursor = { 0 };
	struct pt_def def;
	size_t len;

	/* trace_open() could read it, so this can. */
	if (unpack_payload(w->unpacker, w->t, offset, &cursor.at, &len))
		return;
	cursor.end = cursor.at + len;
	while (pt_decode_def(&cursor, w->t->defs.shapes, &def) > 0) {
		w->counts->definitions++;
		w->op_counts[def.op]++;
	}
	keep(w, offset);
}

static void keep_events(struct rewriter *w, const struct part *p)
{
	const char *fault;
	size_t n;

	array_reserve(&w->events, (size_t)p->n_events);
	fault = unpack_part(w->unpacker, w->t, p, w->events.at, &n);
	if (fault) {
		drop(w, p->offset, "events", p->n_events, fault);
		return;
	}
	for (size_t i = 0; i < n; i++)
		w->op_counts[w->events.at[i].op]++;
	w->counts->events += n;
	keep(w, p->offset);
}

/* Pieces of snapshots, in the order of the file. A damaged one, which was told of when the trace was opened, ends its
 * snapshot, whoever reads it. */
static void keep_snapshots(struct rewriter *w)
{
	const struct trace *t = w->t;

	for (size_t i = 0; i < t->snapshots_at.n && !w->failed; i++) {
		if (!unpack_is_sound(t, t->snapshots_at.at[i]))
			continue;
		keep(w, t->snapshots_at.at[i]);
		w->n_snapshots++;
	}
}

static int by_offset(const void *a, const void *b)
{
	const struct part *x = *(const struct part *const *)a, *y = *(const struct part *const *)b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Definitions first: whoever reads the copy from its start knows all before the first event. */
static void keep_blocks(struct rewriter *w, rewrite_progress *progress, void *self)
{
	const struct trace *t = w->t;
	const struct part **parts = mem_zero(t->parts.n, sizeof *parts);
	size_t n = 0;

	for (size_t i = 0; i < t->defs_at.n; i++)
		keep_defs(w, t->defs_at.at[i]);
	for (size_t i = 0; i < t->parts.n; i++)
		if (!t->parts.at[i].ring)
			parts[n++] = &t->parts.at[i];
	if (n)
		qsort(parts, n, sizeof *parts, by_offset);
	for (size_t i = 0; i < n && !w->failed; i++) {
		keep_events(w, parts[i]);
		if (progress)
			progress(self, w->at, t->file_bytes);
	}
	free(parts);
}

/* ---- rings ---- */

/* Packs slots[from..to) of a ring, which hold whole records. */
static void pack_slots(struct rewriter *w, const struct trace_ring *ring, size_t from, size_t to, uint64_t *run,
		       uint64_t *ns)
{
	size_t bound = pt_encode_bound(to - from);
	uint8_t *events = mem_alloc(bound), *defs = mem_alloc(bound);
	struct pt_encoded e = pt_encode(w->codec, ring->slots + from, to - from, events, defs, w->op_counts);
	struct pt_block head = { .thread = w->t->threads.at[ring->thread].number,
				 .first_slot = ring->base_slot + from,
				 .n_slots = to - from,
				 .first_run = *run,
				 .first_ns = *ns };
	struct pt_block defs_head;

	for (size_t i = from; i < to; i++) {
		uint8_t op = pt_slot_op(&ring->slots[i]);

		if (op == PT_OP_RUN)
			*run = pt_slot_a(&ring->slots[i]);
		if (op == PT_OP_RUN || op == PT_OP_TIME)
			*ns = pt_slot_b(&ring->slots[i]);
		if (pt_op_shape(op) == PT_SHAPE_BYTES || pt_op_shape(op) == PT_SHAPE_WORDS)
			i += (size_t)((pt_slot_b(&ring->slots[i]) + 15) / 16);
	}
	head.last_ns = *ns;
	defs_head = head;
	defs_head.kind = PT_BLOCK_DEFS;
	defs_head.n_events = e.n_defs;
	head.kind = PT_BLOCK_EVENTS;
	head.n_events = e.n_events;
	if (e.n_defs)
		pack_block(w, &defs_head, defs, e.defs_bytes);
	pack_block(w, &head, events, e.events_bytes);
	w->counts->events += e.n_events;
	w->counts->definitions += e.n_defs;
	free(events);
	free(defs);
}

static void pack_ring(struct rewriter *w, const struct trace_ring *ring)
{
	const struct defs *d = &w->t->defs;
	uint64_t run = ring->run, ns = ring->ns;
	size_t from = ring->first_new, at = from, next = from;
	struct pt_event ev;
	struct pt_def def;
	bool is_def;

	while (pt_slots_next(ring->slots, ring->n, &next, d->shapes, &is_def, &ev, &def) > 0) {
		if (!d->knows[is_def ? def.op : ev.op]) {
			trace_trouble(w->t, ring->offset,
				      "a ring holds events of a later version, which were left out");
			break;
		}
		if (next - from > SLOTS_A_BLOCK && at > from) {
			pack_slots(w, ring, from, at, &run, &ns);
			from = at;
		}
		at = next;
	}
	if (at > from)
		pack_slots(w, ring, from, at, &run, &ns);
}

/* ---- the rest ---- */

/* What was wrong, as a definition of the copy. */
static void put_note(struct rewriter *w)
{
	const struct trace *t = w->t;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	uint8_t head[2 + PT_VARINT_MAX] = { PT_OP_META, 0 }, *end;
	struct pt_block block = { .kind = PT_BLOCK_DEFS, .n_events = 1 };
	ARRAY(uint8_t) payload = { 0 };

	if (!f)
		return;
	fputs("repaired=", f);
	for (size_t i = 0; i < t->troubles.n; i++)
		fprintf(f, "%s%s", i ? "\n" : "", t->troubles.at[i].text);
	fclose(f);
	end = pt_put_varint(head + 2, len);
	array_reserve(&payload, len + sizeof head);
	memcpy(payload.at, head, (size_t)(end - head));
	memcpy(payload.at + (end - head), text, len);
	pack_block(w, &block, payload.at, (size_t)(end - head) + len);
	w->op_counts[PT_OP_META]++;
	w->counts->definitions++;
	array_free(&payload);
	free(text);
}

static void put_footer(struct rewriter *w)
{
	uint64_t words[6 + 2 * 256] = { w->counts->events, w->counts->definitions,
					w->counts->blocks_kept + w->counts->blocks_made - w->n_snapshots,
					w->t->threads.n, w->t->end_ns };
	struct pt_block head = { .kind = PT_BLOCK_FOOTER, .first_ns = w->t->end_ns, .last_ns = w->t->end_ns };
	uint64_t n = 0;

	for (unsigned op = 0; op < 256; op++) {
		if (!w->op_counts[op] || op == PT_OP_SIZE64)
			continue;
		words[6 + 2 * n] = op;
		words[7 + 2 * n++] = w->op_counts[op];
	}
	words[5] = n;
	pack_block(w, &head, (const uint8_t *)words, (6 + 2 * n) * sizeof *words);
}

/* The front page comes last, when the end of the file is known. */
static void put_front(struct rewriter *w)
{
	uint8_t page[PT_FRONT_BYTES] = { 0 };
	struct pt_front front = w->t->front;

	memcpy(front.magic, PT_FILE_MAGIC, sizeof front.magic);
	front.version = PT_VERSION;
	front.header_bytes = PT_FRONT_BYTES;
	front.x_file_end = w->at;
	front.x_last_ns = w->t->end_ns;
	pt_front_seal(&front);
	memcpy(page, &front, sizeof front);
	if (fseek(w->out, 0, SEEK_SET) || fwrite(page, sizeof page, 1, w->out) != 1)
		w->failed = true;
}

bool rewrite_trace(struct trace *t, FILE *out, struct rewrite_counts *ret, rewrite_progress *progress, void *self)
{
	struct rewriter w = {
		.t = t, .out = out, .counts = ret, .unpacker = unpack_new(), .codec = mem_alloc(pt_codec_bytes())
	};
	static const uint8_t page[PT_FRONT_BYTES];

	*ret = (struct rewrite_counts){ .blocks_dropped = t->n_damaged };
	put(&w, page, sizeof page);
	keep_blocks(&w, progress, self);
	for (size_t i = 0; i < t->rings.n && !w.failed; i++)
		pack_ring(&w, &t->rings.at[i]);
	keep_snapshots(&w);
	if (t->troubles.n)
		put_note(&w);
	put_footer(&w);
	ret->bytes = w.at;
	put_front(&w);
	unpack_free(w.unpacker);
	free(w.codec);
	array_free(&w.events);
	return !w.failed;
}
