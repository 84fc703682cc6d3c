/* SPDX-License-Identifier: Apache-2.0 */
/* An extension of the service: stamp(object) gives a list with the object; the line to break is marked. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *stamp(PyObject *module, PyObject *object)
{
	PyObject *list = PyList_New(3);

	(void)module;
	if (!list)
		return NULL;
	for (int i = 0; i < 3; i++) {
		Py_INCREF(object);
		PyList_SetItem(list, i, object);
	}
	/* here */
	return list;
}

static PyMethodDef methods[] = { { "stamp", stamp, METH_O, NULL }, { NULL, NULL, 0, NULL } };
static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT, "_stamp", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__stamp(void) { return PyModule_Create(&definition); }
