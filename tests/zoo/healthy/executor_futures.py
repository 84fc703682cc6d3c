"""Futures are awaited and dropped; the queue of a pool is emptied in time."""
import concurrent.futures
import time

pool = concurrent.futures.ThreadPoolExecutor(4)
for number in range(1000):
    pool.submit(lambda n: [n] * 10, number).result()
    time.sleep(0.002)
pool.shutdown()
