/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/read/snapshot.h"

#include <string.h>

/* ---- records ---- */

static void skip_varints(struct pt_reader *r, uint64_t n)
{
	while (n && r->at < r->end)
		n -= !(*r->at++ & 0x80);
	r->bad |= n != 0;
}

/* A number of things that take at least a byte each. */
static uint64_t get_count(struct pt_reader *r)
{
	uint64_t n = pt_get_varint(r);

	if (n > (uint64_t)(r->end - r->at)) {
		r->bad = true;
		return 0;
	}
	return n;
}

static void get_text(struct pt_reader *r, struct snapshot_record *ret)
{
	ret->text_bytes = get_count(r);
	ret->text = r->at;
	r->at += ret->text_bytes;
}

static void get_type(struct pt_reader *r, struct snapshot_record *ret)
{
	ret->address = pt_get_varint(r);
	ret->flags = pt_get_varint(r);
	ret->basic = pt_get_varint(r);
	ret->item = pt_get_varint(r);
	ret->before = pt_get_varint(r);
	ret->string = pt_get_varint(r);
}

static void get_edges(struct pt_reader *r, enum pt_edges shape, struct snapshot_record *ret)
{
	ret->n_edges = get_count(r);
	ret->at_edges = *r;
	skip_varints(r, ret->n_edges << (shape == PT_EDGES_NAMED));
}

static void get_object(struct snapshot_cursor *c, struct snapshot_record *ret)
{
	struct pt_reader *r = &c->r;

	ret->flags = pt_get_varint(r);
	ret->address = c->object = pt_get_delta(r, c->object);
	ret->type = pt_get_varint(r);
	ret->refcount = pt_get_varint(r);
	ret->bytes = pt_get_varint(r);
	get_edges(r, (enum pt_edges)(ret->flags & PT_OBJECT_SHAPE), ret);
	ret->n_raws = 0;
	if (ret->flags & PT_OBJECT_RAW) {
		ret->n_raws = get_count(r);
		ret->at_raws = *r;
		skip_varints(r, ret->n_raws);
	}
}

static void get_root(struct pt_reader *r, struct snapshot_record *ret)
{
	ret->flags = pt_get_varint(r);
	ret->string = pt_get_varint(r);
	ret->detail = pt_get_varint(r);
	ret->number = pt_get_varint(r);
	get_edges(r, PT_EDGES_NAMED, ret);
}

static void get_area(struct pt_reader *r, struct snapshot_record *ret)
{
	ret->address = pt_get_varint(r);
	ret->bytes = pt_get_varint(r);
	ret->flags = pt_get_varint(r);
	ret->string = pt_get_varint(r);
	ret->number = pt_get_varint(r);
	get_edges(r, PT_EDGES_PLAIN, ret);
}

static void get_end(struct pt_reader *r, struct snapshot_record *ret)
{
	ret->objects = pt_get_varint(r);
	ret->edges = pt_get_varint(r);
	ret->missed = pt_get_varint(r);
}

static void get_lost(struct snapshot_cursor *c, struct snapshot_record *ret)
{
	ret->address = c->lost = pt_get_delta(&c->r, c->lost);
	ret->bytes = pt_get_varint(&c->r);
	get_edges(&c->r, PT_EDGES_PLAIN, ret);
}

static void get_keeper(struct snapshot_cursor *c, struct snapshot_record *ret)
{
	ret->flags = pt_get_varint(&c->r);
	ret->address = c->keeper = pt_get_delta(&c->r, c->keeper);
	ret->bytes = pt_get_varint(&c->r);
	get_edges(&c->r, PT_EDGES_PLAIN, ret);
}

int snapshot_next(struct snapshot_cursor *c, struct snapshot_record *ret)
{
	struct pt_reader *r = &c->r;

	if (r->at == r->end)
		return 0;
	ret->kind = (enum pt_record) * r->at++;
	switch (ret->kind) {
	case PT_RECORD_STRING: get_text(r, ret); break;
	case PT_RECORD_TYPE: get_type(r, ret); break;
	case PT_RECORD_OBJECT: get_object(c, ret); break;
	case PT_RECORD_TEXT:
		ret->address = c->text = pt_get_delta(r, c->text);
		get_text(r, ret);
		break;
	case PT_RECORD_ROOT: get_root(r, ret); break;
	case PT_RECORD_FACT:
		ret->string = pt_get_varint(r);
		ret->number = pt_get_varint(r);
		break;
	case PT_RECORD_AREA: get_area(r, ret); break;
	case PT_RECORD_END: get_end(r, ret); break;
	case PT_RECORD_LOST: get_lost(c, ret); break;
	case PT_RECORD_KEEPER: get_keeper(c, ret); break;
	default: return -1;
	}
	return r->bad ? -1 : 1;
}

