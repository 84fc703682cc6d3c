# SPDX-License-Identifier: Apache-2.0
"""A small leak beside a large table that is built once."""
table = {n: 'row %d' % n * 20 for n in range(5000)}
history = []
for i in range(20000):
    found = table[i % 5000].upper()
    history.append('looked up %d' % i)  # leak
