"""mmap, munmap of parts, mremap, fixed mappings over others, reservations, files."""
import os
from truth import *

MAP_FIXED, MREMAP_MAYMOVE = 0x10, 1


def anon(n, where=None, extra=0):
    p = libc.mmap(where, n * PAGE, PROT_RW, MAP_ANON_PRIVATE | extra, -1, 0)
    assert p != (1 << 64) - 1
    return p


a = libc.mmap(None, 4 * PAGE, PROT_RW, MAP_ANON_PRIVATE, -1, 0); alive('mmap', 4 * PAGE)
b = libc.mmap(None, 10 * PAGE, PROT_RW, MAP_ANON_PRIVATE, -1, 0); alive('mmap', 7 * PAGE); gone('mmap', 3 * PAGE)
assert not libc.munmap(b, PAGE) and not libc.munmap(b + 9 * PAGE, PAGE) and not libc.munmap(b + 5 * PAGE, PAGE)
c = libc.mmap(None, 2 * PAGE, PROT_RW, MAP_ANON_PRIVATE, -1, 0); gone('mmap', 2 * PAGE)
assert not libc.munmap(c, 2 * PAGE)
d = libc.mmap(None, 5 * PAGE - 100, PROT_RW, MAP_ANON_PRIVATE, -1, 0); alive('mmap', 5 * PAGE)
e = libc.mmap(None, 2 * PAGE, PROT_RW, MAP_ANON_PRIVATE, -1, 0); gone('mmap', 2 * PAGE)
e = libc.mremap(e, 2 * PAGE, 600 * PAGE, MREMAP_MAYMOVE); gone('mmap', 600 * PAGE)
e = libc.mremap(e, 600 * PAGE, 3 * PAGE, MREMAP_MAYMOVE); alive('mmap', 3 * PAGE)
f = libc.mmap(None, 64 * PAGE, 0, MAP_ANON_PRIVATE, -1, 0); alive('reserve', 62 * PAGE); gone('reserve', 2 * PAGE)
g = libc.mmap(f + 8 * PAGE, 2 * PAGE, PROT_RW, MAP_ANON_PRIVATE | MAP_FIXED, -1, 0); alive('mmap', 2 * PAGE)
fd = os.open(__file__, os.O_RDONLY)
h = libc.mmap(None, PAGE, 1, 2, fd, 0); alive('file', PAGE)
os.close(fd)
assert g == f + 8 * PAGE and h != (1 << 64) - 1
done()
