# SPDX-License-Identifier: Apache-2.0
"""Threads that Python did not make: each calls a Python function (PyGILState_Ensure, by ctypes) some times, or never."""
import ctypes
import threading

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
libc.pthread_create.argtypes = [ctypes.POINTER(ctypes.c_ulong), ctypes.c_void_p, CALLBACK, ctypes.c_void_p]
libc.pthread_join.argtypes = [ctypes.c_ulong, ctypes.c_void_p]
kept = []
n_called = 0


def called(arg):
    own = bytes(kept.__len__() * 0 + 400000)
    kept.append([own for _ in range(5)])
    release_the_gil()
    return deeper(arg and 3)


def deeper(n):
    if n:
        return deeper(n - 1)
    libc.free(libc.malloc(1234))
    return None


def release_the_gil():
    libc.usleep(100)
    libc.free(libc.malloc(4321))


def callback(arg):
    global n_called
    n_called += 1
    called(arg)


callback = CALLBACK(callback)


def start(target):
    t = ctypes.c_ulong()
    assert libc.pthread_create(ctypes.byref(t), None, target, None) == 0
    return t


for turn in range(30):
    threads = [start(callback) for _ in range(4)]
    python = threading.Thread(target=called, args=(2,))
    python.start()
    here = [[n] for n in range(100)]
    for t in threads:
        libc.pthread_join(t, None)
    python.join()
assert n_called == 120, n_called
print('end')
