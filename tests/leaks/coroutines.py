# SPDX-License-Identifier: Apache-2.0
"""What a coroutine leaves behind."""
import asyncio

pending = {}


async def handle(i):
    await asyncio.sleep(0)
    pending[i] = {'request': i, 'body': ['b'] * 40}  # leak
    await asyncio.sleep(0)


async def main():
    for i in range(0, 2000, 10):
        await asyncio.gather(*(handle(i + k) for k in range(10)))


asyncio.run(main())
