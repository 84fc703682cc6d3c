"""Cycles: gone after a collection, there without one."""
import gc
from truth import *


class Node:
    __slots__ = 'other', 'data'


gc.disable()
a = i = size = None
kept = drain_free_lists()


def ring():
    a, b = Node(), Node()
    a.other, b.other = b, a
    a.data = bytes(7000)


for i in range(10):
    ring()
gc.collect()
size = sys.getsizeof(bytes(7000))
gone('object', size, 10, line=-6)
for i in range(10):
    a = Node()
    a.other, a.data = a, bytes(7000)
alive('object', size, 10, line=-1)
alive('object', sys.getsizeof(Node()), 10, line=-3)
del a
done()
