/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paths: why is it alive
 *
 * Objects of one type are held in a few ways, however many they are: chains that differ in keys and places only are one
 * way, shown by an example.
 */
#include "analyzer/views/chain.h"
#include "analyzer/places/target.h"
#include "analyzer/report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WAYS_TEXT      5
#define WAYS_JSON      100
#define CHAINS_DEFAULT 3 /* of one object */
#define CHAINS_MAX     64
#define COUNT_NOT_SET  UINT64_MAX

struct paths_options {
	uint64_t snapshot, count;
};

/* Objects that are held in the same way. */
struct way {
	char *pattern;
	object_id example; /* the largest of them */
	enum path_start start;
	uint64_t objects, bytes, retained;
};

struct paths_report {
	struct paths_options own;
	const char *asked;
	struct target target;
	struct view view;
	ARRAY(object_id) objects; /* those asked for */
	ARRAY(struct way) ways;   /* most objects first */
	uint64_t bytes;
};

extern const struct command command_paths;

/* ---- what is asked for ---- */

static bool is_made_there(struct paths_report *x, object_id o)
{
	return !x->target.file || target_is_site(&x->target, x->view.places, view_site(&x->view, o));
}

static void find_objects(struct paths_report *x)
{
	const struct heap *h = &x->view.heap;
	bool *fits;

	if (x->target.address) {
		object_id o = heap_find(h, x->target.address);

		if (o != HEAP_NONE)
			*array_push(&x->objects) = o;
		return;
	}
	fits = mem_zero(h->types.n + 1, sizeof *fits);
	for (size_t i = 0; i < h->types.n; i++)
		fits[i] = target_is_type(&x->target, heap_text_of(h, h->types.at[i].name));
	for (object_id o = 0; o < h->n; o++) {
		if (fits[h->type[o]] && is_made_there(x, o))
			*array_push(&x->objects) = o;
	}
	free(fits);
}

/* ---- ways ---- */

static uint64_t retained_of(struct paths_report *x, object_id o) { return x->view.dominators.retained[o]; }

static struct way *find_way(struct paths_report *x, struct map *by_pattern, char *pattern, enum path_start start)
{
	uint32_t *at = map_at(by_pattern, pt_xxh3(pattern, strlen(pattern)) + (uint64_t)start);

	if (*at == MAP_NONE) {
		*at = (uint32_t)x->ways.n;
		*array_push(&x->ways) = (struct way){ .pattern = mem_text(pattern, strlen(pattern)), .start = start };
	}
	return &x->ways.at[*at];
}

/* A chain that starts at garbage is none: what seems to be C code's reference there is one of the garbage itself. */
static void drop_garbage(struct paths_report *x, struct path *p)
{
	if (p->start != PATH_C || x->view.garbage.state[p->steps.at[0].object] == GARBAGE_HELD)
		return;
	p->start = PATH_NONE;
	p->steps.n = 0;
}

static void add_object(struct paths_report *x, struct map *by_pattern, object_id o)
{
	struct chain c;
	struct path p;
	struct way *w;

	paths_to(&x->view.paths, o, &p);
	drop_garbage(x, &p);
	chain_make(&c, &x->view, &p);
	w = find_way(x, by_pattern, c.pattern, p.start);
	if (!w->objects || retained_of(x, o) > retained_of(x, w->example))
		w->example = o;
	w->objects++;
	w->bytes += x->view.join.bytes[o];
	w->retained += retained_of(x, o);
	x->bytes += x->view.join.bytes[o];
	chain_free(&c);
	path_free(&p);
}

static int by_objects(const void *left, const void *right)
{
	const struct way *a = left, *b = right;

	if (a->objects != b->objects)
		return a->objects > b->objects ? -1 : 1;
	if (a->retained != b->retained)
		return a->retained > b->retained ? -1 : 1;
	return strcmp(a->pattern, b->pattern);
}

static void find_ways(struct paths_report *x)
{
	struct map by_pattern = { 0 };

	for (size_t i = 0; i < x->objects.n; i++)
		add_object(x, &by_pattern, x->objects.at[i]);
	if (x->ways.n)
		qsort(x->ways.at, x->ways.n, sizeof *x->ways.at, by_objects);
	map_free(&by_pattern);
}

