/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pricing: a small extension module, with a planted leak: an error path that forgets a reference. shop.py uses it.
 *
 *     cc -g -O2 -shared -fPIC $(python3-config --includes) -o pricing.so examples/pricing.c
 */
#include <Python.h>

/* total(catalogue, name, pieces): what they cost; ValueError when there are not so many. */
static PyObject *total(PyObject *module, PyObject *args)
{
	PyObject *catalogue, *name, *item, *stock, *sum;
	long pieces, in_stock;

	if (!PyArg_ParseTuple(args, "OOl", &catalogue, &name, &pieces))
		return NULL;
	item = PyObject_GetItem(catalogue, name); /* a new reference */
	if (!item)
		return NULL;
	stock = PyObject_GetAttrString(item, "stock");
	in_stock = stock ? PyLong_AsLong(stock) : -1;
	Py_XDECREF(stock);
	if (in_stock < pieces) {
		PyErr_Format(PyExc_ValueError, "only %ld in stock", in_stock);
		return NULL; /* the planted leak: item */
	}
	sum = PyObject_CallMethod(item, "price", "l", pieces);
	Py_DECREF(item);
	return sum;
}

static PyMethodDef functions[] = { { "total", total, METH_VARARGS, "What so many pieces cost." }, { NULL } };
static struct PyModuleDef pricing = { PyModuleDef_HEAD_INIT, "pricing", NULL, 0, functions };

PyMODINIT_FUNC PyInit_pricing(void) { return PyModuleDef_Init(&pricing); }
