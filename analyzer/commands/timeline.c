/* SPDX-License-Identifier: Apache-2.0 */
/* timeline: bytes over time, by layer and type, with collections, marks and snapshots on it */
#include "analyzer/models/timeline.h"
#include "analyzer/report/report.h"
#include "analyzer/models/collections.h"
#include "analyzer/out/spark.h"
#include "analyzer/read/snapshot.h"

#include <inttypes.h>
#include <string.h>

#define POINTS_JSON 100
#define POINTS_MAX  10000
#define TYPES_TEXT  8
#define TYPES_JSON  30
#define LABEL_WIDTH 18
#define CELLS       46 /* with label and scale 80 columns */

extern const struct command command_timeline;

struct timeline_own {
	uint64_t points, top;
	const char *from, *to;
};

/* One process. */
struct course {
	struct report_trace *t;
	struct timeline timeline;
	struct collections collections;
};

struct courses {
	ARRAY(struct course *) at; /* in the order in which the traces were opened */
	struct timeline_options options;
};

/* ---- what happened between two samples ---- */

struct bucket {
	uint64_t n, pause_ns, longest_ns;
};

static struct bucket *buckets_of(const struct course *c)
{
	struct bucket *buckets = mem_zero(c->timeline.samples.n + 1, sizeof *buckets);

	for (size_t i = 0; i < c->collections.at.n; i++) {
		const struct collection *one = &c->collections.at.at[i];
		struct bucket *b = &buckets[timeline_index(&c->timeline, one->begin_ns)];
		uint64_t pause = collection_pause(one);

		if (one->begin_ns < c->timeline.from_ns)
			continue;
		b->n++;
		b->pause_ns += pause;
		b->longest_ns = pause > b->longest_ns ? pause : b->longest_ns;
	}
	return buckets;
}

/* ---- JSON ---- */

static json_t *layers_json(const struct timeline_sample *s)
{
	json_t *o = json_object();

	for (int i = 0; i < PT_LAYERS; i++)
		if (pt_layer_name((enum pt_layer)i) && i != PT_LAYER_MOVED)
			json_put(o, pt_layer_name((enum pt_layer)i), json_bytes(s->layer_bytes[i]));
	return o;
}

static json_t *types_json(const struct timeline *t, size_t sample, uint64_t top)
{
	json_t *o = json_object();

	for (size_t i = 0; i < t->by_type.n && (!top || i < top); i++)
		json_put(o, types_name(&t->types, t->by_type.at[i].type), json_integer(t->by_type.at[i].bytes[sample]));
	return o;
}

static json_t *samples_json(const struct course *c, uint64_t top)
{
	struct bucket *buckets = buckets_of(c);
	json_t *list = json_array();

	for (size_t i = 0; i < c->timeline.samples.n; i++) {
		const struct timeline_sample *s = &c->timeline.samples.at[i];
		json_t *o = json_object();

		json_put(o, "t_s", json_seconds(s->ns));
		json_put(o, "bytes", json_bytes(s->bytes));
		json_put(o, "max_bytes", json_bytes(s->max_bytes));
		json_put(o, "rss_bytes", s->rss_bytes ? json_bytes(s->rss_bytes) : json_null());
		json_put(o, "layers", layers_json(s));
		json_put(o, "types", types_json(&c->timeline, i, top));
		json_put(o, "collections", json_bytes(buckets[i].n));
		json_put(o, "pause_s", json_seconds(buckets[i].pause_ns));
		json_put(o, "longest_pause_s", json_seconds(buckets[i].longest_ns));
		json_add(list, o);
	}
	free(buckets);
	return list;
}

static json_t *collections_json(const struct course *c)
{
	static const char *const triggers[] = { "threshold", "explicit", "shutdown" };
	json_t *list = json_array();

	for (size_t i = 0; i < c->collections.at.n; i++) {
		const struct collection *one = &c->collections.at.at[i];
		json_t *o;

		if (one->begin_ns < c->timeline.from_ns || one->begin_ns > c->timeline.to_ns)
			continue;
		o = json_object();
		json_put(o, "generation", json_integer(one->generation));
		json_put(o, "start_s", json_seconds(one->begin_ns));
		json_put(o, "pause_s", one->ended ? json_seconds(collection_pause(one)) : json_null());
		json_put(o, "collected", json_bytes(one->collected));
		json_put(o, "uncollectable", json_bytes(one->uncollectable));
		json_put(o, "trigger", json_text(one->trigger < 3 ? triggers[one->trigger] : NULL));
		json_add(list, o);
	}
	return list;
}

static json_t *marks_json(const struct timeline *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->marks.n; i++) {
		json_t *o = json_object();

		json_put(o, "t_s", json_seconds(t->marks.at[i].ns));
		json_put(o, "label", json_text(t->marks.at[i].label));
		json_add(list, o);
	}
	return list;
}

