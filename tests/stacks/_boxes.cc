// SPDX-License-Identifier: Apache-2.0
// An extension module in C++: a template and the standard library between the program and operator new.
#include <Python.h>
#include <string>
#include <vector>

namespace boxes
{
template <class T> struct box {
	std::vector<T> items;

	__attribute__((noinline)) void add(const T &item)
	{
		items.push_back(item); // add
	}
};

box<std::string> all;
} // namespace boxes

static PyObject *boxes_add(PyObject *, PyObject *n)
{
	boxes::all.add(std::string((size_t)PyLong_AsLong(n), 'x')); // string
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{ "add", boxes_add, METH_O, nullptr },
	{ nullptr, nullptr, 0, nullptr },
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, "_boxes", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr
};

PyMODINIT_FUNC PyInit__boxes(void) { return PyModule_Create(&module); }
