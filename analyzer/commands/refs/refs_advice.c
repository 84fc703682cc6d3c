/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refs_advice: whose counts to watch, when nobody's were
 *
 * The worst of those that lose references, if the snapshots show one; else the type of which the program's own code
 * made most since the first snapshot.
 */
#include "analyzer/commands/refs/refs_advice.h"
#include "analyzer/views/remains.h"
#include "analyzer/report/report.h"

#include <string.h>

static bool says_nothing(const char *type)
{
	static const char *const many[] = { "str",  "int",      "bytes", "float", "tuple",
					    "code", "function", "cell",  "type",  "?" };

	for (size_t i = 0; i < sizeof many / sizeof *many; i++)
		if (!strcmp(type, many[i]))
			return true;
	return false;
}

/* By type: how many of its objects the user's own code made. The caller frees. */
static uint64_t *made_by_user(struct refs_report *x, const struct view *v)
{
	uint64_t *n = mem_zero(v->heap.types.n + 1, sizeof *n);

	for (object_id o = 0; o < v->heap.n; o++) {
		node_id node = v->join.node[o];

		if (node > NODE_UNKNOWN)
			n[v->heap.type[o]] +=
				place_find(&x->t->places, place_site(&x->t->places, node))->origin == ORIGIN_USER;
	}
	return n;
}

/* How many objects of each type the first snapshot has, by the hash of its name; none when it is the only one. */
static void count_types(struct map *ret, const struct view *v)
{
	struct heap first;

	if (v->list.at.n < 2)
		return;
	heap_load(&first, v->places->trace, &v->list.at.at[0], 0);
	for (size_t i = 0; i < first.types.n; i++) {
		const char *name = heap_text_of(&first, first.types.at[i].name);

		*map_at(ret, pt_xxh3(name, strlen(name))) = (uint32_t)first.types.at[i].n;
	}
	heap_free(&first);
}

/* The type of which the user's code made most, less what was there at the first snapshot; a class if there is one.
 * Types that every program has many of say nothing. "" when there is none. */
static void growing_type(struct refs_report *x, const struct view *v, char *ret, size_t cap)
{
	uint64_t best = 0, *made = made_by_user(x, v);
	struct map before = { 0 };
	bool has_class = false;

	*ret = 0;
	count_types(&before, v);
	for (size_t i = 1; i < v->heap.types.n; i++) {
		const char *name = heap_text_of(&v->heap, v->heap.types.at[i].name);
		uint32_t was = map_find(&before, pt_xxh3(name, strlen(name)));
		uint64_t more = was == MAP_NONE ? made[i] : made[i] > was ? made[i] - was : 0;
		bool is_class = v->heap.types.at[i].flags & PT_TYPE_PYTHON;

		if (!more || says_nothing(name) || is_class < has_class || (is_class == has_class && more <= best))
			continue;
		best = more;
		has_class = is_class;
		snprintf(ret, cap, "type:%s", name);
	}
	map_free(&before);
	free(made);
}

static const struct view *any_view(const struct refs_report *x)
{
	const struct view *v = x->has_view ? &x->view : x->t->remains ? &x->t->remains->view : NULL;

	return v && v->loaded ? v : NULL;
}

char *refs_advice(struct refs_report *x, char *buf, size_t cap)
{
	const char *rules = defs_meta(&x->t->trace.defs, "watch", NULL);
	const char *off = defs_meta(&x->t->trace.defs, "watch.off", NULL);

	if (off && *off && !(*refs_means(x) && rules && *rules)) {
		snprintf(buf, cap, "No counts were recorded: %s.", off);
	} else if (rules && *rules) {
		snprintf(buf, cap, "No object was made that PYTRACE_WATCH=%s chooses.", rules);
	} else {
		if (!*x->suspect && any_view(x))
			growing_type(x, any_view(x), x->suspect, sizeof x->suspect);
		snprintf(
			buf, cap,
			"No counts were watched in this run. With PYTRACE_WATCH='%s' every change of the count of such "
			"objects is recorded with its stack. --type, --site and --address show the counts that "
			"objects had at the snapshots; --surplus, whose counts are above the references that exist.",
			*x->suspect ? x->suspect : "random");
	}
	return buf;
}
