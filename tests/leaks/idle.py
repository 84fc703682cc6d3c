# SPDX-License-Identifier: Apache-2.0
"""A leak in a program that mostly waits."""
import time

seen = []


def tick(i):
    words = [str(x) for x in range(200)]
    seen.append('tick number %d of the run, ' % i * 10)  # leak
    return words


for i in range(600):
    tick(i)
    time.sleep(0.001)
