# SPDX-License-Identifier: Apache-2.0
"""The ways in which a Python stack changes: run with PYTRACE_LOG=check, which compares each event's stack with a full walk."""
import asyncio
import collections
import functools
import gc
import hashlib
import json
import random
import re
import sys
import threading
import traceback
import zlib

random.seed(1)


def leaf(n):
    return [object() for _ in range(n)], {i: str(i) for i in range(n)}


def gen(n):
    for i in range(n):
        yield leaf(i % 5)


def delegating(n):
    yield from gen(n)
    x = yield 5
    try:
        yield x
    finally:
        leaf(3)


def raising(n):
    if n == 0:
        raise ValueError([object()])
    try:
        return raising(n - 1)
    finally:
        if n % 7 == 0:
            leaf(2)


class Called:
    """C code calls all of these."""

    def __init__(self, x):
        self.x = [x]
        self.d = {}

    def __del__(self):
        leaf(2)

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return leaf(1)

    def __lt__(self, other):
        return self.x < other.x

    def __enter__(self):
        leaf(1)
        return self

    def __exit__(self, *exc):
        leaf(2)
        return True

    @property
    def prop(self):
        return leaf(1)

    def __iter__(self):
        return gen(3)


def deep(n):
    if n:
        return deep(n - 1)
    return sum(len(leaf(3)[0]) for _ in range(5))


def with_cells(a, b=()):
    def inner():
        return a, leaf(1)

    def outer(*x, **k):
        return inner(), x, k
    return outer


async def ticking(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield leaf(i)


async def task(n):
    made = []
    for i in range(n):
        await asyncio.sleep(0)
        made.append(leaf(2))
        if i == 3:
            async for z in ticking(3):
                made.append(z)
    return made


async def tasks():
    await asyncio.gather(*(task(5) for _ in range(8)))
    t = asyncio.ensure_future(task(100))
    await asyncio.sleep(0)
    t.cancel()
    try:
        await t
    except asyncio.CancelledError:
        pass


def code_that_dies():
    text = 'def f(x):\n    return [x, object()]\nclass C:\n    def m(self): return f(1)\nv = [f(i) for i in range(3)]\n'
    for i in range(20):
        names = {}
        exec(text, names)
        names['C']().m()
        eval('(lambda: [object() for _ in range(2)])()')
        collections.namedtuple('N%d' % i, 'a b c')(1, 2, 3)


def in_thread():
    for _ in range(20):
        zlib.compress(b'x' * 20000)
        hashlib.sha256(b'y' * 100000).hexdigest()
        list(delegating(5))
        deep(30)


def generators():
    list(delegating(10))
    for x in delegating(4):
        if x == 5:
            break
    many = [delegating(3) for _ in range(5)]
    for g in many:
        next(g)
    random.shuffle(many)
    for _ in range(2):
        [next(g) for g in many]
    try:
        many[0].throw(ValueError)
    except ValueError:
        pass


def work(deepest=1000):
    generators()
    for depth in 1, 5, 50, min(200, deepest):
        try:
            raising(depth)
        except ValueError:
            traceback.format_exc()
    called = [Called(i) for i in range(20)]
    called.sort(key=lambda a: -a.x[0])
    sorted(called)
    called[0].anything, called[0].prop, list(called[0])
    del called
    with Called(1):
        raise KeyError
    deep(10)
    deep(min(150, deepest))
    deep(deepest)
    with_cells(1)(1, 2, z=3)
    json.loads(json.dumps({'a': [1, 2.5, 'x' * 30] * 10}), object_hook=Called)
    re.sub(r'a(b)', lambda m: m.group(1) * 2, 'abab' * 10)
    code_that_dies()
    functools.reduce(lambda a, b: [a, b], range(10))
    list(map(lambda x: [x], range(5)))
    gc.collect()
    by_c_or_not()
    asyncio.run(tasks())


def here():
    return [1] * 40


def by_c_or_not():
    """One instruction calls the same function directly and through C: frames at the same places, entered in two ways."""
    through_c = functools.partial(here)
    for call in (through_c, here) * 50:
        call()


def tracer(frame, event, arg):
    leaf(1)
    return tracer


sys.setrecursionlimit(5000)
work()
threads = [threading.Thread(target=in_thread) for _ in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
# What follows has events at every line and call: from further down, they would take most of the time.
sys.settrace(tracer)
work(120)
sys.settrace(None)
sys.setprofile(lambda *args: leaf(1))
work(120)
sys.setprofile(None)
print('end')
