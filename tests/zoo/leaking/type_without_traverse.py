"""A C type holds a callback, and the collector is not told: the callback's object holds the C object (as apsw #314, sqlite3 < 3.10).

verdict: cycle-uncollectable
c: _watcher.c
"""
import time

import _watcher

Watcher = _watcher.make_type()


class Service:
    def __init__(self, number):
        self.name = "service %d" % number
        self.watcher = Watcher()  # leak
        self.watcher.set(self.changed)  # leak

    def changed(self):
        return self.name


def start(number):
    Service(number)  # leak


for number in range(1500):
    start(number)
    time.sleep(0.001)
