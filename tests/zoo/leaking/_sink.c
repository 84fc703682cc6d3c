/* SPDX-License-Identifier: Apache-2.0 */
/* Takes buffers. */
#include <Python.h>

/* Without PyBuffer_Release() the buffer's owner stays. */
static PyObject *send(PyObject *self, PyObject *data)
{
	Py_buffer view;

	(void)self;
	if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE))
		return NULL;
	return PyLong_FromSsize_t(view.len);
}

static PyMethodDef methods[] = { { "send", send, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_sink", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__sink(void) { return PyModule_Create(&module); }
