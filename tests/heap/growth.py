# SPDX-License-Identifier: Apache-2.0
"""Two snapshots (by a signal to itself), and what grew in between: 500 Added in a list, 20 Gone less."""
import os
import signal
import time


class Added:
    __slots__ = ('n',)


class Gone:
    __slots__ = ()


class Same:
    __slots__ = ()


def snapshot():
    os.kill(os.getpid(), signal.SIGUSR2)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        time.sleep(0.01)


same = [Same() for i in range(100)]
gone = [Gone() for i in range(50)]
added = [Added() for i in range(10)]
snapshot()
for i in range(500):
    added.append(Added())  # grows
del gone[:20]
snapshot()
