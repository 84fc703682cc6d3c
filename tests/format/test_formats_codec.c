/* SPDX-License-Identifier: Apache-2.0 */
/* The codec loses nothing: random rings through both packed forms and back, and read without packing. */
#include "formats/codec.h"
#include "tests/format/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct packed {
	struct pt_codec *codec;
	uint8_t *events, *defs; /* of exactly pt_encode_bound() bytes: the sanitizer watches the bound */
	struct pt_encoded size;
	uint64_t op_counts[256];
};

static struct packed pack(const struct random_ring *r)
{
	struct packed p = {
		malloc(pt_codec_bytes()), malloc(pt_encode_bound(r->n)), malloc(pt_encode_bound(r->n)), { 0 }, { 0 }
	};

	memset(p.codec, 0xa5, pt_codec_bytes()); /* any content is fine */
	p.size = pt_encode(p.codec, r->slots, r->n, p.events, p.defs, p.op_counts);
	return p;
}

static void unpack_drop(struct packed *p)
{
	free(p->codec);
	free(p->events);
	free(p->defs);
}

static void assert_events_equal(const struct pt_event *got, const struct pt_event *want, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(got[i].op, want[i].op);
		assert_int_equal(got[i].addr, want[i].addr);
		assert_int_equal(got[i].size, want[i].size);
		assert_int_equal(got[i].stack, want[i].stack);
	}
}

static void assert_defs_equal(const struct pt_def *got, const struct pt_def *want)
{
	assert_int_equal(got->op, want->op);
	assert_int_equal(got->id, want->id);
	assert_int_equal(got->len, want->len);
	assert_memory_equal(got->data, want->data, want->len);
}

/* Decodes from buffers of exactly the encoded size, so that a read past the end is seen. */
static void check_events(const struct random_ring *r, const struct packed *p)
{
	uint8_t shapes[256], *payload = malloc(p->size.events_bytes);
	struct pt_event *out = malloc((r->n_events + 1) * sizeof *out);
	struct pt_codec *codec = malloc(pt_codec_bytes());
	size_t good = 0;

	own_shapes(shapes);
	memset(codec, 0x5a, pt_codec_bytes());
	memcpy(payload, p->events, p->size.events_bytes);
	assert_int_equal(p->size.n_events, r->n_events);
	assert_int_equal(pt_decode_events(codec, payload, p->size.events_bytes, shapes, out, r->n_events, &good), 0);
	assert_int_equal(good, r->n_events);
	assert_events_equal(out, r->events, r->n_events);
	free(payload);
	free(codec);
	free(out);
}

static void check_defs(const struct random_ring *r, const struct packed *p)
{
	uint8_t shapes[256], *payload = malloc(p->size.defs_bytes + 1);
	struct pt_def_cursor *c = calloc(1, sizeof *c);
	struct pt_def def;

	own_shapes(shapes);
	memcpy(payload, p->defs, p->size.defs_bytes);
	assert_int_equal(p->size.n_defs, r->n_defs);
	*c = (struct pt_def_cursor){ .at = payload, .end = payload + p->size.defs_bytes };
	for (size_t i = 0; i < r->n_defs; i++) {
		assert_int_equal(pt_decode_def(c, shapes, &def), 1);
		assert_defs_equal(&def, &r->defs[i]);
	}
	assert_int_equal(pt_decode_def(c, shapes, &def), 0);
	free(c);
	free(payload);
}

static void check_counts(const struct random_ring *r, const struct packed *p)
{
	uint64_t want[256] = { 0 };

	for (size_t i = 0; i < r->n_events; i++)
		want[r->events[i].op]++;
	for (size_t i = 0; i < r->n_defs; i++)
		want[r->defs[i].op]++;
	assert_memory_equal(p->op_counts, want, sizeof want);
}

