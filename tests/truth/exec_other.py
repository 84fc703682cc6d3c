"""exec: the first program's blocks are known, and the second one's."""
from truth import *

p = libc.malloc(6001 + len(sys.argv)); alive('malloc', 6001 + len(sys.argv))
done()
if len(sys.argv) == 1:
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, __file__, 'again'])
