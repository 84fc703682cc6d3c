/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/views/remains.h"
#include "analyzer/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SELDOM        20000 /* objects made between collections: ten times what any version has by itself */
#define FOREIGN_LEAST (UINT64_C(256) << 10) /* bytes of cycles that no line of the user's made */

struct remains *remains_new(struct trace *t, struct place_table *places)
{
	struct remains *r = mem_zero(1, sizeof *r);

	r->places = places;
	cycles_init(&r->cycles, t, 0, false);
	r->cycles.keep = true;
	surplus_init(&r->surplus, t, &r->cycles);
	unreached_init(&r->unreached);
	r->surplus.unreached = &r->unreached;
	return r;
}

void remains_finish(struct remains *r, const bool *importing)
{
	r->importing = importing;
	cycle_list_init(&r->list, &r->cycles, r->places);
	view_adopt(&r->view, r->places, &r->cycles);
}

void remains_free(struct remains *r)
{
	if (!r)
		return;
	view_free(&r->view);
	cycle_list_free(&r->list);
	surplus_free(&r->surplus);
	unreached_free(&r->unreached);
	cycles_free(&r->cycles);
	free(r->claimed);
	free(r);
}

static const struct place *blamed(const struct remains *r, node_id node)
{
	return place_find(r->places, place_blame(r->places, node));
}

/* How near it is to the user: what he wrote, what he installed, the rest. */
static int distance(const struct remains *r, node_id node)
{
	enum origin origin = blamed(r, node)->origin;

	return origin == ORIGIN_USER ? 0 : origin == ORIGIN_PACKAGE ? 1 : 2;
}

/* How little a type says of what the cycle is about. A cell is made before the first line of its function: its own line
 * is that of the call. A list or a dict may lie in a block that waited on a free list, and has the line of whatever was
 * there first; an object of any other type lies in a block of its own. */
static int plainness(const char *type)
{
	static const struct {
		const char *type;
		int plain;
	} types[] = {
		{ "list", 1 },   { "dict", 1 },  { "cell", 2 },      { "tuple", 2 },
		{ "method", 2 }, { "frame", 2 }, { "traceback", 2 },
	};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (!strcmp(type, types[i].type))
			return types[i].plain;
	return 0;
}

static bool is_better(const struct remains *r, const struct cycle_member *m, const struct cycle_member *than)
{
	int a = distance(r, m->node), b = distance(r, than->node);

	if (a != b)
		return a < b;
	return plainness(strings_text(&r->cycles.strings, m->type)) <
	       plainness(strings_text(&r->cycles.strings, than->type));
}

node_id remains_node(const struct remains *r, const struct cycle_shown *shown)
{
	const struct cycle_member *best = NULL;

	for (uint32_t i = 0; i < shown->row->n_members; i++) {
		const struct cycle_member *m = &r->cycles.members.at[shown->row->first_member + i];

		if (m->node == NODE_UNKNOWN || m->is_dict)
			continue;
		if (!best || is_better(r, m, best))
			best = m;
	}
	return best ? best->node : NODE_UNKNOWN;
}

/* Made while a module was imported, by code that is not the user's: classes of libraries, and what they leave. */
static bool is_foreign(const struct remains *r, node_id node)
{
	return distance(r, node) > 0 || (r->importing && r->importing[node]);
}

static bool is_off(const struct cycles *c) { return !c->gc_enabled || (c->thresholds_known && !c->thresholds[0]); }

bool remains_collects(const struct remains *r)
{
	const struct cycles *c = &r->cycles;

	return !is_off(c) && !(c->thresholds_known && c->thresholds[0] > SELDOM);
}

enum remains_reason remains_judge(const struct remains *r, const struct cycle_shown *shown, bool growing)
{
	const struct cycle_row *row = shown->row;
	const struct cycles *c = &r->cycles;
	node_id node = remains_node(r, shown);

	if (node == NODE_UNKNOWN || (is_foreign(r, node) && shown->bytes < FOREIGN_LEAST && !growing))
		return REMAINS_NONE;
	if (row->state == CYCLE_UNCOLLECTABLE)
		return (row->why & GROUP_FROZEN) && !(row->why & (GROUP_LEGACY | GROUP_IN_GARBAGE | GROUP_UNTRAVERSED))
			       ? REMAINS_FROZEN
			       : REMAINS_UNCOLLECTABLE;
	if (is_off(c))
		return REMAINS_OFF;
	return growing && !remains_collects(r) ? REMAINS_GROWING : REMAINS_NONE;
}
