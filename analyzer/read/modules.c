/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/read/modules.h"
#include "analyzer/base/path.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_MODULES = 1 << 24 };

void modules_init(struct modules *m)
{
	*array_push(&m->at) = (struct module){ 0 };
	*array_push(&m->at) = (struct module){ 0 };
}

bool modules_add(struct modules *m, struct strings *strings, const struct pt_def *def)
{
	struct pt_module head;
	uint32_t *number;

	if (def->len < sizeof head || def->id == 0 || def->id > INT32_MAX || m->at.n >= MAX_MODULES)
		return false;
	memcpy(&head, def->data, sizeof head);
	if (sizeof head + head.build_id_bytes + head.path_bytes > def->len)
		return false;
	number = map_at(&m->by_id, def->id);
	if (*number == MAP_NONE) {
		*number = (uint32_t)m->at.n;
		array_push(&m->at);
	}
	m->at.at[*number] = (struct module){
		.id = def->id,
		.bias = head.bias,
		.start = head.start,
		.end = head.end,
		.build_id = strings_add(strings, def->data + sizeof head, head.build_id_bytes),
		.path = strings_add(strings, def->data + sizeof head + head.build_id_bytes, head.path_bytes),
		.flags = head.flags,
	};
	return true;
}

const char *modules_name(const struct modules *m, const struct strings *strings, uint32_t module)
{
	return path_name(strings_text(strings, m->at.at[module].path));
}

/* By the name's beginning. A "." stands for the end of the word: "libc." is "libc.so.6" and not "libcurl.so". */
static enum module_role role_of_name(const char *name)
{
	static const struct {
		const char *start;
		enum module_role role;
	} known[] = {
		{ "libpytrace", MODULE_ALLOCATOR },
		{ "libjemalloc", MODULE_ALLOCATOR },
		{ "libtcmalloc", MODULE_ALLOCATOR },
		{ "libmimalloc", MODULE_ALLOCATOR },
		{ "ld-linux", MODULE_ALLOCATOR },
		{ "ld-2.", MODULE_ALLOCATOR },
		{ "libc.", MODULE_RUNTIME },
		{ "libc-2.", MODULE_RUNTIME },
		{ "libpthread", MODULE_RUNTIME },
		{ "libstdc++.", MODULE_RUNTIME },
		{ "libc++.", MODULE_RUNTIME },
		{ "libc++abi.", MODULE_RUNTIME },
		{ "libgcc_s.", MODULE_RUNTIME },
		{ "libc_malloc_debug", MODULE_ALLOCATOR },
		/* one that was opened at run time may have been met before it was known to be the interpreter */
		{ "libpython", MODULE_INTERPRETER },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!strncmp(name, known[i].start, strlen(known[i].start)))
			return known[i].role;
	}
	return MODULE_OTHER;
}

static enum module_role role_of(const struct modules *m, const struct strings *strings, uint32_t module)
{
	unsigned flags = m->at.at[module].flags;

	if (flags & PT_MODULE_PYTHON)
		return MODULE_INTERPRETER;
	return flags & PT_MODULE_VDSO ? MODULE_ALLOCATOR : role_of_name(modules_name(m, strings, module));
}

void modules_finish(struct modules *m, const struct strings *strings)
{
	struct map by_path = { 0 };

	m->first = mem_zero(m->at.n, sizeof *m->first);
	m->first[MODULE_UNKNOWN] = MODULE_UNKNOWN;
	for (uint32_t i = MODULE_UNKNOWN + 1; i < m->at.n; i++) {
		const struct module *module = &m->at.at[i];
		uint32_t *found = map_at(&by_path, (uint64_t)module->path << 32 | module->build_id);

		m->at.at[i].role = (uint8_t)role_of(m, strings, i);
		if (*found == MAP_NONE)
			*found = i;
		m->first[i] = *found;
	}
	map_free(&by_path);
}

uint32_t modules_find(const struct modules *m, uint32_t id)
{
	uint32_t number = id ? map_find(&m->by_id, id) : MODULE_NONE;

	return number == MAP_NONE ? MODULE_UNKNOWN : m->first[number];
}

void modules_free(struct modules *m)
{
	array_free(&m->at);
	map_free(&m->by_id);
	free(m->first);
}
