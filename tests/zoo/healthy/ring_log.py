"""A ring of the last two thousand records: empty at the start, full after three fifths of the run, and the same from then on."""
import time


class Ring:
    def __init__(self, size):
        self.records, self.at = [None] * size, 0

    def add(self, record):
        self.records[self.at % len(self.records)] = record
        self.at += 1


ring = Ring(2000)
for number in range(3300):
    ring.add("%d: request %d took %d ms" % (number, number, number % 37))
    [str(i) for i in range(5)]
    time.sleep(0.0007)
