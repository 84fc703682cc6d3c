"""Finalizers in a cycle: collected all the same, since Python 3.4; gc.garbage stays empty."""
import gc


class Node:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        order.append(self.name)


order = []
gc.collect()
for i in range(4):
    a = Node('a%d' % i)  # a
    b = Node('b%d' % i)  # b
    a.other, b.other = b, a
    del a, b
print(gc.collect(), len(gc.garbage), *order)  # freed
