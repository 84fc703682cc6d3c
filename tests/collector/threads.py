# SPDX-License-Identifier: Apache-2.0
"""Cycles in several threads, a thread that collects, garbage that runs code when it goes."""
import gc
import threading


class Node:
    def __del__(self):
        Node.died += 1
        self.late = [bytes(100) for _ in range(10)]


Node.died = 0


def work(n):
    for _ in range(n):
        a, b = Node(), {}
        a.b, b["a"] = b, a


def collect(stop):
    while not stop.wait(0.002):
        gc.collect()  # in a thread


gc.collect()
stop = threading.Event()
collector = threading.Thread(target=collect, args=(stop,))
collector.start()
threads = [threading.Thread(target=work, args=(3000,)) for _ in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
stop.set()
collector.join()
gc.collect()
print(Node.died)
