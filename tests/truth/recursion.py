"""A block at the bottom of a recursion; the whole stack must be right."""
from truth import *

depth = int(sys.argv[1])
sys.setrecursionlimit(depth + 200)


def down(n):
    if n == 0:
        p = helper.truth_malloc(12345); stack_alive('malloc', 12345); alive('malloc', 12345)
        return p
    return down(n - 1)


def other(n):
    return n and other(n - 1) or helper.truth_malloc(23)


down(depth)
other(depth); alive('malloc', 23, line=-4)
for half in range(0, depth, max(1, depth // 10)):
    down(half)
done()
