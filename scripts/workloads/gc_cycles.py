# SPDX-License-Identifier: Apache-2.0
"""Cyclic garbage: small rings of instances and closures that only the collector can free."""
import gc
import sys


class Node:
    def __init__(self, name):
        self.name = name
        self.next = None


def ring(size, number):
    nodes = [Node("%d/%d" % (number, i)) for i in range(size)]
    for left, right in zip(nodes, nodes[1:] + nodes[:1]):
        left.next = right
    nodes[0].call = lambda: nodes[0]


for number in range(int(sys.argv[1])):
    ring(3 + number % 5, number)
gc.collect()
print(gc.garbage)
