/* SPDX-License-Identifier: Apache-2.0 */
/* refs_report: which objects are shown, and what is known of each. */
#include "analyzer/commands/refs/refs_report.h"
#include "analyzer/views/chain.h"

#include <string.h>

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
		return defs_type_name(d, h->type);
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
	const struct balance *b = &x->balance;
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

/* ---- how ---- */

const char *refs_means(const struct refs_report *x)
{
	const char *means = defs_meta(&x->t->trace.defs, "watch.means", NULL);

	if (means && !strcmp(means, "hardware"))
		return "breakpoints of the processor";
	if (means && !strcmp(means, "pages"))
		return "pages of their own";
	return means ? means : "";
}

/* ---- the replay ---- */

static const char *line_text(void *self, node_id frame, char *buf, size_t cap)
{
	struct place_table *places = self;
	bool changed;

	return place_source(places, place_find(places, frame), buf, cap, &changed) && !changed ? buf : NULL;
}

struct refs_report *refs_new(const struct refs_options *own, struct report_trace *t, bool heap)
{
	struct refs_report *x = mem_zero(1, sizeof *x);

	x->own = own;
	x->t = t;
	read_target(x);
	histories_init(&x->histories, &t->trace);
	net_lines_init(&x->lines, &t->trace.defs);
	x->lines.text = line_text;
	x->lines.text_self = &t->places;
	x->has_view = heap;
	if (heap)
		view_load(&x->view, &t->places, 0);
	x->has_points = x->selects && !own->object;
	if (x->has_points) {
		const struct points_wanted wanted = { x->target.address, wanted_type,
						      x->target.file ? wanted_site : NULL, x };

		points_init(&x->points, &t->trace, &wanted);
	}
	return x;
}

size_t refs_listen(struct refs_report *x, struct model *ret[REFS_MODELS])
{
	size_t n = 0;

	ret[n++] = &x->histories.model;
	if (x->has_view && x->view.loaded)
		ret[n++] = &x->view.join.model;
	if (x->has_points)
		ret[n++] = &x->points.model;
	return n;
}

static void weigh(struct refs_report *x)
{
	x->names = owner_places(&x->t->places);
	owners_init(&x->owners, &x->t->trace.defs, &x->names);
	balance_make(&x->balance, &x->histories, &x->owners, x->has_view && x->view.loaded ? &x->view.heap : NULL);
	x->settled = true;
}

void refs_settle(struct refs_report *x)
{
	choose(x);
	sum_types(x);
	weigh(x);
	put_blamed_first(x);
}

void refs_free(struct refs_report *x)
{
	if (x->settled) {
		balance_free(&x->balance);
		owners_free(&x->owners);
	}
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
