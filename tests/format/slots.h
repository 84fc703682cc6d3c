/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slots: random rings for the tests of formats/, with the events and definitions that they stand for
 *
 * The expectation is written down while the slots are made, by the rules of FORMAT.md and not by the code under test.
 */
#pragma once
#include "formats/event.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_MAX = 1 << 16 };

struct random_ring {
	uint64_t seed;
	struct pt_slot *slots;
	size_t n, n_events, n_defs;
	struct pt_event *events;
	struct pt_def *defs; /* data points into slots */
};

/* xorshift64*: the same numbers on every machine. */
static inline uint64_t ring_random(struct random_ring *r)
{
	r->seed ^= r->seed >> 12;
	r->seed ^= r->seed << 25;
	r->seed ^= r->seed >> 27;
	return r->seed * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint64_t ring_below(struct random_ring *r, uint64_t n) { return ring_random(r) % n; }

/* Small numbers mostly, now and then anything up to `mask`. */
static inline uint64_t ring_number(struct random_ring *r, uint64_t mask)
{
	return ring_random(r) >> ring_below(r, 64) & mask;
}

static inline void ring_memory(struct random_ring *r, uint8_t op, uint64_t addr, uint64_t size, uint32_t stack)
{
	enum pt_shape shape = pt_op_shape(op);
	bool free = shape == PT_SHAPE_FREE, big = !free && size >= PT_SIZE_BIG;

	if (big)
		r->slots[r->n++] =
			(struct pt_slot){ (uint64_t)PT_OP_SIZE64 << 48, (uint32_t)size, (uint32_t)(size >> 32) };
	r->slots[r->n++] = (struct pt_slot){ (uint64_t)op << 48 | addr, big ? PT_SIZE_BIG : (uint32_t)size, stack };
	r->events[r->n_events++] = (struct pt_event){ .addr = addr,
						      .size = op == 20 ? (uint32_t)size
							      : free   ? 0
								       : size,
						      .stack = stack,
						      .op = op };
}

static inline void ring_pair(struct random_ring *r, uint8_t op, uint64_t a, uint64_t b)
{
	r->slots[r->n++] = (struct pt_slot){ (uint64_t)op << 48 | a, (uint32_t)b, (uint32_t)(b >> 32) };
	r->events[r->n_events++] = (struct pt_event){ .addr = a, .size = b, .op = op };
}

static inline void ring_def(struct random_ring *r, uint8_t op, uint64_t id, uint32_t len)
{
	struct pt_slot *s = &r->slots[r->n];
	size_t more = (len + sizeof *s - 1) / sizeof *s;

	*s = (struct pt_slot){ (uint64_t)op << 48 | id, len, 0 };
	memset(s + 1, 0, more * sizeof *s);
	for (uint32_t i = 0; i < len; i++)
		((uint8_t *)(s + 1))[i] = (uint8_t)ring_number(r, 255);
	r->defs[r->n_defs++] = (struct pt_def){ id, (const uint8_t *)(s + 1), len, op };
	r->n += 1 + more;
}

static inline void ring_random_pair(struct random_ring *r)
{
	static const uint8_t ops[] = { PT_OP_RUN,  PT_OP_TIME, PT_OP_FORK,   PT_OP_FORKED, PT_OP_PY_INIT, PT_OP_PY_FINI,
				       PT_OP_LOST, PT_OP_RSS,  PT_OP_THREAD, PT_OP_END,    PT_OP_MARK };

	ring_pair(r, ops[ring_below(r, sizeof ops)], ring_number(r, PT_ADDRESS_MASK), ring_number(r, UINT64_MAX));
}

static inline void ring_random_def(struct random_ring *r)
{
	static const uint8_t ops[] = { PT_OP_META,      PT_OP_SCHEMA, PT_OP_STRING, PT_OP_CODE,
				       PT_OP_CODE_TAIL, PT_OP_FRAME,  PT_OP_FRAME,  PT_OP_THREAD_NAME };
	uint8_t op = ops[ring_below(r, sizeof ops)];

	ring_def(r, op, ring_number(r, PT_ADDRESS_MASK), op == PT_OP_FRAME ? 16 : (uint32_t)ring_below(r, 100));
}

/* A program: blocks of a few sizes from a few stacks, freed late or soon, and their places used again. */
static inline void ring_random_life(struct random_ring *r, uint64_t live[], size_t n_live)
{
	size_t i = ring_below(r, n_live);
	uint8_t layer = (uint8_t)ring_below(r, 8);
	uint32_t stack = (uint32_t)ring_below(r, 20);
	uint64_t size = ring_below(r, 8) ? 16 * ring_below(r, 40) : ring_number(r, UINT64_MAX);

	if (live[i] && ring_below(r, 5) == 0) {
		ring_memory(r, pt_memory_op(PT_MOVE_BEGIN, live[i] & 7), live[i] & ~UINT64_C(7), 0, stack);
		ring_memory(r, pt_memory_op(ring_below(r, 4) ? PT_MOVE_END : PT_MOVE_FAIL, live[i] & 7),
			    live[i] & ~UINT64_C(7), size, stack);
	} else if (live[i]) {
		ring_memory(r, pt_memory_op(PT_FREE, live[i] & 7), live[i] & ~UINT64_C(7), ring_below(r, 9), stack);
		live[i] = 0;
	} else {
		live[i] = 0x7f0000000000 + 64 * ring_below(r, 4096) + layer;
		ring_memory(r, pt_memory_op(PT_ALLOC, layer), live[i] & ~UINT64_C(7), size, stack);
	}
}

/* Anything that the format can hold. */
static inline void ring_random_anything(struct random_ring *r)
{
	uint8_t op = (uint8_t)ring_below(r, 128);

	ring_memory(r, op, ring_number(r, PT_ADDRESS_MASK), ring_number(r, UINT64_MAX),
		    (uint32_t)ring_number(r, UINT32_MAX));
}

/* A ring of about n slots (at most SLOTS_MAX) of one of three characters, by the seed. */
static inline struct random_ring ring_make(uint64_t seed, size_t n)
{
	struct random_ring r = { .seed = seed * 2 + 1 };
	uint64_t live[64] = { 0 };
	unsigned character = (unsigned)(seed % 3);

	r.slots = calloc(n + 16, sizeof *r.slots);
	r.events = calloc(n + 16, sizeof *r.events);
	r.defs = calloc(n + 16, sizeof *r.defs);
	for (int i = 0; i < 20; i++)
		ring_random(&r);
	while (r.n < n) {
		unsigned dice = (unsigned)ring_below(&r, 100);

		if (dice < 4)
			ring_random_pair(&r);
		else if (dice < 8)
			ring_random_def(&r);
		else if (character == 0 || (character == 1 && dice < 50))
			ring_random_anything(&r);
		else
			ring_random_life(&r, live, character == 2 ? 64 : 8);
	}
	return r;
}

static inline void ring_drop(struct random_ring *r)
{
	free(r->slots);
	free(r->events);
	free(r->defs);
}

static inline void own_shapes(uint8_t shapes[256])
{
	for (unsigned op = 0; op < 256; op++)
		shapes[op] = (uint8_t)pt_op_shape((uint8_t)op);
}
