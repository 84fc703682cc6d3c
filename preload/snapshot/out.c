/* SPDX-License-Identifier: Apache-2.0 */
/* out: a buffer of records, a table of strings, a packer. All memory is mapped by the copy itself. */
#include "preload/snapshot/out.h"
#include "formats/block.h"
#include "preload/base/os.h"

#include <string.h>
#include <sys/vfs.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

enum {
	PIECE = 1 << 20,         /* a piece is written when it has this much */
	PIECE_FIRST = 128 << 10, /* or, at first, this: a small heap's stays in the caches. Each is twice the last */
	ROOM_MUCH = 63 << 20,    /* a block holds 64 MiB at most (FORMAT.md 7) */
	ROOM_LITTLE = 2 << 20,   /* where the system grants no more */
	STRINGS_FIRST = 8 << 10, /* slots of the table of strings */
	STRING_MOST = 512 << 10,
	TEXT_PIECE = 1 << 20,
	ZSTD_LEVEL = 1,
	KEPT_SHARE = 20, /* of the disk, one part in so many is left free, but not more than */
	KEPT_MOST = 64 << 20,
};

struct string {
	const char *text;      /* behind its length, four bytes */
	uint32_t hash, number; /* number 0: the slot is free */
};

struct out {
	struct out_file file;
	uint64_t now_ns, progress;
	uint32_t number, n_pieces, n_records;
	bool failed;
	uint8_t *piece, *record;   /* its start; the next record's */
	size_t cap, piece_bytes;   /* the most that one record takes; a piece */
	uint64_t last[PT_RECORDS]; /* address of the last record of a kind in this piece */
	/* strings */
	struct string *strings;
	uint32_t n_strings, n_slots;
	char *texts;
	size_t texts_left;
	/* packing */
	ZSTD_CCtx *zstd;
	uint8_t *packed; /* a block */
	size_t packed_cap;
};

static void *map(size_t bytes) { return os_map(bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); }

void *out_memory(struct out *o, size_t bytes)
{
	(void)o;
	return bytes ? map(bytes) : NULL;
}

/* ---- the file ---- */

static bool file_takes(const struct out *o, uint64_t end)
{
	return end <= o->file.max_bytes && end <= os_file_size_limit();
}

/* A snapshot may be large: it does not take the last of a disk that the program writes to as well. */
static bool disk_has(const struct out *o, uint64_t bytes)
{
	struct statfs fs;
	uint64_t keep;

	if (os_call(SYS_fstatfs, o->file.fd, &fs))
		return true;
	keep = fs.f_blocks / KEPT_SHARE * (uint64_t)fs.f_bsize;
	keep = keep < KEPT_MOST ? keep : KEPT_MOST;
	return fs.f_bavail * (uint64_t)fs.f_bsize >= bytes + keep;
}

