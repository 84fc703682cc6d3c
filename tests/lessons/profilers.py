"""What tracemalloc says, line by line, of the blocks that are alive: the report must say the same."""
import collections
import json
import sys
import tracemalloc

tracemalloc.start(1)


class Order:
    __slots__ = 'customer', 'lines', 'note'

    def __init__(self, number):
        self.customer = 'customer %d' % number
        self.lines = ['line %d of %d' % (i, number) for i in range(number % 20)]
        self.note = bytes(number)


orders = []
index = {}
counts = collections.Counter()


def load(n):
    for number in range(1000, 1000 + n):
        order = Order(number)
        orders.append(order)
        index[order.customer] = order
        counts[order.customer[-3:]] += 1


load(800)
for order in orders[:200]:
    index.pop(order.customer)
del order
big = bytearray(300000)
text = ','.join(str(n) for n in range(20000))
words = text.split(',')
snapshot = tracemalloc.take_snapshot()
told = {}
for stat in snapshot.statistics('lineno'):
    frame = stat.traceback[0]
    if frame.filename == __file__ and frame.lineno < 46:
        told[frame.lineno] = [stat.size, stat.count]
tracemalloc.stop()
sys.stdout.write(json.dumps(told) + '\n')
