"""A least-recently-used cache whose entries also expire: 250 at most, none older than 900 requests.

Every request may add an entry, so the newest entries are always new; the number of entries has an end.
"""
import collections
import random
import time

LIMIT, AGE = 250, 900


class Cache:
    def __init__(self):
        self.entries = collections.OrderedDict()

    def get(self, key, now, make):
        entry = self.entries.get(key)
        if entry is None or entry[0] < now:
            entry = self.entries[key] = (now + AGE, make(key))
        self.entries.move_to_end(key)
        while len(self.entries) > LIMIT:
            self.entries.popitem(last=False)
        return entry[1]


random.seed(11)
cache = Cache()
for now in range(3500):
    cache.get("user-%d" % int(random.paretovariate(0.5)), now, lambda key: {"key": key, "rights": [key + ":read", key + ":write"]})
    time.sleep(0.0006)
