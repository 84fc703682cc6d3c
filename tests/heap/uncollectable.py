# SPDX-License-Identifier: Apache-2.0
"""Cycles that no collection frees: through a type that does not tell the collector what it holds (datetime and its
tzinfo), kept in gc.garbage (DEBUG_SAVEALL), in the permanent generation."""
import datetime
import gc
import sys

gc.collect()


class Zone(datetime.tzinfo):
    def __init__(self):
        self.since = datetime.datetime(2020, 1, 1, tzinfo=self)  # datetime


class Saved:
    pass


class Frozen:
    pass


def zones(n):
    for i in range(n):
        Zone()  # zone


def saved(n):
    for i in range(n):
        s = Saved()  # saved
        s.self = s


def frozen(n):
    for i in range(n):
        f = Frozen()  # frozen
        f.self = f


which = sys.argv[1]
if which == 'zones':
    zones(20)
    gc.collect()
elif which == 'saved':
    gc.set_debug(gc.DEBUG_SAVEALL)
    saved(20)
    gc.collect()
    gc.set_debug(0)
elif which == 'frozen':
    gc.disable()
    frozen(20)
    gc.freeze()
    gc.enable()
    gc.collect()
