"""Children, their children, and theirs: each process knows its own."""
from truth import *

p = helper.truth_malloc(1000); alive('malloc', 1000)


def grow(depth):
    if depth == 0:
        return
    for i in range(2):
        pid = os.fork()
        if not pid:
            forget()
            q = helper.truth_malloc(10 * depth + i); alive('malloc', 10 * depth + i); stack_alive('malloc', 10 * depth + i)
            grow(depth - 1)
            done()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        r = helper.truth_malloc(500 + depth); alive('malloc', 500 + depth)


grow(3)
done()
