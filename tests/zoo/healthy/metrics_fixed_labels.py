"""Counters and histograms by method, status and route: all combinations have been seen after some time."""
import random
import time

random.seed(6)
counters, histograms = {}, {}
for number in range(4000):
    labels = (random.choice(("GET", "POST", "PUT")), random.choice((200, 201, 304, 404, 500)), "/route/%d" % random.randrange(10))
    counters[labels] = counters.get(labels, 0) + 1
    buckets = histograms.setdefault(labels, [0] * 12)
    buckets[min(11, int(random.expovariate(0.4)))] += 1
    if number % 2 == 0:
        time.sleep(0.001)
