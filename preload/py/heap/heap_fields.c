/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap_fields: which members of a C struct hold references, and what they are called
 *
 * Where from: a type's own table of members (slots of classes, and what C types show as attributes); the place of its
 * __dict__; and a list of what CPython's own structs hold and tell nobody. The structs are those of Objects/, Modules/
 * and Include/ of 3.8 to 3.15, counted in words behind the object's head where they never changed.
 */
#include "preload/py/heap/heap_parts.h"

#include <stddef.h>
#include <string.h>

enum { MEMBERS_MAX = 500, FIELDS_MAX = 256, BASES_MAX = 200 };
enum { MEMBER_OBJECT = 6, MEMBER_OBJECT_EX = 16, MEMBER_RELATIVE = 8 };

/* PyMemberDef, the same in all versions. */
struct member {
	const char *name;
	int kind;
	int64_t offset;
	int flags;
	const char *doc;
};

#define ANY       8, 99
#define WORD(n)   (n), 0
#define AT(field) 0, offsetof(struct py_layout, field)

static const struct {
	const char *type, *name;
	uint8_t first, last; /* minor versions */
	uint8_t word;        /* behind the head, or: */
	uint16_t field;      /* where the layout has the offset */
} known[] = {
	{ "cell", "cell_contents", ANY, WORD(0) },
	{ "method", "__func__", ANY, WORD(0) },
	{ "method", "__self__", ANY, WORD(1) },
	{ "builtin_function_or_method", "__self__", ANY, WORD(1) },
	{ "builtin_function_or_method", "__module__", ANY, WORD(2) },
	{ "builtin_method", "mm_class", 9, 99, WORD(5) },
	{ "module", "__dict__", ANY, WORD(0) },
	{ "module", "__name__", ANY, AT(module_name) },
	{ "function", "__code__", ANY, AT(func_code) },
	{ "function", "__globals__", ANY, AT(func_globals) },
	{ "function", "__builtins__", ANY, AT(func_builtins) },
	{ "function", "__name__", ANY, AT(func_name) },
	{ "function", "__qualname__", ANY, AT(func_qualname) },
	{ "function", "__defaults__", ANY, AT(func_defaults) },
	{ "function", "__kwdefaults__", ANY, AT(func_kwdefaults) },
	{ "function", "__closure__", ANY, AT(func_closure) },
	{ "function", "__doc__", ANY, AT(func_doc) },
	{ "function", "__dict__", ANY, AT(func_dict) },
	{ "function", "__module__", ANY, AT(func_module) },
	{ "function", "__annotations__", ANY, AT(func_annotations) },
	{ "function", "__annotate__", ANY, AT(func_annotate) },
	{ "function", "__type_params__", ANY, AT(func_typeparams) },
	{ "traceback", "tb_next", ANY, WORD(0) },
	{ "traceback", "tb_frame", ANY, WORD(1) },
	{ "property", "__name__", 10, 99, WORD(4) },
	{ "staticmethod", "__func__", ANY, WORD(0) },
	{ "classmethod", "__func__", ANY, WORD(0) },
	{ "method_descriptor", "__objclass__", ANY, WORD(0) },
	{ "method_descriptor", "__name__", ANY, WORD(1) },
	{ "method_descriptor", "__qualname__", ANY, WORD(2) },
	{ "classmethod_descriptor", "__objclass__", ANY, WORD(0) },
	{ "classmethod_descriptor", "__name__", ANY, WORD(1) },
	{ "classmethod_descriptor", "__qualname__", ANY, WORD(2) },
	{ "member_descriptor", "__objclass__", ANY, WORD(0) },
	{ "member_descriptor", "__name__", ANY, WORD(1) },
	{ "member_descriptor", "__qualname__", ANY, WORD(2) },
	{ "getset_descriptor", "__objclass__", ANY, WORD(0) },
	{ "getset_descriptor", "__name__", ANY, WORD(1) },
	{ "getset_descriptor", "__qualname__", ANY, WORD(2) },
	{ "wrapper_descriptor", "__objclass__", ANY, WORD(0) },
	{ "wrapper_descriptor", "__name__", ANY, WORD(1) },
	{ "wrapper_descriptor", "__qualname__", ANY, WORD(2) },
	{ "method-wrapper", "descr", ANY, WORD(0) },
	{ "method-wrapper", "__self__", ANY, WORD(1) },
	{ "mappingproxy", "mapping", ANY, WORD(0) },
	{ "super", "__thisclass__", ANY, WORD(0) },
	{ "super", "__self__", ANY, WORD(1) },
	{ "super", "__self_class__", ANY, WORD(2) },
	{ "weakref", "__callback__", ANY, AT(weakref_callback) },
	{ "weakref.ReferenceType", "__callback__", ANY, AT(weakref_callback) },
	{ "weakproxy", "__callback__", ANY, AT(weakref_callback) },
	{ "weakref.ProxyType", "__callback__", ANY, AT(weakref_callback) },
	{ "weakcallableproxy", "__callback__", ANY, AT(weakref_callback) },
	{ "weakref.CallableProxyType", "__callback__", ANY, AT(weakref_callback) },
	{ "dict_keys", "mapping", ANY, WORD(0) },
	{ "dict_values", "mapping", ANY, WORD(0) },
	{ "dict_items", "mapping", ANY, WORD(0) },
	{ "dict_keyiterator", "mapping", ANY, WORD(0) },
	{ "dict_valueiterator", "mapping", ANY, WORD(0) },
	{ "dict_itemiterator", "mapping", ANY, WORD(0) },
	{ "set_iterator", "set", ANY, WORD(0) },
	{ "list_iterator", "list", ANY, WORD(1) },
	{ "list_reverseiterator", "list", ANY, WORD(1) },
	{ "tuple_iterator", "tuple", ANY, WORD(1) },
	{ "iterator", "sequence", ANY, WORD(1) },
	{ "callable_iterator", "callable", ANY, WORD(0) },
	{ "callable_iterator", "sentinel", ANY, WORD(1) },
	{ "enumerate", "iterator", ANY, WORD(1) },
	{ "enumerate", "result", ANY, WORD(2) },
	{ "reversed", "sequence", ANY, WORD(1) },
	{ "map", "iterators", ANY, WORD(0) },
	{ "map", "function", ANY, WORD(1) },
	{ "filter", "function", ANY, WORD(0) },
	{ "filter", "iterator", ANY, WORD(1) },
	{ "zip", "iterators", ANY, WORD(1) },
	{ "zip", "result", ANY, WORD(2) },
	{ "itertools.chain", "source", ANY, WORD(0) },
	{ "itertools.chain", "active", ANY, WORD(1) },
	{ "itertools.cycle", "iterator", ANY, WORD(0) },
	{ "itertools.cycle", "saved", ANY, WORD(1) },
	{ "itertools.islice", "iterator", ANY, WORD(0) },
	{ "itertools.repeat", "element", ANY, WORD(0) },
	{ "itertools.starmap", "function", ANY, WORD(0) },
	{ "itertools.starmap", "iterator", ANY, WORD(1) },
	{ "functools.partial", "func", ANY, WORD(0) },
	{ "functools.partial", "args", ANY, WORD(1) },
	{ "functools.partial", "keywords", ANY, WORD(2) },
	{ "functools._lru_cache_wrapper", "cache", ANY, WORD(7) },
	{ "functools._lru_cache_wrapper", "__wrapped__", ANY, WORD(9) },
	{ "BaseException", "__dict__", ANY, WORD(0) },
	{ "BaseException", "args", ANY, WORD(1) },
	{ "BaseException", "__traceback__", 8, 10, WORD(2) },
	{ "BaseException", "__context__", 8, 10, WORD(3) },
	{ "BaseException", "__cause__", 8, 10, WORD(4) },
	{ "BaseException", "__notes__", 11, 99, WORD(2) },
	{ "BaseException", "__traceback__", 11, 99, WORD(3) },
	{ "BaseException", "__context__", 11, 99, WORD(4) },
	{ "BaseException", "__cause__", 11, 99, WORD(5) },
	{ "coroutine_wrapper", "coroutine", ANY, WORD(0) },
	{ "_abc_data", "registry", 8, 8, WORD(0) },
	{ "_abc_data", "cache", 8, 8, WORD(1) },
	{ "_abc_data", "negative cache", 8, 8, WORD(2) },
	{ "_abc._abc_data", "registry", 9, 99, WORD(0) },
	{ "_abc._abc_data", "cache", 9, 99, WORD(1) },
	{ "_abc._abc_data", "negative cache", 9, 99, WORD(2) },
	{ "_contextvars.Context", "variables", 9, 99, WORD(1) },
	{ "_asyncio.Future", "_loop", ANY, WORD(0) },
	{ "_asyncio.Future", "_callbacks", ANY, WORD(1) },
	{ "_asyncio.Future", "_context", ANY, WORD(2) },
	{ "_asyncio.Future", "_callbacks", ANY, WORD(3) },
	{ "_asyncio.Future", "_exception", ANY, WORD(4) },
	{ "_asyncio.Future", "_result", 8, 10, WORD(5) },
	{ "_asyncio.Future", "_exception_tb", 11, 99, WORD(5) },
	{ "_asyncio.Future", "_result", 11, 99, WORD(6) },
	{ "_asyncio.Task", "_loop", ANY, WORD(0) },
	{ "_asyncio.Task", "_callbacks", ANY, WORD(1) },
	{ "_asyncio.Task", "_context", ANY, WORD(2) },
	{ "_asyncio.Task", "_callbacks", ANY, WORD(3) },
	{ "_asyncio.Task", "_exception", ANY, WORD(4) },
	{ "_asyncio.Task", "_result", 8, 10, WORD(5) },
	{ "_asyncio.Task", "_exception_tb", 11, 99, WORD(5) },
	{ "_asyncio.Task", "_result", 11, 99, WORD(6) },
	{ "TaskStepMethWrapper", "task", ANY, WORD(0) },
	{ "TaskStepMethWrapper", "argument", ANY, WORD(1) },
	{ "TaskWakeupMethWrapper", "task", ANY, WORD(0) },
	{ "types.GenericAlias", "__origin__", 9, 99, WORD(0) },
	{ "types.GenericAlias", "__args__", 9, 99, WORD(1) },
	{ "types.GenericAlias", "__parameters__", 9, 99, WORD(2) },
};

