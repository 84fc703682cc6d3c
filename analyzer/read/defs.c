/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defs: collects while blocks are read, and makes sense of it all in defs_finish()
 *
 * What belongs together comes in any order (threads write their definitions by themselves), and what it refers to is
 * looked up by id when all is there.
 */
#include "analyzer/read/defs.h"

#include <stdlib.h>
#include <string.h>

enum {
	MAX_ID = INT32_MAX,
	MAX_TABLE_BYTES = 16 << 20,
};

struct defs_work {
	struct map code_of;  /* id of a code object to its index */
	uint32_t *canonical; /* by index: the first code object that equals it */
};

void defs_init(struct defs *d)
{
	*d = (struct defs){ .work = mem_zero(1, sizeof *d->work) };
	for (unsigned op = 0; op < 256; op++)
		d->shapes[op] = (uint8_t)pt_op_shape((uint8_t)op);
	strings_add(&d->strings, "", 0);
	tasks_init(&d->tasks);
	typedefs_init(&d->types);
	modules_init(&d->modules);
	stacks_init(&d->stacks);
	*array_push(&d->codes) = (struct code){ 0 };
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

static bool add_stack(struct defs *d, const struct pt_def *def) { return stacks_add(&d->stacks, def); }

static bool add_module(struct defs *d, const struct pt_def *def) { return modules_add(&d->modules, &d->strings, def); }

static bool add_task(struct defs *d, const struct pt_def *def) { return tasks_add(&d->tasks, &d->strings, def); }

static bool add_type(struct defs *d, const struct pt_def *def) { return typedefs_add(&d->types, &d->strings, def); }

static bool (*const adders[256])(struct defs *d, const struct pt_def *def) = {
	[PT_OP_META] = add_meta,           [PT_OP_SCHEMA] = add_schema,
	[PT_OP_STRING] = add_string,       [PT_OP_CODE] = add_code,
	[PT_OP_CODE_TAIL] = add_code_tail, [PT_OP_FRAME] = add_stack,
	[PT_OP_NATIVE] = add_stack,        [PT_OP_JOIN] = add_stack,
	[PT_OP_MODULE] = add_module,       [PT_OP_THREAD_NAME] = add_thread_name,
	[PT_OP_TASK] = add_task,           [PT_OP_TYPE] = add_type,
};

/* A definition that this version does not know, or whose op means something else in this file, is passed over. */
void defs_add(struct defs *d, const struct pt_def *def)
{
	d->n_loaded++;
	if (adders[def->op] && d->shapes[def->op] == pt_op_shape(def->op) && !adders[def->op](d, def))
		d->n_bad++;
}

/* ---- when all are there ---- */

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

static uint32_t code_of(const void *self, uint32_t id)
{
	const struct defs_work *work = self;
	uint32_t index = map_find(&work->code_of, id);

	return index == MAP_NONE ? CODE_UNKNOWN : work->canonical[index];
}

static void free_work(struct defs *d)
{
	if (d->work) {
		map_free(&d->work->code_of);
		free(d->work->canonical);
		free(d->work);
	}
	d->work = NULL;
}

void defs_finish(struct defs *d)
{
	struct stacks_names names = { code_of, &d->modules, d->work };

	for (unsigned op = 0; op < 256; op++)
		d->knows[op] = d->shapes[op] != PT_SHAPE_NONE && d->shapes[op] == pt_op_shape((uint8_t)op);
	d->work->canonical = codes_fold(d);
	modules_finish(&d->modules, &d->strings);
	stacks_finish(&d->stacks, &names);
	typedefs_finish(&d->types);
	d->n_bad += d->stacks.n_bad;
	free_work(d);
}

void defs_free(struct defs *d)
{
	free_work(d);
	strings_free(&d->strings);
	arena_free(&d->arena);
	array_free(&d->codes);
	modules_free(&d->modules);
	stacks_free(&d->stacks);
	array_free(&d->metas);
	map_free(&d->marks);
	map_free(&d->thread_names);
	tasks_free(&d->tasks);
	typedefs_free(&d->types);
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

bool defs_meta_is_true(const struct defs *d, const char *key)
{
	const char *value = defs_meta(d, key, NULL);

	return value && (!strcmp(value, "1") || !strcmp(value, "true") || !strcmp(value, "yes"));
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

const char *defs_type_name(const struct defs *d, uint32_t type)
{
	return type == TYPEDEF_UNKNOWN || type >= d->types.at.n ? "?"
								: strings_text(&d->strings, d->types.at.at[type].name);
}

string_id defs_thread_name(const struct defs *d, uint32_t thread) { return text_of(&d->thread_names, thread); }
