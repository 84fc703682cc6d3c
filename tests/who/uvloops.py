# SPDX-License-Identifier: Apache-2.0
"""uvloop: an event loop without a Python frame around its tasks."""
import asyncio
import uvloop
from who import *


async def worker(key, n, size):
    for i in range(n):
        take(key, size + i)
        await asyncio.sleep(0 if i % 2 else 0.001)


async def main():
    tasks = [asyncio.ensure_future(worker('task %d' % i, 10 + i, 100 * i)) for i in range(1, 6)]
    for i, task in enumerate(tasks):
        task.set_name('task %d' % (i + 1))
    await asyncio.gather(*tasks)
    await asyncio.gather(*(worker('(worker)', 4, 50) for _ in range(20)))


loop = uvloop.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(asyncio.sleep(0))
loop.run_until_complete(main())
done()
