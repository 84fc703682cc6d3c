/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refbugs: the classic mistakes with references in C, each beside the same code done right
 *
 * bug_NAME has one mistake, ok_NAME none. The comment "BUG NAME" stands at the line that a report has to name: of a
 * reference too many the line that took it, of one too few the line that gave what it did not have.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* ---- a reference is not given back on an error path ---- */

static PyObject *bug_error_path(PyObject *self, PyObject *thing)
{
	PyObject *name;

	(void)self;
	Py_INCREF(thing); /* BUG error_path */
	name = PyObject_GetAttrString(thing, "name");
	if (!name)
		return NULL;
	Py_DECREF(thing);
	return name;
}

static PyObject *ok_error_path(PyObject *self, PyObject *thing)
{
	PyObject *name;

	(void)self;
	Py_INCREF(thing);
	name = PyObject_GetAttrString(thing, "name");
	if (!name) {
		Py_DECREF(thing);
		return NULL;
	}
	Py_DECREF(thing);
	return name;
}

/* ---- nor on success: the list takes a reference of its own ---- */

static PyObject *bug_success(PyObject *self, PyObject *type)
{
	PyObject *list = PyList_New(0), *thing;

	(void)self;
	thing = PyObject_CallObject(type, NULL); /* BUG success */
	if (!list || !thing || PyList_Append(list, thing) < 0) {
		Py_XDECREF(thing);
		Py_CLEAR(list);
	}
	return list;
}

static PyObject *ok_success(PyObject *self, PyObject *type)
{
	PyObject *list = PyList_New(0), *thing;

	(void)self;
	thing = PyObject_CallObject(type, NULL);
	if (!list || !thing || PyList_Append(list, thing) < 0)
		Py_CLEAR(list);
	Py_XDECREF(thing);
	return list;
}

/* ---- in a loop ---- */

static PyObject *bug_loop(PyObject *self, PyObject *things)
{
	Py_ssize_t n = PySequence_Size(things);
	long sum = 0;

	(void)self;
	for (Py_ssize_t i = 0; i < n; i++) {
		PyObject *thing = PySequence_GetItem(things, i); /* BUG loop */

		if (!thing)
			return NULL;
		sum += PyObject_IsTrue(thing);
	}
	return PyLong_FromLong(sum);
}

static PyObject *ok_loop(PyObject *self, PyObject *things)
{
	Py_ssize_t n = PySequence_Size(things);
	long sum = 0;

	(void)self;
	for (Py_ssize_t i = 0; i < n; i++) {
		PyObject *thing = PySequence_GetItem(things, i);

		if (!thing)
			return NULL;
		sum += PyObject_IsTrue(thing);
		Py_DECREF(thing);
	}
	return PyLong_FromLong(sum);
}

/* ---- in a getter: what it gets is new already ---- */

struct box {
	PyObject_HEAD PyObject *owner;
};

static PyObject *box_bug_getter(PyObject *self, void *closure)
{
	PyObject *value = PyObject_GetAttrString(((struct box *)self)->owner, "value");

	(void)closure;
	Py_XINCREF(value); /* BUG getter */
	return value;
}

static PyObject *box_ok_getter(PyObject *self, void *closure)
{
	(void)closure;
	return PyObject_GetAttrString(((struct box *)self)->owner, "value");
}

/* ---- a stolen reference is given twice: to the tuple, and back ---- */

static PyObject *bug_stolen(PyObject *self, PyObject *thing)
{
	PyObject *tuple = PyTuple_New(1);

	(void)self;
	if (!tuple)
		return NULL;
	Py_INCREF(thing);
	if (PyTuple_SetItem(tuple, 0, thing) < 0)
		return NULL;
	Py_DECREF(thing); /* BUG stolen */
	return tuple;
}

static PyObject *ok_stolen(PyObject *self, PyObject *thing)
{
	PyObject *tuple = PyTuple_New(1);

	(void)self;
	if (!tuple)
		return NULL;
	Py_INCREF(thing);
	if (PyTuple_SetItem(tuple, 0, thing) < 0)
		return NULL;
	return tuple;
}

/* ---- PyList_SetItem: steals the new reference, so that the one taken for it is too many ---- */

static PyObject *bug_setitem(PyObject *self, PyObject *type)
{
	PyObject *list = PyList_New(1), *thing;

	(void)self;
	thing = PyObject_CallObject(type, NULL);
	if (!list || !thing)
		return NULL;
	Py_INCREF(thing); /* BUG setitem */
	PyList_SetItem(list, 0, thing);
	return list;
}

static PyObject *ok_setitem(PyObject *self, PyObject *type)
{
	PyObject *list = PyList_New(1), *thing;

	(void)self;
	thing = PyObject_CallObject(type, NULL);
	if (!list || !thing)
		return NULL;
	PyList_SetItem(list, 0, thing);
	return list;
}

/* ---- Py_BuildValue: "O" takes a reference of its own, "N" the one that there is ---- */

