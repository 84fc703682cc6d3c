/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refs: how reference counts came to be what they are
 *
 * Watched objects have a history; of the others those that are asked for have the points that snapshots show.
 */
#include "analyzer/commands/refs.h"
#include "analyzer/commands/refs_balance.h"
#include "analyzer/commands/refs_surplus.h"
#include "analyzer/report/chain.h"
#include "analyzer/findings/suspects.h"

#include <inttypes.h>
#include <string.h>

#define OBJECTS_JSON    1000
#define CHANGES_JSON    20000 /* of one object, unless it alone is asked for */
#define SUSPECT_PERHAPS 2     /* rank of those that may well be healthy */

extern const struct command command_refs;

struct refs_all {
	struct refs_options own;
	bool unwatched;                 /* there is nothing to show: only what to do */
	ARRAY(struct refs_report *) at; /* in the order in which the traces were opened */
};

/* ---- which objects ---- */

static bool wanted_type(void *self, const char *name)
{
	const struct refs_report *x = self;

	return target_is_type(&x->target, name);
}

static bool wanted_site(void *self, node_id node)
{
	struct refs_report *x = self;

	return target_is_site(&x->target, &x->t->places,
			      node <= NODE_UNKNOWN ? NODE_UNKNOWN : place_site(&x->t->places, node));
}

static void read_target(struct refs_report *x)
{
	const struct refs_options *own = x->own;

	if (own->type)
		target_parse(&x->target, own->type);
	if (own->site)
		target_parse_site(&x->target, own->site);
	if (own->address)
		x->target.address = strtoull(own->address, NULL, 16);
	x->selects = own->type || own->site || own->address;
}

static bool is_wanted(struct refs_report *x, const struct refs_object *o)
{
	uint64_t address = o->history ? o->history->object : o->points->address;

	if (x->own->object)
		return o->history && o->history->number == x->own->object;
	if (x->target.address && address != x->target.address)
		return false;
	return target_is_type(&x->target, o->type) && (!x->target.file || wanted_site(x, o->node));
}

/* ---- what is known of an object ---- */

/* The object in the snapshot, if it is the same one: in a block of the same allocation. */
static object_id find_at_end(struct refs_report *x, uint64_t address, uint64_t number, uint64_t born_ns)
{
	const struct view *v = &x->view;
	object_id o = x->has_view && v->loaded ? heap_find(&v->heap, address) : HEAP_NONE;

	if (o == HEAP_NONE)
		return o;
	if (number && v->join.found && v->join.number[o] != number)
		return HEAP_NONE;
	return born_ns != UINT64_MAX && v->join.found && v->join.ns < born_ns ? HEAP_NONE : o;
}

static const char *type_of(const struct refs_report *x, const struct history *h, object_id at_end)
{
	const struct defs *d = &x->t->trace.defs;

	if (h->type != TYPEDEF_UNKNOWN && h->type < d->types.at.n)
		return strings_text(&d->strings, d->types.at.at[h->type].name);
	return at_end == HEAP_NONE ? "?" : heap_type_name(&x->view.heap, at_end);
}

static enum refs_end end_of(const struct history *h)
{
	switch (h->end) {
	case PT_UNWATCH_DIED:
		if (!h->end_count)
			return REFS_DIED;
		return h->block.address && h->block.moved ? REFS_MOVED : REFS_WRONG;
	case PT_UNWATCH_ROTATED: return REFS_ROTATED;
	case PT_UNWATCH_IMMORTAL: return REFS_IMMORTAL;
	case PT_UNWATCH_LOST: return REFS_LOST;
	default: return REFS_ALIVE;
	}
}

/* What dies when the interpreter takes itself down was alive at the end. */
static uint64_t death_of(const struct refs_report *x, uint64_t died_ns)
{
	return died_ns >= x->histories.fini_ns ? UINT64_MAX : died_ns;
}

static struct refs_object object_of(struct refs_report *x, const struct history *h)
{
	bool died = history_died(h) && end_of(h) != REFS_MOVED;
	struct refs_object o = {
		.history = h,
		.end = end_of(h),
		.node = history_is_whole(h) ? h->changes[0].node
			: h->block.address  ? h->block.node
					    : NODE_UNKNOWN,
		.born_ns = history_is_whole(h) ? h->changes[0].ns
			   : h->block.address  ? h->block.born_ns
					       : UINT64_MAX,
		.died_ns = died               ? h->end_ns
			   : h->block.address ? h->block.died_ns
					      : UINT64_MAX,
		.died_node = died && h->end_node > NODE_UNKNOWN ? h->end_node : h->block.freed_by,
	};

	o.at_end = died ? HEAP_NONE : find_at_end(x, h->object, h->block.number, o.born_ns);
	o.type = type_of(x, h, o.at_end);
	return o;
}

