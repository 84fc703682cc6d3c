/* SPDX-License-Identifier: Apache-2.0 */
/* An extension module that takes references and does not give them back, and some that it keeps with good reason. */
#include <Python.h>

/* Takes a reference that nobody gives back. */
static PyObject *lossy_lose(PyObject *self, PyObject *object)
{
	(void)self;
	Py_INCREF(object); /* lose */
	Py_RETURN_NONE;
}

/* Makes objects that the collector does not know, and forgets them. */
static PyObject *lossy_forget(PyObject *self, PyObject *i)
{
	PyObject *bytes = PyBytes_FromFormat("forgotten %ld and some more of it", PyLong_AsLong(i)); /* bytes */

	(void)self;
	return bytes ? PyLong_FromLong((long)PyBytes_GET_SIZE(bytes)) : NULL;
}

/* Likewise an object that it does know, with what it holds. */
static PyObject *lossy_tuple(PyObject *self, PyObject *object)
{
	PyObject *list = PyList_New(1), *tuple; /* list */

	(void)self;
	if (!list)
		return NULL;
	Py_INCREF(object);
	PyList_SET_ITEM(list, 0, object);
	tuple = PyTuple_Pack(1, list); /* tuple */
	Py_DECREF(list);
	return tuple ? PyLong_FromLong(PyTuple_GET_SIZE(tuple)) : NULL;
}

enum { RING = 300, TABLE = 1000 };

/* Keeps the last ones. */
static PyObject *lossy_ring(PyObject *self, PyObject *object)
{
	static PyObject *ring[RING];
	static unsigned next;
	PyObject *old = ring[next % RING];

	(void)self;
	Py_INCREF(object);
	ring[next++ % RING] = object;
	Py_XDECREF(old);
	Py_RETURN_NONE;
}

/* Keeps the first ones. */
static PyObject *lossy_table(PyObject *self, PyObject *object)
{
	static PyObject *table[TABLE];
	static unsigned n;

	(void)self;
	if (n < TABLE) {
		Py_INCREF(object);
		table[n++] = object;
	}
	Py_RETURN_NONE;
}

/* Keeps all of them. */
static PyObject *lossy_keep(PyObject *self, PyObject *object)
{
	static PyObject **table;
	static size_t n, room;

	(void)self;
	if (n == room) {
		PyObject **more = PyMem_RawRealloc(table, (room ? 2 * room : 64) * sizeof *table); /* keep */

		if (!more)
			return PyErr_NoMemory();
		table = more;
		room = room ? 2 * room : 64;
	}
	Py_INCREF(object);
	table[n++] = object;
	Py_RETURN_NONE;
}

/* A structure of C that holds objects until it is freed. */
static void pool_free(PyObject *capsule)
{
	PyObject **pool = PyCapsule_GetPointer(capsule, "pool");

	for (int i = 0; i < RING; i++)
		Py_XDECREF(pool[i]);
	PyMem_Free(pool);
}

static PyObject *lossy_pool(PyObject *self, PyObject *args)
{
	(void)self, (void)args;
	return PyCapsule_New(PyMem_Calloc(RING, sizeof(PyObject *)), "pool", pool_free);
}

static PyObject *lossy_put(PyObject *self, PyObject *args)
{
	PyObject *capsule, *object, **pool;

	(void)self;
	if (!PyArg_ParseTuple(args, "OO", &capsule, &object))
		return NULL;
	pool = PyCapsule_GetPointer(capsule, "pool");
	for (int i = 0; pool && i < RING; i++) {
		if (pool[i])
			continue;
		Py_INCREF(object);
		pool[i] = object;
		Py_RETURN_NONE;
	}
	return PyErr_Format(PyExc_IndexError, "the pool is full");
}

static PyMethodDef methods[] = {
	{ "lose", lossy_lose, METH_O, NULL },
	{ "forget", lossy_forget, METH_O, NULL },
	{ "tuple", lossy_tuple, METH_O, NULL },
	{ "ring", lossy_ring, METH_O, NULL },
	{ "table", lossy_table, METH_O, NULL },
	{ "pool", lossy_pool, METH_NOARGS, NULL },
	{ "put", lossy_put, METH_VARARGS, NULL },
	{ "keep", lossy_keep, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_lossy", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__lossy(void) { return PyModule_Create(&module); }
