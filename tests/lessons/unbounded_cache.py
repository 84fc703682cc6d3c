"""The unbounded cache: lru_cache(maxsize=None) on a method."""
import functools
import time


class Service:
    @functools.lru_cache(maxsize=None)
    def lookup(self, key):
        return 'answer to %d ' % key + '.' * 1500  # line of the leak


service = Service()
for i in range(2000):
    service.lookup(i)
    if i % 50 == 0:
        time.sleep(0.005)
