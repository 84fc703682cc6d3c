# SPDX-License-Identifier: Apache-2.0
"""Coroutines that leave nothing."""
import asyncio


async def handle(i):
    await asyncio.sleep(0)
    return {'request': i, 'body': 'b' * 300}


async def main():
    for i in range(0, 3000, 10):
        await asyncio.gather(*(handle(i + k) for k in range(10)))


asyncio.run(main())
