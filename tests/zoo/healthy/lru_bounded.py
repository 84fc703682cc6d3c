"""lru_cache with its default bound, and with one of a thousand that is reached."""
import functools
import time


@functools.lru_cache()
def small(number):
    return [number] * 10


@functools.lru_cache(maxsize=1000)
def large(number):
    return "value %d" % number


for number in range(4000):
    small(number)
    large(number)
    time.sleep(0.0005)
