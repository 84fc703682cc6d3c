/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load: from the records of a snapshot to struct heap
 *
 * Theory. Pieces are read twice. The first time, one after the other, tells what there is: addresses, how many edges
 * each object has, all strings, types, texts, roots. Then objects are numbered by their addresses, and every column has
 * its place. The second time fills in the objects and looks the targets of their edges up: each piece by itself, in
 * several threads, as no two write to the same place. Nothing is kept of an edge but four bytes for its target and four
 * for its name, and no address is sorted.
 * Trust: what does not look the same the second time (the file changed) ends its piece.
 */
#include "analyzer/heap/parts.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_WORKERS = 4, BATCH = 64 };
#define MAX_OBJECTS ((UINT32_C(1) << 31) - 2)
#define MAX_EDGES   (UINT32_MAX - 1)
#define MAX_BYTES   (UINT64_C(1) << HEAP_ADDRESS_BITS)
#define MAX_STRINGS (UINT32_C(1) << 30)

/* Where a piece's share starts: in the stream of objects, and of raw pointers. */
struct share {
	size_t object, raw;
};

struct text {
	uint64_t address;
	heap_string text;
};

struct load {
	struct heap *h;
	const struct trace *t;
	const struct snapshot *s;
	struct heap_pages pages;
	ARRAY(uint64_t) addresses; /* of objects, as they come; 0: dropped */
	ARRAY(uint32_t) n_edges;   /* of each; later its number */
	ARRAY(uint64_t) text_at;   /* of TEXT records: in chars */
	ARRAY(uint64_t) text_of;   /* " : the address */
	ARRAY(uint64_t) root_edges;
	ARRAY(struct share) shares; /* by piece, and one more */
	uint64_t all_edges, all_raws;
	bool ended;
	_Atomic(size_t) next_piece;
	_Atomic(uint64_t) n_unknown;
};

static void trouble(struct heap *h, const char *text, ...)
{
	va_list args;

	if (*h->trouble)
		return;
	va_start(args, text);
	vsnprintf(h->trouble, sizeof h->trouble, text, args);
	va_end(args);
}

/* ---- the first time ---- */

static uint64_t add_chars(struct heap *h, const uint8_t *text, size_t n)
{
	uint64_t at = h->chars.n;

	array_reserve(&h->chars, at + n + 1);
	if (n)
		memcpy(h->chars.at + at, text, n);
	h->chars.at[at + n] = 0;
	h->chars.n = at + n + 1;
	return at;
}

/* Strings come before what names them, so that a number beyond them is none. */
static heap_string known_string(const struct heap *h, uint64_t number) { return number < h->string_at.n ? number : 0; }

static uint32_t known_label(const struct heap *h, uint64_t name)
{
	return known_string(h, name >> 2) << 2 | (uint32_t)(name & 3);
}

static uint64_t at_most(uint64_t v, uint64_t most) { return v < most ? v : most; }

static void first_string(struct load *l, const struct snapshot_record *r)
{
	uint64_t at = add_chars(l->h, r->text, r->text_bytes);

	*array_push(&l->h->string_at) = at;
}

static void first_type(struct load *l, const struct snapshot_record *r)
{
	*array_push(&l->h->types) = (struct heap_type){
		.address = r->address,
		.object = HEAP_NONE,
		.flags = (uint32_t)r->flags,
		.basic_bytes = at_most(r->basic, MAX_BYTES),
		.item_bytes = at_most(r->item, MAX_BYTES),
		.before_bytes = (uint32_t)at_most(r->before, 4096),
		.name = known_string(l->h, r->string),
	};
}

static bool is_place(uint64_t address) { return address && !(address % 8) && address < MAX_BYTES; }

static void first_object(struct load *l, const struct snapshot_record *r)
{
	bool good = is_place(r->address) && heap_pages_add(&l->pages, r->address);

	l->h->n_bad += !good;
	*array_push(&l->addresses) = good ? r->address : 0;
	*array_push(&l->n_edges) = good ? (uint32_t)r->n_edges : 0;
	if (good) {
		l->all_edges += r->n_edges;
		l->all_raws += r->n_raws;
	}
}

