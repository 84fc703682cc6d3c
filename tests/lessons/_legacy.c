/* SPDX-License-Identifier: Apache-2.0 */
/* A type with a finalizer of the old kind (tp_del): the collector may not call it for objects in a cycle. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

struct legacy {
	PyObject_HEAD PyObject *other;
};

static int legacy_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(((struct legacy *)self)->other);
#if PY_VERSION_HEX >= 0x03090000
	Py_VISIT(Py_TYPE(self));
#endif
	return 0;
}

static int legacy_clear(PyObject *self)
{
	Py_CLEAR(((struct legacy *)self)->other);
	return 0;
}

static void legacy_del(PyObject *self) { (void)self; }

static void legacy_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	legacy_clear(self);
	PyObject_GC_Del(self);
	Py_DECREF(type);
}

static PyObject *hold(PyObject *self, PyObject *other)
{
	PyObject *before = ((struct legacy *)self)->other;

	Py_INCREF(other);
	((struct legacy *)self)->other = other;
	Py_XDECREF(before);
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = { { "hold", hold, METH_O, NULL }, { NULL, NULL, 0, NULL } };
static PyType_Slot slots[] = {
	{ Py_tp_traverse, legacy_traverse }, { Py_tp_clear, legacy_clear }, { Py_tp_del, legacy_del },
	{ Py_tp_dealloc, legacy_dealloc },   { Py_tp_methods, methods },    { 0, NULL },
};
static PyType_Spec spec = { "_legacy.Legacy", sizeof(struct legacy), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
			    slots };
static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT, "_legacy", NULL, -1, NULL, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__legacy(void)
{
	PyObject *module = PyModule_Create(&definition), *type = PyType_FromSpec(&spec);

	if (!module || !type || PyModule_AddObject(module, "Legacy", type))
		return NULL;
#ifdef Py_GIL_DISABLED
	PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#endif
	return module;
}
