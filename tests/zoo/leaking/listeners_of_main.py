"""A hub never forgets its listeners. It is a variable of main(): nothing is left of it when the program ends.

verdict: growth
"""
import asyncio


class Hub:
    def __init__(self):
        self.listeners = {}

    def subscribe(self, name):
        self.listeners[name] = ["listener of", name, {"name": name}, bytearray(200)]  # leak


async def request(hub, number):
    hub.subscribe("client %d" % number)
    await asyncio.sleep(0.001)


async def main():
    hub = Hub()
    for number in range(1500):
        await request(hub, number)

asyncio.run(main())
