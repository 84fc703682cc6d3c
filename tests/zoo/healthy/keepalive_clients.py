"""An asyncio server whose clients keep their connections open: connections come one by one, and stay to the end."""
import asyncio

CLIENTS, ROUNDS = 30, 55


async def serve(reader, writer):
    requests = 0
    while True:
        line = await reader.readline()
        if not line:
            break
        requests += 1
        writer.write(b"%d %s" % (requests, line.upper()))
        await writer.drain()
    writer.close()


async def client(port, number):
    await asyncio.sleep(number * 0.02)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for turn in range(ROUNDS):
        writer.write(b"client %d turn %d\n" % (number, turn))
        await reader.readline()
        await asyncio.sleep(0.025)
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*[client(port, n) for n in range(CLIENTS)])
    server.close()

asyncio.run(main())
