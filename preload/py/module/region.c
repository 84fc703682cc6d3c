/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region: the type libpytrace.region, a context manager and a decorator
 *
 * An object is its label and nothing else, so one may be entered by many threads and tasks, and again while it is
 * entered: the events say which thread it was, and the reader which task ran. Entering and leaving are C, and allocate
 * nothing: not a byte of theirs is within the region. What decorates functions is Python code, wrap.py.
 */
#include "preload/py/module/parts.h"

#include <string.h>

static const char wrap_source[] =
#include "preload/py/wrap.h" /* made of wrap.py */
	;

static void *label_of(void *region) { return PY_AT(void *, region, api_head()); }

static void *new_region(void *type, void *args, void *kwargs)
{
	char name[] = "label", *names[] = { name, NULL };
	void *label, *region;

	if (!api.PyArg_ParseTupleAndKeywords(args, kwargs, "U:region", names, &label))
		return NULL;
	region = api.PyType_GenericAlloc(type, 0);
	if (!region)
		return NULL;
	api.Py_IncRef(label);
	*(void **)((char *)region + api_head()) = label;
	return region;
}

/* From 3.8 on an object of a type made at run time holds its type. */
static void free_region(void *region)
{
	void *type = api_type(region), *label = label_of(region);

	api.PyObject_Free(region);
	if (label)
		api.Py_DecRef(label);
	api.Py_DecRef(type);
}

static void *repr_region(void *region) { return api.PyUnicode_FromFormat("libpytrace.region(%R)", label_of(region)); }

static void tell(void *region, enum module_region what)
{
	char buf[API_LABEL_BYTES];
	struct piece label;

	if (api_label("region", label_of(region), false, buf, &label))
		module_calls->region(label, what);
}

static void *enter(void *region, void *unused)
{
	(void)unused;
	tell(region, MODULE_REGION_BEGIN);
	api.Py_IncRef(region);
	return region;
}

static void *resume(void *region, void *unused)
{
	(void)unused;
	tell(region, MODULE_REGION_RESUME);
	return api_return_none();
}

/* The exception, if there is one, is not ours to look at. */
static void *leave(void *region, void *const *given, intptr_t n, void *keywords)
{
	(void)given;
	(void)n;
	(void)keywords;
	tell(region, MODULE_REGION_END);
	return api_return_none();
}

static const struct api_method methods[] = {
	{ "__enter__", (void *)enter, API_NO_ARGUMENTS,
	  "__enter__($self)\n--\n\nEnter the region, in this thread and task." },
	{ "__exit__", (void *)leave, API_FAST_WITH_KEYWORDS, "__exit__($self, *exception)\n--\n\nLeave the region." },
	{ "_resume", (void *)resume, API_NO_ARGUMENTS,
	  "_resume($self)\n--\n\nEnter it after a pause: no further time." },
	{ 0 },
};

/* Runs wrap.py in a namespace of its own. What it calls __call__ becomes the type's. */
static bool add_call(void *type)
{
	void *globals = api.PyDict_New(), *code = api.Py_CompileString(wrap_source, "<libpytrace>", API_FILE_INPUT);
	void *done = NULL, *call = NULL, *name = api.PyUnicode_FromString("libpytrace");
	bool ok;

	if (globals && code && name && !api.PyDict_SetItemString(globals, "__name__", name) &&
	    !api.PyDict_SetItemString(globals, "__builtins__", api.PyEval_GetBuiltins()))
		done = api.PyEval_EvalCode(code, globals, globals);
	if (done)
		call = api.PyDict_GetItemString(globals, "__call__");
	ok = call && !api.PyObject_SetAttrString(type, "__call__", call);
	if (done)
		api.Py_DecRef(done);
	if (name)
		api.Py_DecRef(name);
	if (code)
		api.Py_DecRef(code);
	if (globals)
		api.Py_DecRef(globals);
	return ok;
}

/* Up to 3.8 the type goes on pointing to it. */
static struct api_member members[] = {
	{ "label", API_MEMBER_OBJECT, 0, API_MEMBER_READ_ONLY, "What it is called." },
	{ 0 },
};

#define SIGNATURE "region(label)\n--\n\n"
static const char doc[] = /* up to 3.9 one signature is taken off it when the type is made, and a second one is read */
	SIGNATURE SIGNATURE
	"A part of the program that reports can be limited to.\n\n"
	"A context manager, and a decorator of functions, coroutines and generators. What a thread\n"
	"(in it, an asyncio task) does from entering to leaving belongs to it.";

void *region_type(void)
{
	bool is_stripped = (py_info()->hexversion >> 16 & 255) < 10;
	const struct api_slot slots[] = {
		{ API_TP_DOC, (void *)(doc + (is_stripped ? 0 : strlen(SIGNATURE))) },
		{ API_TP_NEW, (void *)new_region },
		{ API_TP_DEALLOC, (void *)free_region },
		{ API_TP_REPR, (void *)repr_region },
		{ API_TP_METHODS, (void *)methods },
		{ API_TP_MEMBERS, (void *)members },
		{ 0 },
	};
	const struct api_spec spec = { "libpytrace.region", (int)(api_head() + sizeof(void *)), 0, 1 << 18, slots };
	void *type;

	members[0].offset = (intptr_t)api_head();
	type = api.PyType_FromSpec(&spec);
	if (type && !add_call(type)) {
		api.Py_DecRef(type);
		type = NULL;
	}
	return type;
}
