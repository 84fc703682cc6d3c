/* SPDX-License-Identifier: Apache-2.0 */
/* Holds a callback. */
#include <Python.h>

struct watcher {
	PyObject_HEAD PyObject *callback;
};

/* The type has no Py_TPFLAGS_HAVE_GC: the collector cannot see the callback. */
static void watcher_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(((struct watcher *)self)->callback);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyObject *watcher_set(PyObject *self, PyObject *callback)
{
	Py_INCREF(callback);
	((struct watcher *)self)->callback = callback;
	Py_RETURN_NONE;
}

static PyMethodDef watcher_methods[] = { { "set", watcher_set, METH_O, NULL }, { NULL, NULL, 0, NULL } };
static PyType_Slot slots[] = { { Py_tp_dealloc, watcher_dealloc }, { Py_tp_methods, watcher_methods }, { 0, NULL } };
static PyType_Spec spec = { "_watcher.Watcher", sizeof(struct watcher), 0, Py_TPFLAGS_DEFAULT, slots };

static PyObject *make_type(PyObject *self, PyObject *args)
{
	(void)self, (void)args;
	return PyType_FromSpec(&spec);
}

static PyMethodDef methods[] = { { "make_type", make_type, METH_NOARGS, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_watcher", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__watcher(void) { return PyModule_Create(&module); }
