/* SPDX-License-Identifier: Apache-2.0 */
/* A matrix. */
#include <Python.h>

struct matrix {
	PyObject_HEAD double *cells;
};

static PyObject *matrix_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
	struct matrix *m = (struct matrix *)type->tp_alloc(type, 0);

	(void)args, (void)named;
	if (m)
		m->cells = PyMem_Malloc(300); /* leak */
	return (PyObject *)m;
}

/* Frees the object, not what it points to. */
static void matrix_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	type->tp_free(self);
	Py_DECREF(type);
}

static PyType_Slot slots[] = { { Py_tp_new, matrix_new }, { Py_tp_dealloc, matrix_dealloc }, { 0, NULL } };
static PyType_Spec spec = { "_matrix.Matrix", sizeof(struct matrix), 0, Py_TPFLAGS_DEFAULT, slots };

static PyObject *make_type(PyObject *self, PyObject *args)
{
	(void)self, (void)args;
	return PyType_FromSpec(&spec);
}

static PyMethodDef methods[] = { { "make_type", make_type, METH_NOARGS, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_matrix", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__matrix(void) { return PyModule_Create(&module); }