/* As sink_reserve, but what does not fit is our loss only: events go on as long as they can. */
static uint64_t reserve(struct out *o, uint64_t bytes)
{
	uint64_t *file_end = &o->file.front->x_file_end, at = __atomic_load_n(file_end, __ATOMIC_RELAXED), start;

	do {
		start = (at + PT_BLOCK_ALIGN - 1) / PT_BLOCK_ALIGN * PT_BLOCK_ALIGN;
		if (!file_takes(o, start + bytes))
			return 0;
	} while (!__atomic_compare_exchange_n(file_end, &at, start + bytes, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return start;
}

static bool write_all(int fd, const uint8_t *p, uint64_t bytes, uint64_t offset)
{
	while (bytes) {
		long n = os_pwrite(fd, p, bytes, offset);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return true;
}

/* Makes a block of the piece at o->packed; returns its bytes, a multiple of PT_BLOCK_ALIGN. */
static size_t pack(struct out *o, size_t bytes)
{
	struct pt_block b = {
		.kind = PT_BLOCK_SNAPSHOT,
		.flags = PT_BLOCK_ZSTD,
		.raw_bytes = (uint32_t)bytes,
		.n_events = o->n_records,
		.first_slot = o->number,
		.n_slots = o->n_pieces,
		.first_ns = o->now_ns,
		.last_ns = o->now_ns,
	};
	uint8_t *stored = o->packed + sizeof b;
	size_t n = ZSTD_compressCCtx(o->zstd, stored, o->packed_cap - sizeof b - PT_BLOCK_ALIGN, o->piece, bytes,
				     ZSTD_LEVEL);
	size_t total;

	if (ZSTD_isError(n) || n >= bytes) {
		memcpy(stored, o->piece, bytes);
		n = bytes;
		b.flags = 0;
	}
	b.stored_bytes = (uint32_t)n;
	b.payload_xxh3 = pt_xxh3(stored, n);
	pt_block_seal(&b);
	memcpy(o->packed, &b, sizeof b);
	total = (sizeof b + n + PT_BLOCK_ALIGN - 1) / PT_BLOCK_ALIGN * PT_BLOCK_ALIGN;
	memset(stored + n, 0, total - sizeof b - n);
	return total;
}

static void write_piece(struct out *o, size_t bytes)
{
	size_t total = pack(o, bytes);
	uint64_t offset = disk_has(o, total) ? reserve(o, total) : 0;

	if (!offset || !write_all(o->file.fd, o->packed, total, offset)) {
		o->failed = true;
		return;
	}
	o->n_pieces++;
	o->piece_bytes = 2 * o->piece_bytes < PIECE ? 2 * o->piece_bytes : PIECE;
}

static void finish_piece(struct out *o)
{
	size_t bytes = (size_t)(o->record - o->piece);

	if (bytes && !o->failed)
		write_piece(o, bytes);
	o->record = o->piece;
	o->n_records = 0;
	memset(o->last, 0, sizeof o->last);
}

/* ---- records ---- */

uint8_t *out_room(struct out *o, size_t bytes)
{
	size_t used = (size_t)(o->record - o->piece);

	if (used >= o->piece_bytes || used + bytes > o->cap)
		finish_piece(o);
	atomic_store_explicit(o->file.progress, ++o->progress, memory_order_relaxed);
	return o->record;
}

size_t out_longest(const struct out *o) { return o->cap; }

void out_record(struct out *o, uint8_t *end)
{
	o->record = end;
	o->n_records++;
}

uint8_t *out_address(struct out *o, enum pt_record kind, uint8_t *p, uint64_t address)
{
	uint64_t last = o->last[kind];

	o->last[kind] = address;
	return pt_put_delta(p, address, last);
}

void out_fact(struct out *o, const char *key, uint64_t value)
{
	uint32_t string = out_string(o, key, strlen(key));
	uint8_t *p = out_room(o, 1 + 2 * PT_VARINT_MAX);

	*p++ = PT_RECORD_FACT;
	p = pt_put_varint(p, string);
	out_record(o, pt_put_varint(p, value));
}

bool out_is_good(const struct out *o) { return !o->failed; }

/* ---- strings ---- */

static uint32_t length_of(const struct string *s)
{
	uint32_t bytes;

	memcpy(&bytes, s->text - sizeof bytes, sizeof bytes);
	return bytes;
}

static struct string *find_slot(struct string *slots, uint32_t n_slots, uint32_t hash, const char *text, size_t bytes)
{
	struct string *s;

	for (uint32_t i = hash;; i++) {
		s = &slots[i & (n_slots - 1)];
		if (!s->number || (s->hash == hash && length_of(s) == bytes && !memcmp(s->text, text, bytes)))
			return s;
	}
}

/* Every page of it will be written, at random places. */
static struct string *map_slots(uint32_t n)
{
	return os_map(n * sizeof(struct string), MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE, -1, 0);
}

/* Without memory for more, new strings get records that are not remembered. */
static bool has_slot(struct out *o)
{
	struct string *more;

	if (o->n_strings < o->n_slots / 4 * 3)
		return true;
	more = map_slots(2 * o->n_slots);
	if (!more)
		return false;
	for (uint32_t i = 0; i < o->n_slots; i++) {
		const struct string *s = &o->strings[i];

		if (s->number)
			*find_slot(more, 2 * o->n_slots, s->hash, s->text, length_of(s)) = *s;
	}
	os_unmap(o->strings, o->n_slots * sizeof *more);
	o->strings = more;
	o->n_slots *= 2;
	return true;
}

static char *keep_text(struct out *o, const char *text, uint32_t bytes)
{
	size_t room = bytes + sizeof bytes;
	char *p;

	if (room > o->texts_left) {
		o->texts_left = room > TEXT_PIECE ? room : TEXT_PIECE;
		o->texts = map(o->texts_left);
		if (!o->texts)
			o->texts_left = 0;
	}
	if (!o->texts)
		return NULL;
	p = o->texts;
	memcpy(p, &bytes, sizeof bytes);
	memcpy(p + sizeof bytes, text, bytes);
	o->texts += room;
	o->texts_left -= room;
	return p + sizeof bytes;
}

static uint32_t write_string(struct out *o, const char *text, size_t bytes)
{
	uint8_t *p = out_room(o, 1 + PT_VARINT_MAX + bytes);

	*p++ = PT_RECORD_STRING;
	p = pt_put_varint(p, bytes);
	memcpy(p, text, bytes);
	out_record(o, p + bytes);
	return ++o->n_strings;
}

uint32_t out_string(struct out *o, const char *text, size_t bytes)
{
	struct string *s;
	uint32_t hash;
	char *kept;

	if (!text || !bytes)
		return 0;
	if (bytes > STRING_MOST)
		bytes = STRING_MOST;
	hash = (uint32_t)pt_xxh3(text, bytes);
	s = find_slot(o->strings, o->n_slots, hash, text, bytes);
	if (s->number)
		return s->number;
	if (!has_slot(o) || !(kept = keep_text(o, text, (uint32_t)bytes)))
		return write_string(o, text, bytes);
	s = find_slot(o->strings, o->n_slots, hash, text, bytes);
	*s = (struct string){ kept, hash, write_string(o, text, bytes) };
	return s->number;
}

/* ---- begin and end ---- */

static bool take_buffers(struct out *o, size_t cap)
{
	o->cap = cap;
	o->packed_cap = sizeof(struct pt_block) + ZSTD_compressBound(cap) + PT_BLOCK_ALIGN;
	o->piece = map(cap);
	o->packed = o->piece ? map(o->packed_cap) : NULL;
	if (!o->packed && o->piece)
		os_unmap(o->piece, cap);
	return o->packed;
}

struct out *out_begin(const struct out_file *file, uint32_t number, uint64_t now_ns)
{
	size_t zstd_bytes = ZSTD_estimateCCtxSize(ZSTD_LEVEL);
	struct out *o = map(sizeof *o);
	void *zstd = map(zstd_bytes);

	if (!o || !zstd)
		return NULL;
	*o = (struct out){
		.file = *file, .number = number, .now_ns = now_ns, .n_slots = STRINGS_FIRST, .piece_bytes = PIECE_FIRST
	};
	o->zstd = ZSTD_initStaticCCtx(zstd, zstd_bytes);
	o->strings = map_slots(STRINGS_FIRST);
	if (!o->zstd || !o->strings || (!take_buffers(o, ROOM_MUCH) && !take_buffers(o, ROOM_LITTLE)))
		return NULL;
	o->record = o->piece;
	return o;
}

bool out_end(struct out *o)
{
	finish_piece(o);
	return !o->failed;
}
