/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refstyles: mistakes with references in code of other manners than refbugs.c: helpers, macros, goto, structures
 *
 * As there: bug_NAME beside ok_NAME, "BUG NAME" at the line to be named.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifndef Py_XSETREF
#define Py_XSETREF(at, value)                    \
	do {                                     \
		PyObject *old_ = (PyObject *)at; \
		(at) = (value);                  \
		Py_XDECREF(old_);                \
	} while (0)
#endif
#define OURS __attribute__((noinline))

/* ---- a helper forgets ---- */

static long noted;

OURS static void note_and_forget(PyObject *thing)
{
	Py_INCREF(thing); /* BUG helper */
	noted += PyObject_IsTrue(thing);
}

OURS static void note(PyObject *thing)
{
	Py_INCREF(thing);
	noted += PyObject_IsTrue(thing);
	Py_DECREF(thing);
}

static PyObject *bug_helper(PyObject *self, PyObject *thing)
{
	(void)self;
	note_and_forget(thing);
	Py_RETURN_NONE;
}

static PyObject *ok_helper(PyObject *self, PyObject *thing)
{
	(void)self;
	note(thing);
	Py_RETURN_NONE;
}

/* ---- a small function of one's own hands out references; one of its callers forgets ---- */

OURS static PyObject *another(PyObject *thing)
{
	Py_INCREF(thing);
	return thing;
}

static PyObject *bug_another(PyObject *self, PyObject *thing)
{
	PyObject *mine, *yours;

	(void)self;
	mine = another(thing);
	noted += PyObject_IsTrue(mine);
	Py_DECREF(mine);
	yours = another(thing); /* BUG another */
	noted += PyObject_IsTrue(yours);
	Py_RETURN_NONE;
}

static PyObject *ok_another(PyObject *self, PyObject *thing)
{
	PyObject *mine = another(thing);

	(void)self;
	noted += PyObject_IsTrue(mine);
	Py_DECREF(mine);
	return another(thing);
}

/* ---- goto: one label too early ---- */

static PyObject *with_goto(PyObject *thing, int wrong)
{
	PyObject *key = NULL, *dict = NULL, *result = NULL;

	Py_INCREF(thing); /* BUG goto */
	key = PyUnicode_FromString("key");
	if (!key)
		goto end;
	dict = PyDict_New();
	if (!dict || PyDict_SetItem(dict, key, thing) < 0)
		goto end;
	result = PyObject_GetAttrString(thing, "name");
	if (!result) {
		PyErr_Clear();
		if (wrong)
			goto forget;
	}
end:
	Py_DECREF(thing);
forget:
	Py_XDECREF(dict);
	Py_XDECREF(key);
	if (result)
		return result;
	Py_RETURN_NONE;
}

static PyObject *bug_goto(PyObject *self, PyObject *thing) { return (void)self, with_goto(thing, 1); }
static PyObject *ok_goto(PyObject *self, PyObject *thing) { return (void)self, with_goto(thing, 0); }

/* ---- an iterator's items ---- */

static PyObject *bug_iterator(PyObject *self, PyObject *things)
{
	PyObject *iterator = PyObject_GetIter(things), *thing;

	(void)self;
	while (iterator && (thing = PyIter_Next(iterator))) /* BUG iterator */
		noted += PyObject_IsTrue(thing);
	Py_XDECREF(iterator);
	Py_RETURN_NONE;
}

static PyObject *ok_iterator(PyObject *self, PyObject *things)
{
	PyObject *iterator = PyObject_GetIter(things), *thing;

	(void)self;
	while (iterator && (thing = PyIter_Next(iterator))) {
		noted += PyObject_IsTrue(thing);
		Py_DECREF(thing);
	}
	Py_XDECREF(iterator);
	Py_RETURN_NONE;
}

/* ---- what a method in Python returned ---- */

static PyObject *bug_method(PyObject *self, PyObject *shop)
{
	PyObject *thing;

	(void)self;
	thing = PyObject_CallMethod(shop, "sell", NULL); /* BUG method */
	if (!thing)
		return NULL;
	noted += PyObject_IsTrue(thing);
	Py_RETURN_NONE;
}

