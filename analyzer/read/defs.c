/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defs: collects while blocks are read, and makes sense of it all in defs_finish()
 *
 * Frames come in any order (threads write their definitions by themselves), but a parent's id is always smaller than
 * its child's. So frames are kept raw, sorted by id at the end, and turned into nodes in that order: each finds its
 * parent's node made, and an equal node if there is one.
 */
#include "analyzer/read/defs.h"

#include <stdlib.h>
#include <string.h>

enum {
	MAX_ID = INT32_MAX,
	MAX_TABLE_BYTES = 16 << 20,
	DENSE_SLACK = 65536, /* node_of[] may have this many places more than ... */
	DENSE_FACTOR = 16,   /* ... as many frames as there are, times this: lost blocks leave holes in the ids */
};

struct raw_frame {
	uint32_t id, parent, code, offset, flags;
};

struct defs_work {
	ARRAY(struct raw_frame) frames;
	struct map code_of; /* id of a code object to its index */
};

void defs_init(struct defs *d)
{
	*d = (struct defs){ .work = mem_zero(1, sizeof *d->work) };
	for (unsigned op = 0; op < 256; op++)
		d->shapes[op] = (uint8_t)pt_op_shape((uint8_t)op);
	strings_add(&d->strings, "", 0);
	tasks_init(&d->tasks);
	*array_push(&d->codes) = (struct code){ 0 };
	*array_push(&d->nodes) = (struct node){ .offset = PT_OFFSET_NONE };
	*array_push(&d->nodes) = (struct node){ .offset = PT_OFFSET_NONE };
}

/* ---- one definition ---- */

/* Returns false, and counts, when a definition makes no sense. */
static bool add_meta(struct defs *d, const struct pt_def *def)
{
	const uint8_t *equals = def->len ? memchr(def->data, '=', def->len) : NULL;
	size_t key_len;

	if (!equals)
		return false;
	key_len = (size_t)(equals - def->data);
	*array_push(&d->metas) = (struct meta){
		strings_add(&d->strings, def->data, key_len),
		strings_add(&d->strings, equals + 1, def->len - key_len - 1),
	};
	return true;
}

static bool add_schema(struct defs *d, const struct pt_def *def)
{
	pt_schema_parse((const char *)def->data, def->len, d->shapes);
	return true;
}

static bool add_string(struct defs *d, const struct pt_def *def)
{
	*map_at(&d->marks, def->id) = strings_add(&d->strings, def->data, def->len);
	return true;
}

static bool add_thread_name(struct defs *d, const struct pt_def *def)
{
	*map_at(&d->thread_names, def->id) = strings_add(&d->strings, def->data, def->len);
	return true;
}

/* Takes more bytes of a line table. Room grows with what comes, not with what was announced. */
static void table_append(struct defs *d, struct code *c, const uint8_t *data, uint32_t len)
{
	uint32_t want;

	if (len > c->table_bytes - c->table_got)
		len = c->table_bytes - c->table_got;
	want = c->table_got + len;
	if (want > c->table_cap) {
		uint8_t *old = c->table;

		c->table_cap = want == c->table_bytes || want > c->table_bytes / 2 ? c->table_bytes : want * 2;
		c->table = arena_take(&d->arena, c->table_cap);
		if (c->table_got)
			memcpy(c->table, old, c->table_got);
	}
	if (len)
		memcpy(c->table + c->table_got, data, len);
	c->table_got = want;
}

/* The same code object may be defined twice (a ring and the block made from it): the last one holds. */
static bool add_code(struct defs *d, const struct pt_def *def)
{
	struct pt_code head;
	const uint8_t *text = def->data + sizeof head;
	uint32_t *index;
	struct code *c;

	if (def->len < sizeof head || def->id > MAX_ID)
		return false;
	memcpy(&head, def->data, sizeof head);
	if (sizeof head + head.file_bytes + head.name_bytes > def->len || head.table_bytes > MAX_TABLE_BYTES)
		return false;
	index = map_at(&d->work->code_of, def->id);
	if (*index == MAP_NONE) {
		*index = (uint32_t)d->codes.n;
		array_push(&d->codes);
	}
	c = &d->codes.at[*index];
	*c = (struct code){
		.id = def->id,
		.file = strings_add(&d->strings, text, head.file_bytes),
		.name = strings_add(&d->strings, text + head.file_bytes, head.name_bytes),
		.first_line = head.first_line,
		.linetable = head.linetable,
		.table_bytes = head.table_bytes,
	};
	text += head.file_bytes + head.name_bytes;
	table_append(d, c, text, (uint32_t)(def->data + def->len - text));
	return true;
}

