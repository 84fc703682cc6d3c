"""A chat server starts a writer task for each connection and forgets to cancel it when the connection ends.

verdict: growth
"""
import asyncio


class Connection:
    def __init__(self, hub, name):
        self.hub, self.name = hub, name
        self.outbox = asyncio.Queue()  # leak
        self.history = []

    async def writer(self):
        while True:
            message = await self.outbox.get()
            self.history.append(message)


class Hub:
    def __init__(self):
        self.tasks = set()

    async def handle(self, name):
        connection = Connection(self, name)  # leak
        task = asyncio.ensure_future(connection.writer())  # leak
        self.tasks.add(task)
        for i in range(5):
            await connection.outbox.put('hello %s %d' % (name, i))
        await asyncio.sleep(0)


async def main():
    hub = Hub()
    for n in range(1200):
        await hub.handle('user%d' % n)
        await asyncio.sleep(0.002)
    print(len(hub.tasks))


asyncio.run(main())
