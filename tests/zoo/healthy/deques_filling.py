"""The last three hundred values of each of twenty sensors: they fill up during the whole run, and none is full at its end.

The curve is that of a leak; but a deque with maxlen stops at its bound.
"""
import collections
import time

values = collections.defaultdict(lambda: collections.deque(maxlen=300))
for number in range(4000):
    values["sensor-%d" % (number % 20)].append((number, "value %d" % number))
    [str(i) for i in range(5)]
    if number % 2:
        time.sleep(0.001)
