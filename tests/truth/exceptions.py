"""Blocks made while exceptions pass: in except, else, finally, with, and after unwinding many frames."""
from truth import *


def fall(n):
    if n == 0:
        raise ValueError
    try:
        fall(n - 1)
    finally:
        p = helper.truth_malloc(n); alive('malloc', n); stack_alive('malloc', n)


class Manager:
    def __enter__(self):
        helper.truth_malloc(61); alive('malloc', 61)

    def __exit__(self, *args):
        helper.truth_malloc(67); alive('malloc', 67); stack_alive('malloc', 67)
        return True


try:
    fall(30)
except ValueError:
    a = helper.truth_malloc(71); alive('malloc', 71); stack_alive('malloc', 71)
try:
    pass
except ValueError:
    pass
else:
    b = helper.truth_malloc(73); alive('malloc', 73)
finally:
    c = helper.truth_malloc(79); alive('malloc', 79)
with Manager():
    fall(3)
d = helper.truth_malloc(83); alive('malloc', 83); stack_alive('malloc', 83)
done()
