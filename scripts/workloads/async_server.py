# SPDX-License-Identifier: Apache-2.0
"""An asyncio server over loopback with twenty clients, a line of JSON each way."""
import asyncio
import json
import sys

CLIENTS = 20


async def serve(reader, writer):
    while True:
        line = await reader.readline()
        if not line:
            break
        question = json.loads(line)
        answer = {"id": question["id"], "items": [{"n": i, "text": question["text"]} for i in range(10)]}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    writer.close()


async def ask(port, client, rounds):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    items = 0
    for number in range(rounds):
        writer.write(json.dumps({"id": number, "text": "client %d" % client}).encode() + b"\n")
        items += len(json.loads(await reader.readline())["items"])
    writer.close()
    return items


async def main(rounds):
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    items = await asyncio.gather(*(ask(port, client, rounds) for client in range(CLIENTS)))
    server.close()
    await server.wait_closed()
    return sum(items)


print(asyncio.run(main(int(sys.argv[1]))))
