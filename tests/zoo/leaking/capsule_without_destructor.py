"""PyCapsule_New() without a destructor: the capsule dies, what it points to does not (as numpy DLPack, CPython gh-95324).

verdict: native-unreachable
bytes: at least 700000
c: _handle.c
"""
import time

import _handle

for number in range(1500):
    _handle.open(number)
    time.sleep(0.001)
