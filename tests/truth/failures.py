"""Calls that fail: nothing is made, what was there stays."""
import errno
from truth import *

HUGE = (1 << 62)
p = libc.malloc(500); alive('malloc', 500)
assert libc.realloc(p, HUGE) is None and ctypes.get_errno() == errno.ENOMEM
assert libc.malloc(HUGE) is None and ctypes.get_errno() == errno.ENOMEM
assert libc.calloc(1 << 40, 1 << 40) is None and ctypes.get_errno() == errno.ENOMEM
assert libc.reallocarray(p, 1 << 40, 1 << 40) is None and ctypes.get_errno() == errno.ENOMEM
assert libc.posix_memalign(ctypes.byref(P()), 3, 100) == errno.EINVAL
assert libc.aligned_alloc(64, HUGE) is None
m = libc.mmap(None, 3 * PAGE, PROT_RW, MAP_ANON_PRIVATE, -1, 0); alive('mmap', 3 * PAGE)
assert libc.mmap(None, 0, PROT_RW, MAP_ANON_PRIVATE, -1, 0) == (1 << 64) - 1 and ctypes.get_errno() == errno.EINVAL
assert libc.munmap(m + 1, PAGE) == -1 and ctypes.get_errno() == errno.EINVAL
assert libc.mremap(m, 3 * PAGE, HUGE, 1) == (1 << 64) - 1
for q in python.PyMem_RawMalloc, python.PyMem_Malloc, python.PyObject_Malloc:
    assert q((1 << 63) + 5) is None
r = python.PyMem_RawMalloc(501); alive('raw', 501)
assert python.PyMem_RawRealloc(r, HUGE) is None
dropped.PyObject_Malloc(100); alive('object', 100)
s = python.PyObject_Malloc(100)
assert python.PyObject_Realloc(s, HUGE) is None
done()
