"""What a child inherits is the parent's: freed in the child, still there in the parent, and the other way round."""
from truth import *

a = b = c = d = pid = objects = None

a = helper.truth_malloc(2001); alive('malloc', 2001)
b = helper.truth_malloc(2002); gone('malloc', 2002)
objects = [bytes(3000) for _ in range(50)]
alive('object', sys.getsizeof(objects[0]), 50, line=-1)
pid = os.fork()
if not pid:
    forget()
    helper.truth_free(a)
    del objects[:]
    c = libc.realloc(b, 4000); alive('malloc', 4000)
    d = bytes(5000)
    alive('object', sys.getsizeof(d), line=-1)
    done()
    os._exit(0)
helper.truth_free(b)
assert os.waitpid(pid, 0)[1] == 0
done()
