"""Every function that makes a block, once; all stay."""
from truth import *

address = P()
a = libc.malloc(1001); alive('malloc', 1001)
b = libc.calloc(7, 143); alive('malloc', 1001)
c = libc.realloc(None, 1003); alive('malloc', 1003)
d = libc.reallocarray(None, 5, 201); alive('malloc', 1005)
e = libc.posix_memalign(address, 64, 1007); alive('malloc', 1007)
f = libc.aligned_alloc(64, 1088); alive('malloc', 1088)
g = libc.memalign(128, 1009); alive('malloc', 1009)
h = libc.valloc(1011); alive('malloc', 1011)
i = libc.pvalloc(1); alive('malloc', 4096)
j = libc.malloc(0); alive('malloc', 0)
k = libc.malloc(300 << 20); alive('malloc', 300 << 20)
l = helper.truth_malloc(77); alive('malloc', 77)
m = helper.truth_strdup(b'twelve chars'); alive('malloc', 13)
assert e == 0 and all([a, b, c, d, f, g, h, i, j, k, l, m, address.value])
done()
