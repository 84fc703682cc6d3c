# SPDX-License-Identifier: Apache-2.0
"""pickle and copy.deepcopy of a graph of objects."""
import copy
import pickle
import sys


class Order:
    def __init__(self, number):
        self.number = number
        self.lines = [("article %d" % i, i * 1.5, {"colour": "c%d" % (i % 5)}) for i in range(10)]


orders = [Order(i) for i in range(60)]
total = 0
for _ in range(int(sys.argv[1])):
    orders = pickle.loads(pickle.dumps(copy.deepcopy(orders), protocol=4))
    total += len(orders[-1].lines)
print(total)
