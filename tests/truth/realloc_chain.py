"""Blocks that grow and shrink: the last realloc owns the block."""
from truth import *

p = libc.malloc(10); gone('malloc', 10)
p = libc.realloc(p, 100); gone('malloc', 100)
p = libc.realloc(p, 100000); gone('malloc', 100000)
p = libc.realloc(p, 50); gone('malloc', 50)
p = libc.realloc(p, 5000); alive('malloc', 5000)
q = libc.calloc(3, 5); gone('malloc', 15)
q = libc.reallocarray(q, 30, 5); alive('malloc', 150)
r = libc.posix_memalign(ctypes.byref(P()), 64, 64) or 1; alive('malloc', 64)
s = libc.malloc(64); gone('malloc', 64)
for i in range(1, 501):
    s = libc.realloc(s, 64 + i * 16); gone('malloc', 64 + i * 16)
libc.free(s)
t = helper.truth_realloc_chain(100, 40); gone('malloc', sum(100 * i for i in range(1, 40)), 1); gone('malloc', 0, 38); alive('malloc', 4000)
u = libc.malloc(200 << 20); gone('malloc', 200 << 20)
u = libc.realloc(u, 300 << 20); gone('malloc', 300 << 20)
u = libc.realloc(u, 20); alive('malloc', 20)
done()
