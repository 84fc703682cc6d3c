"""Listeners register themselves weakly and are forgotten when they go; their number varies."""
import random
import time
import weakref


class Bus:
    def __init__(self):
        self.listeners, self.finalized = weakref.WeakSet(), 0

    def send(self, event):
        for listener in list(self.listeners):
            listener.seen = event


class Listener:
    def __init__(self, bus, name):
        self.name, self.seen = name, None
        bus.listeners.add(self)
        weakref.finalize(self, bus.__dict__.update, finalized=name)


random.seed(8)
bus, alive = Bus(), []
for number in range(1800):
    alive.append(Listener(bus, "listener %d" % number))
    if len(alive) > 60:
        del alive[random.randrange(len(alive))]
    if number % 20 == 0:
        bus.send({"event": number})
    time.sleep(0.001)
