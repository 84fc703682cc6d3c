/* SPDX-License-Identifier: Apache-2.0 */
/* refs_show: the report of `pytrace refs` for people. The first lines have the answer. */
#include "analyzer/commands/refs/refs_advice.h"
#include "analyzer/commands/refs/refs_show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	OBJECTS_SHOWN = 3,
	CHANGES_HEAD = 24, /* of a long history the first ... */
	CHANGES_TAIL = 12, /* ... and the last ones */
	TYPES_SHOWN = 10,
	POINTS_SHOWN = 20,
	COLUMN_AT = 5,    /* in the table of changes */
	WHERE_WIDTH = 56, /* of a place in a sentence */
};

static double seconds(uint64_t ns) { return (double)ns / 1e9; }

static const char *where(struct report *r, struct refs_report *x, node_id node, char *buf, size_t cap)
{
	if (node <= NODE_UNKNOWN)
		return "(no line)";
	return place_site_where(&x->t->places, node, r->common.full, buf, cap);
}

/* The same for a line of text: long paths lose their middle. */
static const char *short_where(struct report *r, struct refs_report *x, node_id node, char *buf, size_t cap)
{
	char whole[4096] = "";
	FILE *f;

	where(r, x, node, whole, sizeof whole);
	if (r->common.full || strlen(whole) < WHERE_WIDTH)
		return where(r, x, node, buf, cap);
	f = fmemopen(buf, cap, "w");
	if (!f)
		return where(r, x, node, buf, cap);
	format_elide(f, whole, WHERE_WIDTH);
	fclose(f);
	return buf;
}

static const char *function(struct report *r, struct refs_report *x, node_id node, char *buf, size_t cap)
{
	return node <= NODE_UNKNOWN ? "" : place_function_below(&x->t->places, node, r->common.full, buf, cap);
}

/* The text of the line, if it can be had. */
static const char *source(struct refs_report *x, node_id node, char *buf, size_t cap)
{
	struct place_table *places = &x->t->places;
	bool changed;

	if (node <= NODE_UNKNOWN ||
	    !place_source(places, place_find(places, place_site(places, node)), buf, cap, &changed) || changed)
		return "";
	return buf;
}

/* ---- the answer ---- */

static uint64_t by_end(const struct refs_report *x, enum refs_end end)
{
	uint64_t n = 0;

	for (size_t i = 0; i < x->types.n; i++)
		n += x->types.at[i].by_end[end];
	return n;
}

static uint64_t n_watched(const struct refs_report *x)
{
	uint64_t n = 0;

	for (size_t i = 0; i < x->types.n; i++)
		n += x->types.at[i].n;
	return n;
}

static void add_end(struct refs_report *x, enum refs_end end, const char *text, FILE *f, bool *first)
{
	uint64_t n = by_end(x, end);

	if (!n)
		return;
	fprintf(f, "%s%s %s", *first ? "  " : ", ", format_count(n).text, text);
	*first = false;
}

static void print_answer(struct report *r, struct refs_report *x)
{
	static const struct {
		enum refs_end end;
		const char *text;
	} ends[] = {
		{ REFS_DIED, "died with a count of 0" },
		{ REFS_WRONG, "died with another count" },
		{ REFS_ALIVE, "live on" },
		{ REFS_ROTATED, "had to give their place to others" },
		{ REFS_IMMORTAL, "became immortal" },
		{ REFS_LOST, "were lost sight of" },
		{ REFS_MOVED, "were moved by realloc" },
	};
	const char *rules = defs_meta(&x->t->trace.defs, "watch", NULL);
	const char *off = defs_meta(&x->t->trace.defs, "watch.off", NULL);
	FILE *f = r->out.file;
	char safe[1000];
	bool first = true;

	fprintf(f, "%sWatched%s: %s, %s", output_style(&r->out, STYLE_STRONG), output_style(&r->out, STYLE_PLAIN),
		format_plural(n_watched(x), "object", "objects").text,
		format_plural(x->histories.n_changes, "change", "changes").text);
	if (rules && *rules)
		fprintf(f, ", chosen by %s", format_printable(safe, sizeof safe, rules));
	if (*refs_means(x))
		fprintf(f, ", by %s", format_printable(safe, sizeof safe, refs_means(x)));
	fputc('\n', f);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		add_end(x, ends[i].end, ends[i].text, f, &first);
	if (!first)
		fputc('\n', f);
	if (off && *off)
		fprintf(f, "%sNOTE:%s %s\n", output_style(&r->out, STYLE_BAD), output_style(&r->out, STYLE_PLAIN),
			format_printable(safe, sizeof safe, off));
}

