"""namedtuples and dataclasses made at run time and dropped: the collector takes them."""
import collections
import time

for number in range(200):
    Row = collections.namedtuple("Row%d" % (number % 5), "a b c")
    Row(1, 2, 3)._asdict()
    time.sleep(0.01)
