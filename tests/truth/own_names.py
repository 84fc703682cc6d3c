"""Functions that only one allocator has: argv[1] is its library, argv[2] the prefix of its names."""
from truth import *

lib, prefix = ctypes.CDLL(sys.argv[1]), sys.argv[2]
if prefix == 'je':
    mallocx = declare(lib, 'mallocx', P, N, I)
    rallocx = declare(lib, 'rallocx', P, P, N, I)
    xallocx = declare(lib, 'xallocx', N, P, N, N, I)
    dallocx = declare(lib, 'dallocx', None, P, I)
    sdallocx = declare(lib, 'sdallocx', None, P, N, I)
    a = mallocx(1201, 0); alive('malloc', 1201)
    b = mallocx(1202, 0); gone('malloc', 1202)
    b = rallocx(b, 70001, 0); gone('malloc', 70001)
    c = mallocx(2000, 0); gone('malloc', 2000)
    assert xallocx(c, 1999, 0, 0) >= 1999; alive('malloc', 1999)
    assert xallocx(c, 1 << 40, 0, 0) < 1 << 40
    d, e = mallocx(1204, 6), mallocx(1204, 6); gone('malloc', 1204, 2)
    dallocx(b, 0)
    dallocx(d, 0)
    sdallocx(e, 1204, 0)
else:
    malloc = declare(lib, prefix + '_malloc', P, N)
    calloc = declare(lib, prefix + '_calloc', P, N, N)
    realloc = declare(lib, prefix + '_realloc', P, P, N)
    free = declare(lib, prefix + '_free', None, P)
    a = malloc(1301); alive('malloc', 1301)
    b = calloc(3, 401); gone('malloc', 1203)
    b = realloc(b, 1303); gone('malloc', 1303)
    free(b)
    c = libc.malloc(1304); gone('malloc', 1304)
    free(c)
    d = malloc(1305); gone('malloc', 1305)
    libc.free(d)
done()
