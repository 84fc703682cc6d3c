"""Threads that allocate, are joined, and leave blocks behind."""
import threading
from truth import *

lock = threading.Lock()


def work(n):
    size = 1000 + n
    for i in range(100):
        p = helper.truth_malloc(size)
        with lock:
            (gone if i % 10 else alive)('malloc', size, line=-2)
        if i % 10:
            helper.truth_free(p)
    stack(2000 + n)


def stack(size):
    p = helper.truth_malloc(size)
    with lock:
        alive('malloc', size, line=-2)


threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
done()