static json_t *snapshots_json(const struct timeline *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->snapshots.n; i++) {
		json_t *o = json_object();

		json_put(o, "id", json_bytes(t->snapshots.at[i].number));
		json_put(o, "t_s", json_seconds(t->snapshots.at[i].ns));
		json_put(o, "reason", json_text(snapshot_reason_text(t->snapshots.at[i].reason)));
		json_add(list, o);
	}
	return list;
}

static void put_course(json_t *o, const struct report_trace *trace, const void *options)
{
	const struct timeline_own *own = options;
	const struct course *c = trace->own;
	const struct timeline *t = &c->timeline;

	json_put(o, "pid", json_bytes(c->t->trace.front.pid));
	json_put(o, "from_s", json_seconds(t->from_ns));
	json_put(o, "to_s", json_seconds(t->to_ns));
	json_put(o, "peak_s", json_seconds(t->peak_ns));
	json_put(o, "peak_bytes", json_bytes(t->peak_bytes));
	json_put(o, "samples", samples_json(c, own->top));
	json_put(o, "collections", collections_json(c));
	json_put(o, "marks", marks_json(t));
	json_put(o, "snapshots", snapshots_json(t));
	json_put(o, "recorded", recorded_json(&c->t->spans));
}

/* ---- text ---- */

struct page {
	const struct course *c;
	const struct output *o;
	uint64_t *values; /* by sample: the row that is printed next */
	size_t n;
};

static void print_label(const struct page *p, const char *text)
{
	char safe[200];

	format_printable(safe, sizeof safe, text);
	fputs("  ", p->o->file);
	format_elide(p->o->file, safe, LABEL_WIDTH);
	for (size_t i = format_width(safe); i < LABEL_WIDTH; i++)
		fputc(' ', p->o->file);
}

static void print_line(const struct page *p, const char *label, uint64_t most)
{
	if (!most)
		return;
	print_label(p, label);
	fputs(" |", p->o->file);
	spark_print(p->o->file, p->values, p->n, most, spark_unicode());
	fprintf(p->o->file, "| %10s\n", format_bytes(most).text);
}

static uint64_t most_of(const struct page *p)
{
	uint64_t most = 0;

	for (size_t i = 0; i < p->n; i++)
		most = p->values[i] > most ? p->values[i] : most;
	return most;
}

static void print_all_layers(struct page *p)
{
	static const enum pt_layer shown[] = { PT_LAYER_OBJECT, PT_LAYER_MEM, PT_LAYER_RAW, PT_LAYER_MALLOC,
					       PT_LAYER_MMAP };
	const struct timeline *t = &p->c->timeline;

	for (size_t i = 0; i < p->n; i++)
		p->values[i] = t->samples.at[i].max_bytes;
	print_line(p, "all", most_of(p));
	for (size_t k = 0; k < sizeof shown / sizeof *shown; k++) {
		char label[40];

		for (size_t i = 0; i < p->n; i++)
			p->values[i] = t->samples.at[i].layer_bytes[shown[k]];
		snprintf(label, sizeof label, "  %s", pt_layer_name(shown[k]));
		print_line(p, label, most_of(p));
	}
	for (size_t i = 0; i < p->n; i++)
		p->values[i] = t->samples.at[i].rss_bytes;
	print_line(p, "resident", most_of(p));
}

static void print_types(struct page *p, uint64_t top)
{
	const struct timeline *t = &p->c->timeline;

	if (!t->by_type.n)
		return;
	fputs("\n  types, most at the peak first\n", p->o->file);
	for (size_t k = 0; k < t->by_type.n && (!top || k < top); k++) {
		char label[200];

		for (size_t i = 0; i < p->n; i++)
			p->values[i] = t->by_type.at[k].bytes[i] > 0 ? (uint64_t)t->by_type.at[k].bytes[i] : 0;
		snprintf(label, sizeof label, "  %.190s", types_name(&t->types, t->by_type.at[k].type));
		print_line(p, label, most_of(p));
	}
	if (top && t->by_type.n > top)
		fprintf(p->o->file, "  and %s (--top 0 for all)\n",
			format_plural(t->by_type.n - top, "more type", "more types").text);
}

