/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/synth/snap.h"
#include "formats/bytes.h"

#include <string.h>

struct snap *snap_new(struct synth *s, uint64_t number, uint64_t ns)
{
	struct snap *p = mem_zero(1, sizeof *p);

	p->s = s;
	p->number = number;
	p->ns = ns;
	p->piece_bytes = 1 << 20;
	return p;
}

/* ---- bytes ---- */

static void put_byte(struct snap *p, uint8_t byte) { *array_push(&p->bytes) = byte; }

static void put(struct snap *p, uint64_t v)
{
	array_reserve(&p->bytes, p->bytes.n + PT_VARINT_MAX);
	p->bytes.n = (size_t)(pt_put_varint(p->bytes.at + p->bytes.n, v) - p->bytes.at);
}

static void put_delta(struct snap *p, uint64_t v, uint64_t last) { put(p, pt_zigzag((int64_t)(v - last))); }

static void put_text(struct snap *p, const char *text)
{
	size_t n = strlen(text);

	put(p, n);
	array_reserve(&p->bytes, p->bytes.n + n);
	memcpy(p->bytes.at + p->bytes.n, text, n);
	p->bytes.n += n;
}

static void write_piece(struct snap *p)
{
	struct pt_block head = { .kind = PT_BLOCK_SNAPSHOT,
				 .n_events = p->n_records,
				 .first_slot = p->number,
				 .n_slots = p->piece++,
				 .first_ns = p->ns,
				 .last_ns = p->ns };

	synth_block(p->s, &head, p->bytes.at, p->bytes.n);
	p->bytes.n = 0;
	p->n_records = 0;
	p->last_object = p->last_text = p->last_keeper = 0;
}

/* ---- records ---- */

static void put_edges(struct snap *p, uint64_t base, bool named)
{
	put(p, p->edges.n);
	for (size_t i = 0; i < p->edges.n; i++) {
		put_delta(p, p->edges.at[i].address, base);
		if (named)
			put(p, p->edges.at[i].name);
	}
	p->n_edges += p->edges.n;
	p->edges.n = 0;
}

static void finish_object(struct snap *p)
{
	uint64_t address = p->head[1];

	put(p, p->head[0] | (p->raws.n ? PT_OBJECT_RAW : 0));
	put_delta(p, address, p->last_object);
	p->last_object = address;
	for (int i = 2; i < 5; i++)
		put(p, p->head[i]);
	put_edges(p, address, (p->head[0] & PT_OBJECT_SHAPE) == PT_EDGES_NAMED);
	if (p->raws.n)
		put(p, p->raws.n);
	for (size_t i = 0; i < p->raws.n; i++)
		put_delta(p, p->raws.at[i], address);
	p->raws.n = 0;
}

static void finish_root(struct snap *p)
{
	for (int i = 0; i < 4; i++)
		put(p, p->head[i]);
	put_edges(p, 0, true);
}

/* The record that took edges until now is complete. */
static void settle(struct snap *p)
{
	uint8_t kind = p->pending;

	p->pending = 0;
	if (!kind)
		return;
	put_byte(p, kind);
	p->n_records++;
	if (kind == PT_RECORD_OBJECT)
		finish_object(p);
	else
		finish_root(p);
}

static void begin(struct snap *p, enum pt_record kind)
{
	settle(p);
	if (p->bytes.n >= p->piece_bytes)
		write_piece(p);
	if (kind == PT_RECORD_OBJECT || kind == PT_RECORD_ROOT) {
		p->pending = (uint8_t)kind;
		return;
	}
	p->n_records++;
	put_byte(p, (uint8_t)kind);
}

/* Writes a STRING record at once: one that is still taking edges is written after it. */
uint32_t snap_string(struct snap *p, const char *text)
{
	for (size_t i = p->strings.n; i > 0 && i + 64 > p->strings.n; i--)
		if (!strcmp(p->strings.at[i - 1], text))
			return (uint32_t)i;
	p->n_records++;
	put_byte(p, PT_RECORD_STRING);
	put_text(p, text);
	*array_push(&p->strings) = mem_text(text, strlen(text));
	return (uint32_t)p->strings.n;
}

