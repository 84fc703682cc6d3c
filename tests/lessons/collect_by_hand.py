# SPDX-License-Identifier: Apache-2.0
"""When to collect by hand: a thread that collects every so often, a collection when idle, one that finds nothing."""
import atexit
import gc
import json
import threading

returned = {"timer": [], "idle": [], "useless": [], "exit": []}


class Page:
    pass


def cycles(n):
    for _ in range(n):
        page = Page()
        page.links = [page]


class Timer(threading.Thread):
    def __init__(self):
        super().__init__()
        self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)

    def run(self):
        for _ in range(3):
            self.go.acquire()
            returned["timer"].append(gc.collect())  # timer
            self.done.release()


def idle():
    returned["idle"].append(gc.collect())  # idle


def useless():
    returned["useless"].append(gc.collect())  # useless


def at_exit():
    cycles(7)
    returned["exit"].append(gc.collect())  # exit
    print(json.dumps(returned))


gc.disable()
atexit.register(at_exit)
timer = Timer()
timer.start()
gc.collect()  # clean
for n in (10, 20, 30):
    cycles(n)
    timer.go.release()
    timer.done.acquire()
timer.join()
useless()
cycles(50)
idle()
useless()
useless()
