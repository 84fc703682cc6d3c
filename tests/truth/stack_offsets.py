"""One frame that allocates on many lines, with branches taken and not taken, in loops, with long jumps between."""
from truth import *


def many(n):
    a = helper.truth_malloc(1); alive('malloc', 1)
    if n % 2:
        b = helper.truth_malloc(2); alive('malloc', 2)
    else:
        c = helper.truth_malloc(3); alive('malloc', 3)
    while True:
        d = helper.truth_malloc(4); alive('malloc', 4)
        n -= 1
        if n < 0:
            break
        try:
            e = helper.truth_malloc(5); alive('malloc', 5)
            continue
        finally:
            f = helper.truth_malloc(6); alive('malloc', 6)
    assert (helper.truth_malloc(7), 1)[1]; alive('malloc', 7)
    return helper.truth_malloc(8)


for i in range(20):
    many(i); alive('malloc', 8, line=-4)
x = (helper
     .truth_malloc(9))
many(3); alive('malloc', 8, line=-7)
done()