static void codec_random_rings_come_back_equal(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct random_ring r = ring_make(seed, seed % 50 ? 1 + seed * 7 : SLOTS_MAX);
		struct packed p = pack(&r);

		assert_true(p.size.events_bytes <= pt_encode_bound(r.n));
		assert_true(p.size.defs_bytes <= pt_encode_bound(r.n));
		check_events(&r, &p);
		check_defs(&r, &p);
		check_counts(&r, &p);
		unpack_drop(&p);
		ring_drop(&r);
	}
}

static void codec_slots_read_as_they_are_equal(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct random_ring r = ring_make(seed, 1 + seed * 5);
		uint8_t shapes[256];
		size_t at = 0, n_events = 0, n_defs = 0;
		struct pt_event ev;
		struct pt_def def;
		bool is_def;

		own_shapes(shapes);
		while (pt_slots_next(r.slots, r.n, &at, shapes, &is_def, &ev, &def) == 1) {
			if (is_def)
				assert_defs_equal(&def, &r.defs[n_defs++]);
			else
				assert_events_equal(&ev, &r.events[n_events++], 1);
		}
		assert_int_equal(at, r.n);
		assert_int_equal(n_events, r.n_events);
		assert_int_equal(n_defs, r.n_defs);
		ring_drop(&r);
	}
}

static void codec_no_slots_give_empty_payloads(void **state)
{
	struct random_ring r = { .seed = 1 };
	struct packed p = pack(&r);

	(void)state;
	assert_int_equal(p.size.n_events | p.size.n_defs, 0);
	assert_int_equal(p.size.defs_bytes, 0);
	check_events(&r, &p);
	unpack_drop(&p);
}

/* Every prefix of a ring, as a SIGKILL leaves it: what is whole is read, what is cut off ends the reading. */
static void codec_cut_rings_give_prefixes(void **state)
{
	struct random_ring r = ring_make(7, 400);
	uint8_t shapes[256];

	(void)state;
	own_shapes(shapes);
	for (size_t n = 0; n <= r.n; n++) {
		struct pt_slot *cut = malloc((n + 1) * sizeof *cut);
		size_t at = 0, n_events = 0, n_defs = 0;
		struct pt_event ev;
		struct pt_def def;
		bool is_def;
		int got;

		memcpy(cut, r.slots, n * sizeof *cut);
		while ((got = pt_slots_next(cut, n, &at, shapes, &is_def, &ev, &def)) == 1) {
			if (is_def)
				assert_defs_equal(&def, &r.defs[n_defs++]);
			else
				assert_events_equal(&ev, &r.events[n_events++], 1);
		}
		assert_int_equal(got, 0);
		free(cut);
	}
	ring_drop(&r);
}

static void codec_a_definition_cut_off_is_left_out(void **state)
{
	struct random_ring r = ring_make(8, 0);
	struct packed p;

	(void)state;
	ring_pair(&r, PT_OP_RUN, 1, 2);
	ring_def(&r, PT_OP_META, 0, 40);
	r.n -= 1;
	r.n_defs = 0;
	p = pack(&r);
	check_events(&r, &p);
	check_defs(&r, &p);
	unpack_drop(&p);
	ring_drop(&r);
}

/* 0xffffffff itself needs a SIZE64; one less does not. */
static void codec_sizes_at_the_border_are_exact(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 1023, 1024, 1025, 0xfffffffe, 0xffffffff, 0x100000000, UINT64_MAX };

	(void)state;
	for (unsigned layer = 0; layer < 8; layer++) {
		struct random_ring r = ring_make(9, 0);
		struct packed p;

		r.n = r.n_events = r.n_defs = 0;
		r.slots = realloc(r.slots, 64 * sizeof *r.slots);
		r.events = realloc(r.events, 64 * sizeof *r.events);
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			ring_memory(&r, pt_memory_op(PT_ALLOC, layer), 0x1000 * i, sizes[i], 1);
			ring_memory(&r, pt_memory_op(PT_MAP, layer), PT_ADDRESS_MASK, sizes[i], UINT32_MAX);
		}
		p = pack(&r);
		check_events(&r, &p);
		unpack_drop(&p);
		ring_drop(&r);
	}
}

