"""tp_dealloc frees the object and not its buffer, which came from PyMem_Malloc() (as CPython bpo-31787, gh-101765, Pillow #2019).

verdict: native-unreachable
c: _matrix.c
"""
import time

import _matrix

Matrix = _matrix.make_type()
for number in range(1800):
    Matrix()
    time.sleep(0.001)
