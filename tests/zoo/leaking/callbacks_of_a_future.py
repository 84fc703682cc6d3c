"""Each request adds a callback to the future of the shutdown, which is done at the end only (as aiohttp #1656, asyncio.shield). It is a
variable of main(), so that nothing is left when asyncio.run() returns.

verdict: growth
"""
import asyncio


async def request(stop, number):
    state = {"number": number, "rows": list(range(20))}  # leak
    stop.add_done_callback(lambda future: state.clear())  # leak
    await asyncio.sleep(0.001)


async def main():
    stop = asyncio.get_running_loop().create_future()
    for number in range(1500):
        await request(stop, number)

asyncio.run(main())
