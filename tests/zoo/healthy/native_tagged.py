"""Pointers with a tag in their low bits, as languages and caches in C have them, in a table of C memory: all of them are in use."""
import ctypes
import time

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
table = (ctypes.c_size_t * 500)()
for number in range(1800):
    at = number * 17 % 500
    if table[at]:
        libc.free(table[at] & ~7)
    table[at] = libc.malloc(256) | (number & 3) + 1
    [str(i) for i in range(3)]
    time.sleep(0.001)
