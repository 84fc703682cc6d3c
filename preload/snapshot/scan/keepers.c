/* SPDX-License-Identifier: Apache-2.0 */
/* keepers: words are gathered, and written a record at a time. */
#include "preload/snapshot/scan/keepers.h"
#include "preload/py/heap/heap.h"
#include "preload/snapshot/out.h"

enum {
	PIECE = 64 << 10,     /* words of a record */
	BEFORE_MOST = 48,     /* between the start of a block and that of the object in it */
	WORDS_MAX = 64 << 20, /* in all */
};

static struct {
	struct out *out;
	uintptr_t *at;
	size_t n;
	enum pt_keeper kind;
	uintptr_t start, end;
	uint64_t words;
} keeping;

bool keepers_start(struct out *o)
{
	keeping.out = o;
	keeping.at = py_heap_is_walked() ? out_memory(o, PIECE * sizeof *keeping.at) : NULL;
	return keeping.at;
}

void keepers_begin(enum pt_keeper kind, uintptr_t start, uintptr_t end)
{
	keeping.kind = kind;
	keeping.start = start;
	keeping.end = end;
	keeping.n = 0;
}

void keepers_end(void)
{
	uintptr_t last = keeping.start;
	uint8_t *p;

	if (!keeping.n)
		return;
	p = out_room(keeping.out, 1 + (4 + keeping.n) * PT_VARINT_MAX);
	*p++ = PT_RECORD_KEEPER;
	p = pt_put_varint(p, keeping.kind);
	p = out_address(keeping.out, PT_RECORD_KEEPER, p, keeping.start);
	p = pt_put_varint(p, keeping.end - keeping.start);
	p = pt_put_varint(p, keeping.n);
	for (size_t i = 0; i < keeping.n; last = keeping.at[i++])
		p = pt_put_delta(p, keeping.at[i], last);
	out_record(keeping.out, p);
	keeping.words += keeping.n;
	keeping.n = 0;
}

void keepers_word(uintptr_t p, uintptr_t block)
{
	if (!py_heap_is_object(p) && (p - block > BEFORE_MOST || p % 16 || !py_heap_is_like_object(p)))
		return;
	if (keeping.words + keeping.n >= WORDS_MAX)
		return;
	if (keeping.n == PIECE)
		keepers_end();
	keeping.at[keeping.n++] = p;
}

uint64_t keepers_words(void) { return keeping.words; }
