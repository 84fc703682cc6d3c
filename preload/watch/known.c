/* SPDX-License-Identifier: Apache-2.0 */
/* known: see known.h */
#include "preload/watch/known.h"

#include <stdatomic.h>
#include <string.h>

#include "formats/linetable.h"
#include "preload/base/arena.h"
#include "preload/record/intern.h"
#include "preload/py/objects/births.h"
#include "preload/base/tracer.h"
#include "preload/watch/rules.h"

_Static_assert(RULES_SITES_MAX <= 60, "the bits above are taken");

/* ---- words by number ---- */

enum { CHUNK_BITS = 14, CHUNK = 1 << CHUNK_BITS, CHUNKS = 4096 };

struct words {
	_Atomic(uint64_t *) chunk[CHUNKS];
};

static uint64_t word_of(struct words *w, uint32_t i)
{
	uint64_t *chunk = i >> CHUNK_BITS < CHUNKS
				  ? atomic_load_explicit(&w->chunk[i >> CHUNK_BITS], memory_order_acquire)
				  : NULL;

	return chunk ? __atomic_load_n(&chunk[i & (CHUNK - 1)], __ATOMIC_RELAXED) : 0;
}

/* The chunk of a number, made when it isn't there; NULL: no memory, or too many numbers. */
static uint64_t *chunk_of(struct words *w, uint32_t i)
{
	_Atomic(uint64_t *) *at = &w->chunk[i >> CHUNK_BITS];
	uint64_t *chunk, *none = NULL;

	if (i >> CHUNK_BITS >= CHUNKS)
		return NULL;
	chunk = atomic_load_explicit(at, memory_order_acquire);
	if (chunk)
		return chunk;
	chunk = arena_map(CHUNK * sizeof *chunk);
	if (chunk && !atomic_compare_exchange_strong(at, &none, chunk)) {
		arena_unmap(chunk, CHUNK * sizeof *chunk);
		chunk = none;
	}
	return chunk;
}

/* What is 0 needs no memory. */
static void set_word(struct words *w, uint32_t i, uint64_t value)
{
	uint64_t *chunk = value || word_of(w, i) ? chunk_of(w, i) : NULL;

	if (chunk)
		__atomic_store_n(&chunk[i & (CHUNK - 1)], value, __ATOMIC_RELEASE);
}

static struct words stacks, codes, types;

/* ---- code objects ---- */

/* Line tables of code objects in files that rules name, by the number in the word of the code object. */
struct lines {
	struct pt_linetable_in in;
	uint64_t sites;
};
enum { LINES_MAX = 1 << 14 };
static struct lines *lines[LINES_MAX];
static _Atomic(uint32_t) n_lines;

/* A code object's word: KNOWN_USER, and which of `lines` is its, plus one. */

static bool contains(const struct piece *text, const char *part)
{
	return memmem(text->data, text->bytes, part, strlen(part)) != NULL;
}

static bool is_users(const struct piece *file)
{
	static const char *const not_parts[] = { "/lib/python", "/lib64/python", "site-packages/", "dist-packages/" };

	if (file->bytes >= 7 && !memcmp(file->data, "<frozen", 7))
		return false;
	for (unsigned i = 0; i < sizeof not_parts / sizeof *not_parts; i++)
		if (contains(file, not_parts[i]))
			return false;
	return true;
}

/* The number of a copy, plus one; 0: no memory. */
static uint32_t keep_lines(const struct pt_linetable_in *in, uint64_t sites)
{
	struct lines *l = arena_alloc(sizeof *l + in->bytes);
	uint32_t i;

	if (!l)
		return 0;
	i = atomic_fetch_add(&n_lines, 1);
	if (i >= LINES_MAX)
		return 0;
	*l = (struct lines){ *in, sites };
	if (in->kind != PT_LINETABLE_NONE)
		memcpy(l + 1, in->table, in->bytes);
	l->in.table = (const uint8_t *)(l + 1);
	lines[i] = l;
	return i + 1;
}

static void on_code(uint32_t id, const struct piece *file, const struct pt_linetable_in *in)
{
	uint64_t sites = rules_of_file(file->data, file->bytes);

	set_word(&codes, id, (is_users(file) ? KNOWN_USER : 0) | (sites ? keep_lines(in, sites) : 0));
}