static void first_text(struct load *l, const struct snapshot_record *r)
{
	*array_push(&l->text_of) = r->address;
	*array_push(&l->text_at) = add_chars(l->h, r->text, r->text_bytes);
}

static void first_root(struct load *l, const struct snapshot_record *r)
{
	struct heap *h = l->h;
	struct pt_reader at = r->at_edges;

	*array_push(&h->roots) = (struct heap_root){
		.kind = (uint32_t)at_most(r->flags, UINT32_MAX),
		.label = known_string(h, r->string),
		.detail = known_string(h, r->detail),
		.number = r->number,
		.first = (uint32_t)h->root_labels.n,
		.n = (uint32_t)r->n_edges,
	};
	for (uint64_t i = 0; i < r->n_edges; i++) {
		struct snapshot_edge e = snapshot_edge(&at, 0, PT_EDGES_NAMED);

		*array_push(&l->root_edges) = e.address;
		*array_push(&h->root_labels) = known_label(h, e.name);
	}
}

static void first_fact(struct load *l, const struct snapshot_record *r)
{
	*array_push(&l->h->facts) = (struct heap_fact){ known_string(l->h, r->string), r->number };
}

static void first_area(struct load *l, const struct snapshot_record *r)
{
	struct heap *h = l->h;
	struct pt_reader at = r->at_edges;

	*array_push(&h->areas) = (struct heap_area){
		.start = r->address,
		.pages = r->bytes,
		.resident_pages = r->number,
		.flags = (uint32_t)r->flags,
		.file = known_string(h, r->string),
		.first_run = h->runs.n,
		.n_runs = r->n_edges,
	};
	for (uint64_t i = 0; i < r->n_edges; i++)
		*array_push(&h->runs) = (uint32_t)at_most(pt_get_varint(&at), UINT32_MAX);
}

static void first_end(struct load *l, const struct snapshot_record *r)
{
	l->ended = true;
	l->h->n_missed = r->missed;
}

static void first_lost(struct load *l, const struct snapshot_record *r)
{
	struct heap *h = l->h;
	struct pt_reader at = r->at_edges;

	*array_push(&h->lost) =
		(struct heap_lost){ r->address, at_most(r->bytes, MAX_BYTES), h->lost_edges.n, r->n_edges };
	for (uint64_t i = 0; i < r->n_edges; i++)
		*array_push(&h->lost_edges) = pt_get_delta(&at, r->address);
}

static void first_keeper(struct load *l, const struct snapshot_record *r)
{
	struct heap *h = l->h;
	struct pt_reader at = r->at_edges;
	uint64_t last = r->address;

	*array_push(&h->keepers) = (struct heap_keeper){
		.address = r->address,
		.bytes = at_most(r->bytes, MAX_BYTES),
		.kind = (uint32_t)at_most(r->flags, UINT32_MAX),
		.first = h->kept.n,
		.n = r->n_edges,
	};
	for (uint64_t i = 0; i < r->n_edges; i++)
		*array_push(&h->kept) = last = pt_get_delta(&at, last);
}

static void (*const first[])(struct load *l, const struct snapshot_record *r) = {
	[PT_RECORD_STRING] = first_string, [PT_RECORD_TYPE] = first_type, [PT_RECORD_OBJECT] = first_object,
	[PT_RECORD_TEXT] = first_text,     [PT_RECORD_ROOT] = first_root, [PT_RECORD_FACT] = first_fact,
	[PT_RECORD_AREA] = first_area,     [PT_RECORD_END] = first_end,   [PT_RECORD_LOST] = first_lost,
	[PT_RECORD_KEEPER] = first_keeper,
};

