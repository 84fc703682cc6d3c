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

static struct task read_task(struct strings *strings, const struct pt_def *def)
{
	const char *name = (const char *)def->data + 1;
	size_t len = def->len - 1, name_len = strnlen(name, len), at = name_len + (name_len < len);
	struct task task = { .kind = def->data[0], .function = strings_add(strings, name + at, len - at) };

	if (!task.function || !is_made_up(name, name_len))
		task.name = strings_add(strings, name, name_len);
	return task;
}

bool tasks_add(struct tasks *t, struct strings *strings, const struct pt_def *def)
{
	uint32_t *index, *known;
	struct task task;

	if (!def->id || !def->len)
		return false;
	task = read_task(strings, def);
	known = map_at(&t->by_key,
		       (uint64_t)(task.name ? task.name : task.function) << 32 | task.kind << 1 | !task.name);
	if (*known == MAP_NONE) {
		*known = (uint32_t)t->at.n;
		*array_push(&t->at) = task;
	}
	index = map_at(&t->index_of, def->id);
	t->at.at[*known].n += *index == MAP_NONE;
	if (t->at.at[*known].function != task.function)
		t->at.at[*known].function = 0;
	*index = *known;
	return true;
}

void tasks_free(struct tasks *t)
{
	array_free(&t->at);
	map_free(&t->index_of);
	map_free(&t->by_key);
}
