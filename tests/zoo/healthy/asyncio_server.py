"""A server and its clients on one loop; tasks are discarded when they are done."""
import asyncio

background = set()


async def serve(reader, writer):
    while True:
        line = await reader.readline()
        if not line:
            break
        task = asyncio.ensure_future(asyncio.sleep(0, line))
        background.add(task)
        task.add_done_callback(background.discard)
        writer.write(await task)
        await writer.drain()
    writer.close()


async def client(port, n):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for i in range(n):
        writer.write(b"hello %d\n" % i)
        await reader.readline()
        await asyncio.sleep(0.004)
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for turn in range(4):
        await asyncio.gather(*[client(port, 100) for i in range(5)])
    server.close()

asyncio.run(main())
