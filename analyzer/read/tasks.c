/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/read/tasks.h"

#include <string.h>

void tasks_init(struct tasks *t) { *array_push(&t->at) = (struct task){ 0 }; }

/* What the libraries call a task that nobody gave a name: "Task-17", "Greenlet-17". */
static bool is_made_up(const char *name, size_t len)
{
	static const char *const prefixes[] = { "Task-", "Greenlet-" };

	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		size_t n = strlen(prefixes[i]);

		if (len <= n || memcmp(name, prefixes[i], n) != 0)
			continue;
		while (n < len && name[n] >= '0' && name[n] <= '9')
			n++;
		if (n == len)
			return true;
	}
	return false;
}

/* A definition: the row it belongs to, and the name that the library made up; 0: the program gave it one, or none. */
static struct task read_task(struct strings *strings, const struct pt_def *def, string_id *ret_made_up)
{
	const char *name = (const char *)def->data + 1;
	size_t len = def->len - 1, name_len = strnlen(name, len), at = name_len + (name_len < len);
	struct task task = { .kind = def->data[0], .function = strings_add(strings, name + at, len - at) };
	string_id id = strings_add(strings, name, name_len);
	bool made_up = task.function && is_made_up(name, name_len);

	*ret_made_up = made_up ? id : 0;
	task.name = made_up ? 0 : id;
	return task;
}

/* Whether this is a task that no definition before was of. */
static bool is_another(struct tasks *t, const struct task *task, string_id made_up, bool new_id)
{
	uint32_t *seen;

	if (!made_up)
		return new_id;
	seen = map_at(&t->seen, (uint64_t)made_up << 32 | task->function);
	if (*seen != MAP_NONE)
		return false;
	*seen = 0;
	return true;
}

bool tasks_add(struct tasks *t, struct strings *strings, const struct pt_def *def)
{
	uint32_t *index, *known;
	struct task task, *row;
	string_id made_up;

	if (!def->id || !def->len)
		return false;
	task = read_task(strings, def, &made_up);
	known = map_at(&t->by_key,
		       (uint64_t)(task.name ? task.name : task.function) << 32 | task.kind << 1 | !task.name);
	if (*known == MAP_NONE) {
		*known = (uint32_t)t->at.n;
		*array_push(&t->at) = task;
	}
	index = map_at(&t->index_of, def->id);
	row = &t->at.at[*known];
	row->n += is_another(t, &task, made_up, *index == MAP_NONE);
	if (row->function != task.function)
		row->function = 0;
	*index = *known;
	return true;
}

void tasks_free(struct tasks *t)
{
	array_free(&t->at);
	map_free(&t->index_of);
	map_free(&t->by_key);
	map_free(&t->seen);
}
