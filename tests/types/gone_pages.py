# SPDX-License-Identifier: Apache-2.0
"""Blocks of the object domain with a word, where an object has its type, that leads to pages which were there and are gone."""
import ctypes

api, libc = ctypes.pythonapi, ctypes.CDLL(None)
api.PyObject_Malloc.restype = ctypes.c_void_p
api.PyObject_Malloc.argtypes = [ctypes.c_size_t]
api.PyObject_Free.argtypes = [ctypes.c_void_p]
api.PyObject_Free.restype = None
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
PAGES = 4096 * 4
type_word = ctypes.sizeof(ctypes.c_void_p) if object.__basicsize__ == 16 else 24  # free-threaded: the header has 32 bytes


def free_block_with(pointer):
    """Gives back a block that looks like a dead object of a type at `pointer`."""
    block = api.PyObject_Malloc(96)
    ctypes.memset(block, 0, 96)
    ctypes.cast(block + type_word, ctypes.POINTER(ctypes.c_uint64))[0] = pointer
    api.PyObject_Free(block)


for turn in range(50):
    pages = libc.mmap(None, PAGES, 3, 0x22, -1, 0)
    for at in range(0, 4096, 64):
        free_block_with(pages + 4096 + at)
    libc.munmap(pages, PAGES)
    for at in range(32, 4096, 64):
        free_block_with(pages + 4096 + at)
print('alive')
