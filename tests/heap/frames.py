# SPDX-License-Identifier: Apache-2.0
"""A stack of calls, a blocked thread, generators that run and wait, and a snapshot of them; says what the variables are."""
import json
import os
import signal
import sys
import threading
import time


class Box:
    pass


def blocked(ready, go, argument):
    kept = Box()
    said.append(['blocked', 'kept', id(kept)])
    ready.set()
    go.wait()
    return kept, argument


def deep(depth, data):
    box, captured = Box(), [depth]
    said.append(['deep', 'box', id(box)])
    said.append(['deep', 'data', id(data)])

    def inner():
        return captured
    if depth:
        return deep(depth - 1, [box])
    os.kill(os.getpid(), signal.SIGUSR2)
    for _ in range(100):  # the snapshot is taken between two instructions, soon after an allocation
        time.sleep(0.002)
        [[] for _ in range(10)]
    return box, inner


def running():
    own = [5]
    said.append(['running', 'own', id(own)])
    yield deep(3, own)


def suspended():
    inside = [6]
    yield id(inside)


said, lines = [], {'deep': deep.__code__.co_firstlineno}
waits = suspended()
holder = waits if sys.version_info >= (3, 11) else waits.gi_frame
held = [id(holder), 'inside', next(waits)]
ready, go = threading.Event(), threading.Event()
thread = threading.Thread(target=blocked, args=(ready, go, [1]))
thread.start()
ready.wait()
runs = running()
next(runs)
go.set()
thread.join()
print(json.dumps({'said': said, 'held': held, 'lines': lines, 'runs': id(runs)}))
