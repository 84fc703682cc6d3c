"""Containers that grow: each growth moves the table, the last one owns it."""
from sys import getsizeof, version_info
from truth import *

kept = drain_free_lists()
numbers = list(range(100000, 103000))
table = 'mem' if version_info >= (3, 13) else 'object'

l = []
l0 = getsizeof(l)
for i in numbers:
    l.append(i)
alive('mem', getsizeof(l) - l0 + LIST_HEAD, line=-1)

d = dict.fromkeys(range(20))
d0 = getsizeof({})
for i in numbers:
    d[i] = None
alive(table, getsizeof(d) - d0, line=-1)

s = set()
s0 = getsizeof(s)
for i in numbers:
    s.add(i)
alive('mem', getsizeof(s) - s0, line=-1)

e = dict.fromkeys(numbers)
for i in numbers:
    del e[i]
e.clear()


b = bytearray(100)
for i in numbers:
    b.append(7)
alive('object' if version_info >= (3, 15) else table, b.__alloc__(), line=-1)  # 3.15: in a bytes object
done()
