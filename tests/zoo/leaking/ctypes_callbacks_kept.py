"""A ctypes callback is made for each call and kept in a list, since C "might still use it".

verdict: growth
"""
import ctypes
import time

libc = ctypes.CDLL(None)
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
callbacks = []


def sort(values):
    array = (ctypes.c_int * len(values))(*values)
    callback = COMPARE(lambda a, b: a[0] - b[0])  # leak
    callbacks.append(callback)  # leak
    libc.qsort(array, len(values), ctypes.sizeof(ctypes.c_int), callback)
    return list(array)


for number in range(1200):
    sort([3, 1, 2])
    time.sleep(0.0015)
