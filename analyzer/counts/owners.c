/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/counts/owners.h"
#include "analyzer/base/path.h"
#include "analyzer/models/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A library of the system, or one that a package brought along for its modules: what is called through it counts, it
 * does not know Python. */
static bool is_library(const char *path)
{
	static const char *const folders[] = { "/usr/lib", "/lib/", "/lib32/", "/lib64/" };

	if (strncmp(path_name(path), "lib", 3))
		return false;
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		if (!strncmp(path, folders[i], strlen(folders[i])))
			return true;
	}
	return strstr(path, ".libs/");
}

/* Modules of the standard library: their counts are as good as Python's. */
static bool comes_with_python(const char *path)
{
	return strstr(path, "/lib-dynload/") || !strncmp(path_name(path), "libffi.", 7);
}

bool owners_is_extension(const struct defs *d, node_id node)
{
	const struct node *n = defs_frame(d, node);
	const struct module *m;
	const char *path;

	if (n->kind != NODE_NATIVE || n->flags & NODE_INTERNAL)
		return false;
	m = &d->modules.at.at[n->module];
	path = strings_text(&d->strings, m->path);
	return m->role == MODULE_OTHER && !comes_with_python(path) && !is_library(path);
}

/* The machinery of import, and the body of a module that it runs. `caller`: what called the frame. */
static bool is_import(const struct defs *d, const struct node *n, const struct owner *caller)
{
	const struct code *code = &d->codes.at[n->code];
	const char *file = strings_text(&d->strings, code->file);

	if (caller->import && !caller->frame && !strcmp(strings_text(&d->strings, code->name), "<module>"))
		return true;
	return strstr(file, "importlib._bootstrap") || strstr(file, "importlib/_bootstrap");
}

/* What a frame on top of a stack makes of the owner below. */
static struct owner add_frame(const struct defs *d, struct owner o, node_id node)
{
	const struct node *n = defs_frame(d, node);

	o.direct = false;
	if (n->kind == NODE_PYTHON) {
		return (struct owner){
			.python = node,
			.outer = o.frame ? o.frame : o.outer,
			.import = is_import(d, n, &o),
		};
	}
	if (owners_is_extension(d, node)) {
		o.frame = node;
		o.entry = o.entry ? o.entry : node;
		o.direct = n->flags & NODE_EXACT;
	}
	return o;
}

void owners_init(struct owners *o, const struct defs *d, const struct owner_names *names)
{
	*o = (struct owners){ .defs = d, .names = names, .n = d->stacks.nodes.n };
	o->at = mem_zero(o->n + 1, sizeof *o->at);
	for (node_id node = NODE_UNKNOWN + 1; node < o->n; node++)
		o->at[node] = add_frame(d, o->at[defs_frame(d, node)->parent], node);
}

void owners_free(struct owners *o)
{
	free(o->at);
	*o = (struct owners){ 0 };
}

/* ---- numbers ---- */

static uint64_t mix(uint64_t a, uint64_t b) { return map_mix(a ^ map_mix(b + 1)) | 1; }

uint64_t owners_function(const struct owners *o, node_id frame)
{
	const struct node *n = defs_frame(o->defs, frame);

	if (frame <= NODE_UNKNOWN)
		return 0;
	if (n->kind == NODE_PYTHON)
		return mix(n->code, NODE_PYTHON);
	if (o->names && o->names->function)
		return o->names->function(o->names->self, frame);
	return mix(n->module, n->kind);
}

static struct owner_level level_of(const struct owners *o, node_id frame)
{
	struct owner_level at = { frame, 0 };

	if (frame > NODE_UNKNOWN && o->names && o->names->functions)
		o->names->functions(o->names->self, frame, &at.inner);
	return at;
}

struct owner_level owners_level(const struct owners *o, node_id frame)
{
	struct owner_level at = level_of(o, frame);

	while (o->names && o->names->serves && o->names->serves(o->names->self, at.node, at.inner) &&
	       owners_caller(o, &at))
		;
	return at;
}

bool owners_caller(const struct owners *o, struct owner_level *at)
{
	const struct node *n = defs_frame(o->defs, at->node);
	const struct owner *caller;
	unsigned best, functions = 1;

	if (at->node <= NODE_UNKNOWN || n->kind != NODE_NATIVE)
		return false;
	if (o->names && o->names->functions)
		functions = o->names->functions(o->names->self, at->node, &best);
	if (at->inner + 1 < functions) {
		at->inner++;
		return true;
	}
	caller = owner_of(o, n->parent);
	if (!caller->frame)
		return false;
	*at = level_of(o, caller->frame);
	return true;
}

uint64_t owners_line(const struct owners *o, struct owner_level at)
{
	const struct node *n = defs_frame(o->defs, at.node);

	if (at.node <= NODE_UNKNOWN)
		return 0;
	if (n->kind == NODE_PYTHON)
		return mix(owners_function(o, at.node), (uint64_t)lines_site(o->defs, at.node).at.line);
	if (o->names && o->names->line)
		return o->names->line(o->names->self, at.node, at.inner);
	return mix(owners_function(o, at.node), node_address(n));
}

uint64_t owners_call(const struct owners *o, node_id frame)
{
	return frame <= NODE_UNKNOWN ? 0 : mix(owners_function(o, frame), defs_frame(o->defs, frame)->parent);
}

uint64_t owners_call_line(const struct owners *o, node_id frame)
{
	if (frame <= NODE_UNKNOWN)
		return 0;
	return mix(owners_line(o, owners_level(o, frame)), defs_frame(o->defs, frame)->parent);
}

const char *owners_where(const struct owners *o, struct owner_level at, char *buf, size_t cap)
{
	const struct node *n = defs_frame(o->defs, at.node);
	struct site s;

	if (o->names && o->names->where)
		return o->names->where(o->names->self, at.node, at.inner, buf, cap);
	if (at.node <= NODE_UNKNOWN || n->kind == NODE_CUT) {
		snprintf(buf, cap, "an unknown place");
	} else if (n->kind == NODE_PYTHON) {
		s = lines_site(o->defs, at.node);
		snprintf(buf, cap, "%s:%d in %s", path_name(s.file), s.at.line, s.function);
	} else {
		snprintf(buf, cap, "%s+0x%" PRIx64, modules_name(&o->defs->modules, &o->defs->strings, n->module),
			 node_address(n));
	}
	return buf;
}