/* More allocations than a free can reach by number: old blocks are named by address. */
static void codec_frees_beyond_the_window_are_exact(void **state)
{
	struct random_ring r = ring_make(3, 0);
	size_t n = 70000;
	struct packed p;

	(void)state;
	r.n = r.n_events = r.n_defs = 0;
	r.slots = realloc(r.slots, 2 * n * sizeof *r.slots);
	r.events = realloc(r.events, 2 * n * sizeof *r.events);
	for (size_t i = 0; i < n; i++)
		ring_memory(&r, pt_memory_op(PT_ALLOC, PT_LAYER_OBJECT), 0x10000 + 32 * i, 32, 1 + i % 3);
	for (size_t i = 0; i < n; i++)
		ring_memory(&r, pt_memory_op(PT_FREE, PT_LAYER_OBJECT), 0x10000 + 32 * i, 0, 4);
	p = pack(&r);
	check_events(&r, &p);
	unpack_drop(&p);
	ring_drop(&r);
}

/* What the predictor is for: a loop that allocates and frees costs the op, the how, and nothing else. */
static void codec_a_loop_costs_two_bytes_an_event(void **state)
{
	struct random_ring r = ring_make(3, 0);
	size_t n = 20000;
	struct packed p;

	(void)state;
	r.n = r.n_events = r.n_defs = 0;
	r.slots = realloc(r.slots, 2 * n * sizeof *r.slots);
	r.events = realloc(r.events, 2 * n * sizeof *r.events);
	for (size_t i = 0; i < n; i++) {
		ring_memory(&r, pt_memory_op(PT_ALLOC, PT_LAYER_OBJECT), 0x10000, 48, 1);
		ring_memory(&r, pt_memory_op(PT_FREE, PT_LAYER_OBJECT), 0x10000, 0, 1);
	}
	p = pack(&r);
	check_events(&r, &p);
	assert_true(p.size.events_bytes < 2 * r.n_events + 100);
	unpack_drop(&p);
	ring_drop(&r);
}

/* A reader of this version steps over an event of a later one: the schema in the file gives its shape. */
static void codec_an_unknown_pair_is_stepped_over(void **state)
{
	struct random_ring r = ring_make(11, 500);
	struct packed p = pack(&r);
	struct pt_codec *codec = malloc(pt_codec_bytes());
	struct pt_event *out = malloc(r.n_events * sizeof *out);
	uint8_t shapes[256], *ops = p.events + 4 + 4 * 7;
	size_t good;

	(void)state;
	own_shapes(shapes);
	shapes[160] = PT_SHAPE_PAIR;
	for (size_t i = 0; i < r.n_events; i++)
		ops[i] = ops[i] == PT_OP_MARK ? 160 : ops[i];
	assert_int_equal(pt_decode_events(codec, p.events, p.size.events_bytes, shapes, out, r.n_events, &good), 0);
	for (size_t i = 0; i < r.n_events; i++)
		r.events[i].op = r.events[i].op == PT_OP_MARK ? 160 : r.events[i].op;
	assert_events_equal(out, r.events, r.n_events);
	free(out);
	free(codec);
	unpack_drop(&p);
	ring_drop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codec_random_rings_come_back_equal),
		cmocka_unit_test(codec_slots_read_as_they_are_equal),
		cmocka_unit_test(codec_no_slots_give_empty_payloads),
		cmocka_unit_test(codec_cut_rings_give_prefixes),
		cmocka_unit_test(codec_a_definition_cut_off_is_left_out),
		cmocka_unit_test(codec_sizes_at_the_border_are_exact),
		cmocka_unit_test(codec_frees_beyond_the_window_are_exact),
		cmocka_unit_test(codec_a_loop_costs_two_bytes_an_event),
		cmocka_unit_test(codec_an_unknown_pair_is_stepped_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