static struct refs_object object_of_points(struct refs_report *x, const struct points_object *p)
{
	return (struct refs_object){
		.points = p,
		.end = death_of(x, p->died_ns) == UINT64_MAX ? REFS_ALIVE : REFS_DIED,
		.type = strings_text(&x->points.names, p->type),
		.node = p->node,
		.born_ns = p->number ? p->born_ns : UINT64_MAX,
		.died_ns = death_of(x, p->died_ns),
		.died_node = p->freed_by,
		.at_end = find_at_end(x, p->address, p->number, UINT64_MAX),
	};
}

static int by_end(const void *left, const void *right)
{
	const struct refs_object *a = left, *b = right;

	if (!a->history != !b->history)
		return a->history ? -1 : 1;
	if (a->blamed != b->blamed)
		return a->blamed ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	if (a->history)
		return a->history < b->history ? -1 : 1;
	if (a->points->n != b->points->n)
		return a->points->n > b->points->n ? -1 : 1;
	return a->points < b->points ? -1 : 1;
}

static bool is_watched(const struct refs_report *x, const struct points_object *p)
{
	for (size_t i = 0; i < x->histories.at.n; i++)
		if (x->histories.at.at[i].object == p->address && x->histories.at.at[i].block.number == p->number &&
		    !history_is_none(&x->histories.at.at[i]))
			return true;
	return false;
}

static void choose(struct refs_report *x)
{
	for (size_t i = 0; i < x->histories.at.n; i++) {
		const struct history *h = &x->histories.at.at[i];
		struct refs_object o;

		if (history_is_none(h))
			continue;
		o = object_of(x, h);
		if (is_wanted(x, &o))
			*array_push(&x->objects) = o;
	}
	for (size_t i = 0; x->has_points && i < x->points.at.n; i++)
		if (!is_watched(x, &x->points.at.at[i]))
			*array_push(&x->objects) = object_of_points(x, &x->points.at.at[i]);
	if (x->objects.n)
		qsort(x->objects.at, x->objects.n, sizeof *x->objects.at, by_end);
}

/* What is out of balance is shown first. */
static void put_blamed_first(struct refs_report *x)
{
	const struct balance *b = &x->balance->balance;
	bool *is_example = mem_zero(x->histories.at.n + 1, sizeof *is_example);

	for (size_t i = 0; i < b->rows.n; i++)
		if (b->rows.at[i].verdict <= BALANCE_OVER && b->rows.at[i].example < x->histories.at.n)
			is_example[b->rows.at[i].example] = true;
	for (size_t i = 0; i < x->objects.n && x->objects.at[i].history; i++)
		x->objects.at[i].blamed = is_example[x->objects.at[i].history - x->histories.at.at];
	if (x->objects.n)
		qsort(x->objects.at, x->objects.n, sizeof *x->objects.at, by_end);
	free(is_example);
}

/* ---- by type ---- */

static int by_changes(const void *left, const void *right)
{
	const struct refs_type *a = left, *b = right;

	if (a->changes != b->changes)
		return a->changes > b->changes ? -1 : 1;
	return strcmp(a->name, b->name);
}

static struct refs_type *type_row(struct refs_report *x, struct map *rows, const char *name)
{
	uint32_t *at = map_at(rows, pt_xxh3(name, strlen(name)));

	if (*at == MAP_NONE) {
		*at = (uint32_t)x->types.n;
		*array_push(&x->types) = (struct refs_type){ .name = name };
	}
	return &x->types.at[*at];
}

static void sum_types(struct refs_report *x)
{
	struct map rows = { 0 };

	for (size_t i = 0; i < x->objects.n && x->objects.at[i].history; i++) {
		const struct refs_object *o = &x->objects.at[i];
		struct refs_type *row = type_row(x, &rows, o->type);

		row->n++;
		row->changes += o->history->n_changes;
		row->by_end[o->end]++;
		row->references += o->end == REFS_ALIVE ? o->history->count : 0;
	}
	if (x->types.n)
		qsort(x->types.at, x->types.n, sizeof *x->types.at, by_changes);
	map_free(&rows);
}

/* ---- who holds it ---- */

unsigned refs_holders(struct refs_report *x, const struct refs_object *o, char *ret[REFS_HOLDERS])
{
	struct path found[REFS_HOLDERS];
	unsigned n_ret = 0;
	uint32_t n;

	if (o->at_end == HEAP_NONE)
		return 0;
	view_want(&x->view, VIEW_PATHS | VIEW_MODULES);
	n = paths_disjoint(&x->view.paths, o->at_end, REFS_HOLDERS, found);
	for (uint32_t i = 0; i < n; i++) {
		struct chain c;
		bool again = false;

		chain_make(&c, &x->view, &found[i]);
		for (unsigned k = 0; k < n_ret; k++)
			again |= !strcmp(ret[k], c.expression);
		if (!again)
			ret[n_ret++] = mem_text(c.expression, strlen(c.expression));
		chain_free(&c);
		path_free(&found[i]);
	}
	return n_ret;
}

