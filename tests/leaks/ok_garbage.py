# SPDX-License-Identifier: Apache-2.0
"""Cycles that the collector takes away."""
class Node:
    pass


def make():
    a, b = Node(), Node()
    a.next, b.next = b, a
    a.data = 'x' * 100


for i in range(20000):
    make()
