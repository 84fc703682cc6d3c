/* SPDX-License-Identifier: Apache-2.0 */
/* Calls handlers. */
#include <Python.h>

/* Ignores what a handler raises, and keeps what PyErr_Fetch() handed over. */
static PyObject *fire(PyObject *self, PyObject *handler)
{
	PyObject *result = PyObject_CallObject(handler, NULL), *type, *value, *traceback;

	(void)self;
	if (!result)
		PyErr_Fetch(&type, &value, &traceback);
	Py_XDECREF(result);
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = { { "fire", fire, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_events", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__events(void) { return PyModule_Create(&module); }
