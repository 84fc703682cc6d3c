"""What was alive at the peak, site by site."""
from truth import *

before = libc.malloc(1 << 20); alive('malloc', 1 << 20)
big = libc.malloc(200 << 20); gone('malloc', 200 << 20)
some = [helper.truth_malloc(1 << 16) for i in range(16)]; alive('malloc', 1 << 16, 8); gone('malloc', 1 << 16, 8)
libc.free(big)
for p in some[8:]:
    helper.truth_free(p)
after = libc.malloc(100 << 20); alive('malloc', 100 << 20)
done()
