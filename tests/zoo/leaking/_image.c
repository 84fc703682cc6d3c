/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacks images. */
#include <Python.h>

#include <stdlib.h>
#include <string.h>

struct image {
	size_t size;
	char *pixels;
};

static PyObject *size_of(PyObject *self, PyObject *data)
{
	struct image *image = malloc(sizeof *image); /* leak */
	size_t size = (size_t)PyBytes_Size(data);

	(void)self;
	image->size = size;
	image->pixels = calloc(size, 4); /* leak */
	if (size < 400)
		return PyErr_Format(PyExc_ValueError, "too small"); /* without freeing them */
	memcpy(image->pixels, PyBytes_AsString(data), size);
	free(image->pixels);
	free(image);
	return PyLong_FromSize_t(size);
}

static PyMethodDef methods[] = { { "size_of", size_of, METH_O, NULL }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_image", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__image(void) { return PyModule_Create(&module); }
