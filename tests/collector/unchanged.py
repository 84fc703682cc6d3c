# SPDX-License-Identifier: Apache-2.0
"""What a program can see of the collector: must be the same traced and untraced."""
import gc
import sys


class Node:
    pass


def look():
    return gc.get_count(), sys.getallocatedblocks(), len(gc.get_objects()), len(sys.modules), sys.getrefcount(gc.callbacks)


def change(a, b):
    return b[0], b[1] - a[1], b[2] - a[2], b[3], b[4]


def main():
    rows = []
    look()
    look()
    for generation in (2, 0, 1, 2, 0, 2):
        a = look()
        n = gc.collect(generation)
        b = look()
        node = Node()
        node.self = node
        del node
        entries = {}
        entries[0] = entries
        del entries
        c = look()
        rows.append((generation, n, change(a, b), change(b, c)))
    if hasattr(sys, "gettotalrefcount"):
        # debug builds watch closely: a dict may be on a free list there that would not be
        rows = [row[:2] for row in rows]
    print(rows)
    print(gc.callbacks, gc.get_threshold(), gc.isenabled(), gc.garbage, gc.get_debug())
    print([s["collections"] for s in gc.get_stats()][1:])


main()