static uint32_t string_or_none(struct snap *p, const char *text) { return text ? snap_string(p, text) : 0; }

uint32_t snap_type(struct snap *p, uint64_t address, uint32_t flags, uint64_t basic, uint64_t item, uint64_t before,
		   const char *name)
{
	const uint64_t numbers[] = { address, flags, basic, item, before, snap_string(p, name) };

	begin(p, PT_RECORD_TYPE);
	for (int i = 0; i < 6; i++)
		put(p, numbers[i]);
	return ++p->n_types;
}

void snap_object(struct snap *p, uint32_t flags, uint64_t address, uint32_t type, uint64_t refcount, uint64_t bytes)
{
	begin(p, PT_RECORD_OBJECT);
	memcpy(p->head, (uint64_t[]){ flags, address, type, refcount, bytes }, 5 * sizeof *p->head);
	p->n_objects++;
}

void snap_edge(struct snap *p, uint64_t target) { *array_push(&p->edges) = (struct snap_edge){ target, 0 }; }

void snap_named(struct snap *p, uint64_t target, const char *name, unsigned flags)
{
	*array_push(&p->edges) = (struct snap_edge){ target, string_or_none(p, name) << 2 | flags };
}

void snap_raw(struct snap *p, uint64_t address) { *array_push(&p->raws) = address; }

void snap_text(struct snap *p, uint64_t address, const char *text)
{
	begin(p, PT_RECORD_TEXT);
	put_delta(p, address, p->last_text);
	p->last_text = address;
	put_text(p, text);
}

void snap_root(struct snap *p, enum pt_root kind, const char *label, const char *detail, uint64_t number)
{
	uint32_t label_number, detail_number;

	settle(p);
	label_number = string_or_none(p, label);
	detail_number = string_or_none(p, detail);
	begin(p, PT_RECORD_ROOT);
	memcpy(p->head, (uint64_t[]){ kind, label_number, detail_number, number }, 4 * sizeof *p->head);
}

void snap_fact(struct snap *p, const char *key, uint64_t value)
{
	uint32_t number;

	settle(p);
	number = snap_string(p, key);
	begin(p, PT_RECORD_FACT);
	put(p, number);
	put(p, value);
}

void snap_area(struct snap *p, uint64_t start, uint64_t pages, unsigned flags, const char *file, uint64_t resident,
	       const uint32_t *runs, size_t n_runs)
{
	uint32_t file_number;

	settle(p);
	file_number = string_or_none(p, file);
	begin(p, PT_RECORD_AREA);
	put(p, start);
	put(p, pages);
	put(p, flags);
	put(p, file_number);
	put(p, resident);
	put(p, n_runs);
	for (size_t i = 0; i < n_runs; i++)
		put(p, runs[i]);
}

void snap_keeper(struct snap *p, enum pt_keeper kind, uint64_t address, uint64_t bytes, const uint64_t *words, size_t n)
{
	settle(p);
	begin(p, PT_RECORD_KEEPER);
	put(p, kind);
	put_delta(p, address, p->last_keeper);
	p->last_keeper = address;
	put(p, bytes);
	put(p, n);
	for (size_t i = 0; i < n; address = words[i++])
		put_delta(p, words[i], address);
}

void snap_bytes(struct snap *p, const void *bytes, size_t n)
{
	settle(p);
	p->n_records++;
	array_reserve(&p->bytes, p->bytes.n + n);
	memcpy(p->bytes.at + p->bytes.n, bytes, n);
	p->bytes.n += n;
}

void snap_cut(struct snap *p)
{
	settle(p);
	if (p->bytes.n)
		write_piece(p);
}

void snap_stop(struct snap *p)
{
	snap_cut(p);
	for (size_t i = 0; i < p->strings.n; i++)
		free(p->strings.at[i]);
	array_free(&p->strings);
	array_free(&p->bytes);
	array_free(&p->edges);
	array_free(&p->raws);
	free(p);
}

void snap_end(struct snap *p)
{
	settle(p);
	begin(p, PT_RECORD_END);
	put(p, p->n_objects);
	put(p, p->n_edges);
	put(p, 0);
	snap_stop(p);
}
