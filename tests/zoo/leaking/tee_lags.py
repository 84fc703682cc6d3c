"""itertools.tee: one iterator is read, its twin never: everything between them is kept.

verdict: growth
"""
import itertools
import time


def readings():
    for number in range(4000):
        yield "reading %d" % number  # leak


ours, theirs = itertools.tee(readings())
for reading in ours:  # leak
    time.sleep(0.0005)
