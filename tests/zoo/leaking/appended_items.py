"""PyList_Append() of something made in place: it has one reference too many (as opencv-python #7198, h5py, python-ldap).

verdict: reference-leak
type: list
c: _points.c
"""
import time

import _points

for number in range(1200):
    _points.points(float(number))
    time.sleep(0.0015)
