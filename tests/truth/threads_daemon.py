"""Daemon threads that still run when the interpreter goes down."""
import threading
import time
from truth import *

ready = threading.Semaphore(0)
lock = threading.Lock()


def forever(n):
    p = helper.truth_malloc(n)
    with lock:
        alive('malloc', n, line=-2)
    ready.release()
    while True:
        q = bytes(1000)
        time.sleep(0.0001)


for n in (101, 102, 103):
    threading.Thread(target=forever, args=(n,), daemon=True).start()
for n in (101, 102, 103):
    ready.acquire()
done()
