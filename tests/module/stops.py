# SPDX-License-Identifier: Apache-2.0
"""Threads that make, move and free blocks of C's malloc, each of a size of its own, while others start and stop recording.

Prints the sizes of what is alive at the end and must be in the trace, of what may be, and how often recording was stopped.
"""
import ctypes
import json
import os
import random
import sys
import threading

import libpytrace

helper = ctypes.CDLL(os.environ['TRUTH_HELPER'])
for name in 'truth_malloc', 'truth_resize':
    getattr(helper, name).restype = ctypes.c_void_p
helper.truth_malloc.argtypes, helper.truth_resize.argtypes = (ctypes.c_size_t,), (ctypes.c_void_p, ctypes.c_size_t)
helper.truth_free.argtypes, helper.truth_free.restype = (ctypes.c_void_p,), None
THREADS, STEPS, TOGGLES = 4, int(sys.argv[1]), int(sys.argv[2])
MUST, MUST_NOT, MAY = 'must', 'must not', 'may'
moment, lock, stops = [0 if libpytrace.stats()['recording'] else 2], threading.Lock(), [0]
handed = [[] for _ in range(THREADS)]


def toggle():
    with lock:
        stop = moment[0] % 4 == 0
        moment[0] += 1
        assert (libpytrace.stop if stop else libpytrace.start)() is True
        assert (libpytrace.stop if stop else libpytrace.start)() is False
        stops[0] += stop
        moment[0] += 1


def known(before):
    """What is certain of a block that was made since moment `before`."""
    return MAY if before != moment[0] or before % 2 else MUST if before % 4 == 0 else MUST_NOT


def take(size):
    before = moment[0]
    p = helper.truth_malloc(size)
    return [p, size, known(before)]


def resize(block, size):
    before = moment[0]
    p = helper.truth_resize(block[0], size)
    return [p, size, MUST if block[2] == MUST else known(before) if block[2] == MUST_NOT or known(before) == MUST else MAY]


def work(n):
    r, mine = random.Random(n), handed[n]
    for i in range(STEPS):
        size, what = 20000 + (i * THREADS + n) * 16, r.random()
        if what < 0.5 or not mine:
            handed[r.randrange(THREADS)].append(take(size))
        else:
            try:
                block = mine.pop(r.randrange(len(mine)))
            except (IndexError, ValueError):
                continue
            if what < 0.65:
                mine.append(resize(block, size))
            else:
                helper.truth_free(block[0])
        if r.random() * STEPS * THREADS < TOGGLES:
            toggle()


threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
for t in threads:
    t.start()
for t in threads:
    t.join()
alive = [block for blocks in handed for block in blocks]
print(json.dumps({'must': sorted(s for _, s, k in alive if k == MUST), 'may': sorted(s for _, s, k in alive if k == MAY),
                  'stops': stops[0]}))