static void print_types(struct report *r, struct refs_report *x)
{
	static const struct table_column columns[] = {
		{ .title = "type", .elastic = true, .style = STYLE_STRONG },
		{ .title = "objects", .right = true },
		{ .title = "changes", .right = true },
		{ .title = "died", .right = true },
		{ .title = "died unbalanced", .right = true },
		{ .title = "alive", .right = true },
		{ .title = "with references", .right = true },
		{ .title = "rotated out", .right = true },
	};
	struct table t;

	if (!x->types.n)
		return;
	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < x->types.n && i < TYPES_SHOWN; i++) {
		const struct refs_type *row = &x->types.at[i];

		table_cell(&t, "%s", row->name);
		table_count(&t, row->n);
		table_count(&t, row->changes);
		table_count(&t, row->by_end[REFS_DIED]);
		table_count(&t, row->by_end[REFS_WRONG]);
		table_count(&t, row->by_end[REFS_ALIVE]);
		table_cell(&t, row->by_end[REFS_ALIVE] ? "%" PRId64 : "-", row->references);
		table_count(&t, row->by_end[REFS_ROTATED]);
	}
	fputc('\n', r->out.file);
	table_print(&t, &r->out, 2);
	table_free(&t);
	if (x->types.n > TYPES_SHOWN)
		fprintf(r->out.file, "  and %s\n",
			format_plural(x->types.n - TYPES_SHOWN, "more type", "more types").text);
}

/* ---- a history ---- */

static const char *note_of(const struct history_change *c)
{
	return c->flags & PT_COUNT_BIRTH    ? "made"
	       : c->flags & PT_COUNT_START  ? "watched from here on"
	       : c->flags & PT_COUNT_UNSEEN ? "not seen one by one"
	       : c->flags & PT_COUNT_MERGED ? "both parts of the count became one"
	       : c->flags & PT_COUNT_LEAVES ? "the call ends"
	       : c->flags & PT_COUNT_LATE   ? "told late"
					    : "";
}

/* Its name; its number when it has none. */
static const char *thread(struct refs_report *x, uint32_t number, char *buf, size_t cap)
{
	char *tid = strstr(report_thread(x->t, number, buf, cap), " (tid ");

	if (tid)
		*tid = 0;
	return buf;
}

static void change_row(struct report *r, struct refs_report *x, struct table *t, const struct history_change *c,
		       bool has_threads)
{
	char buf[4096], times[80] = "";

	if (c->times > 1)
		snprintf(times, sizeof times, "x %s", format_count(c->times).text);
	table_cell(t, "%s", format_seconds(seconds(c->ns)).text);
	if (c->flags & PT_COUNT_START)
		table_cell(t, "-");
	else
		table_cell(t, "%+d", c->delta);
	table_cell(t, "%d", c->count);
	table_cell(t, "%s", times);
	table_cell(t, "%s", has_threads ? thread(x, c->thread, buf, sizeof buf) : "");
	table_cell(t, "%s", where(r, x, c->node, buf, sizeof buf));
	table_cell(t, "%s", function(r, x, c->node, buf, sizeof buf));
	table_cell(t, "%s", source(x, c->node, buf, sizeof buf));
	table_cell(t, "%s", note_of(c));
}

static bool has_runs(const struct history_change *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i].times > 1)
			return true;
	return false;
}

/* Whether more than one thread made the changes. */
static bool are_of_many(const struct history_change *at, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (at[i].thread != at[0].thread)
			return true;
	return false;
}

static void print_changes(struct report *r, struct refs_report *x, const struct history *h,
			  const struct history_change *at, size_t n)
{
	bool has_times = has_runs(at, n), has_threads = are_of_many(at, n);
	const struct table_column columns[] = {
		{ .title = "time", .right = true },
		{ .title = "change", .right = true, .style = STYLE_STRONG },
		{ .title = "count", .right = true },
		{ .title = has_times ? "times" : "", .right = true },
		{ .title = has_threads ? "thread" : "" },
		{ .title = "at", .elastic = true },
		{ .title = "function", .elastic = true, .style = STYLE_FAINT },
		{ .title = "source", .elastic = true, .style = STYLE_CODE },
		{ .title = "", .style = STYLE_FAINT },
	};
	bool all = r->common.full || x->own->object || n <= CHANGES_HEAD + CHANGES_TAIL + 1;
	struct table t;

	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < n; i++) {
		if (!all && i == CHANGES_HEAD) {
			i = n - CHANGES_TAIL;
			for (size_t k = 0; k < sizeof columns / sizeof *columns; k++)
				table_cell(&t, "%s", k == COLUMN_AT ? "..." : "");
		}
		change_row(r, x, &t, &at[i], has_threads);
	}
	table_print(&t, &r->out, 3);
	table_free(&t);
	if (!all)
		fprintf(r->out.file, "   %s left out (--object %u, or --full, shows all)\n",
			format_plural(n - CHANGES_HEAD - CHANGES_TAIL, "change", "changes").text, h->number);
}

