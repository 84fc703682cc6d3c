"""Background tasks are kept in a set, as the documentation of create_task asks for, and never discarded.

verdict: growth
"""
import asyncio

background = set()


async def notify(number):
    await asyncio.sleep(0)
    return [number] * 20


async def main():
    for number in range(2000):
        task = asyncio.ensure_future(notify(number))  # leak
        background.add(task)  # leak
        await asyncio.sleep(0.001)

asyncio.get_event_loop_policy().new_event_loop().run_until_complete(main())
