"""tp_traverse visits one of two members: cycles through the other are never collected (as CPython bpo-42972, gh-92036).

verdict: cycle-uncollectable
c: _pair.c
"""
import time

import _pair

Pair = _pair.make_type()


class Owner:
    def __init__(self, number):
        self.number = number


def link(number):
    owner = Owner(number)  # leak
    owner.pair = Pair()  # leak
    owner.pair.set([number], owner)


for number in range(1500):
    link(number)
    time.sleep(0.001)