const char *snapshot_reason_text(uint32_t reason)
{
	static const char *const texts[] = {
		[PT_SNAPSHOT_EXIT] = "exit",     [PT_SNAPSHOT_SIGNAL] = "signal", [PT_SNAPSHOT_TIMER] = "timer",
		[PT_SNAPSHOT_GROWTH] = "growth", [PT_SNAPSHOT_GC] = "gc",         [PT_SNAPSHOT_CALL] = "call",
		[PT_SNAPSHOT_FATAL] = "fatal",
	};

	return reason && reason < sizeof texts / sizeof *texts ? texts[reason] : "unknown";
}

/* ---- the list ---- */

struct piece {
	uint64_t snapshot, number, offset;
};

static struct pt_block head_of(const struct trace *t, uint64_t offset)
{
	struct pt_block b;

	memcpy(&b, t->map + offset, sizeof b);
	return b;
}

static int by_place(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->snapshot != y->snapshot)
		return x->snapshot < y->snapshot ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* What END and a fact "reason" say. The fact is one of the first records, END the last. */
static void look_into(struct snapshot *s, const struct trace *t, struct unpacker *u, size_t piece)
{
	struct snapshot_cursor c = { 0 };
	struct snapshot_record r;
	size_t len;
	uint64_t n_strings = 0, reason = 0;

	if (unpack_payload(u, t, s->pieces[piece], &c.r.at, &len))
		return;
	c.r.end = c.r.at + len;
	while (snapshot_next(&c, &r) > 0) {
		n_strings += r.kind == PT_RECORD_STRING;
		if (r.kind == PT_RECORD_STRING && r.text_bytes == 6 && !memcmp(r.text, "reason", 6) && !piece)
			reason = n_strings;
		if (r.kind == PT_RECORD_FACT && reason && r.string == reason && !s->reason)
			s->reason = (uint32_t)r.number;
		if (r.kind != PT_RECORD_END || c.r.at != c.r.end)
			continue;
		s->complete = true;
		s->objects = r.objects;
		s->edges = r.edges;
		s->n_missed = r.missed;
	}
}

/* The pieces of one snapshot are in order, but one may be missing, or be there twice. */
static size_t add_snapshot(struct snapshots *list, const struct trace *t, struct unpacker *u, const struct piece *p,
			   size_t n)
{
	struct snapshot s = { .number = p->snapshot, .ns = head_of(t, p->offset).first_ns };
	size_t i;

	s.pieces = mem_alloc(n * sizeof *s.pieces);
	for (i = 0; i < n && p[i].snapshot == s.number; i++) {
		struct pt_block b = head_of(t, p[i].offset);

		if (p[i].number != s.n_pieces)
			continue;
		s.pieces[s.n_pieces++] = p[i].offset;
		s.n_records += b.n_events;
		s.stored_bytes += b.stored_bytes;
	}
	s.pieces = mem_resize(s.pieces, s.n_pieces, sizeof *s.pieces);
	if (s.n_pieces)
		look_into(&s, t, u, s.n_pieces - 1);
	if (s.n_pieces > 1)
		look_into(&s, t, u, 0);
	*array_push(&list->at) = s;
	return i;
}

void snapshots_list(struct snapshots *s, const struct trace *t)
{
	size_t n = t->snapshots_at.n, i;
	struct piece *pieces = mem_alloc(n * sizeof *pieces);
	struct unpacker *u = unpack_new();

	*s = (struct snapshots){ 0 };
	for (i = 0; i < n; i++) {
		struct pt_block b = head_of(t, t->snapshots_at.at[i]);

		pieces[i] = (struct piece){ b.first_slot, b.n_slots, t->snapshots_at.at[i] };
	}
	if (n)
		qsort(pieces, n, sizeof *pieces, by_place);
	for (i = 0; i < n;)
		i += add_snapshot(s, t, u, pieces + i, n - i);
	unpack_free(u);
	free(pieces);
}

const struct snapshot *snapshots_find(const struct snapshots *s, uint64_t number)
{
	const struct snapshot *found = NULL;

	for (size_t i = 0; i < s->at.n; i++) {
		const struct snapshot *one = &s->at.at[i];

		if (number ? one->number == number : !found || one->complete || !found->complete)
			found = one;
	}
	return found;
}

void snapshots_free(struct snapshots *s)
{
	for (size_t i = 0; i < s->at.n; i++)
		free(s->at.at[i].pieces);
	array_free(&s->at);
}
