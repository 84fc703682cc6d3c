"""Context variables of tasks and thread-local data of threads: both go with their task, with their thread."""
import asyncio
import contextvars
import threading
import time

request = contextvars.ContextVar("request")
local = threading.local()


def work(number):
    local.cache = {i: "thread %d row %d" % (number, i) for i in range(50)}
    time.sleep(0.005)


async def handle(number):
    request.set({"id": number, "user": "user %d" % number})
    await asyncio.sleep(0.002)
    return request.get()["id"]


async def main():
    for batch in range(60):
        assert len(await asyncio.gather(*[handle(batch * 10 + i) for i in range(10)])) == 10
        thread = threading.Thread(target=work, args=(batch,))
        thread.start()
        thread.join()
        await asyncio.sleep(0.01)

asyncio.run(main())