/* ---- kinds ---- */

static const struct {
	const char *name; /* of a static type */
	uint8_t kind;
} kinds[] = {
	{ "collections.deque", KIND_DEQUE },
	{ "functools._lru_cache_wrapper", KIND_CACHE },
	{ "datetime.datetime", KIND_DATETIME },
	{ "datetime.time", KIND_TIME },
	{ "functools._lru_list_elem", KIND_HELD },
	{ "code", KIND_CODE },
	{ "frame", KIND_FRAME },
	{ "generator", KIND_GENERATOR },
	{ "coroutine", KIND_GENERATOR },
	{ "async_generator", KIND_GENERATOR },
	{ "set", KIND_SET },
	{ "frozenset", KIND_SET },
	{ "float", KIND_LEAF },
	{ "complex", KIND_LEAF },
	{ "NoneType", KIND_LEAF },
	{ "bool", KIND_LEAF },
	{ "ellipsis", KIND_LEAF },
	{ "NotImplementedType", KIND_LEAF },
};

static const struct {
	uint64_t flag;
	uint8_t kind;
} by_flag[] = {
	{ FLAG_TYPE, KIND_TYPE }, { FLAG_DICT, KIND_DICT },  { FLAG_LIST, KIND_LIST }, { FLAG_TUPLE, KIND_TUPLE },
	{ FLAG_STR, KIND_LEAF },  { FLAG_BYTES, KIND_LEAF }, { FLAG_INT, KIND_LEAF },
};

