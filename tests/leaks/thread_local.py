# SPDX-License-Identifier: Apache-2.0
"""A thread-local list in the workers of a pool."""
import concurrent.futures
import threading

local = threading.local()


def work(i):
    if not hasattr(local, 'trail'):
        local.trail = []
    local.trail.append({'step': i})  # leak
    return sum(len(str(x)) for x in range(30))


with concurrent.futures.ThreadPoolExecutor(4) as pool:
    list(pool.map(work, range(4000)))
    # The workers, and with them the lists, are alive at the end of the program.
    import os
    os._exit(0)
