# SPDX-License-Identifier: Apache-2.0
"""Small objects of many kinds, made and dropped: the worst case of an object allocator's tracer."""
import sys


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y


class Named:
    def __init__(self, name):
        self.name = name


def turn(i):
    point = Point(i, i + 0.5)
    named = Named("n%d" % i)
    pair = (point, named)
    table = {"point": point, i: named}
    row = [object(), i * 3.5, str(i), pair]
    return len(table) + len(row)


total = 0
for number in range(int(sys.argv[1])):
    total += turn(number)
print(total)
