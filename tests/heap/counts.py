# SPDX-License-Identifier: Apache-2.0
"""Prints {type: objects that the collector knows} of the moment when it asks for a snapshot (PYTRACE_SNAPSHOT=signal=USR2)."""
import gc
import json
import os
import signal
import time


class Point:
    def __init__(self, x):
        self.x = x


class Sub(Point):
    pass


class Bare:
    __slots__ = ('a',)


points = [Point(object()) for i in range(1000)]  # points
subs = {i: Sub([i]) for i in range(300)}
bare = tuple(Bare() for i in range(50))
texts = ['text %d' % i for i in range(400)]  # texts
known, end = {}, 0.0
gc.collect()
gc.disable()
objects = gc.get_objects()
os.kill(os.getpid(), signal.SIGUSR2)
end = time.monotonic() + 0.3
while time.monotonic() < end:
    pass
objects.append(objects)  # it does not have itself
for o in objects:
    t = type(o)
    name = t.__qualname__ if t.__module__ == 'builtins' else t.__module__ + '.' + t.__qualname__
    known[name] = known.get(name, 0) + 1
print(json.dumps(known))
