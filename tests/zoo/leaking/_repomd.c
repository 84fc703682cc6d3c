/* SPDX-License-Identifier: Apache-2.0 */
/* Describes a repository. */
#include <Python.h>

/* PyDict_SetItemString() does not steal: `urls` has one reference too many. */
static PyObject *describe(PyObject *self, PyObject *number)
{
	PyObject *repo = PyDict_New(), *urls = PyList_New(0); /* leak */

	(void)self;
	if (!repo || !urls)
		return NULL;
	PyList_Append(urls, number);
	PyDict_SetItemString(repo, "urls", urls);
	return repo;
}

static PyMethodDef methods[] = { { "describe", describe, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_repomd", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__repomd(void) { return PyModule_Create(&module); }