static PyObject *bug_buildvalue(PyObject *self, PyObject *type)
{
	PyObject *thing = PyObject_CallObject(type, NULL); /* BUG buildvalue */

	(void)self;
	if (!thing)
		return NULL;
	return Py_BuildValue("(Oi)", thing, 1);
}

static PyObject *ok_buildvalue(PyObject *self, PyObject *type)
{
	PyObject *thing = PyObject_CallObject(type, NULL);

	(void)self;
	if (!thing)
		return NULL;
	return Py_BuildValue("(Ni)", thing, 1);
}

/* ---- the value of an exception is fetched and kept ---- */

static PyObject *bug_exception(PyObject *self, PyObject *function)
{
	PyObject *result, *type, *value, *traceback;

	(void)self;
	result = PyObject_CallObject(function, NULL); /* BUG exception */
	if (result)
		return result;
	PyErr_Fetch(&type, &value, &traceback);
	Py_XDECREF(type);
	Py_XDECREF(traceback);
	Py_RETURN_NONE;
}

static PyObject *ok_exception(PyObject *self, PyObject *function)
{
	PyObject *result, *type, *value, *traceback;

	(void)self;
	result = PyObject_CallObject(function, NULL);
	if (result)
		return result;
	PyErr_Fetch(&type, &value, &traceback);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(traceback);
	Py_RETURN_NONE;
}

/* ---- a borrowed reference is given back ---- */

static PyObject *bug_borrowed(PyObject *self, PyObject *list)
{
	PyObject *thing = PyList_GetItem(list, 0);
	int is;

	(void)self;
	if (!thing)
		return NULL;
	is = PyObject_IsTrue(thing);
	Py_DECREF(thing); /* BUG borrowed */
	return PyBool_FromLong(is);
}

static PyObject *ok_borrowed(PyObject *self, PyObject *list)
{
	PyObject *thing = PyList_GetItem(list, 0);

	(void)self;
	return thing ? PyBool_FromLong(PyObject_IsTrue(thing)) : NULL;
}

/* ---- a capsule's destructor forgets what the capsule holds ---- */

struct parcel {
	PyObject *thing;
};

static void bug_parcel_free(PyObject *capsule) { free(PyCapsule_GetPointer(capsule, "parcel")); }

static void ok_parcel_free(PyObject *capsule)
{
	struct parcel *parcel = PyCapsule_GetPointer(capsule, "parcel");

	Py_DECREF(parcel->thing);
	free(parcel);
}

static PyObject *bug_capsule(PyObject *self, PyObject *thing)
{
	struct parcel *parcel = malloc(sizeof *parcel);

	(void)self;
	if (!parcel)
		return PyErr_NoMemory();
	Py_INCREF(thing); /* BUG capsule */
	parcel->thing = thing;
	return PyCapsule_New(parcel, "parcel", bug_parcel_free);
}

static PyObject *ok_capsule(PyObject *self, PyObject *thing)
{
	struct parcel *parcel = malloc(sizeof *parcel);

	(void)self;
	if (!parcel)
		return PyErr_NoMemory();
	Py_INCREF(thing);
	parcel->thing = thing;
	return PyCapsule_New(parcel, "parcel", ok_parcel_free);
}

/* ---- the module ---- */

static int box_init(PyObject *self, PyObject *args, PyObject *keywords)
{
	PyObject *owner, *old = ((struct box *)self)->owner;

	(void)keywords;
	if (!PyArg_ParseTuple(args, "O", &owner))
		return -1;
	Py_INCREF(owner);
	((struct box *)self)->owner = owner;
	Py_XDECREF(old);
	return 0;
}

static void box_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	Py_CLEAR(((struct box *)self)->owner);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyGetSetDef box_getset[] = {
	{ "bug_getter", box_bug_getter, NULL, NULL, NULL },
	{ "ok_getter", box_ok_getter, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot box_slots[] = {
	{ Py_tp_init, box_init },
	{ Py_tp_dealloc, box_dealloc },
	{ Py_tp_getset, box_getset },
	{ 0, NULL },
};

static PyType_Spec box_spec = { "refbugs.Box", sizeof(struct box), 0, Py_TPFLAGS_DEFAULT, box_slots };

#define PAIR(name) \
	{ "bug_" #name, bug_##name, METH_O, NULL }, { "ok_" #name, ok_##name, METH_O, NULL }
static PyMethodDef methods[] = {
	PAIR(error_path), PAIR(success),   PAIR(loop),     PAIR(stolen),  PAIR(setitem),
	PAIR(buildvalue), PAIR(exception), PAIR(borrowed), PAIR(capsule), { NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "refbugs", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit_refbugs(void)
{
	PyObject *m = PyModule_Create(&module), *box = PyType_FromSpec(&box_spec);

	if (m && box && PyModule_AddObject(m, "Box", box) == 0)
		return m;
	return NULL;
}
