"""A big index is built at the start, and then only read."""
import time

index = {}
for number in range(40000):
    index["word-%d" % number] = [number, number + 1]
for number in range(1500):
    index["word-%d" % (number % 40000)]
    time.sleep(0.001)
