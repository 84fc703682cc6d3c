"""Pipelines of generators, run to their end or dropped half way."""
import itertools
import time


def numbers():
    for i in itertools.count():
        yield i


for number in range(2000):
    pipeline = (str(i * 2) for i in numbers() if i % 3)
    list(itertools.islice(pipeline, number % 40))
    time.sleep(0.001)