static bool is_too_much(const struct load *l, const struct snapshot_record *r)
{
	return l->addresses.n >= MAX_OBJECTS || l->all_edges + r->n_edges >= MAX_EDGES ||
	       l->root_edges.n + r->n_edges >= MAX_EDGES || l->h->string_at.n + l->text_of.n >= MAX_STRINGS ||
	       l->h->types.n >= MAX_STRINGS || l->h->lost.n >= MAX_STRINGS ||
	       l->h->lost_edges.n + r->n_edges >= MAX_EDGES || l->h->keepers.n >= MAX_STRINGS ||
	       l->h->kept.n + r->n_edges >= MAX_EDGES;
}

static bool has_edges(enum pt_record kind)
{
	return kind == PT_RECORD_OBJECT || kind == PT_RECORD_ROOT || kind == PT_RECORD_AREA || kind == PT_RECORD_LOST ||
	       kind == PT_RECORD_KEEPER;
}

/* What is wrong with a piece, if anything is. What came before the place is kept. */
static const char *read_first(struct load *l, struct unpacker *u, size_t piece)
{
	struct snapshot_cursor c = { 0 };
	struct snapshot_record r = { 0 };
	const char *fault;
	size_t len;
	int got;

	fault = unpack_payload(u, l->t, l->s->pieces[piece], &c.r.at, &len);
	if (fault)
		return fault;
	c.r.end = c.r.at + len;
	while ((got = snapshot_next(&c, &r)) > 0) {
		if (!has_edges(r.kind))
			r.n_edges = 0;
		if (is_too_much(l, &r))
			return "holds more than can be numbered";
		first[r.kind](l, &r);
	}
	return got < 0 ? "holds a record that makes no sense" : NULL;
}

static void read_all_first(struct load *l)
{
	struct unpacker *u = unpack_new();
	const char *fault = NULL;
	size_t i;

	*array_push(&l->h->string_at) = add_chars(l->h, NULL, 0);
	*array_push(&l->h->types) = (struct heap_type){ .object = HEAP_NONE };
	for (i = 0; i < l->s->n_pieces && !fault; i++) {
		*array_push(&l->shares) = (struct share){ l->addresses.n, l->all_raws };
		fault = read_first(l, u, i);
	}
	*array_push(&l->shares) = (struct share){ l->addresses.n, l->all_raws };
	unpack_free(u);
	if (fault)
		trouble(l->h, "piece %zu of %zu %s; what comes after it was left out", i, l->s->n_pieces, fault);
	else if (!l->ended)
		trouble(l->h, "its end is missing: the writer was stopped, or pieces of it are damaged");
}

/* ---- between ---- */

static void make_columns(struct load *l)
{
	struct heap *h = l->h;

	h->n = heap_pages_finish(&l->pages, h);
	h->n_edges = (uint32_t)l->all_edges;
	h->address = mem_zero(h->n, sizeof *h->address);
	h->bytes = mem_zero(h->n, sizeof *h->bytes);
	h->type = mem_zero(h->n, sizeof *h->type);
	h->refcount = mem_zero(h->n, sizeof *h->refcount);
	h->flags = mem_zero(h->n, sizeof *h->flags);
	h->first = mem_zero((size_t)h->n + 1, sizeof *h->first);
	h->raws.at = mem_zero(l->all_raws, sizeof *h->raws.at);
	h->raws.n = h->raws.cap = l->all_raws;
}

/* From here on n_edges holds the objects' numbers, and `addresses` is not needed any more. */
static void number_objects(struct load *l)
{
	struct heap *h = l->h;
	uint32_t at = 0;

	for (size_t i = 0; i < l->addresses.n; i++) {
		object_id o = l->addresses.at[i] ? heap_find(h, l->addresses.at[i]) : HEAP_NONE;

		if (o != HEAP_NONE) {
			h->first[o] = l->n_edges.at[i];
			h->address[o] = l->addresses.at[i];
		}
		l->n_edges.at[i] = o;
	}
	array_free(&l->addresses);
	for (uint32_t o = 0; o <= h->n; o++) {
		uint32_t n = h->first[o];

		h->first[o] = at;
		at += n;
	}
	h->target = mem_alloc(h->n_edges * sizeof *h->target);
	h->label = mem_zero(h->n_edges, sizeof *h->label);
	memset(h->target, 0xff, h->n_edges * sizeof *h->target); /* HEAP_NONE, should a piece change under us */
}

