/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/symbols/bundle.h"
#include "analyzer/base/array.h"
#include "analyzer/base/map.h"
#include "analyzer/base/mem.h"
#include "analyzer/base/strings.h"
#include "formats/block.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define BUNDLE_MAGIC "PYTRSYM\n"
enum { BUNDLE_VERSION = 1, BUNDLE_LEVEL = 9, BUNDLE_ID_BYTES = 64, BUNDLE_MAX_RAW_BYTES = 1 << 30 };
#define INLINED UINT32_C(0x80000000) /* in bundle_frame.column */

struct bundle_head {
	char magic[8]; /* without its zero */
	uint32_t version, flags;
	uint64_t raw_bytes, stored_bytes; /* of what follows, unpacked and as one zstd frame */
	uint64_t checksum;                /* XXH3 of the bytes stored */
	uint64_t head_checksum;           /* XXH3 of the bytes before it */
	uint64_t unused[2];
};
_Static_assert(sizeof(struct bundle_head) == 64, "bundles start with 64 bytes");

/* The unpacked bytes: counts, then that many of each, in this order, then the texts. */
struct bundle_counts {
	uint32_t modules, addresses, frames, sources, text_bytes, unused;
};

struct bundle_module {
	uint32_t path; /* texts by their offset; 0 is the empty one */
	uint8_t build_id_bytes, flags, kind, unused;
	uint8_t build_id[BUNDLE_ID_BYTES];
};

/* Sorted by module, then by address. Its frames reach to those of the next. */
struct bundle_address {
	uint64_t address;
	uint32_t module, first_frame;
};

struct bundle_frame {
	uint32_t name, file, line, column;
};

/* Sorted by the file's name, then by line. */
struct bundle_line {
	uint32_t file, line, text, changed;
};

struct bundle {
	uint8_t *raw; /* owns what the rest points into */
	struct bundle_counts n;
	const struct bundle_module *modules;
	const struct bundle_address *addresses;
	const struct bundle_frame *frames;
	const struct bundle_line *sources;
	const char *texts;
};

/* ---- reading ---- */

static uint8_t *read_file(int fd, size_t n)
{
	uint8_t *data = mem_alloc(n);
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, data + done, n - done, (off_t)done);

		if (got <= 0) {
			free(data);
			return NULL;
		}
		done += (size_t)got;
	}
	return data;
}

/* Checks the head and unpacks: why it can't be done, or NULL. */
static const char *unpack(struct bundle *b, const uint8_t *data, size_t n, size_t *ret_bytes)
{
	struct bundle_head head;

	if (n < sizeof head)
		return "is cut short";
	memcpy(&head, data, sizeof head);
	if (memcmp(head.magic, BUNDLE_MAGIC, sizeof head.magic))
		return "is no bundle of symbols";
	if (head.version != BUNDLE_VERSION)
		return "is of a later version";
	if (pt_xxh3(&head, offsetof(struct bundle_head, head_checksum)) != head.head_checksum)
		return "is damaged";
	if (head.stored_bytes > n - sizeof head)
		return "is cut short";
	data += sizeof head;
	if (head.raw_bytes > BUNDLE_MAX_RAW_BYTES || pt_xxh3(data, head.stored_bytes) != head.checksum)
		return "is damaged";
	b->raw = mem_alloc(head.raw_bytes + 1);
	if (ZSTD_decompress(b->raw, head.raw_bytes, data, head.stored_bytes) != head.raw_bytes)
		return "is damaged";
	*ret_bytes = head.raw_bytes;
	return NULL;
}

/* One part of n things; *at is NULL from the first part on that does not fit. */
static const void *part(const uint8_t **at, const uint8_t *end, uint32_t n, size_t bytes_each)
{
	const uint8_t *start = *at;

	if (start)
		*at = n <= (size_t)(end - start) / bytes_each ? start + n * bytes_each : NULL;
	return start;
}

/* Finds the parts. The raw bytes are aligned to 16, and all parts but the texts are multiples of 8. */
static bool find_parts(struct bundle *b, size_t bytes)
{
	const uint8_t *at = b->raw + sizeof b->n, *end = b->raw + bytes;

	if (bytes < sizeof b->n)
		return false;
	memcpy(&b->n, b->raw, sizeof b->n);
	b->modules = part(&at, end, b->n.modules, sizeof *b->modules);
	b->addresses = part(&at, end, b->n.addresses, sizeof *b->addresses);
	b->frames = part(&at, end, b->n.frames, sizeof *b->frames);
	b->sources = part(&at, end, b->n.sources, sizeof *b->sources);
	b->texts = part(&at, end, b->n.text_bytes, 1);
	return at == end && b->n.text_bytes && !b->texts[0] && !b->texts[b->n.text_bytes - 1];
}

