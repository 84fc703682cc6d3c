"""Blocks made in greenlets that switch back and forth."""
import greenlet
from truth import *


def deep(n, other, size):
    if n:
        return deep(n - 1, other, size)
    for i in range(20):
        p = helper.truth_malloc(size + i); alive('malloc', size + i); stack_alive('malloc', size + i)
        target = other()
        if target.dead:
            target = main
        target.switch()


main = greenlet.getcurrent()
a = greenlet.greenlet(lambda: deep(5, lambda: b, 1000))
b = greenlet.greenlet(lambda: deep(50, lambda: a, 2000))
a.switch()
while not (a.dead and b.dead):
    (a if b.dead else b).switch()
done()