/* Resolves an edge. */
static uint32_t target_of(const struct heap *h, const struct snapshot_edge *e)
{
	object_id o = heap_find(h, e->address);

	return o != HEAP_NONE && e->name & PT_EDGE_UNCOUNTED ? o | HEAP_WEAK : o;
}

static void place_roots(struct load *l)
{
	struct heap *h = l->h;

	array_reserve(&h->root_targets, l->root_edges.n);
	for (size_t i = 0; i < l->root_edges.n; i++) {
		struct snapshot_edge e = { l->root_edges.at[i], h->root_labels.at[i] };
		uint32_t target = target_of(h, &e);

		h->n_unknown_edges += target == HEAP_NONE && !(e.name & PT_EDGE_UNCOUNTED);
		*array_push(&h->root_targets) = target;
	}
}

static void place_texts(struct load *l)
{
	struct heap *h = l->h;

	array_reserve(&h->texts, l->text_of.n);
	for (size_t i = 0; i < l->text_of.n; i++) {
		object_id o = heap_find(h, l->text_of.at[i]);

		if (o == HEAP_NONE)
			continue;
		*array_push(&h->texts) = (struct heap_text){ o, (heap_string)h->string_at.n };
		*array_push(&h->string_at) = l->text_at.at[i];
	}
	heap_sort(h->texts.at, h->texts.n, sizeof *h->texts.at, offsetof(struct heap_text, object));
}

/* ---- the second time ---- */

/* Edges whose targets are still to be found: looked up some at a time, so that the misses overlap. */
struct batch {
	struct load *l;
	uint32_t n, edge[BATCH];
	uint64_t address[BATCH];
	bool weak[BATCH];
	uint64_t n_unknown;
};

static void resolve(struct batch *b)
{
	struct heap *h = b->l->h;
	uint32_t found[BATCH];

	heap_find_all(h, b->n, b->address, found);
	for (uint32_t i = 0; i < b->n; i++) {
		h->target[b->edge[i]] = found[i] != HEAP_NONE && b->weak[i] ? found[i] | HEAP_WEAK : found[i];
		b->n_unknown += found[i] == HEAP_NONE && !b->weak[i];
	}
	b->n = 0;
}

static void place_edges(struct batch *b, const struct snapshot_record *r, object_id o)
{
	struct heap *h = b->l->h;
	enum pt_edges shape = (enum pt_edges)(r->flags & PT_OBJECT_SHAPE);
	struct pt_reader at = r->at_edges;

	for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++) {
		struct snapshot_edge edge = snapshot_edge(&at, r->address, shape);

		if (edge.name)
			h->label[e] = known_label(h, edge.name);
		b->edge[b->n] = e;
		b->weak[b->n] = edge.name & PT_EDGE_UNCOUNTED;
		b->address[b->n] = edge.address;
		if (++b->n == BATCH)
			resolve(b);
	}
}

static void place_raws(struct load *l, const struct snapshot_record *r, object_id o, size_t at_raw)
{
	struct pt_reader at = r->at_raws;

	for (uint64_t i = 0; i < r->n_raws; i++) {
		uint64_t address = pt_get_delta(&at, r->address);

		l->h->raws.at[at_raw + i] = (struct heap_raw){ address, o, heap_find(l->h, address) };
	}
}

static void place_object(struct load *l, const struct snapshot_record *r, object_id o)
{
	struct heap *h = l->h;

	h->bytes[o] = at_most(r->bytes, MAX_BYTES);
	h->type[o] = r->type < h->types.n ? (uint32_t)r->type : 0;
	h->refcount[o] = r->flags & PT_OBJECT_IMMORTAL ? 0 : (uint32_t)at_most(r->refcount, UINT32_MAX);
	h->flags[o] = (uint16_t)r->flags;
}

