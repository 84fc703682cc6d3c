"""lru_cache(maxsize=None) on a method: the cache keeps self (bpo-44310, flake8-bugbear B019).

verdict: growth
"""
import functools
import time


class Report:
    def __init__(self, number):
        self.rows = [number + i for i in range(300, 340)]  # leak

    @functools.lru_cache(maxsize=None)
    def total(self):
        return sum(self.rows)


for number in range(1500):
    Report(number).total()
    time.sleep(0.001)
