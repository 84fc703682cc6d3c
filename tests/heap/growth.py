# SPDX-License-Identifier: Apache-2.0
"""Two snapshots (by a signal to itself), and what grew in between: 500 Added in a list, 20 Gone less."""
import os
import signal
import time

import libpytrace


class Added:
    __slots__ = ('n',)


class Gone:
    __slots__ = ()


class Same:
    __slots__ = ()


def snapshot():
    before, end = libpytrace.stats()['snapshots'], time.monotonic() + 60
    os.kill(os.getpid(), signal.SIGUSR2)
    while libpytrace.stats()['snapshots'] == before and time.monotonic() < end:
        time.sleep(0.01)
    libpytrace.flush()  # one is taken at a time, and on a busy machine its copy works for long


same = [Same() for i in range(100)]
gone = [Gone() for i in range(50)]
added = [Added() for i in range(10)]
snapshot()
for i in range(500):
    added.append(Added())  # grows
del gone[:20]
snapshot()