/* Whether an object is still what the first reading saw. */
static bool is_same(const struct load *l, const struct snapshot_record *r, object_id o, size_t raws_left)
{
	const struct heap *h = l->h;

	return h->address[o] == r->address && r->n_edges == h->first[o + 1] - h->first[o] && r->n_raws <= raws_left;
}

static void read_second(struct load *l, struct unpacker *u, size_t piece)
{
	struct snapshot_cursor c = { 0 };
	struct snapshot_record r = { 0 };
	struct share at = l->shares.at[piece], end = l->shares.at[piece + 1];
	struct batch batch;
	size_t len;

	batch.l = l;
	batch.n = 0;
	batch.n_unknown = 0;
	if (at.object == end.object || unpack_payload(u, l->t, l->s->pieces[piece], &c.r.at, &len))
		return;
	c.r.end = c.r.at + len;
	while (at.object < end.object && snapshot_next(&c, &r) > 0) {
		object_id o;

		if (r.kind != PT_RECORD_OBJECT)
			continue;
		o = l->n_edges.at[at.object++];
		if (o == HEAP_NONE)
			continue;
		if (!is_same(l, &r, o, end.raw - at.raw))
			break;
		place_object(l, &r, o);
		place_edges(&batch, &r, o);
		place_raws(l, &r, o, at.raw);
		at.raw += r.n_raws;
	}
	resolve(&batch);
	l->n_unknown += batch.n_unknown;
}

static void *work(void *self)
{
	struct load *l = self;
	struct unpacker *u = unpack_new();
	size_t piece;

	while ((piece = l->next_piece++) < l->shares.n - 1)
		read_second(l, u, piece);
	unpack_free(u);
	return NULL;
}

static void read_all_second(struct load *l, int n_workers)
{
	long n_processors = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t threads[MAX_WORKERS];
	int n = 0;

	if (n_workers <= 0 && n_processors > 0)
		n_workers = (int)n_processors;
	if (n_workers > MAX_WORKERS)
		n_workers = MAX_WORKERS;
	while (n < n_workers - 1 && (size_t)n + 1 < l->shares.n - 1 && !pthread_create(&threads[n], NULL, work, l))
		n++;
	work(l);
	while (n > 0)
		pthread_join(threads[--n], NULL);
}

static void sum_up(struct load *l)
{
	struct heap *h = l->h;

	h->n_unknown_edges += l->n_unknown;
	for (uint32_t o = 0; o < h->n; o++) {
		struct heap_type *type = &h->types.at[h->type[o]];

		type->n++;
		type->bytes += h->bytes[o];
		h->total_bytes += h->bytes[o];
	}
	for (size_t i = 1; i < h->types.n; i++)
		h->types.at[i].object = heap_find(h, h->types.at[i].address);
	heap_sort(h->raws.at, h->raws.n, sizeof *h->raws.at, offsetof(struct heap_raw, object));
	h->complete = !*h->trouble;
}

void heap_load(struct heap *h, const struct trace *t, const struct snapshot *s, int n_workers)
{
	struct load l = { .h = h, .t = t, .s = s };
	uint64_t reason;

	*h = (struct heap){ .defs = &t->defs, .snapshot = s->number, .ns = s->ns, .reason = s->reason };
	read_all_first(&l);
	make_columns(&l);
	number_objects(&l);
	place_roots(&l);
	place_texts(&l);
	read_all_second(&l, n_workers);
	sum_up(&l);
	if (!h->reason && heap_fact(h, "reason", &reason))
		h->reason = (uint32_t)reason;
	heap_pages_free(&l.pages);
	array_free(&l.addresses);
	array_free(&l.n_edges);
	array_free(&l.text_at);
	array_free(&l.text_of);
	array_free(&l.root_edges);
	array_free(&l.shares);
}
