/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native frames are looked up once for each address, whatever stacks they are in. Which modules can hold a site at all
 * is asked first, so that no lines are looked up in libraries that are passed over anyway.
 */
#include "analyzer/places/place.h"
#include "analyzer/base/mem.h"
#include "formats/block.h"

#include <stdlib.h>
#include <string.h>

#define PARTS_OF_BUILT 2  /* of the path of a source that was compiled elsewhere */
#define BLAME_DISTANCE 10 /* sites between a block and the user's line that still is to blame for it */

/* What is known of a module, in place_table.modules. */
enum module_use {
	USE_UNSEEN,
	USE_SITES,
	USE_NO_LINES, /* it would, but its lines are not known */
	USE_STDLIB,
	USE_LIBRARY,
	USE_SYSTEM,
};

/* "_json.so" of "_json.cpython-312-x86_64-linux-gnu.so": what stands between says nothing to people. */
static const char *module_name(struct place_table *t, uint32_t module)
{
	const struct defs *d = &t->trace->defs;
	const char *name = modules_name(&d->modules, &d->strings, module), *tag = strstr(name, ".cpython-"), *end;
	char *made;
	size_t len;

	if (!*name)
		return module == MODULE_NONE ? "<no module>" : "<unknown module>";
	tag = tag ? tag : strstr(name, ".abi3.so");
	end = tag ? strrchr(tag, '.') : NULL;
	if (!end)
		return name;
	len = (size_t)(tag - name);
	made = arena_take(&t->arena, len + strlen(end) + 1);
	memcpy(made, name, len);
	strcpy(made + len, end);
	return made;
}

void place_table_init(struct place_table *t, const struct trace *trace, struct symbols *symbols, const char *sysroot)
{
	*t = (struct place_table){ .trace = trace, .symbols = symbols, .cwd = defs_meta(&trace->defs, "cwd", NULL) };
	t->cwd = t->cwd ? t->cwd : "";
	t->cwd_len = strlen(t->cwd);
	t->sysroot = sysroot ? sysroot : "";
	t->rows = mem_zero(trace->defs.stacks.nodes.n + 2, sizeof *t->rows);
	t->sites = mem_zero(trace->defs.stacks.nodes.n + 2, sizeof *t->sites);
	t->module_names = mem_zero(trace->defs.modules.at.n + 1, sizeof *t->module_names);
	for (uint32_t i = 0; i < trace->defs.modules.at.n; i++)
		t->module_names[i] = module_name(t, i);
	t->modules = mem_zero(trace->defs.modules.at.n + 1, sizeof *t->modules);
}

void place_table_free(struct place_table *t)
{
	free(t->rows);
	free(t->sites);
	free(t->modules);
	free(t->module_names);
	for (size_t i = 0; i < t->json.n; i++)
		json_decref(t->json.at[i]);
	array_free(&t->json);
	map_free(&t->native);
	array_free(&t->native_rows);
	arena_free(&t->arena);
	*t = (struct place_table){ 0 };
}

/* ---- who wrote it ---- */

/* Whether the folder that ends at `end` is called "lib", "lib64" or so. */
static bool is_lib(const char *file, const char *end)
{
	const char *start = end;

	while (start > file && start[-1] != '/')
		start--;
	return start > file && !strncmp(start, "lib", 3) && end - start <= 5;
}

/* What follows "/lib/python3.11/" when that stands in the standard library's path, whatever other folders are called.
 * NULL when it does not. */
static const char *after_stdlib(const char *file)
{
	const size_t len = strlen("/python");

	for (const char *at = strstr(file, "/python"); at; at = strstr(at + 1, "/python")) {
		const char *rest = at + len + strspn(at + len, "0123456789.t");

		if (rest > at + len && *rest == '/' && is_lib(file, at))
			return rest + 1;
	}
	return NULL;
}

static const char *after_packages(const char *file)
{
	static const char *const folders[] = { "/site-packages/", "/dist-packages/" };

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		const char *at = strstr(file, folders[i]);

		if (at)
			return at + strlen(folders[i]);
	}
	return NULL;
}

static const char *after_cwd(const struct place_table *t, const char *file)
{
	if (t->cwd_len > 1 && !strncmp(file, t->cwd, t->cwd_len) && file[t->cwd_len] == '/')
		return file + t->cwd_len + 1;
	return NULL;
}