/* ---- what is said of an object that no chain leads to ---- */

/* "held by C code (refcount 3, 1 reference known)" or why nobody holds it. */
static char *status_text(struct paths_report *x, object_id o, enum path_start start, char *buf, size_t cap)
{
	const struct heap *h = &x->view.heap;
	int32_t surplus = x->view.surplus[o];
	uint8_t state = x->view.garbage.state[o];
	char refcount[120];

	if (h->flags[o] & PT_OBJECT_IMMORTAL)
		snprintf(refcount, sizeof refcount, "immortal");
	else
		snprintf(
			refcount, sizeof refcount, "refcount %u, %s known", h->refcount[o],
			format_plural(h->refcount[o] - (uint32_t)(surplus > 0 ? surplus : 0), "reference", "references")
				.text);
	if (start == PATH_C)
		snprintf(buf, cap, "held by C code (%s)", refcount);
	else if (start == PATH_NONE && state == GARBAGE_UNCOLLECTABLE)
		snprintf(buf, cap, "nobody holds it (%s): garbage that no collection frees, see 'pytrace cycles'",
			 refcount);
	else if (start == PATH_NONE)
		snprintf(buf, cap, "nobody holds it (%s): garbage in a cycle or below one, see 'pytrace cycles'",
			 refcount);
	else
		snprintf(buf, cap, "%s", refcount);
	return buf;
}

/* ---- JSON ---- */

static json_t *way_json(struct paths_report *x, const struct way *w)
{
	static const char *const starts[] = {
		[PATH_ROOT] = "root", [PATH_MODULE] = "module", [PATH_C] = "c", [PATH_NONE] = "none"
	};
	const struct heap *h = &x->view.heap;
	char status[200], address[24];
	json_t *o = json_object();

	snprintf(address, sizeof address, "0x%" PRIx64, h->address[w->example]);
	json_put(o, "pattern", json_text(w->pattern));
	json_put(o, "start", json_text(starts[w->start]));
	json_put(o, "objects", json_bytes(w->objects));
	json_put(o, "bytes", json_bytes(w->bytes));
	json_put(o, "retained_bytes", json_bytes(w->retained));
	json_put(o, "example", json_text(address));
	json_put(o, "type", json_text(heap_type_name(h, w->example)));
	json_put(o, "refcount",
		 h->flags[w->example] & PT_OBJECT_IMMORTAL ? json_null() : json_integer(h->refcount[w->example]));
	json_put(o, "unknown_references", json_integer(x->view.surplus[w->example]));
	json_put(o, "status", json_text(status_text(x, w->example, w->start, status, sizeof status)));
	return o;
}

/* All chains to one object: as many as share nothing. */
static uint32_t chains_of(struct paths_report *x, const struct way *w, struct path *paths)
{
	uint32_t max = x->own.count == COUNT_NOT_SET ? CHAINS_DEFAULT
		       : x->own.count < CHAINS_MAX   ? (uint32_t)x->own.count
						     : CHAINS_MAX;

	return w->start == PATH_NONE ? 0 : paths_disjoint(&x->view.paths, w->example, max ? max : 1, paths);
}

static void put_chains(struct paths_report *x, const struct way *w, json_t *paths, json_t *expressions, json_t *way)
{
	struct path found[CHAINS_MAX];
	uint32_t n = chains_of(x, w, found);
	json_t *own = json_array();

	for (uint32_t i = 0; i < n; i++) {
		struct chain c;

		chain_make(&c, &x->view, &found[i]);
		json_add(paths, chain_json(&c, &x->view));
		json_add(expressions, json_text(c.expression));
		json_add(own, json_text(c.expression));
		chain_free(&c);
		path_free(&found[i]);
	}
	json_put(way, "expressions", own);
}