/* ---- stacks ---- */

static uint64_t frame_word(const uint32_t words[4])
{
	uint64_t below = word_of(&stacks, words[PT_FRAME_PARENT]), code, here = 0;

	if (words[PT_FRAME_CODE] == PT_CODE_ENTRY)
		return below;
	code = word_of(&codes, words[PT_FRAME_CODE]);
	if ((uint32_t)code) {
		const struct lines *l = lines[(uint32_t)code - 1];
		struct pt_position at = pt_linetable_find(&l->in, words[PT_FRAME_OFFSET]);

		/* as reports have it: without a line of its own it counts to the first one */
		here = rules_of_line(l->sites, at.line ? (uint32_t)at.line : l->in.first_line);
	}
	return (below & KNOWN_SITES) | here | (here ? KNOWN_AT_SITE : 0) | (code & KNOWN_USER);
}

static void on_stack(uint8_t op, uint32_t id, const uint32_t words[4])
{
	if (op == PT_OP_FRAME)
		set_word(&stacks, id, frame_word(words));
	else if (op == PT_OP_JOIN)
		set_word(&stacks, id, word_of(&stacks, words[PT_JOIN_PYTHON]));
}

uint64_t known_of_stack(uint32_t stack) { return word_of(&stacks, stack); }

/* ---- types ---- */

/* Of types that rules name. Each is complete before the number that makes it seen. */
enum { SIZES_MAX = 128, INLINE_MAX = 512, VAR_MAX = 1 << 20 };
static struct size {
	uint64_t types;
	uint32_t least, most, place;
} sizes[SIZES_MAX];
static _Atomic(uint32_t) n_sizes;
static struct lock adding;

static void put_size(const struct size *s)
{
	uint32_t n = atomic_load(&n_sizes);

	for (uint32_t i = 0; i < n; i++)
		if (sizes[i].least == s->least && sizes[i].most == s->most && sizes[i].place == s->place) {
			sizes[i].types |= s->types;
			return;
		}
	if (n == SIZES_MAX)
		return;
	sizes[n] = *s;
	atomic_store(&n_sizes, n + 1);
}

/* Instances of classes may have their attributes behind them in the same block. */
static void add_size(uint64_t set, const struct pt_type *head)
{
	uint32_t place = py_birth_place_of(head->before_bytes), least = head->before_bytes + head->basic_bytes;
	struct size s = { set, least, least + 8, place };

	if (head->item_bytes)
		s.most = least + VAR_MAX;
	else if (head->flags & PT_TYPE_PYTHON)
		s.most = least + INLINE_MAX;
	lock_take(&adding);
	put_size(&s);
	lock_drop(&adding);
}

static void on_type(uint32_t id, const struct pt_type *head, const char *name, size_t bytes)
{
	uint64_t set = rules_of_type(name, bytes);

	if (id)
		set_word(&types, id, set);
	if (set)
		add_size(set, head);
}

uint64_t known_of_type(uint32_t type) { return word_of(&types, type); }

uint64_t known_of_size(uint64_t set, size_t bytes, uint32_t *place)
{
	uint32_t n = atomic_load_explicit(&n_sizes, memory_order_acquire);
	uint64_t found = 0;

	bytes -= py_birth_extra();
	for (uint32_t i = 0; i < n; i++) {
		if (!(sizes[i].types & set) || bytes < sizes[i].least || bytes > sizes[i].most)
			continue;
		if (!found)
			*place = sizes[i].place;
		found |= sizes[i].types & set;
	}
	return found;
}

/* ---- life ---- */

void known_start(bool with_types)
{
	intern_told = on_stack;
	py_tell((struct py_told){ on_code, with_types ? on_type : NULL });
}

void known_after_fork(void)
{
	memset(lines, 0, sizeof lines);
	atomic_store(&n_lines, 0);
	lock_drop(&adding);
	for (unsigned i = 0; i < CHUNKS; i++) {
		struct words *all[] = { &stacks, &codes, &types };

		for (unsigned k = 0; k < 3; k++)
			if (atomic_load(&all[k]->chunk[i]))
				memset(atomic_load(&all[k]->chunk[i]), 0, CHUNK * sizeof(uint64_t));
	}
}
