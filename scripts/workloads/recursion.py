# SPDX-License-Identifier: Apache-2.0
"""Allocations at a given depth of Python calls: recursion.py TURNS DEPTH.

At the bottom a loop makes and drops a small dict with its number and text, VISIT times a visit: so the stack is deep,
changes at its top only, and is built anew for every visit.
"""
import sys

VISIT = 1000


def bottom():
    length = 0
    for number in range(VISIT):
        row = {"number": number * 1000, "text": "number %d" % number}
        length += len(row["text"])
    return length


def down(depth):
    if depth <= 0:
        return bottom()
    return down(depth - 1) + 1


turns, depth = int(sys.argv[1]), int(sys.argv[2])
sys.setrecursionlimit(depth + 200)
print(sum(down(depth - 2) for _ in range(turns // VISIT)))
