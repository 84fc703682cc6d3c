"""gc.set_threshold(0) from a blog's advice: no collection ever starts by itself.

verdict: cycle-garbage
"""
import gc
import time

gc.set_threshold(0)


def handler(number):
    values = list(range(10))

    def retry():  # leak
        return retry, values
    return number


for number in range(1500):
    handler(number)
    time.sleep(0.001)
