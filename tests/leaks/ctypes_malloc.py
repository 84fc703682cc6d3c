# SPDX-License-Identifier: Apache-2.0
"""Memory of malloc that nobody frees."""
import ctypes

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]


def work(i):
    libc.malloc(700)  # leak
    return [str(i)] * 10


for i in range(2000):
    work(i)
