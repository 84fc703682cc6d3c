# SPDX-License-Identifier: Apache-2.0
"""A cache with a bound."""
import functools


@functools.lru_cache(maxsize=128)
def load(key):
    return ['row', key, 'v' * 100]


for i in range(6000):
    load(i)
