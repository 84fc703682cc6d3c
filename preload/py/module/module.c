/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module: the row in the table of built-in modules, and the definition that it leads to
 *
 * The definition begins with an object's head, which is another one in free-threaded builds and has counted otherwise
 * since 3.12, so it is put together when the module is imported. It is made once, and is the same for all interpreters.
 */
#include "preload/py/module/module.h"
#include "preload/base/arena.h"
#include "preload/py/gc/collector_parts.h"
#include "preload/py/module/parts.h"

#include <string.h>

enum { BUILTINS_MAX = 10000, HEAD_MAX = 32 };
#define NAME "libpytrace"

/* CPython's struct _inittab (Include/import.h). */
struct row {
	const char *name;
	void *(*init)(void);
};

static struct row **in_force;  /* PyImport_Inittab */
static const struct row *seen; /* has our row */

/* ---- the definition ---- */

/* PyModuleDef: the head, PyModuleDef_Base's three words, and this. */
struct definition {
	char head[HEAD_MAX];
	struct {
		void *base[3];
		const char *name, *doc;
		intptr_t bytes;
		const struct api_method *methods;
		const struct api_slot *slots;
		void *traverse, *clear, *free;
	} rest;
};
static struct definition definition;

static const char doc[] =
	"What a program may ask of pytrace, which traces it.\n\n"
	"Built into libpytrace.so. Where a program runs without it, the Python package of the same name\n"
	"has the same functions, which do nothing.";

/* Takes the value; NULL: an error is set. */
static bool add(void *module, const char *name, void *value)
{
	bool ok = value && !api.PyObject_SetAttrString(module, name, value);

	if (value)
		api.Py_DecRef(value);
	return ok;
}

static int exec_module(void *module)
{
	return add(module, "__version__", api.PyUnicode_FromString(PYTRACE_VERSION)) &&
			       add(module, "region", region_type())
		       ? 0
		       : -1;
}

/* Ids of slots that a version does not know are errors in it. Free-threaded builds read flags in front of the count,
 * that of a static object among them. */
static const struct api_slot slots_8[] = { { API_MOD_EXEC, (void *)exec_module }, { 0 } };
static const struct api_slot slots_12[] = { { API_MOD_EXEC, (void *)exec_module },
					    { API_MOD_INTERPRETERS, (void *)2 }, /* with a GIL of their own */
					    { 0 } };
static const struct api_slot slots_13[] = { { API_MOD_EXEC, (void *)exec_module },
					    { API_MOD_INTERPRETERS, (void *)2 },
					    { API_MOD_GIL, (void *)1 }, /* it is not needed */
					    { 0 } };

/* The count of an object that is never freed. */
static void fill_head(char *head, unsigned minor)
{
	enum { FLAGS_AT = 8, LOCAL_AT = 12, STATIC = 4 };
	uint64_t count = minor < 12 ? 1 : minor < 14 ? UINT32_MAX : UINT64_C(3) << 30;

	if (!py_info()->free_threaded) {
		memcpy(head, &count, sizeof count);
		return;
	}
	head[FLAGS_AT] = minor < 14 ? 0 : STATIC;
	memset(head + LOCAL_AT, 0xff, sizeof(uint32_t));
}

static void *make_definition(void)
{
	unsigned minor = py_info()->hexversion >> 16 & 255;
	char *def = definition.head + HEAD_MAX - api_head();

	if (definition.rest.name)
		return def;
	fill_head(def, minor);
	definition.rest.doc = doc;
	definition.rest.methods = module_methods;
	definition.rest.slots = minor < 12 ? slots_8 : minor < 13 ? slots_12 : slots_13;
	definition.rest.name = NAME;
	return def;
}

/* PyInit_libpytrace. Several interpreters may be here at once, each with its GIL: they write the same. */
static void *init_module(void)
{
	if (!api_start()) {
		if (api.PyErr_Format && api.type_error)
			api.PyErr_Format(*api.type_error, "libpytrace needs what this interpreter does not export");
		return NULL;
	}
	return api.PyModuleDef_Init(make_definition());
}

/* ---- the row ---- */

static unsigned count(const struct row *rows)
{
	unsigned n = 0;

	while (rows && n < BUILTINS_MAX && rows[n].name)
		n++;
	return n;
}

static bool has_ours(const struct row *rows, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (rows[i].init == init_module)
			return true;
	return false;
}

static void put_row(void)
{
	struct row *old = *in_force, *table;
	unsigned n = count(old);

	if (n == BUILTINS_MAX || has_ours(old, n)) {
		seen = old;
		return;
	}
	table = arena_alloc((n + 2) * sizeof *table);
	if (!table)
		return;
	if (n)
		memcpy(table, old, n * sizeof *table);
	table[n] = (struct row){ NAME, init_module };
	seen = *in_force = table;
}

void module_start(const struct module_calls *calls)
{
	struct row **table = py_info()->hexversion ? py_symbol("PyImport_Inittab") : NULL;

	if (in_force || !table || !gc_is_writable(table, sizeof *table) ||
	    (py_symbols.is_initialized && py_symbols.is_initialized()))
		return;
	module_calls = calls;
	in_force = table;
	put_row();
}

void module_watch(void)
{
	if (in_force && *in_force != seen)
		put_row();
}
