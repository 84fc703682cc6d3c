"""A consumer thread died of an exception; the producer goes on putting into an unbounded queue.

verdict: growth
"""
import queue
import threading
import time

jobs = queue.Queue()
threading.excepthook = lambda args: None


def consume():
    while True:
        job = jobs.get()
        if job["number"] == 50:
            raise RuntimeError("cannot handle this one")


threading.Thread(target=consume, daemon=True).start()
for number in range(3000):
    jobs.put({"number": number, "payload": "p" * 100 + str(number)})  # leak
    time.sleep(0.0007)
