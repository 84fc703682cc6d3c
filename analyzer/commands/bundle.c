/* SPDX-License-Identifier: Apache-2.0 */
/* bundle: the names of a trace's native frames in a file beside it, so that another machine can show them */
#include "analyzer/base/mem.h"
#include "analyzer/base/path.h"
#include "analyzer/report/report.h"
#include "analyzer/places/symbolise.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

extern const struct command command_bundle;

/* What became known of a module's addresses. */
struct bundle_row {
	const char *path;
	uint32_t module;
	uint64_t addresses, named, lines;
};

struct bundle_result {
	const char *trace;
	char file[PATH_MAX];
	uint64_t bytes;
	ARRAY(struct bundle_row) rows;
	ARRAY(char *) warnings;
};

/* ---- one trace ---- */

/* Keeps the lines of sources that reports can show. */
static void keep_sources(const struct trace *t, struct symbols *s, const char *sysroot)
{
	struct place_table places;
	struct strings files = { 0 };
	struct map seen = { 0 };

	place_table_init(&places, t, s, sysroot);
	for (node_id i = NODE_UNKNOWN + 1; i < t->defs.stacks.nodes.n; i++) {
		size_t n;
		const struct place *at = place_frames(&places, i, &n);

		for (; n--; at++) {
			string_id file = strings_add(&files, at->file, strlen(at->file));
			uint32_t *known = map_at(&seen, (uint64_t)file << 32 | (uint32_t)at->at.line);
			char path[PATH_MAX * 2], text[400];
			bool changed;

			if (*known == MAP_NONE && at->at.line > 0 && *at->file &&
			    place_source(&places, at, text, sizeof text, &changed))
				symbols_add_source(s,
						   place_path(&places, at, path, sizeof path) + strlen(places.sysroot),
						   at->at.line, text, changed);
			*known = 0;
		}
	}
	place_table_free(&places);
	strings_free(&files);
	map_free(&seen);
}

/* Asks for every native frame. Rows are by module number, to be sorted later. */
static void ask_all(const struct defs *d, struct symbols *s, struct bundle_result *ret)
{
	for (uint32_t i = 0; i < d->modules.at.n; i++)
		*array_push(&ret->rows) = (struct bundle_row){ .module = i, .path = symbols_module_path(s, i) };
	for (node_id i = NODE_UNKNOWN + 1; i < d->stacks.nodes.n; i++) {
		const struct node *n = defs_frame(d, i);
		const struct symbol *frames;
		struct bundle_row *row;

		if (n->kind != NODE_NATIVE || n->module <= MODULE_UNKNOWN || n->module >= ret->rows.n)
			continue;
		symbols_find(s, n->module, node_address(n), n->flags & NODE_EXACT, &frames);
		row = &ret->rows.at[n->module];
		row->addresses++;
		row->named += frames->function != NULL;
		row->lines += frames->line > 0;
	}
}

static int by_addresses(const void *left, const void *right)
{
	const struct bundle_row *a = left, *b = right;

	if (a->addresses != b->addresses)
		return a->addresses > b->addresses ? -1 : 1;
	return strcmp(a->path, b->path);
}

/* One row for a path, the one with the most addresses first, without those that have none. Paths become the result's.
 */
static void fold_rows(struct bundle_result *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->rows.n; i++) {
		struct bundle_row *row = &r->rows.at[i];
		size_t same = 0;

		while (same < n && strcmp(r->rows.at[same].path, row->path))
			same++;
		if (!row->addresses)
			continue;
		if (same == n) {
			r->rows.at[n++] = *row;
			continue;
		}
		r->rows.at[same].addresses += row->addresses;
		r->rows.at[same].named += row->named;
		r->rows.at[same].lines += row->lines;
	}
	r->rows.n = n;
	if (n)
		qsort(r->rows.at, n, sizeof *r->rows.at, by_addresses);
	for (size_t i = 0; i < n; i++)
		r->rows.at[i].path = mem_text(r->rows.at[i].path, strlen(r->rows.at[i].path));
}

static int write_bundle(const struct trace *t, const struct options_common *common, struct bundle_result *ret)
{
	struct output out;
	struct symbols *s;

	if (!output_open(&out, ret->file, common->force))
		return EXIT_USAGE;
	s = symbolise_new(t, common, true);
	ask_all(&t->defs, s, ret);
	keep_sources(t, s, common->sysroot);
	ret->bytes = symbols_write(s, out.file);
	for (size_t i = 0; symbols_warning(s, i); i++)
		*array_push(&ret->warnings) = mem_text(symbols_warning(s, i), strlen(symbols_warning(s, i)));
	fold_rows(ret);
	symbols_free(s);
	if (!ret->bytes) {
		fprintf(stderr, "pytrace: %s: cannot be written\n", ret->file);
		output_abandon(&out);
		return EXIT_UNREADABLE;
	}
	return output_close(&out) ? EXIT_FINE : EXIT_UNREADABLE;
}

/* Where the bundle goes: -o FILE, a folder of -o, beside the trace. False when the name is too long. */
static bool name_file(const struct options_common *common, const char *trace, char *buf, size_t cap)
{
	const char *output = common->output;
	struct stat st;

	if (!output)
		return *symbolise_bundle(trace, buf, cap);
	if (stat(output, &st) || !S_ISDIR(st.st_mode))
		return snprintf(buf, cap, "%s", output) < (int)cap;
	return snprintf(buf, cap, "%s/%s.symbols", output, path_name(trace)) < (int)cap;
}

