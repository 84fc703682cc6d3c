"""Closures, lambdas, methods, decorators, comprehensions, class bodies, callbacks from C."""
import functools
from truth import *


def make(n):
    def inner():
        p = helper.truth_malloc(n); alive('malloc', n); stack_alive('malloc', n)
        return p
    return inner


def decorated(f):
    @functools.wraps(f)
    def wrapper(*args):
        q = helper.truth_malloc(17); alive('malloc', 17); stack_alive('malloc', 17)
        return f(*args)
    return wrapper


class Thing:
    body = helper.truth_malloc(19); alive('malloc', 19); stack_alive('malloc', 19)

    def method(self):
        return helper.truth_malloc(23)

    @classmethod
    def maker(cls):
        p = helper.truth_malloc(29); alive('malloc', 29); stack_alive('malloc', 29)
        return cls()

    @property
    def prop(self):
        p = helper.truth_malloc(31); alive('malloc', 31); stack_alive('malloc', 31)
        return p

    def __del__(self):
        p = helper.truth_malloc(37); alive('malloc', 37); stack_alive('malloc', 37)


@decorated
def plain():
    p = helper.truth_malloc(41); alive('malloc', 41); stack_alive('malloc', 41)


for i in range(5):
    make(500 + i)()
t = Thing.maker()
t.method(); alive('malloc', 23, line=-24)
t.prop
plain()
del t
a = [helper.truth_malloc(43) for i in range(7)]; alive('malloc', 43, 7)
b = {helper.truth_malloc(47) for i in range(7)}; alive('malloc', 47, 7)
c = {i: helper.truth_malloc(53) for i in range(7)}; alive('malloc', 53, 7)
d = (lambda: helper.truth_malloc(59))(); alive('malloc', 59)
e = list(map(lambda n: helper.truth_malloc(61), range(7))); alive('malloc', 61, 7)
f = sorted(range(5), key=lambda n: helper.truth_malloc(67)); alive('malloc', 67, 5)


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
def callback(n):
    p = helper.truth_malloc(n); alive('malloc', n); stack_alive('malloc', n)
    return n and helper.truth_call(callback, n - 1)


helper.truth_call(callback, 9)
done()