/* ---- what to do without watches ---- */

const char *refs_means(const struct refs_report *x)
{
	const char *means = defs_meta(&x->t->trace.defs, "watch.means", NULL);

	if (means && !strcmp(means, "hardware"))
		return "breakpoints of the processor";
	if (means && !strcmp(means, "pages"))
		return "pages of their own";
	return means ? means : "";
}

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
	heap_load(&first, &v->trace->trace, &v->list.at.at[0], 0);
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

/* ---- JSON ---- */

static json_t *seconds_or_null(uint64_t ns) { return ns == UINT64_MAX ? json_null() : json_seconds(ns); }

static json_t *site_json(struct refs_report *x, node_id node)
{
	return node <= NODE_UNKNOWN ? json_null() : view_node_json(x->t, node);
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

static void put_trace(json_t *o, struct refs_report *x)
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
	json_put(o, "balance", refs_balance_json(x, x->balance));
	if (x->own->tree)
		json_put(o, "tree", refs_tree_json(x, x->balance));
	json_put(o, "n_objects", json_bytes(x->objects.n));
	json_put(o, "objects", objects);
	json_put(o, "advice", x->histories.n_changes ? json_null() : json_text(refs_advice(x, advice, sizeof advice)));
}

/* ---- the command ---- */

static const char *line_text(void *self, node_id frame, char *buf, size_t cap)
{
	struct place_table *places = self;
	bool changed;

	return place_source(places, place_find(places, frame), buf, cap, &changed) && !changed ? buf : NULL;
}

static size_t listen(void *self, struct report_trace *t, struct model **models, size_t cap)
{
	struct refs_all *all = self;
	struct refs_report *x;
	size_t n = 0;

	if (cap < 3)
		return 0;
	x = *array_push(&all->at) = mem_zero(1, sizeof *x);
	x->own = &all->own;
	x->t = t;
	read_target(x);
	histories_init(&x->histories, &t->trace);
	net_lines_init(&x->lines, &t->trace.defs);
	x->lines.text = line_text;
	x->lines.text_self = &t->places;
	models[n++] = &x->histories.model;
	if (!all->unwatched) {
		x->has_view = true;
		view_load(&x->view, t, 0);
		if (x->view.loaded)
			models[n++] = &x->view.join.model;
	}
	if (x->selects && !x->own->object) {
		const struct points_wanted wanted = { x->target.address, wanted_type,
						      x->target.file ? wanted_site : NULL, x };

		points_init(&x->points, &t->trace, &wanted);
		x->has_points = true;
		models[n++] = &x->points.model;
	}
	return n;
}

/* Whether any of the traces has watches. The headers tell. */
static bool was_watched(const struct options_common *common)
{
	bool any = false;

	for (int i = 0; i < common->n_operands && !any; i++) {
		struct trace t = { 0 };

		any = trace_open(&t, common->operands[i], NULL) || defs_meta(&t.defs, "watch", NULL);
		trace_close(&t);
	}
	return any;
}

/* Who loses references, as 'pytrace leaks' has it. */
static void find_suspect(struct report *r, struct refs_report *x)
{
	struct finding_list findings;
	struct suspects suspects;

	finding_list_init(&findings, r);
	suspects_find(&suspects, r, &findings);
	if (suspects.at.n && suspects.at.at[0].rank < SUSPECT_PERHAPS)
		snprintf(x->suspect, sizeof x->suspect, "%s", suspects.at.at[0].rule);
	suspects_free(&suspects);
	finding_list_free(&findings);
}

static void free_all(struct refs_all *all)
{
	for (size_t i = 0; i < all->at.n; i++) {
		struct refs_report *x = all->at.at[i];

		refs_balance_free(x->balance);
		histories_free(&x->histories);
		net_lines_free(&x->lines);
		if (x->has_points)
			points_free(&x->points);
		if (x->has_view)
			view_free(&x->view);
		array_free(&x->objects);
		array_free(&x->types);
		free(x);
	}
	array_free(&all->at);
}

static struct refs_report *report_of(const struct refs_all *all, const struct report_trace *t)
{
	for (size_t i = 0; i < all->at.n; i++)
		if (all->at.at[i]->t == t)
			return all->at.at[i];
	return NULL;
}