static PyObject *ok_method(PyObject *self, PyObject *shop)
{
	PyObject *thing = PyObject_CallMethod(shop, "sell", NULL);

	(void)self;
	if (!thing)
		return NULL;
	noted += PyObject_IsTrue(thing);
	Py_DECREF(thing);
	Py_RETURN_NONE;
}

/* ---- structures: held until they die, or until something else takes the place ---- */

struct shelf {
	PyObject_HEAD PyObject *thing;
};

static int shelf_init(PyObject *self, PyObject *args, PyObject *keywords)
{
	PyObject *thing;

	(void)keywords;
	if (!PyArg_ParseTuple(args, "O", &thing))
		return -1;
	Py_INCREF(thing); /* BUG dealloc */
	Py_XSETREF(((struct shelf *)self)->thing, thing);
	return 0;
}

static PyObject *shelf_put(PyObject *self, PyObject *thing)
{
	Py_INCREF(thing);
	Py_XSETREF(((struct shelf *)self)->thing, thing);
	Py_RETURN_NONE;
}

static PyObject *shelf_put_wrong(PyObject *self, PyObject *thing)
{
	Py_INCREF(thing); /* BUG setref */
	((struct shelf *)self)->thing = thing;
	Py_RETURN_NONE;
}

static void shelf_die(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	Py_CLEAR(((struct shelf *)self)->thing);
	type->tp_free(self);
	Py_DECREF(type);
}

static void shelf_die_wrong(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	type->tp_free(self);
	Py_DECREF(type);
}

/* ---- the last one is kept: no leak ---- */

static PyObject *last;

static PyObject *ok_last(PyObject *self, PyObject *thing)
{
	(void)self;
	Py_INCREF(thing);
	Py_XSETREF(last, thing);
	Py_RETURN_NONE;
}

/* ---- one reference for two containers ---- */

static PyObject *pair_of(PyObject *thing, int second)
{
	PyObject *a = PyTuple_New(1), *b = PyTuple_New(1), *both = NULL;

	if (!a || !b)
		return NULL;
	Py_INCREF(thing); /* BUG twice */
	PyTuple_SetItem(a, 0, thing);
	if (second)
		Py_INCREF(thing);
	PyTuple_SetItem(b, 0, thing);
	both = PyTuple_Pack(2, a, b);
	Py_DECREF(a);
	Py_DECREF(b);
	return both;
}

static PyObject *bug_twice(PyObject *self, PyObject *thing) { return (void)self, pair_of(thing, 0); }
static PyObject *ok_twice(PyObject *self, PyObject *thing) { return (void)self, pair_of(thing, 1); }

/* ---- the module ---- */

static PyMethodDef shelf_methods[] = {
	{ "put", shelf_put, METH_O, NULL },
	{ "put_wrong", shelf_put_wrong, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot shelf_slots[] = {
	{ Py_tp_init, shelf_init },
	{ Py_tp_dealloc, shelf_die },
	{ Py_tp_methods, shelf_methods },
	{ 0, NULL },
};

static PyType_Slot leaky_slots[] = {
	{ Py_tp_init, shelf_init },
	{ Py_tp_dealloc, shelf_die_wrong },
	{ 0, NULL },
};

static PyType_Spec shelf_spec = { "refstyles.Shelf", sizeof(struct shelf), 0, Py_TPFLAGS_DEFAULT, shelf_slots };
static PyType_Spec leaky_spec = { "refstyles.Leaky", sizeof(struct shelf), 0, Py_TPFLAGS_DEFAULT, leaky_slots };

#define PAIR(name) \
	{ "bug_" #name, bug_##name, METH_O, NULL }, { "ok_" #name, ok_##name, METH_O, NULL }
static PyMethodDef methods[] = {
	PAIR(helper),
	PAIR(another),
	PAIR(goto),
	PAIR(iterator),
	PAIR(method),
	PAIR(twice),
	{ "ok_last", ok_last, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "refstyles", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit_refstyles(void)
{
	PyObject *m = PyModule_Create(&module), *shelf = PyType_FromSpec(&shelf_spec),
		 *leaky = PyType_FromSpec(&leaky_spec);

	if (m && shelf && leaky && PyModule_AddObject(m, "Shelf", shelf) == 0 &&
	    PyModule_AddObject(m, "Leaky", leaky) == 0)
		return m;
	return NULL;
}
