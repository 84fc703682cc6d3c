# SPDX-License-Identifier: Apache-2.0
"""Cycles of many shapes; each line that makes some says in its comment how many objects the collector frees of it.
Collected by one gc.collect() for each shape; prints [what it returned] in order."""
import gc
import json
import types

gc.collect()
gc.disable()
returned = []


class Node:
    __slots__ = ('next', 'data')


class Tree:
    __slots__ = ('parent', 'children', 'name')

    def __init__(self, parent, name):
        self.parent, self.name, self.children = parent, name, []
        if parent is not None:
            parent.children.append(self)


class Cell:
    __slots__ = ('call',)


def collect():
    returned.append(gc.collect())  # freed


def pairs(n):
    for i in range(n):
        a = Node()  # pair a
        b = Node()  # pair b
        a.next, b.next = b, a
        a.data = bytes(1000)  # pair data


def ring(n):
    nodes = [Node() for _ in range(n)]  # ring
    for i, node in enumerate(nodes):
        node.next = nodes[(i + 1) % n]


def trees(n):
    for i in range(n):
        root = Tree(None, 'root')  # tree root
        for j in range(3):
            Tree(root, 'leaf')  # tree leaf


def closure():
    cell = Cell()  # closure cell
    cell.call = lambda: cell  # closure function


def closures(n):
    for i in range(n):
        closure()


def tails(n):
    for i in range(n):
        loop = [[1, [2]]]  # tail
        loop.append(loop)


def dicts(n):
    for i in range(n):
        d = {'list': [0]}  # dict
        d['list'].append(d)
        d['self'] = d


def modules(n):
    for i in range(n):
        m = types.ModuleType('made%d' % i)  # module
        m.me = m


for make, n in (pairs, 10), (ring, 7), (trees, 5), (closures, 4), (tails, 3), (dicts, 6), (modules, 2):
    make(n)
    collect()
gc.enable()
print(json.dumps(returned))
