/* SPDX-License-Identifier: Apache-2.0 */
/* Parses records. */
#include <Python.h>

static PyObject *parse(PyObject *self, PyObject *text)
{
	PyObject *record = PyDict_New(); /* leak */

	(void)self;
	if (!record || PyDict_SetItemString(record, "text", text))
		return NULL;
	if (PyUnicode_GetLength(text) % 2)
		return PyErr_Format(PyExc_ValueError, "bad record"); /* without Py_DECREF(record) */
	return record;
}

static PyMethodDef methods[] = { { "parse", parse, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_record", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__record(void) { return PyModule_Create(&module); }
