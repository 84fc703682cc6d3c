# SPDX-License-Identifier: Apache-2.0
"""A table is built, then used."""
data = [{'id': i, 'name': 'n%d' % i} for i in range(20000)]


def query(i):
    return sum(d['id'] for d in data[i:i + 200]) + len(str(i) * 10)


for i in range(4000):
    query(i)