static void write_json(struct report *r, const struct refs_all *all)
{
	json_t *list = json_array();

	put_trace(r->json, report_of(all, r->traces[0]));
	for (size_t i = 0; r->n_traces > 1 && i < r->n_traces; i++) {
		json_t *o = json_object();

		json_put(o, "pid", json_integer(r->traces[i]->trace.front.pid));
		put_trace(o, report_of(all, r->traces[i]));
		json_add(list, o);
	}
	json_put(r->json, "processes", list);
}

static void print_all(struct report *r, const struct refs_all *all)
{
	for (size_t i = 0; i < r->n_traces; i++) {
		if (i)
			fputc('\n', r->out.file);
		refs_print(r, report_of(all, r->traces[i]));
	}
}

static int run(int argc, char **argv)
{
	struct refs_all all = { .own.limit = REFS_NOT_SET };
	struct report r;
	int code;

	if (refs_surplus_wanted(argc, argv))
		return refs_surplus(argc, argv);
	code = report_parse(&r, &command_refs, &all.own, argc, argv);
	if (code != REPORT_GO)
		return code;
	all.unwatched =
		!all.own.type && !all.own.site && !all.own.address && !all.own.object && !was_watched(&r.common);
	r.listener = (struct report_listener){ listen, &all };
	code = report_open(&r, all.unwatched ? REPORT_GROWTH | REPORT_REMAINS : REPORT_ACCOUNT);
	if (code == REPORT_GO) {
		for (size_t i = 0; i < all.at.n; i++) {
			choose(all.at.at[i]);
			sum_types(all.at.at[i]);
			all.at.at[i]->balance = refs_balance_make(all.at.at[i]);
			put_blamed_first(all.at.at[i]);
		}
		if (all.unwatched && all.at.n)
			find_suspect(&r, report_of(&all, r.traces[0]));
		if (r.json)
			write_json(&r, &all);
		else
			print_all(&r, &all);
		code = report_end(&r);
	}
	free_all(&all);
	return code;
}

static const struct option_row rows[] = {
	{ 0, "tree", OPTION_FLAG, offsetof(struct refs_options, tree), NULL,
	  "the balance tree: what is taken and given by stack, the outermost line first" },
	{ 0, "raw", OPTION_FLAG, offsetof(struct refs_options, raw), NULL,
	  "every change, not the net effect of each line" },
	{ 0, "object", OPTION_NUMBER, offsetof(struct refs_options, object), "N", "the object of watch N only" },
	{ 0, "type", OPTION_TEXT, offsetof(struct refs_options, type), "NAME",
	  "objects of this type only: its name or the end of it; those that nobody watched, too" },
	{ 0, "site", OPTION_TEXT, offsetof(struct refs_options, site), "FILE:LINE",
	  "objects made there only; those that nobody watched, too" },
	{ 0, "address", OPTION_TEXT, offsetof(struct refs_options, address), "0xADDRESS",
	  "objects at this address only; those that nobody watched, too" },
	{ 'n', "limit", OPTION_NUMBER, offsetof(struct refs_options, limit), "N",
	  "objects to print (3; in JSON 1000), 0 for all" },
	{ 0, "surplus", OPTION_FLAG, offsetof(struct refs_options, surplus), NULL,
	  "counts above the references that exist, at the last snapshot" },
	{ 0, "suspects", OPTION_TEXT, offsetof(struct refs_options, suspects), "FILE",
	  "write the rules that watch who loses references, for PYTRACE_WATCH=suspects:FILE" },
	{ 0, "hunt", OPTION_FLAG, offsetof(struct refs_options, hunt), NULL,
	  "run a command, pick suspects, run it again watching them, and print who is to blame" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "run -e PYTRACE_WATCH=type:Session -- python app.py", "record every change of the counts of sessions" },
	{ "refs app.71.pytrace", "who takes references and does not give them back, and some histories" },
	{ "refs --object 12 --raw app.71.pytrace", "every change of one count" },
	{ "refs --type Session app.71.pytrace", "also those that were not watched: their counts at each snapshot" },
	{ "refs --hunt -- python app.py", "find the culprit, in two runs" },
	{ 0 },
};

const struct command command_refs = {
	.page =
		{
			.name = "refs",
			.summary = "reference counts: every change of watched objects, and who does not give back",
			.operands = "TRACE...",
			.details =
				"Counts are recorded of the objects that PYTRACE_WATCH chooses, from the birth on. Each "
				"change has its stack; the line is the innermost one that is somebody's to change, of "
				"Python or of an extension in C.\n\n"
				"Temporaries are left out: what one activation of a line does to the count is summed up, "
				"so that pushing an object for a call and popping it afterwards is nothing, and what is "
				"left of a line is its net effect. --raw shows all of it.\n\n"
				"Objects that nobody watched have points: their counts at the snapshots, and how many of "
				"these references the snapshot knows.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_FULL | OPTIONS_STACKS,
		},
	.run = run,
};