static bool modules_are_sound(const struct bundle *b)
{
	for (uint32_t i = 0; i < b->n.modules; i++) {
		const struct bundle_module *m = &b->modules[i];

		if (m->path >= b->n.text_bytes || m->build_id_bytes > BUNDLE_ID_BYTES || m->kind >= SYMBOLS_KINDS)
			return false;
	}
	return true;
}

static bool addresses_are_sound(const struct bundle *b)
{
	for (uint32_t i = 0; i < b->n.addresses; i++) {
		const struct bundle_address *a = &b->addresses[i], *before = i ? a - 1 : NULL;

		if (a->module >= b->n.modules || a->first_frame > b->n.frames)
			return false;
		if (before && (before->first_frame > a->first_frame || before->module > a->module ||
			       (before->module == a->module && before->address >= a->address)))
			return false;
	}
	return true;
}

static bool frames_are_sound(const struct bundle *b)
{
	for (uint32_t i = 0; i < b->n.frames; i++) {
		const struct bundle_frame *f = &b->frames[i];

		if (f->name >= b->n.text_bytes || f->file >= b->n.text_bytes || f->line > INT32_MAX)
			return false;
	}
	return true;
}

static int line_compare(const char *texts, const struct bundle_line *l, const char *file, uint32_t line)
{
	int order = strcmp(texts + l->file, file);

	return order ? order : (l->line > line) - (l->line < line);
}

static bool sources_are_sound(const struct bundle *b)
{
	for (uint32_t i = 0; i < b->n.sources; i++) {
		const struct bundle_line *l = &b->sources[i];

		if (l->file >= b->n.text_bytes || l->text >= b->n.text_bytes)
			return false;
		if (i && line_compare(b->texts, l - 1, b->texts + l->file, l->line) >= 0)
			return false;
	}
	return true;
}

static bool is_sound(const struct bundle *b)
{
	return modules_are_sound(b) && addresses_are_sound(b) && frames_are_sound(b) && sources_are_sound(b);
}

/* Why it can't be used, or NULL. */
static const char *load(struct bundle *b, int fd)
{
	struct stat st;
	uint8_t *data;
	size_t bytes = 0;
	const char *why;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > BUNDLE_MAX_RAW_BYTES)
		return "is no bundle of symbols";
	data = read_file(fd, (size_t)st.st_size);
	why = data ? unpack(b, data, (size_t)st.st_size, &bytes) : "can't be read";
	free(data);
	if (why)
		return why;
	return find_parts(b, bytes) && is_sound(b) ? NULL : "is damaged";
}

struct bundle *bundle_open(const char *file, char **ret_warning)
{
	struct bundle *b;
	const char *why;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*ret_warning = NULL;
	if (fd < 0 && errno == ENOENT)
		return NULL;
	b = mem_zero(1, sizeof *b);
	why = fd < 0 ? strerror(errno) : load(b, fd);
	if (fd >= 0)
		close(fd);
	if (!why)
		return b;
	if (asprintf(ret_warning, "%s %s: it is not used", file, why) < 0)
		*ret_warning = NULL;
	bundle_close(b);
	return NULL;
}

void bundle_close(struct bundle *b)
{
	if (b)
		free(b->raw);
	free(b);
}

int bundle_module(const struct bundle *b, const struct symbols_module *m)
{
	for (uint32_t i = 0; i < b->n.modules; i++) {
		const struct bundle_module *here = &b->modules[i];

		if (here->build_id_bytes == m->build_id_bytes && here->flags == (uint8_t)m->flags &&
		    !memcmp(here->build_id, m->build_id, m->build_id_bytes) && !strcmp(b->texts + here->path, m->path))
			return (int)i;
	}
	return BUNDLE_NONE;
}

enum symbols_kind bundle_kind(const struct bundle *b, int module) { return b->modules[module].kind; }

static uint32_t frames_end(const struct bundle *b, uint32_t address)
{
	return address + 1 < b->n.addresses ? b->addresses[address + 1].first_frame : b->n.frames;
}

