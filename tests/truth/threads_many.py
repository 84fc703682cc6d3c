"""Hundreds of threads, some at a time, some in C that Python never sees."""
import threading
from truth import *

lock = threading.Lock()


def work(n):
    p = helper.truth_malloc(n)
    with lock:
        alive('malloc', n, line=-2)


for batch in range(30):
    threads = [threading.Thread(target=work, args=(batch * 10 + i + 1,)) for i in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
kept = (P * 4)()
for i in range(20):
    assert not helper.truth_c_thread(5000, 1000, 0, kept)
assert not helper.truth_c_thread(5001, 10, 4, kept)
for p in kept:
    helper.truth_free(p)
done()
