/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_module: between the program and its gc module
 *
 * What:  PyInit_gc is called through us, for what it makes shows the list of callbacks, or makes it (up to 3.10); and
 *        the functions that start a collection or change a setting, for only they know who called them.
 * How:   the table of built-in modules, and a module's tables of methods and slots, are the interpreter's data, which
 *        it may write: a pointer in them is exchanged. Where it may not, nothing is.
 */
#include "preload/py/gc/collector_parts.h"
#include "preload/py/peek.h"
#include "preload/base/tracer.h"

#include <link.h>
#include <string.h>

/* CPython's struct _inittab (Include/import.h), PyMethodDef, PyModuleDef_Slot. */
struct builtin {
	const char *name;
	void *(*init)(void);
};
struct method {
	const char *name;
	void *(*call)(void *, void *, void *, void *);
	int flags;
	const char *doc;
};
struct slot {
	int id;
	void *value;
};
enum { SLOT_EXEC = 2, SLOT_EXEC_15 = 85, METHODS_MAX = 100, BUILTINS_MAX = 10000 };
/* In a PyModuleDef, behind the head of an object. */
enum { DEF_METHODS_AT = 48, DEF_SLOTS_AT = 56 };
enum { MODULE_DEF_AT = 8 }; /* in a module, behind the head: its dict, then its definition */
#define HEAD_BYTES ((size_t)py_layout.object_type + sizeof(void *))

static void *(*real_init)(void);
static int (*real_exec)(void *module);
static __thread unsigned collecting_depth __attribute__((tls_model("initial-exec")));

bool gc_module_is_collecting(void) { return collecting_depth > 0; }

/* ---- writable data ---- */

struct span {
	uintptr_t start, end;
	bool writable;
};

static int look_at_object(struct dl_phdr_info *object, size_t size, void *arg)
{
	struct span *span = arg;
	bool found = false;

	(void)size;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + h->p_vaddr;

		if (span->start < start || span->end > start + h->p_memsz)
			continue;
		if (h->p_type == PT_LOAD)
			span->writable = h->p_flags & PF_W, found = true;
		else if (h->p_type == PT_GNU_RELRO)
			return span->writable = false, 1;
	}
	return found;
}

bool gc_is_writable(const void *p, size_t bytes)
{
	struct span span = { (uintptr_t)p, (uintptr_t)p + bytes, false };

	dl_iterate_phdr(look_at_object, &span);
	return span.writable;
}

/* ---- the functions ---- */

/* They are called in several ways, none with more than four arguments; whichever it is, all four are passed on. */
#define METHODS(X)       \
	X(collect)       \
	X(enable)        \
	X(disable)       \
	X(set_debug)     \
	X(set_threshold) \
	X(freeze)        \
	X(unfreeze)

enum wrapped {
#define X(name) WRAPPED_##name,
	METHODS(X)
#undef X
		WRAPPED
};
static void *(*real_methods[WRAPPED])(void *, void *, void *, void *);

static void *(*freeze_count)(void *, void *, void *, void *); /* gc.get_freeze_count() */

/* What the interpreter itself counts. Free-threaded builds have no list to be counted. */
static uint64_t frozen(void *module)
{
	void (*dec)(void *);
	void *n = freeze_count ? freeze_count(module, NULL, NULL, NULL) : NULL, *p = py_symbol("Py_DecRef");
	uint64_t ret = 0;

	memcpy(&dec, &p, sizeof dec);
	if (n && py_int(n, &ret) && dec)
		dec(n);
	return ret;
}

static void *wrapped_call(enum wrapped which, void *a, void *b, void *c, void *d)
{
	void *ret;

	collecting_depth += which == WRAPPED_collect;
	ret = real_methods[which](a, b, c, d);
	collecting_depth -= which == WRAPPED_collect;
	if ((which == WRAPPED_freeze || which == WRAPPED_unfreeze) && tracer_is_paused())
		collector_frozen_later(); /* to count them takes as long as there are many */
	else if (which == WRAPPED_freeze || which == WRAPPED_unfreeze)
		collector_frozen(frozen(a));
	else if (which != WRAPPED_collect)
		collector_settings_called();
	return ret;
}

#define X(name)                                                         \
	static void *wrapped_##name(void *a, void *b, void *c, void *d) \
	{                                                               \
		return wrapped_call(WRAPPED_##name, a, b, c, d);        \
	}
METHODS(X)
#undef X

static const struct {
	const char *name;
	void *(*call)(void *, void *, void *, void *);
} wrappers[WRAPPED] = {
#define X(name) { #name, wrapped_##name },
	METHODS(X)
#undef X
};

static void patch_method(struct method *m)
{
	for (unsigned i = 0; i < WRAPPED; i++) {
		if (strcmp(m->name, wrappers[i].name) != 0 || m->call == wrappers[i].call)
			continue;
		if (!gc_is_writable(m, sizeof *m))
			return;
		real_methods[i] = m->call;
		__atomic_store_n(&m->call, wrappers[i].call, __ATOMIC_RELEASE);
	}
}

static void patch_methods(const char *def)
{
	struct method *m = PY_AT(struct method *, def, HEAD_BYTES + DEF_METHODS_AT);

	for (unsigned i = 0; m && i < METHODS_MAX && py_readable(m) && m->name; i++, m++) {
		if (!strcmp(m->name, "get_freeze_count"))
			freeze_count = m->call;
		patch_method(m);
	}
}

/* ---- the module ---- */

static int exec_module(void *module)
{
	int ret;

	collector_hide();
	ret = real_exec(module);
	collector_show();
	return ret;
}

/* Whether what has to run between hide and show does. */
static void patch_slots(const char *def)
{
	struct slot *s = PY_AT(struct slot *, def, HEAD_BYTES + DEF_SLOTS_AT);

	for (; s && py_readable(s) && s->id; s++) {
		if ((s->id != SLOT_EXEC && (s->id != SLOT_EXEC_15 || py_layout.minor < 15)) ||
		    s->value == (void *)exec_module || !gc_is_writable(s, sizeof *s))
			continue;
		memcpy(&real_exec, &s->value, sizeof real_exec);
		s->value = (void *)exec_module;
	}
}

/* What PyInit_gc returns is a module (up to 3.9) or, since its slots are run later, its definition. */
static void *init_module(void)
{
	const void *def_type = py_symbol("PyModuleDef_Type"), *module_type = py_symbol("PyModule_Type");
	char *made;

	collector_hide();
	made = real_init();
	collector_show();
	if (made && py_is(made, def_type))
		patch_slots(made), patch_methods(made);
	else if (made && py_is(made, module_type) && PY_AT(char *, made, HEAD_BYTES + MODULE_DEF_AT))
		patch_methods(PY_AT(char *, made, HEAD_BYTES + MODULE_DEF_AT));
	return made;
}

bool gc_module_start(void)
{
	struct builtin **table = py_symbol("PyImport_Inittab"), *b = table ? *table : NULL;

	for (unsigned i = 0; b && i < BUILTINS_MAX && b->name; i++, b++) {
		if (strcmp(b->name, "gc") != 0)
			continue;
		if (b->init == init_module)
			return true;
		if (!gc_is_writable(b, sizeof *b))
			return false;
		real_init = b->init;
		b->init = init_module;
		return true;
	}
	return false;
}
