"""Blocks made in generators: in the middle of their lives, nested, by send, throw and close."""
from truth import *


def inner(n):
    for i in range(n):
        p = helper.truth_malloc(100 + i); alive('malloc', 100 + i); stack_alive('malloc', 100 + i)
        yield p


def outer(n):
    yield from inner(n)
    try:
        p = helper.truth_malloc(7); alive('malloc', 7); stack_alive('malloc', 7)
        yield p
    except KeyError:
        p = helper.truth_malloc(9); alive('malloc', 9); stack_alive('malloc', 9)
        yield p
    finally:
        p = helper.truth_malloc(11); alive('malloc', 11); stack_alive('malloc', 11)


def sized():
    size = yield
    while True:
        p = helper.truth_malloc(size); alive('malloc', size); stack_alive('malloc', size)
        size = yield p


def from_elsewhere(g):
    return next(g)


g, h = outer(3), outer(5)
for i in range(3):
    next(g)
    from_elsewhere(h)
s = sized()
next(s)
for i in range(1000, 1010):
    s.send(i)
next(g)
g.close()
h.close()
t = outer(0)
next(t)
t.throw(KeyError())
t.close()
total = sum(1 for x in (helper.truth_malloc(5) for i in range(10))); alive('malloc', 5, 10)
done()
