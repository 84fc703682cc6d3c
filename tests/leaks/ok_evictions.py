# SPDX-License-Identifier: Apache-2.0
"""A cache that throws out at random."""
import random

random.seed(2)
cache = {}
for i in range(20000):
    cache[random.random()] = [i]
    if len(cache) > 1000:
        for key in random.sample(list(cache), 50):
            del cache[key]
