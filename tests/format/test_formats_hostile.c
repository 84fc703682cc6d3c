/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile bytes: the decoders stay inside their buffers, come to an end, and say how much was sound. */
#include "formats/block.h"
#include "formats/codec.h"
#include "tests/format/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Changes a payload in one of the ways that bytes go bad; returns its new length. */
static size_t mutate(struct random_ring *rnd, uint8_t *p, size_t len)
{
	size_t n = 1 + ring_below(rnd, 8);

	if (!len)
		return 0;
	switch (ring_below(rnd, 6)) {
	case 0: return ring_below(rnd, len);
	case 1:
		for (size_t i = 0; i < n; i++)
			p[ring_below(rnd, len)] = 0xff;
		return len;
	case 2:
		for (size_t i = 0; i < n; i++)
			p[ring_below(rnd, len < 32 ? len : 32)] = (uint8_t)ring_number(rnd, 255);
		return len;
	case 3: memset(p + ring_below(rnd, len), (int)ring_below(rnd, 256), 1); return len;
	case 4: p[ring_below(rnd, len)] ^= (uint8_t)(1 << ring_below(rnd, 8)); return len;
	default:
		for (size_t i = 0; i < len; i++)
			p[i] = (uint8_t)ring_number(rnd, 255);
		return len;
	}
}

static void touch(const uint8_t *data, size_t len)
{
	volatile uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + data[i]);
}

static void decode_events_exactly(const uint8_t *bytes, size_t len, size_t n, const uint8_t shapes[256])
{
	uint8_t *payload = malloc(len + !len);
	struct pt_event *out = malloc((n + !n) * sizeof *out);
	struct pt_codec *codec = malloc(pt_codec_bytes());
	size_t good = SIZE_MAX;
	int got;

	memset(codec, 0xff, pt_codec_bytes());
	memcpy(payload, bytes, len);
	got = pt_decode_events(codec, payload, len, shapes, out, n, &good);
	assert_true(got == 0 ? good == n : got == PT_CODEC_BAD && good <= n);
	for (size_t i = 0; i < good; i++) {
		assert_true(shapes[out[i].op] >= PT_SHAPE_ALLOC && shapes[out[i].op] <= PT_SHAPE_PAIR);
		if (shapes[out[i].op] != PT_SHAPE_PAIR)
			assert_true(out[i].addr <= PT_ADDRESS_MASK);
	}
	free(codec);
	free(out);
	free(payload);
}

static void decode_defs_exactly(const uint8_t *bytes, size_t len, const uint8_t shapes[256])
{
	uint8_t *payload = malloc(len + !len);
	struct pt_def_cursor *c = calloc(1, sizeof *c);
	struct pt_def def;
	size_t steps = 0;
	int got;

	memcpy(payload, bytes, len);
	*c = (struct pt_def_cursor){ .at = payload, .end = payload + len };
	while ((got = pt_decode_def(c, shapes, &def)) == 1) {
		touch(def.data, def.len);
		assert_true(++steps <= len);
	}
	assert_true(got == 0 || got == PT_CODEC_BAD);
	free(c);
	free(payload);
}

static void read_slots_exactly(const struct pt_slot *slots, size_t n, const uint8_t shapes[256])
{
	struct pt_slot *copy = malloc((n + !n) * sizeof *copy);
	size_t at = 0, steps = 0;
	struct pt_event ev;
	struct pt_def def;
	bool is_def;
	int got;

	memcpy(copy, slots, n * sizeof *copy);
	while ((got = pt_slots_next(copy, n, &at, shapes, &is_def, &ev, &def)) == 1) {
		if (is_def)
			touch(def.data, def.len);
		assert_true(at <= n && ++steps <= n);
	}
	assert_true(got == 0 || got == PT_CODEC_BAD);
	free(copy);
}

static void hostile_shapes(struct random_ring *rnd, uint8_t shapes[256])
{
	own_shapes(shapes);
	if (ring_below(rnd, 3) == 0)
		for (unsigned i = 0; i < 256; i++)
			shapes[i] = (uint8_t)ring_below(rnd, 8);
}

static void hostile_payloads_stay_in_bounds(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 3000; seed++) {
		struct random_ring r = ring_make(seed, 1 + seed % 400), rnd = { .seed = seed + 12345 };
		size_t bound = pt_encode_bound(r.n), len;
		uint8_t *events = malloc(bound), *defs = malloc(bound), shapes[256];
		struct pt_codec *codec = malloc(pt_codec_bytes());
		struct pt_encoded size = pt_encode(codec, r.slots, r.n, events, defs, NULL);

		hostile_shapes(&rnd, shapes);
		len = mutate(&rnd, events, size.events_bytes);
		decode_events_exactly(events, len, ring_below(&rnd, 4) ? r.n_events : ring_below(&rnd, 2000), shapes);
		len = mutate(&rnd, defs, size.defs_bytes);
		decode_defs_exactly(defs, len, shapes);
		mutate(&rnd, (uint8_t *)r.slots, r.n * sizeof *r.slots);
		read_slots_exactly(r.slots, r.n, shapes);
		free(codec);
		free(events);
		free(defs);
		ring_drop(&r);
	}
}

/* Columns that claim more than there is, in each place of the table of columns. */
static void hostile_column_tables_are_refused(void **state)
{
	struct random_ring r = ring_make(5, 300);
	size_t bound = pt_encode_bound(r.n);
	uint8_t *events = malloc(bound), *defs = malloc(bound), shapes[256];
	struct pt_codec *codec = malloc(pt_codec_bytes());
	struct pt_encoded size = pt_encode(codec, r.slots, r.n, events, defs, NULL);
	static const uint32_t claims[] = { 0, 1, 6, 8, 255, 256, 257, 0x7fffffff, 0x80000000, 0xffffffff };

	(void)state;
	own_shapes(shapes);
	for (size_t at = 0; at < 32; at += 4) {
		for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
			uint32_t saved;

			memcpy(&saved, events + at, 4);
			memcpy(events + at, &claims[i], 4);
			decode_events_exactly(events, size.events_bytes, r.n_events, shapes);
			memcpy(events + at, &saved, 4);
		}
	}
	for (size_t len = 0; len < 40; len++)
		decode_events_exactly(events, len, r.n_events, shapes);
	free(codec);
	free(events);
	free(defs);
	ring_drop(&r);
}

static void hostile_block_headers_are_seen(void **state)
{
	struct pt_block b = {
		.kind = PT_BLOCK_EVENTS, .stored_bytes = 100, .raw_bytes = 100, .thread = 1, .n_events = 3
	};

	(void)state;
	pt_block_seal(&b);
	assert_true(pt_block_is_valid(&b));
	for (size_t bit = 0; bit < sizeof b * 8; bit++) {
		((uint8_t *)&b)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(pt_block_is_valid(&b));
		((uint8_t *)&b)[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void hostile_front_pages_are_seen(void **state)
{
	struct pt_front f = { .version = PT_VERSION, .pid = 1, .program = "x" };

	(void)state;
	pt_front_seal(&f);
	assert_true(pt_front_is_valid(&f));
	for (size_t bit = 0; bit < offsetof(struct pt_front, x_state) * 8; bit++) {
		((uint8_t *)&f)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(pt_front_is_valid(&f));
		((uint8_t *)&f)[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	f.x_state = PT_STATE_ENDED;
	f.x_last_ns = 77;
	assert_true(pt_front_is_valid(&f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_payloads_stay_in_bounds),
		cmocka_unit_test(hostile_column_tables_are_refused),
		cmocka_unit_test(hostile_block_headers_are_seen),
		cmocka_unit_test(hostile_front_pages_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