static bool add_code_tail(struct defs *d, const struct pt_def *def)
{
	uint32_t index = map_find(&d->work->code_of, def->id);

	if (index == MAP_NONE)
		return false;
	table_append(d, &d->codes.at[index], def->data, def->len);
	return true;
}

static bool add_frame(struct defs *d, const struct pt_def *def)
{
	uint32_t words[4];

	if (def->len != sizeof words || def->id == 0 || def->id > MAX_ID)
		return false;
	memcpy(words, def->data, sizeof words);
	*array_push(&d->work->frames) = (struct raw_frame){
		(uint32_t)def->id,      words[PT_FRAME_PARENT], words[PT_FRAME_CODE],
		words[PT_FRAME_OFFSET], words[PT_FRAME_FLAGS],
	};
	return true;
}

static bool add_task(struct defs *d, const struct pt_def *def) { return tasks_add(&d->tasks, &d->strings, def); }

static bool (*const adders[256])(struct defs *d, const struct pt_def *def) = {
	[PT_OP_META] = add_meta,
	[PT_OP_SCHEMA] = add_schema,
	[PT_OP_STRING] = add_string,
	[PT_OP_CODE] = add_code,
	[PT_OP_CODE_TAIL] = add_code_tail,
	[PT_OP_FRAME] = add_frame,
	[PT_OP_THREAD_NAME] = add_thread_name,
	[PT_OP_TASK] = add_task,
};

/* A definition that this version does not know, or whose op means something else in this file, is passed over. */
void defs_add(struct defs *d, const struct pt_def *def)
{
	d->n_loaded++;
	if (adders[def->op] && d->shapes[def->op] == pt_op_shape(def->op) && !adders[def->op](d, def))
		d->n_bad++;
}

/* ---- when all are there ---- */

