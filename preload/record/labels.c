/* SPDX-License-Identifier: Apache-2.0 */
/*
 * labels: a table of SETS x WAYS places, each a hash and the number of the text that has it.
 *
 * A place is one word: 40 bits of the hash (the set is given by others) and a number of 24 bits, so it is read and
 * written whole. Numbers go on beyond 2^24 places: those texts are defined each time.
 */
#include "preload/record/labels.h"
#include "preload/record/thread.h"

#include "formats/block.h"

enum { SETS = 1024, WAYS = 4, NUMBER_BITS = 24 };
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)

static _Atomic(uint64_t) places[SETS][WAYS]; /* 0: empty */
static _Atomic(uint64_t) last = LABEL_FIRST - 1;
static _Atomic(uint32_t) victim;

uint64_t label_id(struct thread *t, struct piece text)
{
	uint64_t hash = pt_xxh3(text.data, text.bytes), key = hash & ~NUMBER_MASK, id;
	_Atomic(uint64_t) *set = places[hash % SETS];

	for (int i = 0; i < WAYS; i++) {
		uint64_t place = atomic_load_explicit(&set[i], memory_order_acquire);

		if (place && (place & ~NUMBER_MASK) == key)
			return place & NUMBER_MASK;
	}
	id = atomic_fetch_add(&last, 1) + 1;
	define_bytes(t, PT_OP_STRING, id, &text, 1);
	if (id <= NUMBER_MASK) /* only now: who finds it may use it */
		atomic_store_explicit(&set[atomic_fetch_add(&victim, 1) % WAYS], key | id, memory_order_release);
	return id;
}

void label_after_fork(void)
{
	if (atomic_load(&last) < LABEL_FIRST)
		return;
	for (int i = 0; i < SETS; i++)
		for (int j = 0; j < WAYS; j++)
			atomic_store_explicit(&places[i][j], 0, memory_order_relaxed);
	atomic_store(&last, LABEL_FIRST - 1);
}
