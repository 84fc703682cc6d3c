# SPDX-License-Identifier: Apache-2.0
"""Python that calls C that calls Python, with a truth that the test knows: what stays, and from where."""
import sys

import _boxes
import _leaky

N = 3000
kept = []


def inner(i):
    kept.append('%09d' % i * 10)  # string
    return i


def work(i):
    kept.append(_leaky.call(inner, i))  # call
    _leaky.leak(i)  # leak
    _boxes.add(500)  # add


for i in range(N):
    work(i)  # loop
sys.stdout.write('done\n')
