# SPDX-License-Identifier: Apache-2.0
"""gevent: greenlets with and without names, a pool."""
import gevent
import gevent.pool
from who import *


def work(key, n, size):
    for i in range(n):
        take(key, size + i)
        gevent.sleep(0 if i % 2 else 0.001)


def bare(n):
    work('(bare)', 3, n)


gevent.joinall([gevent.spawn(gevent.sleep, 0)])
jobs = []
for i in range(5):
    job = gevent.spawn(work, 'job %d' % i, 10, 100 * i)
    job.name = 'job %d' % i
    jobs.append(job)
gevent.joinall(jobs)
pool = gevent.pool.Pool(4)
pool.map(bare, range(100, 120))
done()
