# SPDX-License-Identifier: Apache-2.0
"""A child of a raw fork, whose signals are its own from the first moment: child.py LIBRARY (child.c)."""
import ctypes
import gc
import os
import sys


class Box:
    pass


lib = ctypes.PyDLL(sys.argv[1])
a, b = Box(), Box()
incref = ctypes.cast(ctypes.pythonapi.Py_IncRef, ctypes.c_void_p)
end = lib.child(incref, ctypes.c_void_p(id(a)), 100)
if end == 1:
    held = [a] * 10, [b] * 5, [Box() for _ in range(10)]
    gc.collect()
    print(sys.getrefcount(a) > 100, len(held), flush=True)
    os._exit(0)
print(end, sys.getrefcount(a) < 5)
