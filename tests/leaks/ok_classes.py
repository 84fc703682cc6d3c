# SPDX-License-Identifier: Apache-2.0
"""Classes and named tuples are made at the start, then the work begins."""
import collections

for i in range(60):
    class C:
        x = 1
    collections.namedtuple('N%d' % i, 'a b c')(1, 2, 3)
for i in range(3000):
    [str(x) for x in range(20)]
