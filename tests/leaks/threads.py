# SPDX-License-Identifier: Apache-2.0
"""Threads that come and go leave their results."""
import threading

results = {}


def work(n):
    for i in range(500):
        results[n, i] = [n] * 30  # leak
        ''.join(str(x) for x in range(40))


for n in range(8):
    threads = [threading.Thread(target=work, args=(n * 4 + k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
