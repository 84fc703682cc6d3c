"""A buffer from C's malloc() by ctypes, for a call that "takes ownership" and does not.

verdict: native-unreachable
bytes: at least 500000
"""
import ctypes
import time

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def send(number):
    buffer = libc.malloc(700)  # leak
    libc.memset(buffer, number % 256, 700)


for number in range(1500):
    send(number)
    time.sleep(0.001)
