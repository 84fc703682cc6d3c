/* SPDX-License-Identifier: Apache-2.0 */
/* Two members. */
#include <Python.h>

struct pair {
	PyObject_HEAD PyObject *left, *right;
};

/* The member that came later was forgotten. */
static int pair_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(((struct pair *)self)->left);
#if PY_VERSION_HEX >= 0x03090000
	Py_VISIT(Py_TYPE(self));
#endif
	return 0;
}

static int pair_clear(PyObject *self)
{
	Py_CLEAR(((struct pair *)self)->left);
	Py_CLEAR(((struct pair *)self)->right);
	return 0;
}

static void pair_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	pair_clear(self);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyObject *pair_set(PyObject *self, PyObject *args)
{
	struct pair *p = (struct pair *)self;

	if (!PyArg_ParseTuple(args, "OO", &p->left, &p->right))
		return NULL;
	Py_INCREF(p->left);
	Py_INCREF(p->right);
	Py_RETURN_NONE;
}

static PyMethodDef pair_methods[] = { { "set", pair_set, METH_VARARGS, NULL }, { NULL, NULL, 0, NULL } };
static PyType_Slot slots[] = {
	{ Py_tp_dealloc, pair_dealloc },
	{ Py_tp_traverse, pair_traverse },
	{ Py_tp_clear, pair_clear },
	{ Py_tp_methods, pair_methods },
	{ 0, NULL },
};
static PyType_Spec spec = { "_pair.Pair", sizeof(struct pair), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots };

static PyObject *make_type(PyObject *self, PyObject *args)
{
	(void)self, (void)args;
	return PyType_FromSpec(&spec);
}

static PyMethodDef methods[] = { { "make_type", make_type, METH_NOARGS, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_pair", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__pair(void) { return PyModule_Create(&module); }
