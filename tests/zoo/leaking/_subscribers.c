/* SPDX-License-Identifier: Apache-2.0 */
/* Who wants to hear of an event, in a table that grows; nobody can leave it. The collector is not told of it, nor need
 * it be: the module never dies. */
#include <Python.h>

static struct subscriber {
	long priority;
	PyObject *callback;
} * table;
static size_t used, room;

static PyObject *subscribe(PyObject *self, PyObject *callback)
{
	(void)self;
	if (used == room) {
		size_t more = room ? 2 * room : 64;
		struct subscriber *grown = PyMem_RawRealloc(table, more * sizeof *table);

		if (!grown)
			return PyErr_NoMemory();
		table = grown;
		room = more;
	}
	Py_INCREF(callback);
	table[used++] = (struct subscriber){ (long)used, callback };
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = { { "subscribe", subscribe, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_subscribers", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__subscribers(void) { return PyModule_Create(&module); }