static void write_json(struct report *r, struct paths_report *x)
{
	json_t *paths = json_array(), *expressions = json_array(), *ways = json_array();

	for (size_t i = 0; i < x->ways.n && i < WAYS_JSON; i++) {
		json_t *way = way_json(x, &x->ways.at[i]);

		put_chains(x, &x->ways.at[i], paths, expressions, way);
		json_add(ways, way);
	}
	json_put(r->json, "snapshot", view_json(&x->view));
	json_put(r->json, "asked", json_text(x->asked));
	json_put(r->json, "objects", json_bytes(x->objects.n));
	json_put(r->json, "bytes", json_bytes(x->bytes));
	json_put(r->json, "paths", paths);
	json_put(r->json, "expressions", expressions);
	json_put(r->json, "ways", ways);
}

/* ---- text ---- */

static void print_expression(struct report *r, const char *expression, const char *before)
{
	char safe[4096];

	fprintf(r->out.file, "%s%s", before, output_style(&r->out, STYLE_STRONG));
	format_printable(safe, sizeof safe, expression);
	if (r->common.full)
		fputs(safe, r->out.file);
	else
		format_elide(r->out.file, safe, r->out.width - strlen(before));
	fprintf(r->out.file, "%s\n", output_style(&r->out, STYLE_PLAIN));
}

static void print_chains(struct report *r, struct paths_report *x, const struct way *w)
{
	struct path found[CHAINS_MAX];
	uint32_t n = chains_of(x, w, found);

	for (uint32_t i = 0; i < n; i++) {
		struct chain c;

		chain_make(&c, &x->view, &found[i]);
		print_expression(r, c.expression, i ? "   and " : "   ");
		chain_print(&c, &x->view, &r->out, r->common.full, i ? 10 : 6);
		chain_free(&c);
		path_free(&found[i]);
	}
}

static void print_way(struct report *r, struct paths_report *x, const struct way *w, size_t number)
{
	const struct heap *h = &x->view.heap;
	FILE *f = r->out.file;
	char status[200], safe[600];

	fprintf(f, "\n%s%zu.%s ", output_style(&r->out, STYLE_STRONG), number, output_style(&r->out, STYLE_PLAIN));
	if (w->objects > 1) {
		fprintf(f, "%s, %s: ", format_plural(w->objects, "object", "objects").text,
			format_bytes(w->bytes).text);
		format_elide(f, format_printable(safe, sizeof safe, *w->pattern ? w->pattern : "held by nobody"),
			     r->out.width - 40);
		fprintf(f, "\n   for example the %s at 0x%" PRIx64 ", which keeps %s alive\n",
			format_printable(safe, sizeof safe, heap_type_name(h, w->example)), h->address[w->example],
			format_bytes(retained_of(x, w->example)).text);
	} else {
		fprintf(f, "%s at 0x%" PRIx64 ", ", format_printable(safe, sizeof safe, heap_type_name(h, w->example)),
			h->address[w->example]);
		fprintf(f, "%s, keeps %s alive\n", format_bytes(w->bytes).text,
			format_bytes(retained_of(x, w->example)).text);
	}
	if (w->start == PATH_C || w->start == PATH_NONE)
		fprintf(f, "   %s\n", status_text(x, w->example, w->start, status, sizeof status));
	print_chains(r, x, w);
}

static void print_text(struct report *r, struct paths_report *x)
{
	uint64_t max = x->target.address ? 1 : x->own.count == COUNT_NOT_SET ? WAYS_TEXT : x->own.count;
	char sentence[400], safe[600];
	FILE *f = r->out.file;

	report_heading(r, r->traces[0]);
	if (!x->view.loaded) {
		fprintf(f, "%s\n", view_missing(&x->view, x->own.snapshot, sentence, sizeof sentence));
		return;
	}
	view_heading(&x->view, &r->out);
	format_printable(safe, sizeof safe, x->asked);
	if (!x->objects.n) {
		fprintf(f, "\nNo object of this snapshot is '%s'. 'pytrace objects' lists the types.\n", safe);
		return;
	}
	fprintf(f, "\n%s%s%s: %s, ", output_style(&r->out, STYLE_TITLE), safe, output_style(&r->out, STYLE_PLAIN),
		format_plural(x->objects.n, "object", "objects").text);
	fprintf(f, "%s, held in %s\n", format_bytes(x->bytes).text, format_plural(x->ways.n, "way", "ways").text);
	for (size_t i = 0; i < x->ways.n && (!max || i < max); i++)
		print_way(r, x, &x->ways.at[i], i + 1);
	if (max && x->ways.n > max)
		fprintf(f, "\nand %s (--count 0 for all)\n",
			format_plural(x->ways.n - max, "more way", "more ways").text);
}

