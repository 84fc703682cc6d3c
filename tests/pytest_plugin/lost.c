/* SPDX-License-Identifier: Apache-2.0 */
/* lost: an extension that forgets a buffer, and a reference */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>

static PyObject *buffer(PyObject *self, PyObject *size)
{
	volatile char *p = malloc(PyLong_AsSize_t(size)); /* leaks: buffer */

	(void)self;
	p[0] = 1;
	Py_RETURN_NONE;
}

static PyObject *reference(PyObject *self, PyObject *object)
{
	(void)self;
	Py_INCREF(object);
	Py_RETURN_NONE;
}

static PyObject *fine(PyObject *self, PyObject *size)
{
	volatile char *p = malloc(PyLong_AsSize_t(size));

	(void)self;
	p[0] = 1;
	free((void *)p);
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{ "buffer", buffer, METH_O, NULL },
	{ "reference", reference, METH_O, NULL },
	{ "fine", fine, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};
static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "lost", NULL, -1, methods, NULL, NULL, NULL, NULL };
PyMODINIT_FUNC PyInit_lost(void);
PyMODINIT_FUNC PyInit_lost(void) { return PyModule_Create(&module); }
