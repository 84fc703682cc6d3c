/* SPDX-License-Identifier: Apache-2.0 */
/* Builds answers. */
#include <Python.h>

/* "O" takes another reference; "N" would have taken over ours. */
static PyObject *answer(PyObject *self, PyObject *number)
{
	PyObject *headers = PyList_New(0); /* leak */

	(void)self;
	if (!headers)
		return NULL;
	PyList_Append(headers, number);
	return Py_BuildValue("(iO)", 200, headers);
}

static PyMethodDef methods[] = { { "answer", answer, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_answer", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__answer(void) { return PyModule_Create(&module); }