/* Made by a class statement, so it may be called anything. C types made at run time have their module in the name. */
static bool is_class(const char *type)
{
	return (PY_AT(uint64_t, type, py_layout.type_flags) & FLAG_HEAP) &&
	       !strchr(heap_word(type, py_layout.type_name), '.');
}

static uint8_t kind_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (!strcmp(kinds[i].name, name))
			return kinds[i].kind;
	return KIND_OTHER;
}

static uint8_t kind_of(const struct heap_type *t)
{
	uint8_t kind = KIND_OTHER;

	for (size_t i = 0; i < sizeof by_flag / sizeof *by_flag; i++)
		if (t->flags & by_flag[i].flag)
			return by_flag[i].kind;
	for (const char *base = t->address; base && kind == KIND_OTHER; base = heap_word(base, py_layout.type_base))
		if (!is_class(base))
			kind = kind_by_name(heap_word(base, py_layout.type_name));
	return kind;
}

/* Has pointers to what others own: a weak reference and its list, a descriptor and its type's table. */
static bool borrows(const struct heap_type *t)
{
	static const char *const what[] = { "weakref", "weakproxy", "weakcallableproxy", "_descriptor" };

	for (const char *base = t->address; base; base = heap_word(base, py_layout.type_base))
		for (size_t i = 0; i < sizeof what / sizeof *what; i++)
			if (!is_class(base) && strstr(heap_word(base, py_layout.type_name), what[i]))
				return true;
	return false;
}