static void print_collections(struct page *p)
{
	struct bucket *buckets = buckets_of(p->c);
	struct bucket sum = { 0 };
	uint64_t most;

	for (size_t i = 0; i < p->n; i++) {
		p->values[i] = buckets[i].n;
		sum.n += buckets[i].n;
		sum.pause_ns += buckets[i].pause_ns;
		sum.longest_ns = buckets[i].longest_ns > sum.longest_ns ? buckets[i].longest_ns : sum.longest_ns;
	}
	free(buckets);
	most = most_of(p);
	if (!most)
		return;
	fputc('\n', p->o->file);
	print_label(p, "collections");
	fputs(" |", p->o->file);
	spark_print(p->o->file, p->values, p->n, most, spark_unicode());
	fprintf(p->o->file, "| %10s\n", format_count(sum.n).text);
	fprintf(p->o->file, "    at most %s between two samples; all took %s,", format_count(most).text,
		format_seconds((double)sum.pause_ns / 1e9).text);
	fprintf(p->o->file, " the longest %s\n", format_seconds((double)sum.longest_ns / 1e9).text);
}

/* A line with a letter where each thing happened. */
static void print_places(const struct page *p, const char *label, char *cells)
{
	print_label(p, label);
	fprintf(p->o->file, " |%s|\n", cells);
}

static size_t cell_of(const struct page *p, uint64_t ns)
{
	size_t i = timeline_index(&p->c->timeline, ns);

	return i < p->n ? i : p->n - 1;
}

static void print_marks(const struct page *p)
{
	const struct timeline *t = &p->c->timeline;
	char *cells = mem_zero(p->n + 1, 1);

	memset(cells, ' ', p->n);
	for (size_t i = 0; i < t->marks.n; i++) {
		char *cell = &cells[cell_of(p, t->marks.at[i].ns)];

		*cell = *cell != ' ' ? '*' : i < 26 ? (char)('a' + i) : '+';
	}
	if (t->marks.n)
		print_places(p, "marks", cells);
	memset(cells, ' ', p->n);
	for (size_t i = 0; i < t->snapshots.n; i++) {
		char *cell = &cells[cell_of(p, t->snapshots.at[i].ns)];

		*cell = *cell != ' '                     ? '*'
			: t->snapshots.at[i].number < 10 ? (char)('0' + t->snapshots.at[i].number)
							 : '+';
	}
	if (t->snapshots.n)
		print_places(p, "snapshots", cells);
	for (size_t i = 0; i < t->marks.n && i < 26; i++) {
		char safe[200];

		fprintf(p->o->file, "    %c %s  %s\n", (char)('a' + i),
			format_seconds((double)t->marks.at[i].ns / 1e9).text,
			format_printable(safe, sizeof safe, t->marks.at[i].label));
	}
	free(cells);
}

/* Where nothing was recorded lines fall at most. */
static void print_recorded(const struct page *p)
{
	const struct spans *s = &p->c->t->spans;
	const struct timeline *t = &p->c->timeline;
	char *cells;

	if (s->is_whole)
		return;
	cells = mem_zero(p->n + 1, 1);
	memset(cells, ' ', p->n);
	for (size_t i = 0; i < s->at.n; i++) {
		size_t from = cell_of(p, s->at.at[i].from_ns), to = cell_of(p, s->at.at[i].to_ns);

		if (s->at.at[i].from_ns <= t->to_ns && s->at.at[i].to_ns >= t->from_ns)
			memset(cells + from, '=', to - from + 1);
	}
	print_places(p, "recorded", cells);
	free(cells);
}

static void print_axis(const struct page *p)
{
	const struct timeline *t = &p->c->timeline;
	char from[64], to[64];
	size_t used;

	snprintf(from, sizeof from, "%s", format_seconds((double)t->from_ns / 1e9).text);
	snprintf(to, sizeof to, "%s", format_seconds((double)t->to_ns / 1e9).text);
	used = strlen(from) + strlen(to);
	print_label(p, "");
	fprintf(p->o->file, "  %s%*s%s\n", from, (int)(p->n > used ? p->n - used : 1), "", to);
}

static void print_course(struct report *r, const struct report_trace *trace, const void *options)
{
	const struct timeline_own *own = options;
	const struct course *c = trace->own;
	struct page p = { .c = c, .o = &r->out, .n = c->timeline.samples.n };
	const struct timeline *t = &c->timeline;

	p.values = mem_zero(p.n, sizeof *p.values);
	report_heading(r, c->t);
	fprintf(r->out.file,
		"\nMost was alive at %s: %s.\nEach line has a scale of its own: its top is what stands behind it.\n\n",
		format_seconds((double)t->peak_ns / 1e9).text, format_bytes(t->peak_bytes).text);
	print_all_layers(&p);
	print_recorded(&p);
	print_axis(&p);
	print_types(&p, own->top);
	print_collections(&p);
	print_marks(&p);
	free(p.values);
}

/* ---- outside ---- */

static size_t listen(void *self, struct report_trace *t, struct model **models, size_t cap)
{
	struct courses *all = self;
	struct course *c;

	if (cap < 3)
		return 0;
	t->own = c = *array_push(&all->at) = mem_zero(1, sizeof *c);
	c->t = t;
	timeline_init(&c->timeline, &t->trace, &all->options);
	collections_init(&c->collections, &t->trace);
	models[0] = &c->timeline.model;
	models[1] = &c->timeline.types.model;
	models[2] = &c->collections.model;
	return 3;
}

