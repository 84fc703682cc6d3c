# SPDX-License-Identifier: Apache-2.0
"""One object held by C code alone, one in a cycle that nobody holds, one held twice, one held weakly only (so: gone)."""
import ctypes
import gc
import weakref

gc.collect()
gc.disable()


class ByC:
    pass


class Circle:
    pass


class Twice:
    pass


class Weak:
    pass


by_c = ByC()
ctypes.pythonapi.Py_IncRef(ctypes.py_object(by_c))
ctypes.pythonapi.Py_IncRef(ctypes.py_object(by_c))
del by_c  # two references that nobody knows
circle = Circle()
circle.self = circle
del circle
here = [Twice()]
there = {'key': here[0]}
weak = weakref.ref(Weak())
still = Weak()
both = weakref.ref(still)
