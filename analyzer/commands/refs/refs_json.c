/* SPDX-License-Identifier: Apache-2.0 */
/* refs_json: the report of `pytrace refs` for programs: DESIGN 2.5 */
#include "analyzer/commands/refs/refs_advice.h"
#include "analyzer/commands/refs/refs_show.h"

#include <inttypes.h>
#include <string.h>

#define OBJECTS_JSON 1000
#define CHANGES_JSON 20000 /* of one object, unless it alone is asked for */

static json_t *seconds_or_null(uint64_t ns) { return ns == UINT64_MAX ? json_null() : json_seconds(ns); }

static json_t *site_json(struct refs_report *x, node_id node)
{
	return node <= NODE_UNKNOWN ? json_null() : place_site_json(&x->t->places, node);
}

static json_t *stack_json(struct refs_report *x, node_id node)
{
	return node <= NODE_UNKNOWN ? json_array() : place_stack_json(&x->t->places, node);
}

static json_t *flags_json(uint8_t flags)
{
	static const char *const names[] = { "birth", "unseen", "late", "start", "merged", "leaves" };
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (flags & 1u << i)
			json_add(list, json_text(names[i]));
	return list;
}

static json_t *change_json(struct refs_report *x, const struct history_change *c)
{
	json_t *o = json_object();

	json_put(o, "t_s", json_seconds(c->ns));
	json_put(o, "delta", json_integer(c->delta));
	json_put(o, "count", json_integer(c->count));
	json_put(o, "site", site_json(x, c->node));
	json_put(o, "stack", stack_json(x, c->node));
	json_put(o, "thread", json_integer(c->thread));
	json_put(o, "flags", flags_json(c->flags));
	json_put(o, "times", json_integer(c->times));
	json_put(o, "period", json_integer(c->period));
	json_put(o, "last_s", json_seconds(c->last_ns));
	return o;
}

static json_t *changes_json(struct refs_report *x, const struct history *h, uint64_t *ret_left_out)
{
	uint64_t most = x->own->object ? UINT64_MAX : CHANGES_JSON;
	json_t *list = json_array();
	struct net net = { 0 };
	const struct history_change *at = h->changes;
	size_t n = h->n;

	if (!x->own->raw) {
		net_make(&net, &x->lines, h);
		at = net.changes;
		n = net.n;
	}
	for (size_t i = 0; i < n && i < most; i++)
		json_add(list, change_json(x, &at[i]));
	net_free(&net);
	*ret_left_out = n > most ? n - most : 0;
	return list;
}

static const char *end_name(const struct refs_object *o)
{
	static const char *const names[REFS_ENDS] = {
		[REFS_ALIVE] = "alive",     [REFS_WRONG] = "died", [REFS_LOST] = "lost",   [REFS_IMMORTAL] = "immortal",
		[REFS_ROTATED] = "rotated", [REFS_DIED] = "died",  [REFS_MOVED] = "moved",
	};

	return names[o->end];
}

static void put_watched(json_t *o, struct refs_report *x, const struct refs_object *r)
{
	const struct history *h = r->history;
	json_t *end = json_object();
	uint64_t left_out;

	json_put(o, "watch", json_integer(h->number));
	json_put(o, "whole", json_boolean(history_is_whole(h)));
	json_put(o, "watched_s", json_seconds(h->ns));
	json_put(o, "count", h->has_count ? json_integer(h->count) : json_null());
	json_put(o, "n_changes", json_bytes(h->n_changes));
	json_put(end, "why", json_text(end_name(r)));
	json_put(end, "t_s", seconds_or_null(h->end_ns));
	json_put(end, "count", h->end ? json_integer(h->end_count) : json_null());
	json_put(end, "site", site_json(x, r->end == REFS_DIED || r->end == REFS_WRONG ? r->died_node : h->end_node));
	json_put(end, "stack", stack_json(x, h->end_node));
	json_put(o, "end", end);
	json_put(o, "changes", changes_json(x, h, &left_out));
	json_put(o, "changes_left_out", json_bytes(left_out));
}

