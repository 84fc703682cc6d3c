/* SPDX-License-Identifier: Apache-2.0 */
/* Looks things up. */
#include <Python.h>

/* PyDict_GetItem() lends; one of the two references below is for the caller, the other for nobody. */
static PyObject *find(PyObject *self, PyObject *args)
{
	PyObject *table, *key, *value;

	(void)self;
	if (!PyArg_ParseTuple(args, "OO", &table, &key))
		return NULL;
	value = PyDict_GetItem(table, key);
	if (!value)
		Py_RETURN_NONE;
	Py_INCREF(value);
	Py_INCREF(value);
	return value;
}

static PyMethodDef methods[] = { { "find", find, METH_VARARGS, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_registry", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__registry(void) { return PyModule_Create(&module); }
