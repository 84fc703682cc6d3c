"""A parser of C loses the root of its tree when it refuses a document: the rest is lost with it (as libxml2, CPython bpo-34080).

verdict: native-unreachable
c: _tree.c
"""
import ctypes
import os
import time

library = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "_tree.so"))
for number in range(2000):
    library.parse(number)
    time.sleep(0.001)
