/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/views/view.h"
#include "analyzer/heap/made.h"
#include "analyzer/out/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- choosing and loading ---- */

/* The snapshot to look at: `number`, or for 0 the last complete one that is not of a collection's start, else the last
 * one. NULL when there is none. */
static const struct snapshot *choose(const struct snapshots *s, uint64_t number)
{
	if (number)
		return snapshots_find(s, number);
	for (size_t i = s->at.n; i-- > 0;) {
		if (s->at.at[i].complete && s->at.at[i].reason != PT_SNAPSHOT_GC)
			return &s->at.at[i];
	}
	return snapshots_find(s, 0);
}

void view_load(struct view *v, struct place_table *places, uint64_t number)
{
	*v = (struct view){ .places = places };
	snapshots_list(&v->list, places->trace);
	v->snapshot = choose(&v->list, number);
	if (!v->snapshot)
		return;
	heap_load(&v->heap, places->trace, v->snapshot, 0);
	join_init(&v->join, &v->heap);
	v->loaded = true;
}

void view_adopt(struct view *v, struct place_table *places, struct cycles *from)
{
	*v = (struct view){ .places = places };
	v->loaded = v->settled = cycles_take_over(from, &v->heap, &v->join);
}

/* A module's globals are a dict; whatever way leads to it, people know it by the module's name. */
static void find_modules(struct view *v)
{
	const struct heap *h = &v->heap;

	for (object_id o = 0; o < h->n; o++) {
		if (strcmp(heap_type_name(h, o), "module") || !heap_name(h, o))
			continue;
		for (uint32_t e = h->first[o]; e < h->first[o + 1]; e++) {
			if (heap_holds(h->target[e]) && !strcmp(heap_edge_name(h, o, e).text, "__dict__"))
				*map_at(&v->module_of, h->target[e]) = o;
		}
	}
}

void view_want(struct view *v, unsigned wants)
{
	if (!v->loaded)
		return;
	if (!v->settled && v->join.found)
		made_settle(&v->join);
	v->settled = true;
	if (wants & (VIEW_DOMINATORS | VIEW_PATHS))
		wants |= VIEW_SURPLUS;
	wants &= ~v->has;
	if (wants & VIEW_SURPLUS)
		v->surplus = garbage_surplus(&v->heap);
	if (wants & VIEW_GARBAGE)
		garbage_find(&v->garbage, &v->heap, v->join.bytes);
	if (wants & VIEW_DOMINATORS)
		dominators_find(&v->dominators, &v->heap, v->join.bytes, v->surplus);
	if (wants & VIEW_PATHS)
		paths_find(&v->paths, &v->heap, v->surplus);
	if (wants & VIEW_MODULES)
		find_modules(v);
	v->has |= wants;
}

void view_free(struct view *v)
{
	if (v->has & VIEW_GARBAGE)
		garbage_free(&v->garbage);
	if (v->has & VIEW_DOMINATORS)
		dominators_free(&v->dominators);
	if (v->has & VIEW_PATHS)
		paths_free(&v->paths);
	free(v->surplus);
	map_free(&v->module_of);
	if (v->loaded) {
		join_free(&v->join);
		heap_free(&v->heap);
	}
	snapshots_free(&v->list);
	*v = (struct view){ 0 };
}

/* ---- what is known of an object ---- */

node_id view_site(struct view *v, object_id o)
{
	node_id node = v->join.node[o];

	return node == NODE_UNKNOWN ? NODE_UNKNOWN : place_site(v->places, node);
}

char *view_where(struct view *v, object_id o, bool full, char *buf, size_t cap)
{
	node_id node = view_site(v, o);

	*buf = 0;
	if (node == NODE_UNKNOWN || place_find(v->places, node)->origin == ORIGIN_NONE)
		return buf;
	return place_site_where(v->places, v->join.node[o], full, buf, cap);
}

json_t *view_site_json(struct view *v, object_id o) { return place_site_json(v->places, v->join.node[o]); }

int64_t view_entries(const struct view *v, object_id o)
{
	static const char *const containers[] = { "list",
						  "tuple",
						  "dict",
						  "set",
						  "frozenset",
						  "collections.deque",
						  "collections.OrderedDict",
						  "collections.defaultdict" };
	const struct heap *h = &v->heap;
	int64_t n = (int64_t)h->first[o + 1] - h->first[o];

	for (size_t i = 0; i < sizeof containers / sizeof *containers; i++) {
		if (strcmp(heap_type_name(h, o), containers[i]))
			continue;
		return (h->flags[o] & PT_OBJECT_SHAPE) == PT_EDGES_PAIRS ? n / 2 : n;
	}
	return -1;
}

