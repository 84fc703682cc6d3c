# SPDX-License-Identifier: Apache-2.0
"""The same leak at many depths."""
tree = []


def descend(n, i):
    if n == 0:
        tree.append([i, 'leaf'])  # leak
        return
    descend(n - 1, i)


for i in range(3000):
    descend(i % 20, i)