bool bundle_has_lines(const struct bundle *b, int module)
{
	for (uint32_t i = 0; i < b->n.addresses; i++)
		if (b->addresses[i].module == (uint32_t)module)
			for (uint32_t f = b->addresses[i].first_frame; f < frames_end(b, i); f++)
				if (b->frames[f].line)
					return true;
	return false;
}

static const char *text_at(const struct bundle *b, uint32_t offset) { return offset ? b->texts + offset : NULL; }

bool bundle_find(const struct bundle *b, int module, uint64_t address, struct object_frames *ret)
{
	uint32_t low = 0, high = b->n.addresses, end;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct bundle_address *a = &b->addresses[middle];

		if (a->module < (uint32_t)module || (a->module == (uint32_t)module && a->address < address))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == b->n.addresses || b->addresses[low].module != (uint32_t)module ||
	    b->addresses[low].address != address)
		return false;
	end = frames_end(b, low);
	ret->n = 0;
	for (uint32_t i = b->addresses[low].first_frame; i < end && ret->n < OBJECT_MAX_FRAMES; i++) {
		const struct bundle_frame *f = &b->frames[i];

		ret->at[ret->n++] = (struct symbol){
			.function = text_at(b, f->name),
			.file = text_at(b, f->file),
			.line = (int)f->line,
			.column = (int)(f->column & ~INLINED),
			.inlined = f->column & INLINED,
		};
	}
	return true;
}