/* A chain that is nothing but the object, which C code holds. */
static bool is_own(const char *expression)
{
	static const char end[] = " held by C code>";
	size_t n = strlen(expression);

	return n > sizeof end && !strcmp(expression + n - (sizeof end - 1), end);
}

static void print_held(struct report *r, struct refs_report *x, const struct refs_object *o)
{
	char *holders[REFS_HOLDERS], safe[4096];
	unsigned n = refs_holders(x, o, holders);

	for (unsigned i = 0; i < n; i++) {
		fputs(i ? ", and " : ", held by ", r->out.file);
		if (is_own(holders[i])) {
			fputs("nobody that the snapshot knows: C code", r->out.file);
			free(holders[i]);
			continue;
		}
		format_elide(r->out.file, format_printable(safe, sizeof safe, holders[i]),
			     r->common.full ? sizeof safe : r->out.width / 2);
		free(holders[i]);
	}
}

/* "died at app.py:4", "alive at the end with 2 references, held by app.cache['u17']". */
static void print_end(struct report *r, struct refs_report *x, const struct refs_object *o)
{
	const struct history *h = o->history;
	FILE *f = r->out.file;
	uint64_t quiet = h->n && h->end_ns != UINT64_MAX ? h->end_ns - h->changes[h->n - 1].last_ns : 0;
	char buf[4096];

	fputs("   ended: ", f);
	switch (o->end) {
	case REFS_DIED:
		fprintf(f, "died at %s, %s\n", short_where(r, x, o->died_node, buf, sizeof buf),
			format_seconds(seconds(o->died_ns)).text);
		return;
	case REFS_WRONG:
		fprintf(f, "its block was given back at %s while its count was %d\n",
			short_where(r, x, o->died_node, buf, sizeof buf), h->end_count);
		return;
	case REFS_ROTATED:
		fprintf(f, "rotated out after %s without a change, with a count of %d",
			format_seconds(seconds(quiet)).text, h->count);
		break;
	case REFS_MOVED:
		fprintf(f, "moved by realloc at %s, with a count of %d\n",
			short_where(r, x, h->end_node, buf, sizeof buf), h->end_count);
		return;
	case REFS_IMMORTAL: fprintf(f, "became immortal: its count means nothing any more"); break;
	case REFS_LOST: fprintf(f, "lost sight of at %s", format_seconds(seconds(h->end_ns)).text); break;
	default:
		fprintf(f, "alive at the end with %s",
			format_plural((uint64_t)(h->count > 0 ? h->count : 0), "reference", "references").text);
	}
	print_held(r, x, o);
	fputc('\n', f);
	if (o->end != REFS_ALIVE && o->died_ns != UINT64_MAX)
		fprintf(f, "          its block was given back at %s, %s\n",
			short_where(r, x, o->died_node, buf, sizeof buf), format_seconds(seconds(o->died_ns)).text);
}

static void print_made(struct report *r, struct refs_report *x, const struct refs_object *o, size_t number)
{
	uint64_t address = o->history ? o->history->object : o->points->address;
	FILE *f = r->out.file;
	char buf[4096], safe[600];

	fprintf(f, "\n%s%zu.%s %s at 0x%" PRIx64, output_style(&r->out, STYLE_STRONG), number,
		output_style(&r->out, STYLE_PLAIN), format_printable(safe, sizeof safe, o->type), address);
	if (o->history)
		fprintf(f, " (watch %u)", o->history->number);
	if (o->node > NODE_UNKNOWN) {
		fprintf(f, ", made at %s", short_where(r, x, o->node, buf, sizeof buf));
		fprintf(f, " in %s", function(r, x, o->node, buf, sizeof buf));
	}
	if (o->history && !history_is_whole(o->history))
		fprintf(f, ", watched since %s", format_seconds(seconds(o->history->ns)).text);
	fputc('\n', f);
}

