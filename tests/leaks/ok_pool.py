# SPDX-License-Identifier: Apache-2.0
"""A pool of threads."""
import concurrent.futures


def work(i):
    return sum(len(str(x)) for x in range(200)) + i


with concurrent.futures.ThreadPoolExecutor(8) as pool:
    total = sum(pool.map(work, range(2000)))