static int bundle_one(const char *file, const struct options_common *common, struct bundle_result *ret)
{
	struct trace_options options = { .internals = true };
	struct fault fault;
	struct trace t;
	int code;

	ret->trace = file;
	if (!name_file(common, file, ret->file, sizeof ret->file)) {
		fprintf(stderr, "pytrace bundle: the name of %s is too long\n", file);
		return EXIT_USAGE;
	}
	if (trace_open_with(&t, file, &options, &fault)) {
		fault_print(&fault, stderr);
		code = EXIT_UNREADABLE;
	} else {
		code = write_bundle(&t, common, ret);
	}
	trace_close(&t);
	return code;
}

static void result_free(struct bundle_result *r)
{
	for (size_t i = 0; i < r->rows.n; i++)
		free((char *)r->rows.at[i].path);
	for (size_t i = 0; i < r->warnings.n; i++)
		free(r->warnings.at[i]);
	array_free(&r->rows);
	array_free(&r->warnings);
}

/* ---- what was done ---- */

static json_t *result_json(const struct bundle_result *r)
{
	json_t *doc = json_object(), *modules = json_array(), *warnings = json_array();

	for (size_t i = 0; i < r->rows.n; i++) {
		json_t *row = json_object();

		json_put(row, "path", json_text(r->rows.at[i].path));
		json_put(row, "addresses", json_bytes(r->rows.at[i].addresses));
		json_put(row, "named", json_bytes(r->rows.at[i].named));
		json_put(row, "with_line", json_bytes(r->rows.at[i].lines));
		json_add(modules, row);
	}
	for (size_t i = 0; i < r->warnings.n; i++)
		json_add(warnings, json_text(r->warnings.at[i]));
	json_put(doc, "trace", json_text(r->trace));
	json_put(doc, "output", json_text(r->file));
	json_put(doc, "bytes", json_bytes(r->bytes));
	json_put(doc, "modules", modules);
	json_put(doc, "wrong", warnings);
	return doc;
}

static void result_text(const struct bundle_result *r)
{
	static const struct table_column columns[] = {
		{ "frames", true, false, STYLE_PLAIN },
		{ "named", true, false, STYLE_PLAIN },
		{ "with line", true, false, STYLE_PLAIN },
		{ "module", false, true, STYLE_PLAIN },
	};
	struct output out = { .file = stdout, .width = 120 };
	struct table table;
	char safe[1000];

	printf("%s  %s\n", format_printable(safe, sizeof safe, r->file), format_bytes(r->bytes).text);
	table_init(&table, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < r->rows.n; i++) {
		table_count(&table, r->rows.at[i].addresses);
		table_count(&table, r->rows.at[i].named);
		table_count(&table, r->rows.at[i].lines);
		table_cell(&table, "%s", r->rows.at[i].path);
	}
	if (r->rows.n)
		table_print(&table, &out, 2);
	else
		puts("  no native frames in this trace");
	table_free(&table);
	for (size_t i = 0; i < r->warnings.n; i++)
		printf("  NOTE: %s\n", format_printable(safe, sizeof safe, r->warnings.at[i]));
}

static int run(int argc, char **argv)
{
	struct options_common common = { 0 };
	struct stat st;
	json_t *doc, *list;
	char own;
	int code = EXIT_FINE;

	switch (options_parse(&command_bundle.page, &own, &common, argc, argv)) {
	case OPTIONS_DONE: return EXIT_FINE;
	case OPTIONS_WRONG: return EXIT_USAGE;
	case OPTIONS_GO: break;
	}
	if (common.output && common.n_operands > 1 && (stat(common.output, &st) || !S_ISDIR(st.st_mode))) {
		fputs("pytrace bundle: several traces need a folder: -o DIR\n", stderr);
		return EXIT_USAGE;
	}
	doc = json_document("bundle");
	list = json_array();
	for (int i = 0; i < common.n_operands; i++) {
		struct bundle_result result = { 0 };
		int got = bundle_one(common.operands[i], &common, &result);

		code = got > code ? got : code;
		if (got == EXIT_FINE && !common.json)
			result_text(&result);
		if (got == EXIT_FINE)
			json_add(list, result_json(&result));
		result_free(&result);
	}
	json_put(doc, "bundles", list);
	if (common.json)
		json_write(doc, stdout);
	else
		json_decref(doc);
	return code;
}

static const struct option_example examples[] = {
	{ "bundle app.71.pytrace", "writes app.71.pytrace.symbols; copy both to where you read reports" },
	{ "bundle --sysroot /srv/image app.71.pytrace", "takes the names from a copy of the traced machine" },
	{ 0 },
};

const struct command command_bundle = {
	.page = {
		.name = "bundle",
		.summary = "names of native frames in a file beside the trace, for another machine",
		.operands = "TRACE...",
		.details = "The trace knows native frames by module, build id and address; their names and lines are looked up "
			   "when a report is made. Run this where the program ran, as long as its libraries and their debug "
			   "files are there: it writes TRACE.symbols, with all that reports of this trace can ask for. When that "
			   "file lies beside the trace, reports use it, and need none of the libraries.\n\n"
			   "-o names the file, or the folder for it. What a bundle already knew is kept with -f.",
		.examples = examples,
		.groups = OPTIONS_OUTPUT | OPTIONS_JSON | OPTIONS_TRACES | OPTIONS_SYMBOLS,
	},
	.run = run,
};
