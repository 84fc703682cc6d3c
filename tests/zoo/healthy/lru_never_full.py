"""lru_cache with a bound that this run does not reach: it grows from the first request to the last.

Nothing in the curve differs from a leak. But the cache has a bound: what the run can't show is where it would stop.
"""
import functools
import time


@functools.lru_cache(maxsize=20000)
def profile(user):
    return {"user": user, "name": "user %d" % user, "rights": ["read", "write-%d" % user]}


for number in range(3000):
    profile(number)
    [str(i) for i in range(10)]
    time.sleep(0.0008)
