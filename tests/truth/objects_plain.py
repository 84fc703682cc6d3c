"""Objects of known size: bytes, strings, ints, tuples, floats, lists, sets, slots."""
from sys import getsizeof
from truth import *

kept = drain_free_lists()
kb, one = 1024, 1
# The module's dictionary must not grow on a line that is judged.
b0 = b1 = b2 = b3 = s0 = s1 = n0 = t0 = f0 = p0 = many = l0 = i = thirty = single = None


class Point:
    __slots__ = 'x', 'y', 'z'


kept.append(bytes(100))  # a call with a tuple of arguments, which a list of free ones keeps
b0 = bytes(100)
alive('object', getsizeof(b0), line=-1)
b1 = bytes(479)
alive('object', getsizeof(b1), line=-1)
b2 = bytes(480)
alive('object', getsizeof(b2), line=-1)
b3 = bytes(100 * kb)
alive('object', getsizeof(b3), line=-1)
s0 = 'x' * kb
alive('object', getsizeof(s0), line=-1)
s1 = '\u20ac' * kb
alive('object', getsizeof(s1), line=-1)
n0 = one << 8010
alive('object', getsizeof(n0), line=-1)
thirty = kept[0][:30]
t0 = tuple(thirty)
alive('object', getsizeof(t0), line=-1)
f0 = kb * 1j
alive('object', getsizeof(f0), line=-1)
p0 = Point()
alive('object', getsizeof(p0), line=-1)
many = [None] * 1000
for i in range(1000):
    many[i] = bytes(1000)
alive('object', getsizeof(many[0]), 400, line=-1)
del many[500:]  # and the first hundred are replaced below
for i in range(500):
    many[i // 5] = Point()
alive('object', getsizeof(p0), 100, line=-1)
single = [None]
l0 = single * 999
alive('object', getsizeof(l0) - 999 * 8, line=-1)
alive('mem', 999 * 8 + LIST_HEAD, line=-2)
done()
