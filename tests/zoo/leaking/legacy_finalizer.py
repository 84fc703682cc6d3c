"""Objects with a finalizer of the old kind (tp_del, before PEP 442) in cycles: the collector puts them into gc.garbage.

verdict: cycle-uncollectable
c: _legacy.c
"""
import time

import _legacy


class Upload:
    def __init__(self, number):
        self.number = number
        self.file = _legacy.open(self)  # leak


def receive(number):
    Upload(number)  # leak


for number in range(1500):
    receive(number)
    time.sleep(0.001)
