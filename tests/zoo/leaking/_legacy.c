/* SPDX-License-Identifier: Apache-2.0 */
/* A type with tp_del. */
#include <Python.h>

struct file {
	PyObject_HEAD PyObject *owner;
};

static void file_del(PyObject *self) { (void)self; }

static int file_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(((struct file *)self)->owner);
	return 0;
}

static void file_dealloc(PyObject *self)
{
	PyObject_GC_UnTrack(self);
	Py_XDECREF(((struct file *)self)->owner);
	PyObject_GC_Del(self);
}

/* With a finalizer of the old kind: the collector dares not break a cycle with such an object in it. */
static PyTypeObject file_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_legacy.File",
	.tp_basicsize = sizeof(struct file),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.tp_traverse = file_traverse,
	.tp_dealloc = file_dealloc,
	.tp_del = file_del,
};

static PyObject *file_open(PyObject *self, PyObject *owner)
{
	struct file *file = PyObject_GC_New(struct file, &file_type);

	(void)self;
	if (!file)
		return NULL;
	Py_INCREF(owner);
	file->owner = owner;
	PyObject_GC_Track(file);
	return (PyObject *)file;
}

static PyMethodDef methods[] = { { "open", file_open, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_legacy", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__legacy(void)
{
	if (PyType_Ready(&file_type) < 0)
		return NULL;
	return PyModule_Create(&module);
}
