/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes a message into a dict. */
#include <Python.h>

/* PyDict_SetItem() takes a reference of its own to the key; the one that was made here stays. */
static PyObject *decode(PyObject *self, PyObject *number)
{
	PyObject *message = PyDict_New(), *key;
	long n = PyLong_AsLong(number);

	(void)self;
	for (int i = 0; message && i < 3; i++) {
		key = PyUnicode_FromFormat("field %d of message %ld", i, n); /* leak */
		PyDict_SetItem(message, key, number);
	}
	return message;
}

static PyMethodDef methods[] = { { "decode", decode, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_ais", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__ais(void) { return PyModule_Create(&module); }
