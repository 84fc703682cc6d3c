"""Every function that gives a block back."""
from truth import *

a = libc.malloc(101); gone('malloc', 101)
libc.free(a)
libc.free(None)
b = libc.malloc(102); gone('malloc', 102)
b = libc.realloc(b, 0)
if b:  # not every allocator frees here
    gone('malloc', 0, line=-2)
    libc.free(b)
try:
    declare(libc, 'free_sized', None, P, N)
    declare(libc, 'free_aligned_sized', None, P, N, N)
except AttributeError:
    pass
else:
    c = libc.malloc(103); gone('malloc', 103)
    libc.free_sized(c, 103)
    d = libc.aligned_alloc(64, 128); gone('malloc', 128)
    libc.free_aligned_sized(d, 64, 128)
many = [libc.malloc(2000) for _ in range(1000)]; gone('malloc', 2000, 900); alive('malloc', 2000, 100)
for p in many[100:]:
    libc.free(p)
helper.truth_malloc_free(33, 5000); gone('malloc', 33, 5000)
done()