static void classify(const struct place_table *t, struct place *p)
{
	const char *rest;

	p->short_file = p->file;
	p->origin = ORIGIN_USER;
	if (!strncmp(p->file, "<frozen ", 8)) {
		p->origin = strncmp(p->file, "<frozen importlib", 17) ? ORIGIN_STDLIB : ORIGIN_IMPORT;
	} else if ((rest = after_packages(p->file))) {
		p->origin = ORIGIN_PACKAGE;
		p->short_file = rest;
	} else if ((rest = after_stdlib(p->file))) {
		p->origin = strncmp(rest, "importlib/_bootstrap", 20) ? ORIGIN_STDLIB : ORIGIN_IMPORT;
		p->short_file = rest;
	} else if ((rest = after_cwd(t, p->file))) {
		p->short_file = rest;
	}
}

/* ---- native frames ---- */

static const char *module_path(const struct place_table *t, uint32_t module)
{
	const struct defs *d = &t->trace->defs;

	return strings_text(&d->strings, d->modules.at.at[module].path);
}

/* What came with the system, or within a package's wheel beside its extension modules ("numpy.libs"). */
static bool is_system_library(const char *path)
{
	static const char *const folders[] = { "/usr/lib", "/lib/", "/lib32/", "/lib64/" };

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		if (!strncmp(path, folders[i], strlen(folders[i])))
			return true;
	}
	return after_packages(path) && strstr(path, ".libs/");
}

static enum module_use judge_module(const struct place_table *t, uint32_t module)
{
	const char *path = module_path(t, module);
	enum symbols_kind kind = t->symbols ? symbols_module_kind(t->symbols, module) : SYMBOLS_OTHER;

	if (kind == SYMBOLS_SYSTEM || kind == SYMBOLS_VDSO || t->trace->defs.modules.at.at[module].role != MODULE_OTHER)
		return USE_SYSTEM;
	if (strstr(path, "/lib-dynload/") || (!after_packages(path) && after_stdlib(path)))
		return USE_STDLIB;
	if (kind != SYMBOLS_EXTENSION && kind != SYMBOLS_PROGRAM && (*path != '/' || is_system_library(path)))
		return USE_LIBRARY;
	return t->symbols && symbols_has_lines(t->symbols, module) ? USE_SITES : USE_NO_LINES;
}

static enum module_use use_of(struct place_table *t, uint32_t module)
{
	if (t->modules[module] == USE_UNSEEN)
		t->modules[module] = (uint8_t)judge_module(t, module);
	return (enum module_use)t->modules[module];
}

/* Code that the compiler brought along, or a package manager: its lines are not the user's, whatever module has them.
 */
static bool is_foreign_source(const char *file)
{
	static const char *const parts[] = { "/include/c++/", "/include/python", "/rustc/",
					     "/.cargo/",      "/pybind11/",      "/cargo/registry/" };

	if (!strncmp(file, "/usr/include/", 13) || !strncmp(file, "/usr/lib/", 9))
		return true;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (strstr(file, parts[i]))
			return true;
	}
	return false;
}

static enum origin native_origin(struct place_table *t, const struct node *node, const struct place *p)
{
	enum module_use use = use_of(t, node->module);

	if (node->flags & NODE_INTERNAL)
		return ORIGIN_INTERNAL;
	if (use == USE_STDLIB)
		return ORIGIN_STDLIB;
	if (use != USE_SITES && use != USE_NO_LINES)
		return ORIGIN_LIBRARY;
	if (!*p->file || p->at.line <= 0)
		return after_packages(p->module_path) ? ORIGIN_LIBRARY : ORIGIN_MODULE;
	if (is_foreign_source(p->file))
		return ORIGIN_LIBRARY;
	return after_packages(p->module_path) || after_packages(p->file) ? ORIGIN_PACKAGE : ORIGIN_USER;
}

/* An extension that came as a package was compiled in a folder that says nothing, here or on another machine
 * ("/tmp/pip-install-krb_gbq_/…"): the end of the path is its name. NULL: it is no longer than that. */
static const char *after_build_folder(const char *file)
{
	const char *at = file + strlen(file);

	for (int parts = 0; *file == '/' && at > file; at--) {
		if (*at == '/' && ++parts == PARTS_OF_BUILT)
			return at + 1;
	}
	return NULL;
}

