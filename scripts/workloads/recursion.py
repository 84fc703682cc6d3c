# SPDX-License-Identifier: Apache-2.0
"""Allocations at a given depth of Python calls: recursion.py EVENTS DEPTH.

At the bottom a loop makes and drops an object and a number, TURNS times a visit (four events a turn): so the stack is
deep, changes at its top only, and is built anew for every visit.
"""
import sys

TURNS = 1000


def bottom():
    kept = None
    for number in range(TURNS, 2 * TURNS):
        kept = object()
    return number if kept else 0


def down(depth):
    if depth <= 0:
        return bottom()
    return down(depth - 1) + 1


events, depth = int(sys.argv[1]), int(sys.argv[2])
sys.setrecursionlimit(depth + 200)
print(sum(down(depth - 2) for _ in range(events // (4 * TURNS))))
