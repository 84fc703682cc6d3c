"""Blocks made in one thread and freed in another, as fast as they can be handed over."""
import queue
import threading
from truth import *

ways = [queue.Queue() for _ in range(3)]


def free_them(way):
    while True:
        p = way.get()
        if p is None:
            return
        helper.truth_free(p)


threads = [threading.Thread(target=free_them, args=(w,)) for w in ways]
for t in threads:
    t.start()
for i in range(3000):
    p = helper.truth_malloc(1 + i % 7)
    ways[i % 3].put(p)
    gone('malloc', 1 + i % 7, line=-2)
for w in ways:
    w.put(None)
for t in threads:
    t.join()
q = helper.truth_malloc(99); alive('malloc', 99)
done()
