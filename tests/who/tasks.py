# SPDX-License-Identifier: Apache-2.0
"""asyncio: tasks with and without names, awaiting each other, in groups, in generators, eager, renamed, in two loops at once."""
import asyncio
import sys
import threading
from who import *

QUALIFIED = sys.version_info >= (3, 8)


class Serving:
    async def request(self, size):
        take('(Serving.request)', size)
        await asyncio.sleep(0)
        take('(Serving.request)', size)


async def deeper(key, size, depth):
    if depth:
        await deeper(key, size, depth - 1)
    take(key, size)
    await asyncio.sleep(0)
    take(key, size)


async def numbers(key, n):
    for i in range(n):
        take(key, 300 + i)
        await asyncio.sleep(0)
        yield i


async def worker(key, n, size):
    for i in range(n):
        take(key, size + i)
        await asyncio.sleep(0 if i % 3 else 0.0001)
    await deeper(key, size, 5)
    async for i in numbers(key, 4):
        take(key, size + i)
    sorted(range(5), key=lambda i: take(key, 64) or i)
    for i in (take(key, 70) for _ in range(3)):
        pass


async def child_of(key):
    take('inner of ' + key, 111)
    await asyncio.sleep(0)
    take('inner of ' + key, 112)


async def parent(key):
    take(key, 500)
    task = asyncio.ensure_future(child_of(key))
    task.set_name('inner of ' + key)
    take(key, 501)
    await task
    take(key, 502)
    await asyncio.wait_for(deeper('(deeper)' if sys.version_info < (3, 12) else key, 90, 0), 10)
    take(key, 503)
    asyncio.current_task().set_name(key + ', later')
    take(key + ', later', 504)


def callback(i):
    take(None, 40 + i)


async def named():
    loop = asyncio.get_running_loop()
    tasks = [asyncio.ensure_future(worker('task %d' % i, 20 + i, 1000 * i)) for i in range(1, 8)]
    for i, t in enumerate(tasks):
        t.set_name('task %d' % (i + 1))
    create = asyncio.create_task
    tasks.append(create(parent('parent'), name='parent'))
    tasks.append(create(worker('n\u00e4m\u20acd \U0001f40d', 5, 800), name='n\u00e4m\u20acd \U0001f40d'))
    for i in range(5):
        loop.call_soon(callback, i)
    await asyncio.gather(*tasks)
    serving = Serving()
    for i in range(300):
        await asyncio.gather(*(serving.request(100 + j) for j in range(3)))


async def grouped():
    async with asyncio.TaskGroup() as group:
        for i in range(4):
            group.create_task(worker('group %d' % i, 10, 3000 + i), name='group %d' % i)


async def eager():
    async def quick(key, size):
        take(key, size)
        await asyncio.sleep(0)
        take(key, size)

    loop = asyncio.get_running_loop()
    for i in range(5):
        take('(eager)', 60)
        task = asyncio.Task(quick('eager %d' % i, 10 * i + 1), loop=loop, name='eager %d' % i, eager_start=True)
        take('(eager)', 61)
        await task


def other_loop(number):
    async def run():
        await asyncio.gather(*(asyncio.create_task(worker('loop %d' % number, 50, 100 * number), name='loop %d' % number)
                               for _ in range(3)))
        asyncio.current_task().set_name('')

    asyncio.run(run())


asyncio.run(asyncio.sleep(0))
asyncio.run(named())
if sys.version_info >= (3, 11):
    asyncio.run(grouped())
if sys.version_info >= (3, 12):
    asyncio.run(eager())
threads = [threading.Thread(target=other_loop, args=(n,)) for n in range(1, 4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
rows.pop(None)
done()
