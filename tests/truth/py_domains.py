"""The C API's three domains, below and above pymalloc's limit of 512 bytes."""
from truth import *

a = python.PyMem_RawMalloc(700); alive('raw', 700)
b = python.PyMem_RawCalloc(7, 100); alive('raw', 700)
c = python.PyMem_RawRealloc(None, 70); gone('raw', 70)
c = python.PyMem_RawRealloc(c, 710); alive('raw', 710)
d = python.PyMem_RawMalloc(10); gone('raw', 10)
python.PyMem_RawFree(d)
e = python.PyMem_Malloc(301); alive('mem', 301)
f = python.PyMem_Malloc(3001); alive('mem', 3001)
g = python.PyMem_Calloc(3, 101); alive('mem', 303)
h = python.PyMem_Realloc(None, 8)
h = python.PyMem_Realloc(h, 305); alive('mem', 305)
h2 = python.PyMem_Realloc(python.PyMem_Malloc(100), 5000); alive('mem', 5000)
i = python.PyObject_Malloc(401); alive('object', 401)
j = python.PyObject_Malloc(4001); alive('object', 4001)
k = python.PyObject_Calloc(4, 101); alive('object', 404)
l = python.PyObject_Realloc(python.PyObject_Malloc(16), 407); alive('object', 407)
m = python.PyObject_Realloc(python.PyObject_Malloc(5000), 300); alive('object', 300)
n = python.PyMem_RawMalloc(0); alive('raw', 0)
for free, p in ((python.PyMem_Free, python.PyMem_Malloc(99)), (python.PyObject_Free, python.PyObject_Malloc(98))):
    free(p)
done()
