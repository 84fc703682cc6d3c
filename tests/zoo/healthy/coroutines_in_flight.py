"""Up to two hundred coroutines in flight, each with its local data; the number follows a load that goes up and down."""
import asyncio
import math


async def work(number):
    rows = [{"row": i, "of": number} for i in range(5)]
    await asyncio.sleep(0.15)
    return len(rows)


async def main():
    running = set()
    for turn in range(250):
        wanted = int(100 + 100 * math.sin(turn / 30))
        while len(running) < wanted:
            task = asyncio.ensure_future(work(turn))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.sleep(0.01)
    await asyncio.gather(*running)

asyncio.run(main())
