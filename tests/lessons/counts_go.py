"""Counts go up and down: a name more is a reference more, and a call's own references come and go."""
import sys

a = [1, 2, 3]  # made
print(sys.getrefcount(a))
b = a  # taken
print(sys.getrefcount(a))
del a  # given
print(sys.getrefcount(
    b))
del b  # given last


def names():
    c = [4, 5, 6]  # made by a function
    d = c  # taken by a function
    sys.getrefcount(c)
    del c  # given by a function
    sys.getrefcount(
        d,
    )
    del d  # given last by a function


names()
