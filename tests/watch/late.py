# SPDX-License-Identifier: Apache-2.0
"""Watches an object that exists, by hand, while threads that are older than the watch wait; says what each did with it.

Prints JSON: watched (four objects of class Box; the first has the changes), places left, counts at the end."""
import json
import sys
import threading

import libpytrace

N, K = 6, 3


class Box:
    pass


def work(box, go):
    go.wait()
    alias = [box] * K  # taken by threads
    del alias  # given by threads
    return None


boxes = [Box() for _ in range(5)]
ways = [threading.Event(), threading.Event()]
older = [threading.Thread(target=work, args=(boxes[0], ways[0])) for _ in range(N)]
for t in older:
    t.start()
watched = [libpytrace.watch(box) for box in boxes]
again = libpytrace.watch(boxes[0])
before = sys.getrefcount(boxes[0])
ways[0].set()
for t in older:
    t.join()
younger = [threading.Thread(target=work, args=(boxes[0], ways[1])) for _ in range(N)]
ways[1].set()
for t in younger:
    t.start()
for t in younger:
    t.join()
del older, younger, t
print(json.dumps({'watched': watched, 'again': again, 'nothing': libpytrace.watch(None), 'off': libpytrace.stats()['watch_off'],
                  'count': sys.getrefcount(boxes[0]) - 1, 'changes': 2 * N * K}))
