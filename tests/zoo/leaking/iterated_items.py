"""A loop in C over PyIter_Next() forgets to give the items back (as CPython gh-144307).

verdict: reference-leak
type: __main__.Row
c: _walk.c
"""
import time

import _walk


class Row:
    def __init__(self, number):
        self.cells = [number] * 4

    def __len__(self):
        return len(self.cells)


def page(number):
    return _walk.total([Row(i) for i in range(5)])  # leak


for number in range(1000):
    page(number)
    time.sleep(0.002)
