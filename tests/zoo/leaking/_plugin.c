/* SPDX-License-Identifier: Apache-2.0 */
/* A type for each plug-in. */
#include <Python.h>

/* An instance refers to its type, which tp_traverse does not visit: a type that refers to an instance of itself stays.
 */
static int plugin_traverse(PyObject *self, visitproc visit, void *arg)
{
	(void)self, (void)visit, (void)arg;
	return 0;
}

static void plugin_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyType_Slot slots[] = { { Py_tp_dealloc, plugin_dealloc }, { Py_tp_traverse, plugin_traverse }, { 0, NULL } };
static PyType_Spec spec = { "_plugin.Plugin", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots };

static PyObject *make_type(PyObject *self, PyObject *args)
{
	(void)self, (void)args;
	return PyType_FromSpec(&spec); /* leak */
}

static PyMethodDef methods[] = { { "make_type", make_type, METH_NOARGS, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_plugin", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__plugin(void) { return PyModule_Create(&module); }
