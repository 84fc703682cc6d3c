# SPDX-License-Identifier: Apache-2.0
"""A cache that fills up with all the keys there are."""
import random

random.seed(1)
cache = {}


def get(key):
    if key not in cache:
        cache[key] = 'value %d' % key * 10
    return cache[key]


for i in range(20000):
    get(random.randrange(500))
    [str(x) for x in range(5)]