static struct place native_place(struct place_table *t, const struct node *node, const struct symbol *symbol)
{
	struct place p = { .file = symbol->file ? symbol->file : "",
			   .function = symbol->function && *symbol->function ? symbol->function : "?",
			   .at = { symbol->line, symbol->line, -1, -1 },
			   .module = t->module_names[node->module],
			   .module_path = module_path(t, node->module),
			   .address = node_address(node),
			   .inlined = symbol->inlined };
	const char *rest = after_packages(p.file);

	rest = rest ? rest : after_cwd(t, p.file);
	if (!rest && after_packages(p.module_path))
		rest = after_build_folder(p.file);
	p.short_file = rest ? rest : p.file;
	p.origin = native_origin(t, node, &p);
	return p;
}

/* Whether blocks may be said to be made by this frame. */
static bool is_site(const struct place *p)
{
	return p->module ? p->origin == ORIGIN_USER || p->origin == ORIGIN_PACKAGE : p->origin != ORIGIN_NONE;
}

static json_t **new_json(struct place_table *t, size_t n)
{
	json_t **json = arena_take(&t->arena, n * sizeof *json);

	memset(json, 0, n * sizeof *json);
	return json;
}

static struct place_row native_row(struct place_table *t, const struct node *node)
{
	static const struct symbol unknown = { 0 };
	const struct symbol *symbols = &unknown;
	struct place_row row = { .n = 1 };
	size_t n = 1;

	if (t->symbols)
		n = symbols_find(t->symbols, node->module, node_address(node), node->flags & NODE_EXACT, &symbols);
	row.n = (uint32_t)n;
	row.best = row.n - 1;
	row.at = arena_take(&t->arena, n * sizeof *row.at);
	row.json = new_json(t, n);
	for (size_t i = n; i-- > 0;) {
		row.at[i] = native_place(t, node, &symbols[i]);
		if (is_site(&row.at[i]))
			row.best = (uint32_t)i;
	}
	return row;
}

/* The row of an address is kept: it is on many stacks. */
static struct place_row find_native(struct place_table *t, const struct node *node)
{
	uint64_t key = map_mix((uint64_t)node->module << 16 | node->flags) ^ node_address(node);
	uint32_t *index = map_at(&t->native, key);

	if (*index == MAP_NONE) {
		struct place_row row = native_row(t, node);

		*map_at(&t->native, key) = (uint32_t)t->native_rows.n;
		*array_push(&t->native_rows) = row;
		return row;
	}
	return t->native_rows.at[*index];
}

/* ---- any frame ---- */

static const struct place no_frame = { "", "", "<no python frame>", { 0, 0, -1, -1 }, .origin = ORIGIN_NONE };
static const struct place unknown_frame = { "", "", "<unknown frame>", { 0, 0, -1, -1 }, .origin = ORIGIN_NONE };
static const struct place cut_frame = { "", "", "<frames missing>", { 0, 0, -1, -1 }, .origin = ORIGIN_NONE };

static struct place_row one_place(struct place_table *t, const struct place *p)
{
	struct place *own = arena_take(&t->arena, sizeof *own);

	*own = *p;
	return (struct place_row){ .at = own, .json = new_json(t, 1), .n = 1 };
}

static struct place_row find_row(struct place_table *t, node_id id)
{
	const struct node *node = defs_frame(&t->trace->defs, id);
	struct site site;
	struct place p;

	if (id <= NODE_UNKNOWN)
		return one_place(t, id == NODE_EMPTY ? &no_frame : &unknown_frame);
	if (node->kind == NODE_CUT)
		return one_place(t, &cut_frame);
	if (node->kind == NODE_NATIVE)
		return find_native(t, node);
	site = lines_site(&t->trace->defs, id);
	p = (struct place){ .file = site.file, .function = site.function, .at = site.at };
	classify(t, &p);
	return one_place(t, &p);
}

static const struct place_row *row_of(struct place_table *t, node_id node)
{
	if (!t->rows[node].at)
		t->rows[node] = find_row(t, node);
	return &t->rows[node];
}

const struct place *place_find(struct place_table *t, node_id node)
{
	const struct place_row *row = row_of(t, node);

	return &row->at[row->best];
}

const struct place *place_frames(struct place_table *t, node_id node, size_t *ret_n)
{
	const struct place_row *row = row_of(t, node);

	*ret_n = row->n;
	return row->at;
}

/* ---- sites ---- */

/* Whether a node is a site; what can't be one is not looked up. */
static bool node_is_site(struct place_table *t, node_id node)
{
	const struct node *n = defs_frame(&t->trace->defs, node);

	if (n->kind != NODE_NATIVE)
		return n->kind == NODE_PYTHON;
	return !(n->flags & NODE_INTERNAL) && use_of(t, n->module) == USE_SITES && is_site(place_find(t, node));
}

