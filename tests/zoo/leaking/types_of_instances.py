"""tp_dealloc of a heap type forgets the type of its instance: types made for each query stay (as CPython bpo-35810, bpo-40217).

verdict: reference-leak
type: type
c: _rows.c
"""
import time

import _rows

for number in range(800):
    _rows.query()
    time.sleep(0.002)
