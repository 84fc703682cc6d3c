"""Threads work with much memory at a time, each in an arena of malloc of its own, and leave one result each at its end.

verdict: fragmentation
needs: gil
"""
import threading
import time

results = []


def work(number):
    blocks = [bytearray(4000 + i % 500) for i in range(2000)]
    results.append(bytearray(50000))  # leak
    time.sleep(0.5)
    del blocks


threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
time.sleep(2)
