# SPDX-License-Identifier: Apache-2.0
"""A program that knows each change of the count of its one object of class Box.

usage: changes.py LIBRARY   (changes.c). Prints JSON: steps, [line, what is left of the count's changes when it is done];
points, [line, what sys.getrefcount answered there]; calls of the library, [function, times]; died: the line where it ended.
"""
import ctypes
import json
import sys
import threading

steps, points, calls = [], [], []
lib = ctypes.PyDLL(sys.argv[1])
nogil = ctypes.CDLL(sys.argv[1])


def pointer(name):
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p)


INCREF, DECREF = pointer('Py_IncRef'), pointer('Py_DecRef')


class Work(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ('incref', 'decref', 'ensure', 'release', 'object')] + [('n', ctypes.c_int)]


class Box:
    pass


class Holder:
    pass


def line():
    return sys._getframe(1).f_lineno


def step(where, net):
    steps.append([where, net])


def call(function, where, n):
    if function == 'threads':
        work = Work(INCREF, DECREF, pointer('PyGILState_Ensure'), pointer('PyGILState_Release'), ctypes.c_void_p(where), n)
        nogil.threads(ctypes.byref(work), 3)
        calls.extend([['take', 3 * n], ['give', 3 * n]])
    else:
        getattr(lib, function)(INCREF if function == 'take' else DECREF, ctypes.c_void_p(where), n)
        calls.append([function, n])


def borrow(box):
    return None


def main():
    a = Box(); step(line(), 1)
    b = a; step(line(), 1)
    points.append([line(), sys.getrefcount(a)])
    many = [a] * 10; step(line(), 10)
    points.append([line(), sys.getrefcount(a)])
    del many[3:]; step(line(), -7)
    holder = Holder()
    holder.box = a; step(line(), 1)
    key = {'x': a}; step(line(), 1)
    pair = (a, a); step(line(), 2)
    points.append([line(), sys.getrefcount(a)])
    borrow(a); step(line(), 0)
    many.append(b); step(line(), 1)
    del b; step(line(), -1)
    key['x'] = None; step(line(), -1)
    del holder; step(line(), -1)
    pair = None; step(line(), -2)
    points.append([line(), sys.getrefcount(a)])
    many.clear(); step(line(), -4)
    where = id(a)
    call('take', where, 25)
    points.append([line(), sys.getrefcount(a)])
    call('give', where, 20)
    points.append([line(), sys.getrefcount(a)])
    call('threads', where, 40)
    points.append([line(), sys.getrefcount(a)])
    other = threading.Thread(target=call, args=('take', where, 7))
    other.start()
    other.join()
    points.append([line(), sys.getrefcount(a)])
    call('give', where, 12)
    points.append([line(), sys.getrefcount(a)])
    del a; died = line()
    return died


died = main()
print(json.dumps({'steps': steps, 'points': points, 'calls': calls, 'died': died}))
