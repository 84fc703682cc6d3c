"""Two nodes that refer to each other: their names go, they stay."""
import gc


class Node:
    pass


gc.collect()
a = Node()  # a
b = Node()  # b
a.next = b
b.next = a
del a, b
