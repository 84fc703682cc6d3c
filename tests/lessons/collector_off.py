"""The collector off: instances in cycles that nobody collects stay, to the byte."""
import gc

gc.disable()


class Node:
    __slots__ = 'next', 'data'


def pair():
    a, b = Node(), Node()  # nodes
    a.next, b.next = b, a
    a.data = bytes(3000)  # data


for i in range(100):
    pair()