static int frame_before(const void *a, const void *b)
{
	const struct raw_frame *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void frames_sort(struct raw_frame *frames, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (frames[i - 1].id > frames[i].id) {
			qsort(frames, n, sizeof *frames, frame_before);
			return;
		}
}

/*
 * Code objects that are equal in all that a report can show become one: a lambda made in a loop by exec(), a module
 * that was loaded twice. Gives for each code object the index of the first one that equals it.
 */
static uint32_t *codes_fold(struct defs *d)
{
	uint32_t *first = mem_zero(d->codes.n, sizeof *first);
	struct strings tables = { 0 };
	struct map by_key = { 0 };

	for (uint32_t i = 1; i < d->codes.n; i++) {
		const struct code *c = &d->codes.at[i];
		uint32_t what[6] = { c->file,      c->name,        c->first_line,
				     c->linetable, c->table_bytes, strings_add(&tables, c->table, c->table_got) };
		uint32_t *found = map_at(&by_key, strings_add(&tables, what, sizeof what));

		if (*found == MAP_NONE)
			*found = i;
		first[i] = *found;
	}
	strings_free(&tables);
	map_free(&by_key);
	return first;
}

static uint64_t node_hash(const struct node *n)
{
	return map_mix((uint64_t)n->parent << 32 | n->code) ^ map_mix((uint64_t)n->offset << 32 | n->flags) * 3;
}

/* The node equal to *n: an old one or a new one. `next` chains nodes of one hash. */
static node_id node_fold(struct defs *d, struct map *by_hash, uint32_t *next, const struct node *n)
{
	uint32_t *first = map_at(by_hash, node_hash(n));
	node_id id;

	for (id = *first; id != MAP_NONE; id = next[id])
		if (!memcmp(&d->nodes.at[id], n, sizeof *n))
			return id;
	id = (node_id)d->nodes.n;
	*array_push(&d->nodes) = *n;
	next[id] = *first;
	*first = id;
	return id;
}

/* How many stack ids node_of[] has places for: ids out of all proportion to what is defined are damage. */
static uint32_t count_stacks(const struct raw_frame *frames, size_t n)
{
	uint64_t limit = (uint64_t)n * DENSE_FACTOR + DENSE_SLACK;

	while (n && frames[n - 1].id >= limit)
		n--;
	return n ? frames[n - 1].id + 1 : 1;
}

static void frames_to_nodes(struct defs *d, const uint32_t *canonical)
{
	const struct raw_frame *frames = d->work->frames.at;
	size_t n = d->work->frames.n;
	uint32_t *next = mem_alloc((n + 2) * sizeof *next);
	struct map by_hash = { 0 };

	d->n_stacks = count_stacks(frames, n);
	d->node_of = mem_alloc(d->n_stacks * sizeof *d->node_of);
	for (uint32_t i = 0; i < d->n_stacks; i++)
		d->node_of[i] = i ? NODE_UNKNOWN : NODE_EMPTY;
	for (size_t i = 0; i < n; i++) {
		const struct raw_frame *f = &frames[i];
		uint32_t code = map_find(&d->work->code_of, f->code);
		bool parent_is_sound = f->parent < f->id;
		struct node node;

		d->n_bad += !parent_is_sound || f->id >= d->n_stacks;
		if (f->id >= d->n_stacks || d->node_of[f->id] != NODE_UNKNOWN)
			continue;
		node.parent = parent_is_sound ? d->node_of[f->parent] : NODE_UNKNOWN;
		node.code = code == MAP_NONE ? CODE_UNKNOWN : canonical[code];
		node.offset = f->offset;
		node.flags = f->flags;
		d->node_of[f->id] = node_fold(d, &by_hash, next, &node);
	}
	map_free(&by_hash);
	free(next);
}

void defs_finish(struct defs *d)
{
	uint32_t *canonical = codes_fold(d);

	for (unsigned op = 0; op < 256; op++)
		d->knows[op] = d->shapes[op] != PT_SHAPE_NONE && d->shapes[op] == pt_op_shape((uint8_t)op);
	frames_sort(d->work->frames.at, d->work->frames.n);
	frames_to_nodes(d, canonical);
	free(canonical);
	array_free(&d->work->frames);
	map_free(&d->work->code_of);
	free(d->work);
	d->work = NULL;
}

void defs_free(struct defs *d)
{
	if (d->work) {
		array_free(&d->work->frames);
		map_free(&d->work->code_of);
		free(d->work);
	}
	strings_free(&d->strings);
	arena_free(&d->arena);
	array_free(&d->codes);
	array_free(&d->nodes);
	array_free(&d->metas);
	map_free(&d->marks);
	map_free(&d->thread_names);
	tasks_free(&d->tasks);
	free(d->node_of);
	*d = (struct defs){ 0 };
}

/* ---- questions ---- */

const char *defs_meta(const struct defs *d, const char *key, size_t *ret_len)
{
	for (size_t i = d->metas.n; i-- > 0;) {
		const struct meta *m = &d->metas.at[i];

		if (strcmp(strings_text(&d->strings, m->key), key))
			continue;
		if (ret_len)
			*ret_len = strings_len(&d->strings, m->value);
		return strings_text(&d->strings, m->value);
	}
	return NULL;
}

static string_id text_of(const struct map *m, uint64_t id)
{
	uint32_t found = map_find(m, id);

	return found == MAP_NONE ? 0 : found;
}

const char *defs_string(const struct defs *d, uint64_t id)
{
	return map_find(&d->marks, id) == MAP_NONE ? NULL : strings_text(&d->strings, text_of(&d->marks, id));
}

string_id defs_thread_name(const struct defs *d, uint32_t thread) { return text_of(&d->thread_names, thread); }
