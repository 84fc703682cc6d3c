/* SPDX-License-Identifier: Apache-2.0 */
/* Makes points. */
#include <Python.h>

/* PyList_Append() takes a reference of its own. */
static PyObject *points(PyObject *self, PyObject *number)
{
	PyObject *list = PyList_New(0);
	double x = PyFloat_AsDouble(number);

	(void)self;
	for (int i = 0; list && i < 4; i++)
		PyList_Append(list, Py_BuildValue("[dd]", x, x * i)); /* leak */
	return list;
}

static PyMethodDef methods[] = { { "points", points, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_points", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__points(void) { return PyModule_Create(&module); }
