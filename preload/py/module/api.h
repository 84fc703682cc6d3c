/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api: the C-API as the module uses it: exported functions and structs of the stable ABI, found by name
 *
 * What:  a table of functions, filled when the module is imported for the first time; the few structs and numbers that
 *        an extension would have from Python.h, the same from 3.8 to 3.15.
 * Who:   this room, with the GIL, outside of hooks.
 */
#pragma once
#include "preload/record/labels.h"
#include "preload/py/parts.h"

/* name, what it returns, its arguments; an object is a void *. */
#define API_FUNCTIONS(X)                                                                                       \
	X(PyArg_ParseTupleAndKeywords, int, (void *args, void *kwargs, const char *format, char **names, ...)) \
	X(PyBool_FromLong, void *, (long value))                                                               \
	X(PyDict_New, void *, (void))                                                                          \
	X(PyDict_GetItemString, void *, (void *dict, const char *key))                                         \
	X(PyDict_SetItemString, int, (void *dict, const char *key, void *value))                               \
	X(PyErr_Clear, void, (void))                                                                           \
	X(PyErr_Format, void *, (void *type, const char *format, ...))                                         \
	X(PyEval_EvalCode, void *, (void *code, void *globals, void *locals))                                  \
	X(PyEval_GetBuiltins, void *, (void))                                                                  \
	X(PyEval_RestoreThread, void, (void *tstate))                                                          \
	X(PyEval_SaveThread, void *, (void))                                                                   \
	X(PyLong_FromUnsignedLongLong, void *, (unsigned long long value))                                     \
	X(PyModuleDef_Init, void *, (void *def))                                                               \
	X(PyObject_Free, void, (void *block))                                                                  \
	X(PyObject_SetAttrString, int, (void *object, const char *name, void *value))                          \
	X(PyTuple_GetItem, void *, (void *tuple, intptr_t i))                                                  \
	X(PyTuple_Size, intptr_t, (void *tuple))                                                               \
	X(PyType_FromSpec, void *, (const void *spec))                                                         \
	X(PyType_GenericAlloc, void *, (void *type, intptr_t items))                                           \
	X(PyType_GetFlags, unsigned long, (void *type))                                                        \
	X(PyUnicode_AsUTF8AndSize, const char *, (void *str, intptr_t *ret_bytes))                             \
	X(PyUnicode_CompareWithASCIIString, int, (void *str, const char *text))                                \
	X(PyUnicode_DecodeFSDefault, void *, (const char *text))                                               \
	X(PyUnicode_FromFormat, void *, (const char *format, ...))                                             \
	X(PyUnicode_FromString, void *, (const char *text))                                                    \
	X(Py_CompileString, void *, (const char *text, const char *file, int start))                           \
	X(Py_DecRef, void, (void *object))                                                                     \
	X(Py_IncRef, void, (void *object))

struct api {
#define X(name, type, arguments) type(*name) arguments;
	API_FUNCTIONS(X)
#undef X
	void *none;
	void **type_error; /* the exception is what it points to */
};
extern struct api api __attribute__((visibility("hidden")));

/* Fills the table. False when this interpreter hides something of it. */
bool api_start(void);

/* PyMethodDef, PyMemberDef, PyType_Slot or PyModuleDef_Slot, PyType_Spec. */
struct api_method {
	const char *name;
	void *call;
	int flags;
	const char *doc;
};
struct api_member {
	const char *name;
	int type;
	intptr_t offset;
	int flags;
	const char *doc;
};
struct api_slot {
	int id;
	void *value;
};
struct api_spec {
	const char *name;
	int bytes, item_bytes;
	unsigned flags;
	const struct api_slot *slots;
};

enum { API_NO_ARGUMENTS = 4, API_FAST_WITH_KEYWORDS = 0x80 | 2 }; /* METH_NOARGS, METH_FASTCALL | METH_KEYWORDS */
enum { API_MEMBER_OBJECT = 16, API_MEMBER_READ_ONLY = 1 };        /* T_OBJECT_EX, READONLY */
enum {
	API_TP_CALL = 50,
	API_TP_DEALLOC = 52,
	API_TP_DOC = 56,
	API_TP_METHODS = 64,
	API_TP_NEW = 65,
	API_TP_REPR = 66,
	API_TP_MEMBERS = 72
};
enum { API_MOD_EXEC = 2, API_MOD_INTERPRETERS = 3, API_MOD_GIL = 4 };
enum { API_FILE_INPUT = 257 }; /* Py_file_input */

/* How long the head of an object is: count and type. */
static inline size_t api_head(void) { return py_info()->free_threaded ? 32 : 16; }
static inline void *api_type(const void *object) { return PY_AT(void *, object, api_head() - sizeof(void *)); }
/* tp_name: behind the head and the size of a type, which is a var object. */
static inline const char *api_type_name(const void *object)
{
	return PY_AT(const char *, api_type(object), api_head() + 8);
}

static inline bool api_is_str(void *object) { return api.PyType_GetFlags(api_type(object)) & FLAG_STR; }
static inline void *api_return_none(void)
{
	api.Py_IncRef(api.none);
	return api.none;
}

/* What a call of a function may have: the names of its arguments in their order, the first `required` of which must be
 * there. */
struct api_arguments {
	const char *function;
	const char *const *names;
	int n, required;
};
/* Sorts what came by position and by keyword into values[n], NULL where none came; borrowed. False: TypeError is set.
 */
bool api_arguments(const struct api_arguments *a, void *const *given, intptr_t n_given, void *keywords, void *values[]);
enum { API_LABEL_BYTES = LABEL_BYTES + 8 }; /* what buffers for a label must hold */
/* The same for a label: a str, or (`optional`) None and nothing. A text as it goes into a trace, at most of LABEL_BYTES
 * in `buf`; data NULL: there is none. False: TypeError is set. */
bool api_label(const char *function, void *object, bool optional, char *buf, struct piece *ret);
