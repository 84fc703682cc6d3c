"""Python's own mmap module, and ctypes buffers."""
import mmap
from truth import *

a = mmap.mmap(-1, 16 * PAGE)
alive('mmap', 16 * PAGE, line=-1)
b = mmap.mmap(-1, 3 * PAGE)
gone('mmap', 3 * PAGE, line=-1)
b.close()
c = mmap.mmap(-1, 2 * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # shared ones can't grow
gone('mmap', 2 * PAGE, line=-1)
c.resize(5 * PAGE)
alive('mmap', 5 * PAGE, line=-1)
buffer = ctypes.c_char * 100000
d = buffer()
alive('mem', 100000, line=-1)
done()