const char *bundle_source(const struct bundle *b, const char *file, uint32_t line, bool *ret_changed)
{
	uint32_t low = 0, high = b->n.sources;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = line_compare(b->texts, &b->sources[middle], file, line);

		if (!order) {
			*ret_changed = b->sources[middle].changed;
			return b->texts + b->sources[middle].text;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- writing ---- */

struct bundle_writer {
	ARRAY(struct bundle_module) modules;
	ARRAY(struct bundle_address) addresses; /* first_frame: in frames, before sorting */
	ARRAY(struct bundle_frame) frames;
	ARRAY(uint32_t) n_frames; /* by first_frame of an address: how many it has */
	ARRAY(struct bundle_line) sources;
	ARRAY(char) texts;
	struct strings known;
	struct map offset_of; /* string_id to offset in texts */
};

struct bundle_writer *bundle_writer_new(void)
{
	struct bundle_writer *w = mem_zero(1, sizeof *w);

	*array_push(&w->texts) = 0;
	return w;
}

static uint32_t add_text(struct bundle_writer *w, const char *text)
{
	size_t n = text ? strlen(text) : 0;
	uint32_t *offset;

	if (!n || w->texts.n + n + 1 > BUNDLE_MAX_RAW_BYTES / 2)
		return 0;
	offset = map_at(&w->offset_of, strings_add(&w->known, text, n));
	if (*offset == MAP_NONE) {
		*offset = (uint32_t)w->texts.n;
		array_reserve(&w->texts, w->texts.n + n + 1);
		memcpy(w->texts.at + w->texts.n, text, n + 1);
		w->texts.n += n + 1;
	}
	return *offset;
}

void bundle_writer_module(struct bundle_writer *w, const struct symbols_module *m, enum symbols_kind kind)
{
	struct bundle_module *to = array_push(&w->modules);

	*to = (struct bundle_module){
		.path = add_text(w, m->path),
		.build_id_bytes = (uint8_t)(m->build_id_bytes < BUNDLE_ID_BYTES ? m->build_id_bytes : BUNDLE_ID_BYTES),
		.flags = (uint8_t)m->flags,
		.kind = (uint8_t)kind,
	};
	memcpy(to->build_id, m->build_id, to->build_id_bytes);
}

void bundle_writer_address(struct bundle_writer *w, uint64_t address, const struct symbol *frames, size_t n)
{
	*array_push(&w->addresses) =
		(struct bundle_address){ address, (uint32_t)w->modules.n - 1, (uint32_t)w->frames.n };
	for (size_t i = 0; i < n; i++) {
		const struct symbol *s = &frames[i];

		*array_push(&w->n_frames) = (uint32_t)(n - i);
		*array_push(&w->frames) = (struct bundle_frame){
			.name = add_text(w, s->linkage ? s->linkage : s->function),
			.file = add_text(w, s->file),
			.line = (uint32_t)s->line,
			.column = ((uint32_t)s->column & ~INLINED) | (s->inlined ? INLINED : 0),
		};
	}
}

void bundle_writer_source(struct bundle_writer *w, const char *file, uint32_t line, const char *text, bool changed)
{
	*array_push(&w->sources) = (struct bundle_line){ add_text(w, file), line, add_text(w, text), changed };
}

static int line_before(const void *left, const void *right, void *texts)
{
	const struct bundle_line *b = right;

	return line_compare(texts, left, (const char *)texts + b->file, b->line);
}

static int address_before(const void *left, const void *right)
{
	const struct bundle_address *a = left, *b = right;

	if (a->module != b->module)
		return a->module < b->module ? -1 : 1;
	return (a->address > b->address) - (a->address < b->address);
}

static uint8_t *put(uint8_t *to, const void *from, size_t bytes)
{
	if (bytes)
		memcpy(to, from, bytes);
	return to + bytes;
}

/* The unpacked bytes: addresses in order, frames in the order of their addresses. */
static uint8_t *lay_out(struct bundle_writer *w, size_t *ret_bytes)
{
	struct bundle_counts n = {
		.modules = (uint32_t)w->modules.n,
		.addresses = (uint32_t)w->addresses.n,
		.frames = (uint32_t)w->frames.n,
		.sources = (uint32_t)w->sources.n,
		.text_bytes = (uint32_t)w->texts.n,
	};
	struct bundle_frame *frames = mem_alloc((w->frames.n + 1) * sizeof *frames);
	size_t bytes = sizeof n + w->modules.n * sizeof *w->modules.at + w->addresses.n * sizeof *w->addresses.at +
		       w->frames.n * sizeof *frames + w->sources.n * sizeof *w->sources.at + w->texts.n;
	uint8_t *raw = mem_alloc(bytes), *to = raw;
	uint32_t done = 0;

	if (w->addresses.n)
		qsort(w->addresses.at, w->addresses.n, sizeof *w->addresses.at, address_before);
	if (w->sources.n)
		qsort_r(w->sources.at, w->sources.n, sizeof *w->sources.at, line_before, w->texts.at);
	for (size_t i = 0; i < w->addresses.n; i++) {
		uint32_t first = w->addresses.at[i].first_frame, count = w->n_frames.at[first];

		memcpy(frames + done, w->frames.at + first, count * sizeof *frames);
		w->addresses.at[i].first_frame = done;
		done += count;
	}
	to = put(to, &n, sizeof n);
	to = put(to, w->modules.at, w->modules.n * sizeof *w->modules.at);
	to = put(to, w->addresses.at, w->addresses.n * sizeof *w->addresses.at);
	to = put(to, frames, w->frames.n * sizeof *frames);
	to = put(to, w->sources.at, w->sources.n * sizeof *w->sources.at);
	put(to, w->texts.at, w->texts.n);
	free(frames);
	*ret_bytes = bytes;
	return raw;
}

static void writer_free(struct bundle_writer *w)
{
	array_free(&w->modules);
	array_free(&w->addresses);
	array_free(&w->frames);
	array_free(&w->n_frames);
	array_free(&w->sources);
	array_free(&w->texts);
	strings_free(&w->known);
	map_free(&w->offset_of);
	free(w);
}

size_t bundle_writer_finish(struct bundle_writer *w, FILE *to)
{
	struct bundle_head head = { .version = BUNDLE_VERSION };
	size_t bytes, cap, stored;
	uint8_t *raw = lay_out(w, &bytes), *packed;

	writer_free(w);
	cap = ZSTD_compressBound(bytes);
	packed = mem_alloc(cap);
	stored = ZSTD_compress(packed, cap, raw, bytes, BUNDLE_LEVEL);
	free(raw);
	if (ZSTD_isError(stored)) {
		errno = ENOMEM;
		free(packed);
		return 0;
	}
	memcpy(head.magic, BUNDLE_MAGIC, sizeof head.magic);
	head.raw_bytes = bytes;
	head.stored_bytes = stored;
	head.checksum = pt_xxh3(packed, stored);
	head.head_checksum = pt_xxh3(&head, offsetof(struct bundle_head, head_checksum));
	if (fwrite(&head, sizeof head, 1, to) != 1 || fwrite(packed, 1, stored, to) != stored)
		stored = 0;
	free(packed);
	return stored ? sizeof head + stored : 0;
}
