# SPDX-License-Identifier: Apache-2.0
"""Greenlets that switch to and fro, in each other, in two threads, and under an asyncio task."""
import asyncio
import threading
import greenlet
from who import *


def first(n, size):
    for i in range(n):
        take('(first)', size + i)
        greenlet.getcurrent().parent.switch()
    deep(20, '(first)', size)


def deep(n, key, size):
    if n:
        return deep(n - 1, key, size)
    take(key, size)
    greenlet.getcurrent().parent.switch()
    take(key, size)


def second(n, size):
    inner = greenlet.greenlet(inside)
    for i in range(n):
        take('(second)', size + i)
        inner.switch(size)
        take('(second)', 7)
        greenlet.getcurrent().parent.switch()
    inner.switch(0)  # to be thrown out of it would take memory


def inside(size):
    while size:
        take('(inside)', size)
        size = greenlet.getcurrent().parent.switch()


def named(name, size):
    greenlet.getcurrent().parent.switch()
    take(name, size)


def rounds(size):
    all = [greenlet.greenlet(f) for f in (first, second, first, second)]
    for i in range(30):
        for g in all:
            if not g.dead:
                g.switch(20, size + i) if not g else g.switch()
    for i in range(3):
        g = greenlet.greenlet(named)
        g.switch('name %d' % i, size)
        g.name = 'name %d' % i
        g.switch()


async def task():
    def under():
        take('(task)', 555)
        greenlet.getcurrent().parent.switch()
        take('(task)', 556)

    take('(task)', 333)
    g = greenlet.greenlet(under)
    g.switch()
    await asyncio.sleep(0)
    take('(task)', 334)
    g.switch()


helper = threading.Thread(target=rounds, args=(2000,))
asyncio.run(asyncio.sleep(0))
rounds(1000)
asyncio.run(task())
helper.start()
helper.join()
if asyncio.iscoroutinefunction(task):
    for i in range(200):
        g = greenlet.greenlet(first)
        g.switch(1, 10)
        g.switch()
        g.switch()
done()
