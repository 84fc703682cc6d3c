"""Timeouts that are nearly always cancelled: an event loop forgets cancelled timers only when there are many of them."""
import asyncio


async def answer(number):
    await asyncio.sleep(0)
    return {"number": number}


async def main():
    for number in range(1500):
        await asyncio.wait_for(answer(number), timeout=60)
        asyncio.get_event_loop().call_later(30, print, number).cancel()
        await asyncio.sleep(0.001)

asyncio.run(main())
