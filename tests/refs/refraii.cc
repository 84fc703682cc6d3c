// SPDX-License-Identifier: Apache-2.0
// refraii: references as C++ holds them: taken by constructors, given by destructors, lost by release()
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <memory>
#include <vector>

namespace
{

class ref
{
	PyObject *p;
	explicit ref(PyObject *o) : p(o) {}

      public:
	static ref steal(PyObject *o) { return ref(o); }
	static ref borrow(PyObject *o)
	{
		Py_XINCREF(o);
		return ref(o);
	}
	ref(const ref &other) : p(other.p) { Py_XINCREF(p); }
	ref(ref &&other) noexcept : p(other.release()) {}
	ref &operator=(ref other) noexcept
	{
		std::swap(p, other.p);
		return *this;
	}
	~ref() { Py_XDECREF(p); }
	PyObject *get() const { return p; }
	PyObject *release() noexcept
	{
		PyObject *o = p;
		p = nullptr;
		return o;
	}
};

struct shop {
	std::vector<ref> things;
	void put(const ref &thing) { things.push_back(thing); }
};

PyObject *ok_vector(PyObject *, PyObject *thing)
{
	auto s = std::make_unique<shop>();
	ref mine = ref::borrow(thing);

	for (int i = 0; i < 5; i++)
		s->put(mine);
	return mine.release();
}

PyObject *bug_release(PyObject *, PyObject *thing)
{
	PyObject *lost = ref::borrow(thing).release(); // BUG release

	if (PyObject_IsTrue(lost) < 0)
		return nullptr;
	return ref::borrow(thing).release();
}

PyObject *ok_release(PyObject *, PyObject *thing)
{
	ref mine = ref::borrow(thing);
	ref also = ref::borrow(thing);

	if (PyObject_IsTrue(also.get()) < 0)
		return nullptr;
	return mine.release();
}

PyObject *bug_steal(PyObject *, PyObject *things)
{
	ref thing = ref::steal(PyList_GetItem(things, 0));

	return PyBool_FromLong(PyObject_IsTrue(thing.get()));
} // BUG steal

PyObject *ok_steal(PyObject *, PyObject *things)
{
	ref thing = ref::borrow(PyList_GetItem(things, 0));

	return PyBool_FromLong(PyObject_IsTrue(thing.get()));
}

PyMethodDef methods[] = {
	{ "ok_vector", ok_vector, METH_O, nullptr },   { "bug_release", bug_release, METH_O, nullptr },
	{ "ok_release", ok_release, METH_O, nullptr }, { "bug_steal", bug_steal, METH_O, nullptr },
	{ "ok_steal", ok_steal, METH_O, nullptr },     { nullptr, nullptr, 0, nullptr },
};

PyModuleDef module = { PyModuleDef_HEAD_INIT, "refraii", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr };

} // namespace

PyMODINIT_FUNC PyInit_refraii(void) { return PyModule_Create(&module); }