/* ---- the command ---- */

static size_t listen(void *self, struct report_trace *t, struct model **models, size_t cap)
{
	struct paths_report *x = self;

	if (x->view.places || !cap)
		return 0;
	view_load(&x->view, &t->places, x->own.snapshot);
	if (!x->view.loaded)
		return 0;
	models[0] = &x->view.join.model;
	return 1;
}

static void finish(struct paths_report *x)
{
	for (size_t i = 0; i < x->ways.n; i++)
		free(x->ways.at[i].pattern);
	array_free(&x->ways);
	array_free(&x->objects);
	view_free(&x->view);
}

static int run(int argc, char **argv)
{
	struct paths_report x = { .own.count = COUNT_NOT_SET };
	struct report r;
	int code = report_parse(&r, &command_paths, &x.own, argc, argv);

	if (code != REPORT_GO)
		return code;
	if (r.common.n_operands != 2) {
		fputs("pytrace: paths takes a trace and what to look for: a type, TYPE@FILE:LINE or an address; "
		      "'pytrace paths --help' tells more\n",
		      stderr);
		return EXIT_USAGE;
	}
	x.asked = r.common.operands[1];
	r.common.n_operands = 1;
	target_parse(&x.target, x.asked);
	r.listener = (struct report_listener){ listen, &x };
	code = report_open(&r, REPORT_ACCOUNT);
	if (code != REPORT_GO)
		return code;
	if (x.view.loaded) {
		view_want(&x.view, VIEW_PATHS | VIEW_DOMINATORS | VIEW_GARBAGE | VIEW_MODULES);
		find_objects(&x);
		find_ways(&x);
	}
	if (r.json)
		write_json(&r, &x);
	else
		print_text(&r, &x);
	finish(&x);
	return report_end(&r);
}

static const struct option_row rows[] = {
	{ 's', "snapshot", OPTION_NUMBER, offsetof(struct paths_options, snapshot), "N",
	  "the snapshot to look at (the last complete one that was not taken for a collection)" },
	{ 'n', "count", OPTION_NUMBER, offsetof(struct paths_options, count), "N",
	  "ways of being held to print (5), and chains of one object (3); 0 for all ways" },
	{ 0 },
};

static const struct option_example examples[] = {
	{ "paths app.71.pytrace Session", "who holds the sessions that are still there" },
	{ "paths app.71.pytrace Session@app.py:120", "only those that this line made" },
	{ "paths app.71.pytrace dict@cache.py --count 1", "the dicts made in a file, and how most of them are held" },
	{ "paths app.71.pytrace 0x7f12a4c8d2b0", "one object: all chains to it that share nothing" },
	{ 0 },
};

const struct command command_paths = {
	.page =
		{
			.name = "paths",
			.summary = "why is it alive: the shortest chains of references from the program's roots",
			.operands = "TRACE TYPE|TYPE@FILE:LINE|0xADDRESS",
			.details =
				"A chain starts at a module, at a variable of a running function, in the interpreter, or "
				"where C code holds something, and is written as Python would: "
				"app.cache['u17'].session. What Python can't say stands in <>: "
				"serve.<locals>.request is a variable of a running function or of a generator, "
				"<closure> one that a function has closed over. Below it stands each link with its "
				"type and the line that made it.\n\n"
				"A type is named in full or by its last parts: Session is app.models.Session, too. "
				"Objects whose chains differ only in keys and places are one way of being held. "
				"Weak references hold nothing. 'Held by C code' means that an object's count is "
				"higher than the references that the snapshot knows.",
			.rows = rows,
			.examples = examples,
			.groups = OPTIONS_REPORT | OPTIONS_FULL | OPTIONS_STACKS,
		},
	.run = run,
};
