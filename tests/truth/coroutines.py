"""Blocks made in coroutines: after awaits, in tasks, in async generators and context managers."""
import asyncio
from truth import *


async def leaf(n):
    p = helper.truth_malloc(n); alive('malloc', n); stack_alive('malloc', n)
    await asyncio.sleep(0)
    p = helper.truth_malloc(n + 1); alive('malloc', n + 1); stack_alive('malloc', n + 1)
    return p


async def agen(n):
    for i in range(n):
        await asyncio.sleep(0)
        p = helper.truth_malloc(300 + i); alive('malloc', 300 + i); stack_alive('malloc', 300 + i)
        yield p


class Scope:
    async def __aenter__(self):
        await asyncio.sleep(0)
        p = helper.truth_malloc(41); alive('malloc', 41); stack_alive('malloc', 41)

    async def __aexit__(self, *args):
        p = helper.truth_malloc(43); alive('malloc', 43); stack_alive('malloc', 43)


async def middle(n):
    async with Scope():
        await leaf(n)
    async for p in agen(2):
        pass
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_soon(lambda: (helper.truth_malloc(59), done.set_result(None))); alive('malloc', 59)
    await done


async def main():
    await asyncio.gather(*[middle(100 * i) for i in range(1, 8)])
    await asyncio.wait_for(leaf(5000), 60)


asyncio.run(main())
done()