static void put_points(json_t *o, struct refs_report *x, const struct points_object *p)
{
	json_t *list = json_array();

	for (uint32_t i = p->first; i; i = x->points.points.at[i - 1].next) {
		const struct point *point = &x->points.points.at[i - 1];
		json_t *at = json_object();

		json_put(at, "snapshot", json_bytes(point->snapshot));
		json_put(at, "t_s", json_seconds(point->ns));
		json_put(at, "count", point->immortal ? json_null() : json_integer(point->count));
		json_put(at, "known", json_integer(point->known));
		json_put(at, "immortal", json_boolean(point->immortal));
		json_add(list, at);
	}
	json_put(o, "points", list);
	json_put(o, "changes", json_array());
}

static json_t *object_json(struct refs_report *x, const struct refs_object *r)
{
	char address[24], *holders[REFS_HOLDERS];
	json_t *o = json_object(), *list = json_array();
	unsigned n = r->end == REFS_DIED ? 0 : refs_holders(x, r, holders);

	snprintf(address, sizeof address, "0x%" PRIx64, r->history ? r->history->object : r->points->address);
	for (unsigned i = 0; i < n; i++) {
		json_add(list, json_text(holders[i]));
		free(holders[i]);
	}
	json_put(o, "kind", json_text(r->history ? "watched" : "points"));
	json_put(o, "type", strcmp(r->type, "?") ? json_text(r->type) : json_null());
	json_put(o, "address", json_text(address));
	json_put(o, "site", site_json(x, r->node));
	json_put(o, "born_s", seconds_or_null(r->born_ns));
	json_put(o, "died_s", seconds_or_null(r->died_ns));
	json_put(o, "died_at", r->died_ns == UINT64_MAX ? json_null() : site_json(x, r->died_node));
	json_put(o, "held_by", list);
	if (r->history)
		put_watched(o, x, r);
	else
		put_points(o, x, r->points);
	return o;
}

static json_t *watch_json(struct refs_report *x)
{
	static const char *const keys[][2] = { { "rules", "watch" },
					       { "means", "watch.means" },
					       { "off", "watch.off" } };
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const char *text = defs_meta(&x->t->trace.defs, keys[i][1], NULL);

		json_put(o, keys[i][0], text && *text ? json_text(text) : json_null());
	}
	json_put(o, "watches", json_bytes(x->histories.at.n));
	json_put(o, "changes", json_bytes(x->histories.n_changes));
	json_put(o, "strange", json_bytes(x->histories.n_strange));
	return o;
}

static json_t *type_json(const struct refs_type *t)
{
	json_t *o = json_object();

	json_put(o, "type", json_text(t->name));
	json_put(o, "objects", json_bytes(t->n));
	json_put(o, "changes", json_bytes(t->changes));
	json_put(o, "died", json_bytes(t->by_end[REFS_DIED]));
	json_put(o, "died_unbalanced", json_bytes(t->by_end[REFS_WRONG]));
	json_put(o, "alive", json_bytes(t->by_end[REFS_ALIVE]));
	json_put(o, "rotated", json_bytes(t->by_end[REFS_ROTATED]));
	json_put(o, "moved", json_bytes(t->by_end[REFS_MOVED]));
	json_put(o, "references", json_integer(t->references));
	return o;
}

void refs_json(json_t *o, struct refs_report *x)
{
	uint64_t limit = x->own->limit == REFS_NOT_SET ? OBJECTS_JSON : x->own->limit;
	json_t *objects = json_array(), *types = json_array();
	char advice[1000];

	for (size_t i = 0; i < x->types.n; i++)
		json_add(types, type_json(&x->types.at[i]));
	for (size_t i = 0; i < x->objects.n && (!limit || i < limit); i++)
		json_add(objects, object_json(x, &x->objects.at[i]));
	json_put(o, "watch", watch_json(x));
	json_put(o, "raw", json_boolean(x->own->raw));
	json_put(o, "types", types);
	json_put(o, "balance", refs_balance_json(x));
	if (x->own->tree)
		json_put(o, "tree", refs_tree_json(x));
	json_put(o, "n_objects", json_bytes(x->objects.n));
	json_put(o, "objects", objects);
	json_put(o, "advice", x->histories.n_changes ? json_null() : json_text(refs_advice(x, advice, sizeof advice)));
}
