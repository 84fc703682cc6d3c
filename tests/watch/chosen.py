# SPDX-License-Identifier: Apache-2.0
"""Makes objects of several types, at several lines: chosen.py WHAT. Remarks at lines are what tests look for."""
import collections
import gc
import os
import sys
import threading
import time


class Box:
    pass


class Slotted:
    __slots__ = ('a', 'b')


class Outer:
    class Inner(dict):
        pass


def lesson():
    a = [1, 2, 3]  # in a function
    b = a
    del a
    del b


def first():
    x = Box()  # box
    y = Slotted()  # slotted
    z = Outer.Inner(a=1)  # inner
    o = collections.OrderedDict(a=1)  # ordered
    d = collections.deque([x, y, z, o])  # deque
    del d


def classes():
    kinds = [type('Kind%d' % i, (), {}) for i in range(8)]
    for i in range(50):
        for kind in kinds:
            kind()  # all kinds


def rotation():
    kept = []
    for i in range(20):
        kept.append(Box())  # kept for ever
    time.sleep(0.25)
    late = Box()  # late
    del late


def turns():
    kept = []
    for i in range(40000):
        kept.append(Box())  # often
        if i % 2000 == 0:
            Box()  # seldom
        if len(kept) > 20:
            del kept[:10]


def sample():
    """Nine objects of one kind to each of another; they die in the order of their making, some later."""
    alive = collections.deque()
    i, end = 0, time.process_time() + 2
    while i % 1000 or time.process_time() < end:
        i += 1
        if i % 10:
            alive.append(Box())
        else:
            alive.append(Slotted())
        if len(alive) > 100:
            alive.popleft()


def threads():
    def work():
        for i in range(5):
            Box()  # in a thread
    for i in range(4):
        t = threading.Thread(target=work)
        t.start()
        t.join()


def forks():
    Box()  # before the fork
    pid = os.fork()
    Box()  # after the fork
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


def held():
    """What a program can see of its lists, dicts and tuples; prints nothing that depends on addresses."""
    gc.disable()
    out = [type([]) is list, type({}) is dict, type((1,)) is tuple, type([].__class__) is type]
    nested = []
    for i in range(100000):  # the trashcan
        nested = [nested] if i % 3 == 0 else (nested,) if i % 3 == 1 else {1: nested}
    del nested

    class Last:
        def __del__(self):
            out.append(sorted(type(o).__name__ for o in gc.get_referrers(self)))

    for holder in ([Last()], (Last(),), {'k': Last()}):
        del holder
    cycle = []
    cycle.append(cycle)
    del cycle
    out.append(gc.collect() > 0)
    out.append(gc.collect())
    for rounds in range(3):
        before = sys.getallocatedblocks()
        kept = [[[], {}, (i,)] for i in range(1000)]
        del kept
        after = sys.getallocatedblocks()
    out.append(abs(after - before) < 100)
    for base in (list, dict, tuple):
        class Sub(base):
            pass
        out.append(type(Sub()).__name__)
        Sub()
    print(out)



a = [1, 2, 3]  # in a module
b = a
del a
del b
{f.__name__: f for f in (lesson, first, classes, rotation, turns, sample, threads, forks, held)}[sys.argv[1]]()