char *view_describe(const struct view *v, object_id o, char *buf, size_t cap)
{
	int64_t n = view_entries(v, o);

	if (n < 0)
		snprintf(buf, cap, "%s", heap_type_name(&v->heap, o));
	else
		snprintf(buf, cap, "%s, %s", heap_type_name(&v->heap, o),
			 format_plural((uint64_t)n, "entry", "entries").text);
	return buf;
}

/* ---- the heading ---- */

struct view_sums {
	uint64_t interned, immortal, statics, tracked, bytes;
};

static struct view_sums sums_of(const struct view *v)
{
	struct view_sums s = { 0 };

	for (object_id o = 0; o < v->heap.n; o++) {
		uint16_t flags = v->heap.flags[o];

		s.interned += (flags & PT_OBJECT_INTERNED) != 0;
		s.immortal += (flags & PT_OBJECT_IMMORTAL) != 0;
		s.statics += (flags & PT_OBJECT_STATIC) != 0;
		s.tracked += (flags & PT_OBJECT_TRACKED) != 0;
		s.bytes += v->join.bytes[o];
	}
	return s;
}

char *view_missing(const struct view *v, uint64_t number, char *buf, size_t cap)
{
	const char *options = defs_meta(&v->places->trace->defs, "python.implementation", NULL);

	if (number && v->list.at.n)
		snprintf(buf, cap, "There is no snapshot %" PRIu64 " in this trace: it has %s.", number,
			 format_plural(v->list.at.n, "snapshot", "snapshots").text);
	else if (!options)
		snprintf(buf, cap, "There is no snapshot in this trace: no Python ran in the process.");
	else
		snprintf(buf, cap,
			 "There is no snapshot in this trace. PYTRACE_SNAPSHOT=exit, the default, takes one when the "
			 "program ends; PYTRACE_SNAPSHOT=signal=USR2 whenever the program gets that signal.");
	return buf;
}

void view_heading(const struct view *v, const struct output *o)
{
	const struct heap *h = &v->heap;
	struct view_sums s;
	char safe[600];

	if (!v->loaded)
		return;
	s = sums_of(v);
	fprintf(o->file, "%sSnapshot %" PRIu64 "%s (%s) at %s: %s%s%s, %s, %s\n", output_style(o, STYLE_TITLE),
		h->snapshot, output_style(o, STYLE_PLAIN), snapshot_reason_text(h->reason),
		format_seconds((double)(v->join.found ? v->join.ns : h->ns) / 1e9).text, output_style(o, STYLE_STRONG),
		format_plural(h->n, "object", "objects").text, output_style(o, STYLE_PLAIN),
		format_plural(h->n_edges, "reference", "references").text, format_bytes(s.bytes).text);
	fprintf(o->file, "  of them %s tracked by the collector, ", format_count(s.tracked).text);
	fprintf(o->file, "%s interned, ", format_count(s.interned).text);
	fprintf(o->file, "%s immortal, ", format_count(s.immortal).text);
	fprintf(o->file, "%s static\n", format_count(s.statics).text);
	if (!h->complete)
		fprintf(o->file, "%sNOTE:%s this snapshot is not complete: %s\n", output_style(o, STYLE_BAD),
			output_style(o, STYLE_PLAIN),
			format_printable(safe, sizeof safe, *h->trouble ? h->trouble : "its end is missing"));
	if (h->n_missed)
		fprintf(o->file, "%sNOTE:%s %s could not be read\n", output_style(o, STYLE_BAD),
			output_style(o, STYLE_PLAIN), format_plural(h->n_missed, "object", "objects").text);
	if (v->list.at.n > 1)
		fprintf(o->file, "  (one of %zu snapshots: --snapshot N chooses another)\n", v->list.at.n);
}

json_t *view_json(struct view *v)
{
	const struct heap *h = &v->heap;
	struct view_sums s;
	json_t *o;

	if (!v->loaded)
		return json_null();
	s = sums_of(v);
	o = json_object();
	json_put(o, "id", json_bytes(h->snapshot));
	json_put(o, "t_s", json_seconds(v->join.found ? v->join.ns : h->ns));
	json_put(o, "reason", json_text(snapshot_reason_text(h->reason)));
	json_put(o, "objects", json_integer(h->n));
	json_put(o, "edges", json_integer(h->n_edges));
	json_put(o, "bytes", json_bytes(s.bytes));
	json_put(o, "complete", json_boolean(h->complete));
	json_put(o, "missed", json_bytes(h->n_missed));
	json_put(o, "trouble", *h->trouble ? json_text(h->trouble) : json_null());
	json_put(o, "tracked", json_bytes(s.tracked));
	json_put(o, "interned", json_bytes(s.interned));
	json_put(o, "immortal", json_bytes(s.immortal));
	json_put(o, "static", json_bytes(s.statics));
	json_put(o, "snapshots", json_integer((json_int_t)v->list.at.n));
	return o;
}
