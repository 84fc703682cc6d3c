/* SPDX-License-Identifier: Apache-2.0 */
/* Opens handles. */
#include <Python.h>

#include <stdlib.h>

/* The capsule has no destructor: it goes, the handle stays. */
static PyObject *handle_open(PyObject *self, PyObject *number)
{
	long *handle = malloc(640); /* leak */

	(void)self;
	handle[0] = PyLong_AsLong(number);
	return PyCapsule_New(handle, "handle", NULL);
}

static PyMethodDef methods[] = { { "open", handle_open, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_handle", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__handle(void) { return PyModule_Create(&module); }