static void close_all(struct courses *all)
{
	for (size_t i = 0; i < all->at.n; i++) {
		timeline_free(&all->at.at[i]->timeline);
		collections_free(&all->at.at[i]->collections);
		free(all->at.at[i]);
	}
	array_free(&all->at);
}

/* "1.5", "1.5s", "90 s", "2m", "1h": as a time since the start. False when it is none. */
static bool read_time(const char *text, const char *option, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		double s;
	} units[] = { { "", 1 }, { "s", 1 }, { "ms", .001 }, { "m", 60 }, { "min", 60 }, { "h", 3600 } };
	char *end;
	double v;

	if (!text)
		return true;
	v = strtod(text, &end);
	end += strspn(end, " ");
	for (size_t i = 0; end != text && i < sizeof units / sizeof *units; i++) {
		if (strcmp(end, units[i].unit) || !(v >= 0 && v < 1e9))
			continue;
		*ret_ns = (uint64_t)(v * units[i].s * 1e9);
		return true;
	}
	fprintf(stderr, "pytrace timeline: --%s: '%s' is no time ('2.5', '300ms', '2min')\n", option, text);
	return false;
}

static int run(int argc, char **argv)
{
	struct timeline_own own = { .top = REPORT_TOP_NOT_SET };
	struct courses all = { 0 };
	struct report r;
	int code = report_parse(&r, &command_timeline, &own, argc, argv);

	if (code != REPORT_GO)
		return code;
	if (!read_time(own.from, "from", &all.options.from_ns) || !read_time(own.to, "to", &all.options.to_ns))
		return EXIT_USAGE;
	if (own.points > POINTS_MAX || (own.to && all.options.to_ns <= all.options.from_ns)) {
		fprintf(stderr,
			own.points > POINTS_MAX ? "pytrace timeline: at most %d points\n"
						: "pytrace timeline: --to is not later than --from\n",
			POINTS_MAX);
		return EXIT_USAGE;
	}
	all.options.n = own.points ? (size_t)own.points : r.common.json ? POINTS_JSON : CELLS;
	report_default_top(&r, &own.top, TYPES_TEXT, TYPES_JSON);
	r.listener = (struct report_listener){ listen, &all };
	code = report_open(&r, REPORT_ACCOUNT);
	if (code == REPORT_GO) {
		for (size_t i = 0; i < all.at.n; i++)
			timeline_finish(&all.at.at[i]->timeline);
		if (r.json)
			report_put_processes(&r, put_course, &own);
		else
			report_print_processes(&r, print_course, &own);
		code = report_end(&r);
	}
	close_all(&all);
	return code;
}

static const struct option_row rows[] = {
	{ 'p', "points", OPTION_NUMBER, offsetof(struct timeline_own, points), "N",
	  "samples, at equal distances (in text as many as fit, in JSON 100)" },
	{ 0, "from", OPTION_TEXT, offsetof(struct timeline_own, from), "TIME",
	  "where to begin, since the start: '2.5' (seconds), '300ms', '2min'" },
	{ 0, "to", OPTION_TEXT, offsetof(struct timeline_own, to), "TIME", "where to end" },
	{ 'n', "top", OPTION_NUMBER, offsetof(struct timeline_own, top), "N",
	  "types to show (8; in JSON 30), 0 for all" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "timeline app.71.pytrace", "how memory went up and down, and when the collector ran" },
	{ "timeline --from 10 --to 12.5 app.71.pytrace", "two and a half seconds of it" },
	{ "timeline --json --points 1000 app.71.pytrace", "a thousand samples for a plot of your own" },
	{ 0 },
};

const struct command command_timeline = {
	.page = {
		.name = "timeline",
		.summary = "bytes over time by layer and type, with collections and marks",
		.operands = "TRACE...",
		.details = "Lines are layers, resident memory, and types; each has a scale of its own, whose end stands behind "
			   "it. The first line has the most that was alive between two samples, the others what was alive at "
			   "the moment of a sample. It is exact: every allocation and release is counted. Resident memory is "
			   "known as of the last time that the tracer looked.\n\n"
			   "Types are known of blocks that were freed, and of those alive at the last snapshot. Blocks "
			   "whose type is not known are in no line of a type.\n\n"
			   "Where recording was stopped (PYTRACE_START, libpytrace.stop()) the line 'recorded' has gaps: what was "
			   "allocated there is in no line, what was given back there is.\n\n"
			   "Lines are drawn with block characters where the locale has UTF-8, else with ASCII.",
		.rows = rows,
		.examples = examples,
		.groups = OPTIONS_REPORT,
	},
	.run = run,
};
