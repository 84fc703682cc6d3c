"""A failed future is awaited and its exception kept in a local of the same frame (bpo-29587, gh-97928); the collector is off.

verdict: cycle-garbage
"""
import concurrent.futures
import gc
import time

gc.disable()
pool = concurrent.futures.ThreadPoolExecutor(2)


def fetch(number):
    raise OSError("refused %d" % number)


def poll(number):
    future = pool.submit(fetch, number)  # leak
    error = future.exception()
    try:
        raise error  # leak
    except OSError:
        return type(error)


for number in range(1000):
    poll(number)
    time.sleep(0.001)
pool.shutdown()
