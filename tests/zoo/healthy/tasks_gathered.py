"""Tasks that were all begun at the start keep their results until the last one is done."""
import asyncio


async def fetch(few, number):
    async with few:
        await asyncio.sleep(0.002)
        return {"number": number, "text": "page %d" % number, "words": ("page %d of many" % number).split()}


async def main():
    few = asyncio.Semaphore(2)
    pages = await asyncio.gather(*[fetch(few, number) for number in range(800)])
    assert len(pages) == 800

asyncio.run(main())