/* How well a frame that is no site names a stack that has none. */
static int worth(struct place_table *t, node_id node)
{
	const struct node *n = defs_frame(&t->trace->defs, node);
	const struct place *p;

	if (n->kind != NODE_NATIVE || n->flags & NODE_INTERNAL)
		return 0;
	p = place_find(t, node);
	if (use_of(t, n->module) == USE_SYSTEM)
		return *p->function == '?' ? 1 : 2;
	return *p->function == '?' ? 3 : 4;
}

/* Of a stack without a site, the innermost frame of those that name it best. */
static node_id second_best(struct place_table *t, node_id node)
{
	const struct defs *d = &t->trace->defs;
	node_id best = NODE_EMPTY;
	int best_worth = 0;

	for (; node > NODE_UNKNOWN; node = defs_frame(d, node)->parent) {
		int now = worth(t, node);

		if (now > best_worth) {
			best = node;
			best_worth = now;
		}
	}
	return best_worth ? best : node;
}

static node_id find_site(struct place_table *t, node_id node)
{
	const struct defs *d = &t->trace->defs;
	node_id at = node;

	while (at > NODE_UNKNOWN && !node_is_site(t, at))
		at = defs_frame(d, at)->parent;
	return at > NODE_UNKNOWN ? at : second_best(t, node);
}

node_id place_site(struct place_table *t, node_id node)
{
	if (!t->sites[node])
		t->sites[node] = find_site(t, node) + 1;
	return t->sites[node] - 1;
}

node_id place_caller(struct place_table *t, node_id site)
{
	return place_site(t, defs_frame(&t->trace->defs, site)->parent);
}

node_id place_blame(struct place_table *t, node_id node)
{
	node_id package = NODE_EMPTY, site = place_site(t, node), at = site;

	for (int i = 0; i < BLAME_DISTANCE && at > NODE_UNKNOWN; i++, at = place_caller(t, at)) {
		enum origin origin = place_find(t, at)->origin;

		if (origin == ORIGIN_USER)
			return at;
		if (origin == ORIGIN_IMPORT)
			break;
		if (origin == ORIGIN_PACKAGE && package == NODE_EMPTY)
			package = at;
	}
	return package == NODE_EMPTY ? site : package;
}

node_id place_importer(struct place_table *t, node_id node)
{
	node_id site = place_site(t, node), at = site;

	while (at > NODE_UNKNOWN && place_find(t, at)->origin == ORIGIN_IMPORT)
		at = place_caller(t, at);
	return at > NODE_UNKNOWN && !place_find(t, at)->module ? at : site;
}

uint64_t place_native_function(void *table, node_id node, bool alone)
{
	struct place_table *t = table;
	const struct place *p;
	uint64_t key;

	if (!(alone && use_of(t, defs_frame(&t->trace->defs, node)->module) != USE_SYSTEM) && !node_is_site(t, node))
		return 0;
	p = place_find(t, node);
	key = map_mix(pt_xxh3(p->module, strcspn(p->module, ".")) + (*p->function == '?' ? p->address : 0));
	return map_mix(key ^ pt_xxh3(p->function, strlen(p->function))) | 1;
}

/* Whether a frame tells what was done, rather than how memory is taken. */
static bool says_something(struct place_table *t, node_id node)
{
	const struct node *n = defs_frame(&t->trace->defs, node);
	const char *function;

	if (n->kind != NODE_NATIVE || n->flags & NODE_INTERNAL || use_of(t, n->module) == USE_SYSTEM)
		return false;
	function = place_find(t, node)->function;
	return *function != '?' && strncmp(function, "std::", 5) && strncmp(function, "__gnu_cxx::", 11);
}

node_id place_below(struct place_table *t, node_id node)
{
	const struct defs *d = &t->trace->defs;
	node_id site = place_site(t, node), at = node, found = NODE_EMPTY;

	if (site <= NODE_UNKNOWN || defs_frame(d, site)->kind != NODE_PYTHON)
		return NODE_EMPTY;
	for (; at != site && found == NODE_EMPTY; at = defs_frame(d, at)->parent) {
		if (says_something(t, at))
			found = at;
	}
	if (found == NODE_EMPTY || place_find(t, found)->origin == ORIGIN_STDLIB)
		return NODE_EMPTY;
	return found;
}
