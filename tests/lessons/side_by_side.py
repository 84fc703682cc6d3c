"""The same two thousand records as instances with a dict, with slots, as tuples, in an array, from generators."""
import array
import json
import sys

N = 2000


class Loose:
    def __init__(self, n):
        self.x = n


class Slots:
    __slots__ = ('x',)

    def __init__(self, n):
        self.x = n


class Pair(tuple):
    __slots__ = ()


def numbers(n):
    yield n


loose = [Loose(None) for n in range(N)]
slots = [Slots(None) for n in range(N)]
pairs = [tuple.__new__(Pair, (None, None)) for n in range(N)]
arrays = [array.array('l', (1, 2, 3)) for n in range(N)]
generators = [numbers(None) for n in range(N)]
extra = 8  # a tuple subclass has room for an item more than getsizeof counts
print(json.dumps({'__main__.Slots': sys.getsizeof(slots[0]) * N, '__main__.Pair': (sys.getsizeof(pairs[0]) + extra) * N,
                  '__main__.Loose': None, 'array.array': None, 'array.array (buffer)': 24 * N, 'generator': None}))