static uint64_t left_of(const struct net *net)
{
	uint64_t n = 0;

	for (size_t i = 0; i < net->n; i++)
		n += net->changes[i].times;
	return n;
}

static void print_history(struct report *r, struct refs_report *x, const struct refs_object *o, size_t number)
{
	const struct history *h = o->history;
	struct net net;

	print_made(r, x, o, number);
	if (x->own->raw) {
		fprintf(r->out.file, "   %s\n", format_plural(h->n_changes, "change", "changes").text);
		print_changes(r, x, h, h->changes, h->n);
	} else {
		net_make(&net, &x->lines, h);
		fprintf(r->out.file, "   %s", format_plural(h->n_changes, "change", "changes").text);
		if (left_of(&net) < h->n_changes)
			fprintf(r->out.file, ", %s without temporaries (--raw shows all)",
				format_count(left_of(&net)).text);
		fputc('\n', r->out.file);
		print_changes(r, x, h, net.changes, net.n);
		net_free(&net);
	}
	print_end(r, x, o);
}

static void print_points(struct report *r, struct refs_report *x, const struct refs_object *o, size_t number)
{
	static const struct table_column columns[] = {
		{ .title = "snapshot", .right = true },
		{ .title = "time", .right = true },
		{ .title = "count", .right = true, .style = STYLE_STRONG },
		{ .title = "known", .right = true },
	};
	struct table t;
	char buf[4096];
	unsigned n = 0;

	print_made(r, x, o, number);
	table_init(&t, columns, sizeof columns / sizeof *columns);
	for (uint32_t i = o->points->first; i && (r->common.full || n < POINTS_SHOWN);
	     i = x->points.points.at[i - 1].next, n++) {
		const struct point *p = &x->points.points.at[i - 1];

		table_cell(&t, "%" PRIu64, p->snapshot);
		table_cell(&t, "%s", format_seconds(seconds(p->ns)).text);
		table_cell(&t, p->immortal ? "immortal" : "%u", p->count);
		table_cell(&t, "%u", p->known);
	}
	table_print(&t, &r->out, 3);
	table_free(&t);
	if (o->died_ns != UINT64_MAX)
		fprintf(r->out.file, "   its block was given back at %s, %s\n",
			short_where(r, x, o->died_node, buf, sizeof buf), format_seconds(seconds(o->died_ns)).text);
	else if (o->at_end != HEAP_NONE) {
		fputs("   alive at the last snapshot", r->out.file);
		print_held(r, x, o);
		fputc('\n', r->out.file);
	}
}

/* ---- all of it ---- */

static void print_objects(struct report *r, struct refs_report *x, bool watched, const char *title)
{
	uint64_t limit = x->own->limit == REFS_NOT_SET ? OBJECTS_SHOWN : x->own->limit;
	size_t n = 0;

	for (size_t i = 0; i < x->objects.n; i++) {
		const struct refs_object *o = &x->objects.at[i];

		if (!o->history == watched)
			continue;
		if (!n++) {
			fputc('\n', r->out.file);
			output_title(&r->out, title);
		}
		if (limit && n > limit)
			continue;
		if (watched)
			print_history(r, x, o, n);
		else
			print_points(r, x, o, n);
	}
	if (limit && n > limit)
		fprintf(r->out.file, "\nand %s (--limit 0 for all)\n",
			format_plural(n - limit, "more object", "more objects").text);
}

void refs_print(struct report *r, struct refs_report *x)
{
	char advice[1200];

	report_heading(r, x->t);
	if (x->histories.n_changes) {
		print_answer(r, x);
		print_types(r, x);
		refs_balance_print(r, x);
		if (x->own->tree)
			refs_tree_print(r, x);
	} else {
		format_wrapped(r->out.file, refs_advice(x, advice, sizeof advice), 0, 0, r->out.width);
	}
	if (!x->objects.n && (x->own->object || x->selects))
		fputs("\nNo such object was watched, or is in a snapshot.\n", r->out.file);
	print_objects(r, x, true, x->own->raw ? "Histories" : "Histories: the net effect of each line");
	print_objects(r, x, false, "Not watched: counts at the snapshots");
	if (x->has_points && x->points.n_left_out)
		fprintf(r->out.file, "and %s at one snapshot, left out\n",
			format_plural(x->points.n_left_out, "more object", "more objects").text);
}
