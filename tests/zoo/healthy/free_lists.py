"""Bursts of tuples, lists, dicts and floats that go back into the interpreter's free lists."""
import time

for number in range(1000):
    rows = [(i, [float(i)], {"i": i}) for i in range(number % 300)]
    del rows
    time.sleep(0.002)
