"""ctypes.pythonapi.Py_IncRef() "so that C may keep it", and no Py_DecRef() when C lets go (as documented for callbacks' user data).

verdict: reference-leak
type: __main__.UserData
"""
import ctypes
import time


class UserData:
    def __init__(self, number):
        self.name = "watch %d" % number


def watch(number):
    data = UserData(number)  # leak
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(data))
    return id(data)


for number in range(1500):
    watch(number)
    time.sleep(0.001)