/* What has attributes or holds references besides those of its kind is written edge by edge. */
void heap_fields_kind(struct heap_type *t)
{
	const char *name = heap_word(t->address, py_layout.type_name);

	t->kind = kind_of(t);
	t->exact = !(t->flags & FLAG_HEAP);
	if (t->kind == KIND_DEQUE)
		t->exact = !strcmp(name, "collections.deque");
	else if (t->kind == KIND_DICT)
		t->exact = t->exact && !strcmp(name, "dict");
	else if (t->kind == KIND_TUPLE || t->kind == KIND_LIST)
		t->exact = t->exact && !strcmp(name, t->kind == KIND_LIST ? "list" : "tuple");
	else if (t->kind == KIND_LEAF && (!t->exact || (t->flags & FLAG_GC)))
		t->kind = KIND_OTHER;
	else if (t->kind == KIND_SET && !t->exact)
		t->kind = KIND_OTHER;
	t->is_module = t->exact && !strcmp(name, "module");
	t->is_function = t->exact && !strcmp(name, "function");
	t->is_task = !strcmp(name, "_asyncio.Task");
	t->may_scan = (t->kind == KIND_OTHER || t->kind == KIND_DEQUE) && !t->is_function &&
		      !(t->flags & (FLAG_INT | FLAG_STR | FLAG_BYTES)) && !borrows(t);
}

/* ---- fields ---- */

struct found {
	unsigned n;
	struct heap_field at[FIELDS_MAX];
};

static void put(struct found *f, const struct heap_type *t, int64_t offset, const char *name)
{
	if (offset < heap_head() || offset + 8 > t->basic || offset & 7 || f->n == FIELDS_MAX)
		return;
	for (unsigned i = 0; i < f->n; i++)
		if (f->at[i].offset == offset)
			return;
	f->at[f->n++] = (struct heap_field){ (uint32_t)offset, heap_text_string(name),
					     t->kind == KIND_DICT ? heap_type_key(t->address, name) : NULL };
}

static void put_known(struct found *f, const struct heap_type *t, const char *base)
{
	const char *name = heap_word(base, py_layout.type_name);

	if (is_class(base))
		return;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		unsigned offset =
			known[i].field ? PY_AT(uint16_t, &py_layout, known[i].field) : heap_head() + 8u * known[i].word;

		if (!strcmp(known[i].type, name) && py_layout.minor >= known[i].first &&
		    py_layout.minor <= known[i].last)
			put(f, t, offset, known[i].name);
	}
}

static void put_members(struct found *f, const struct heap_type *t, const char *base)
{
	const struct member *m = PY_AT(struct member *, base, py_layout.type_members);

	for (int i = 0; m && m[i].name && i < MEMBERS_MAX; i++)
		if ((m[i].kind == MEMBER_OBJECT || m[i].kind == MEMBER_OBJECT_EX) && !(m[i].flags & MEMBER_RELATIVE))
			put(f, t, m[i].offset, m[i].name);
}

/* Of a kind that is written in a way of its own: those fields are found there. */
static bool has_own_writer(const struct heap_type *t)
{
	return t->kind == KIND_TYPE || t->kind == KIND_CODE || t->kind == KIND_FRAME ||
	       (t->exact && (t->kind == KIND_DICT || t->kind == KIND_LIST || t->kind == KIND_TUPLE));
}

void heap_fields_find(struct heap_type *t)
{
	struct found f = { 0 };
	int bases = 0;

	if (has_own_writer(t))
		return;
	for (const char *base = t->address; base && bases++ < BASES_MAX; base = heap_word(base, py_layout.type_base)) {
		put_known(&f, t, base);
		put_members(&f, t, base);
	}
	if (t->dict_at > 0)
		put(&f, t, t->dict_at, "__dict__");
	t->fields = f.n ? heap_types_memory(f.n * sizeof *t->fields) : NULL;
	if (!t->fields)
		return;
	memcpy(t->fields, f.at, f.n * sizeof *t->fields);
	t->n_fields = f.n;
	if (t->kind == KIND_LEAF)
		t->kind = KIND_OTHER;
}
