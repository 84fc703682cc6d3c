/* SPDX-License-Identifier: Apache-2.0 */
/* An extension module that leaks in C, calls back into Python, and lets the interpreter make an object for it. */
#include <Python.h>
#include <string.h>

void *leaky_kept[100000];

__attribute__((noinline)) static void *copy(size_t n)
{
	void *p = malloc(n); /* leak */

	return memset(p, 1, n);
}

static inline __attribute__((always_inline)) void *twice_removed(size_t n)
{
	void *p = malloc(n); /* inlined leak */

	return memset(p, 2, n);
}

__attribute__((noinline)) static int keep(int i)
{
	leaky_kept[2 * i] = copy(1000);
	leaky_kept[2 * i + 1] = twice_removed(3000); /* keep */
	return i;
}

static PyObject *leaky_leak(PyObject *self, PyObject *i)
{
	(void)self;
	return PyLong_FromLong(keep((int)PyLong_AsLong(i))); /* entrance */
}

__attribute__((noinline)) static PyObject *call_back(PyObject *function, PyObject *argument)
{
	PyObject *result = PyObject_CallFunctionObjArgs(function, argument, NULL), *tuple;

	if (!result)
		return NULL;
	tuple = PyTuple_Pack(1, result); /* tuple */
	Py_DECREF(result);
	return tuple;
}

static PyObject *leaky_call(PyObject *self, PyObject *args)
{
	PyObject *function, *argument, *tuple;

	(void)self;
	if (!PyArg_ParseTuple(args, "OO", &function, &argument))
		return NULL;
	tuple = call_back(function, argument); /* call */
	if (!tuple)
		PyErr_Clear();
	return tuple;
}

static PyMethodDef methods[] = {
	{ "leak", leaky_leak, METH_O, NULL },
	{ "call", leaky_call, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_leaky", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__leaky(void) { return PyModule_Create(&module); }
