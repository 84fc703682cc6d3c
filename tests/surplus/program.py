# SPDX-License-Identifier: Apache-2.0
"""Takes references by an extension, in one way or another: program.py HOW N [SNAPSHOTS], as many as asked for on the way."""
import sys

import _lossy


class Thing:
    def __init__(self, i):
        self.items = [i]


class Kept:
    def __init__(self, i):
        self.name = "kept %d" % i


shared = Thing(-1)  # shared


def instances(i):
    thing = Thing(i)  # thing
    if i % 2:
        _lossy.lose(thing)


def one(i):
    _lossy.lose(shared)


def bytes_in_c(i):
    _lossy.forget(i)  # bytes


def tuples_in_c(i):
    _lossy.tuple(Thing(i))  # tuple


def bytes_of_python(i):
    text = b'%d of python' % i * 3  # python
    _lossy.lose(text)


def kept_and_lost(i):
    _lossy.keep(Kept(i))  # kept
    instances(i)


def bytes_kept(i):
    _lossy.keep(b'%d of python' % i * 3)  # bytes kept


def ok_ring(i):
    _lossy.ring(Thing(i))


def ok_table(i):
    _lossy.table(Thing(i))


pools = []


def ok_pool(i):
    if i % 250 == 0:
        pools[:] = [_lossy.pool()]
    _lossy.put(pools[0], Thing(i))


def ok_bursts(i):
    if i % 40 == 0:
        [tuple(range(k, k + n)) for n in range(1, 19) for k in range(100)]  # they go to free lists


def ok_none(i):
    return [Thing(i)]


def ok_shared(i):
    if i < 200:
        _lossy.lose(shared)  # references that C code keeps, for all that we know


def look():
    import libpytrace
    libpytrace.snapshot()
    libpytrace.flush()


def work(how, n, snapshots):
    function = globals()[how]
    for i in range(n):
        function(i)
        [i, i] * 3
        if snapshots and (i + 1) % (n // snapshots) == 0:
            look()


work(sys.argv[1], int(sys.argv[2]), int((sys.argv[3:] or [0])[0]))
print('done')
